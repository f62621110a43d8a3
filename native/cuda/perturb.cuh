// out = in + Σ c z(direction), a summand after the other, each with one rounding: θ displaced, or updated by plain
// ZO-GD. `out` may be `in`. Both are aligned to 16 bytes and begin at element 0. Bits are those of the CPU's passes
// (cpu/update.h).
#pragma once
#include "cuda/four_counters.cuh"

namespace zeroth::cuda {

struct Stream {
  Direction direction;
  float coefficient;
};

// In the order of their additions.
template <int count>
struct Streams {
  Stream stream[count];
};

ZEROTH_HD float4 addScaled(float c, float4 z, float4 x) {
  return {ScalarLane::fma(c, z.x, x.x), ScalarLane::fma(c, z.y, x.y), ScalarLane::fma(c, z.z, x.z),
          ScalarLane::fma(c, z.w, x.w)};
}

// Whole blocks, of normal or of uniform directions.
template <Distribution distribution, int count>
__global__ void __launch_bounds__(kThreads)
    perturbBlocks(Streams<count> streams, uint64_t blocks, const float* in, float* out) {
  for (uint64_t at = firstPiece(); at < blocks * kGroups; at += nextPiece()) {
    const uint64_t block = at / kGroups, group = at % kGroups, first = block * kBlock + 4 * group;
    float4 x[4];
    for (int j = 0; j < 4; ++j) x[j] = load4(in + first + 16 * j);
    ZEROTH_UNROLL  // or the streams would be read through local memory
        for (int k = 0; k < count; ++k) {
      const Stream& stream = streams.stream[k];
      float4 z[4];
      variatesOf<distribution>(fourCounters(stream.direction, block * 16 + 4 * group), z);
      for (int j = 0; j < 4; ++j) x[j] = addScaled(stream.coefficient, z[j], x[j]);
    }
    for (int j = 0; j < 4; ++j) store4(out + first + 16 * j, x[j]);
  }
}

// Whole blocks, of one direction of signs: a thread's four counters serve 32 blocks.
__global__ void __launch_bounds__(kThreads)
    perturbSignBlocks(Stream stream, uint64_t blocks, const float* in, float* out) {
  const uint64_t runs = (blocks + signsOfWord - 1) / signsOfWord;
  for (uint64_t at = firstPiece(); at < runs * kGroups; at += nextPiece()) {
    const uint64_t run = at / kGroups, group = at % kGroups;
    FourCounters four = fourCounters(stream.direction, run * 16 + 4 * group);
    const uint64_t begin = run * signsOfWord, end = begin + signsOfWord < blocks ? begin + signsOfWord : blocks;
    for (uint64_t block = begin; block < end; ++block, shift(four)) {
      float4 z[4];
      variatesOf<Distribution::rademacher>(four, z);
      const uint64_t first = block * kBlock + 4 * group;
      for (int j = 0; j < 4; ++j)
        store4(out + first + 16 * j, addScaled(stream.coefficient, z[j], load4(in + first + 16 * j)));
    }
  }
}

// What is after the last whole block, an element a thread.
__global__ void __launch_bounds__(kThreads)
    perturbElements(Stream stream, uint64_t first, uint64_t count, const float* in, float* out) {
  const uint64_t at = firstPiece();
  if (at < count)
    out[first + at] =
        ScalarLane::fma(stream.coefficient, directionElement(stream.direction, first + at), in[first + at]);
}

}  // namespace zeroth::cuda
