// The update rules on a tile, for any lane type. Private to update.cpp and the files that are compiled for an
// instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

#include "direction/kernel.h"
#include "rules/update_rules.h"

namespace zeroth {

/** The kernels of one instruction set. `in` may be `out`; any count. */
struct UpdateKernels {
  /** out = fma(c[n-1], z, … fma(c[0], z, in)) for elements of z from the first of `firstBlock` on; z stays in
   * registers. */
  void (*addDirection)(const Direction&, uint64_t firstBlock, const float* c, size_t n, const float* in, float* out,
                       size_t count);
  /** out = fma(c, y, in) */
  void (*addVector)(float c, const float* y, const float* in, float* out, size_t count);
  /** out = fma(c[n-1], z, … fma(c[0], z, in)) where `keep` says so (KeepBlocks), else in, to the bit. */
  void (*addKept)(const float* keep, const float* c, size_t n, const float* z, const float* in, float* out,
                  size_t count);
  void (*momentum)(const MomentumFactors&, const float* g, float* m, const float* in, float* out, size_t count);
  void (*adam)(const AdamFactors&, const float* g, float* m, float* v, const float* in, float* out, size_t count);
  void (*frozenAdam)(const FrozenAdamFactors&, const float* g, float* m, const float* p, const float* in, float* out,
                     size_t count);
};

extern const UpdateKernels updateKernelsAvx2;
extern const UpdateKernels updateKernelsAvx512;
extern const UpdateKernels updateKernelsNeon;

/** Calls wide(i) on whole groups of lanes, then narrow(i) on what is left. */
template <class Lane, class Wide, class Narrow>
ZEROTH_HD void eachLane(size_t count, const Wide& wide, const Narrow& narrow) {
  size_t i = 0;
  for (; i + Lane::lanes <= count; i += Lane::lanes) wide(i);
  for (; i < count; ++i) narrow(i);
}

template <class Lane>
struct UpdateLoops {
  using Wide = UpdateRules<Lane>;
  using Narrow = UpdateRules<ScalarLane>;

  static void addDirection(const Direction& direction, uint64_t firstBlock, const float* c, size_t n, const float* in,
                           float* out, size_t count) {
    const size_t blocks = count / blockSize;
    eachBlock<Lane>(direction, firstBlock, blocks, [=](size_t offset, const typename Lane::F(&z)[4]) {
      // Unrolled, or the four z would go through memory.
      typename Lane::F x[4];
#pragma GCC unroll 4
      for (size_t j = 0; j < 4; ++j) x[j] = Lane::load(in + offset + 16 * j);
      for (size_t k = 0; k < n; ++k) {
        const typename Lane::F factor = Lane::set(c[k]);
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; ++j) x[j] = Lane::fma(factor, z[j], x[j]);
      }
#pragma GCC unroll 4
      for (size_t j = 0; j < 4; ++j) Lane::store(out + offset + 16 * j, x[j]);
    });
    const size_t whole = blocks * blockSize;
    if (whole == count) return;
    float z[blockSize];
    fillBlocks<Lane>(direction, firstBlock + blocks, 1, z);
    for (size_t i = whole; i < count; ++i) {
      float x = in[i];
      for (size_t k = 0; k < n; ++k) x = ScalarLane::fma(c[k], z[i - whole], x);
      out[i] = x;
    }
  }

  static void addVector(float c, const float* y, const float* in, float* out, size_t count) {
    eachLane<Lane>(
        count, [=](size_t i) { Wide::addVector(c, y + i, in + i, out + i); },
        [=](size_t i) { Narrow::addVector(c, y + i, in + i, out + i); });
  }

  static void addKept(const float* keep, const float* c, size_t n, const float* z, const float* in, float* out,
                      size_t count) {
    eachLane<Lane>(
        count, [=](size_t i) { Wide::addKept(keep + i, c, n, z + i, in + i, out + i); },
        [=](size_t i) { Narrow::addKept(keep + i, c, n, z + i, in + i, out + i); });
  }

  static void momentum(const MomentumFactors& k, const float* g, float* m, const float* in, float* out, size_t count) {
    eachLane<Lane>(
        count, [=](size_t i) { Wide::momentum(k, g + i, m + i, in + i, out + i); },
        [=](size_t i) { Narrow::momentum(k, g + i, m + i, in + i, out + i); });
  }

  static void adam(const AdamFactors& k, const float* g, float* m, float* v, const float* in, float* out,
                   size_t count) {
    eachLane<Lane>(
        count, [=](size_t i) { Wide::adam(k, g + i, m + i, v + i, in + i, out + i); },
        [=](size_t i) { Narrow::adam(k, g + i, m + i, v + i, in + i, out + i); });
  }

  static void frozenAdam(const FrozenAdamFactors& k, const float* g, float* m, const float* p, const float* in,
                         float* out, size_t count) {
    eachLane<Lane>(
        count, [=](size_t i) { Wide::frozenAdam(k, g + i, m + i, p + i, in + i, out + i); },
        [=](size_t i) { Narrow::frozenAdam(k, g + i, m + i, p + i, in + i, out + i); });
  }

  static constexpr UpdateKernels kernels() { return {addDirection, addVector, addKept, momentum, adam, frozenAdam}; }
};

}  // namespace zeroth
