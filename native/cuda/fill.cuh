// A stretch of a direction, scale · z, by whole blocks of 64 elements (direction/element.h). A thread takes four
// neighbouring counters: each of their four outputs is four neighbouring elements, one access of 16 bytes; a warp's
// accesses are whole sectors. Bits are those of `fill` on the CPU.
#pragma once
#include "cuda/platform.h"
#include "direction/element.h"

namespace zeroth::cuda {

constexpr int kFillThreads = 256;  // of a block of the grid
constexpr uint64_t kBlock = 64;    // elements that sixteen counters yield at a time
constexpr uint64_t kGroups = 4;    // of four counters, in sixteen

struct FourCounters {
  Words4 words[4];
};

ZEROTH_HD FourCounters fourCounters(const Direction& direction, uint64_t firstCounter) {
  FourCounters four;
  for (int i = 0; i < 4; ++i) four.words[i] = philox(philoxCounter(firstCounter + i, direction.stream), direction.seed);
  return four;
}

// Elements 64 block + 16 j + 4 group … + 3, for each j.
template <Distribution distribution>
ZEROTH_HD void storeFour(const FourCounters& four, float scale, float* block, uint64_t group) {
  float z[4][4];
  for (int i = 0; i < 4; ++i) variates<ScalarLane, distribution>(four.words[i].word, z[i]);
  for (int j = 0; j < 4; ++j) {
    store4(block + 16 * j + 4 * group, {ScalarLane::multiply(z[0][j], scale), ScalarLane::multiply(z[1][j], scale),
                                        ScalarLane::multiply(z[2][j], scale), ScalarLane::multiply(z[3][j], scale)});
  }
}

// Blocks firstBlock … firstBlock + blocks - 1 of a normal or a uniform direction. `out` is aligned to 16 bytes.
template <Distribution distribution>
__global__ void __launch_bounds__(kFillThreads)
    fillBlocks(Direction direction, uint64_t firstBlock, uint64_t blocks, float scale, float* out) {
  const uint64_t threads = uint64_t{gridDim.x} * blockDim.x;
  for (uint64_t at = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; at < blocks * kGroups; at += threads) {
    const uint64_t block = at / kGroups, group = at % kGroups;
    const FourCounters four = fourCounters(direction, (firstBlock + block) * 16 + 4 * group);
    storeFour<distribution>(four, scale, out + block * kBlock, group);
  }
}

// The same of signs: the words of sixteen counters serve 32 blocks, one bit each. A thread takes those of its four
// counters that lie in the stretch.
__global__ void __launch_bounds__(kFillThreads)
    fillSignBlocks(Direction direction, uint64_t firstBlock, uint64_t blocks, float scale, float* out) {
  const uint64_t threads = uint64_t{gridDim.x} * blockDim.x;
  const uint64_t firstRun = firstBlock / signsOfWord, runs = (firstBlock + blocks - 1) / signsOfWord - firstRun + 1;
  for (uint64_t at = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; at < runs * kGroups; at += threads) {
    const uint64_t run = firstRun + at / kGroups, group = at % kGroups;
    FourCounters four = fourCounters(direction, run * 16 + 4 * group);
    const uint64_t begin = run * signsOfWord, end = begin + signsOfWord;
    for (uint64_t block = begin; block < end; ++block) {
      if (block >= firstBlock && block < firstBlock + blocks)
        storeFour<Distribution::rademacher>(four, scale, out + (block - firstBlock) * kBlock, group);
      for (Words4& words : four.words)
        for (uint32_t& word : words.word) word <<= 1;
    }
  }
}

// What is before the first whole block and after the last one, an element a thread.
__global__ void __launch_bounds__(kFillThreads)
    fillElements(Direction direction, uint64_t first, uint64_t count, float scale, float* out) {
  const uint64_t at = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (at < count) out[at] = ScalarLane::multiply(directionElement(direction, first + at), scale);
}

}  // namespace zeroth::cuda
