// A stretch of a direction, scale · z. Bits are those of `fill` on the CPU.
#pragma once
#include "cuda/four_counters.cuh"

namespace zeroth::cuda {

template <Distribution distribution>
ZEROTH_HD void storeScaled(const FourCounters& four, float scale, float* to) {
  float4 z[4];
  variatesOf<distribution>(four, z);
  for (int j = 0; j < 4; ++j) {
    store4(to + 16 * j, {ScalarLane::multiply(z[j].x, scale), ScalarLane::multiply(z[j].y, scale),
                         ScalarLane::multiply(z[j].z, scale), ScalarLane::multiply(z[j].w, scale)});
  }
}

// Blocks firstBlock … firstBlock + blocks - 1 of a normal or a uniform direction. `out` is aligned to 16 bytes.
template <Distribution distribution>
__global__ void __launch_bounds__(kThreads)
    fillBlocks(Direction direction, uint64_t firstBlock, uint64_t blocks, float scale, float* out) {
  for (uint64_t at = firstPiece(); at < blocks * kGroups; at += nextPiece()) {
    const uint64_t block = at / kGroups, group = at % kGroups;
    const FourCounters four = fourCounters(direction, (firstBlock + block) * 16 + 4 * group);
    storeScaled<distribution>(four, scale, out + block * kBlock + 4 * group);
  }
}

// The same of signs: the words of sixteen counters serve 32 blocks, one bit each. A thread takes those of its four
// counters that lie in the stretch.
__global__ void __launch_bounds__(kThreads)
    fillSignBlocks(Direction direction, uint64_t firstBlock, uint64_t blocks, float scale, float* out) {
  const uint64_t firstRun = firstBlock / signsOfWord;
  const uint64_t runs = (firstBlock + blocks + signsOfWord - 1) / signsOfWord - firstRun;
  for (uint64_t at = firstPiece(); at < runs * kGroups; at += nextPiece()) {
    const uint64_t run = firstRun + at / kGroups, group = at % kGroups;
    FourCounters four = fourCounters(direction, run * 16 + 4 * group);
    const uint64_t begin = run * signsOfWord;
    for (uint64_t block = begin; block < begin + signsOfWord; ++block, shift(four)) {
      if (block < firstBlock || block >= firstBlock + blocks) continue;
      storeScaled<Distribution::rademacher>(four, scale, out + (block - firstBlock) * kBlock + 4 * group);
    }
  }
}

// What is before the first whole block and after the last one, an element a thread.
__global__ void __launch_bounds__(kThreads)
    fillElements(Direction direction, uint64_t first, uint64_t count, float scale, float* out) {
  const uint64_t at = firstPiece();
  if (at < count) out[at] = ScalarLane::multiply(directionElement(direction, first + at), scale);
}

}  // namespace zeroth::cuda
