// Sixteen lanes in four NEON registers (AArch64).
#pragma once
#include <arm_neon.h>

#include "random/lane.h"

namespace zeroth {

struct NeonLane {
  using Words = NeonLane;
  struct U {
    uint32x4_t part[4];
  };
  struct F {
    float32x4_t part[4];
  };
  static constexpr int lanes = 16;

  static ZEROTH_HD U set(uint32_t value) {
    const uint32x4_t all = vdupq_n_u32(value);
    return {{all, all, all, all}};
  }
  static ZEROTH_HD F set(float value) {
    const float32x4_t all = vdupq_n_f32(value);
    return {{all, all, all, all}};
  }
  static ZEROTH_HD U iota(uint32_t base) {
    const uint32_t first[4] = {0, 1, 2, 3};
    const uint32x4_t lowest = vaddq_u32(vdupq_n_u32(base), vld1q_u32(first));
    U result;
    for (uint32_t i = 0; i < 4; ++i) result.part[i] = vaddq_u32(lowest, vdupq_n_u32(4 * i));
    return result;
  }
  static ZEROTH_HD F load(const float* from) {
    return {{vld1q_f32(from), vld1q_f32(from + 4), vld1q_f32(from + 8), vld1q_f32(from + 12)}};
  }
  static ZEROTH_HD void store(float* to, F value) {
    for (int i = 0; i < 4; ++i) vst1q_f32(to + 4 * i, value.part[i]);
  }

  static ZEROTH_HD U fromWords(U a) { return a; }

  static ZEROTH_HD U add(U a, U b) {
    for (int i = 0; i < 4; ++i) a.part[i] = vaddq_u32(a.part[i], b.part[i]);
    return a;
  }
  static ZEROTH_HD U sub(U a, U b) {
    for (int i = 0; i < 4; ++i) a.part[i] = vsubq_u32(a.part[i], b.part[i]);
    return a;
  }
  static ZEROTH_HD U bitAnd(U a, U b) {
    for (int i = 0; i < 4; ++i) a.part[i] = vandq_u32(a.part[i], b.part[i]);
    return a;
  }
  static ZEROTH_HD U bitXor(U a, U b) {
    for (int i = 0; i < 4; ++i) a.part[i] = veorq_u32(a.part[i], b.part[i]);
    return a;
  }
  static ZEROTH_HD U bitXor(U a, U b, U c) { return bitXor(bitXor(a, b), c); }
  template <int count>
  static ZEROTH_HD U shiftLeft(U a) {
    for (int i = 0; i < 4; ++i) a.part[i] = vshlq_n_u32(a.part[i], count);
    return a;
  }
  template <int count>
  static ZEROTH_HD U shiftRight(U a) {
    for (int i = 0; i < 4; ++i) a.part[i] = vshrq_n_u32(a.part[i], count);
    return a;
  }
  static ZEROTH_HD void multiply(U a, uint32_t b, U& high, U& low) {
    const uint32x4_t factor = vdupq_n_u32(b);
    for (int i = 0; i < 4; ++i) {
      const uint32x4_t first = vreinterpretq_u32_u64(vmull_u32(vget_low_u32(a.part[i]), vget_low_u32(factor)));
      const uint32x4_t second = vreinterpretq_u32_u64(vmull_high_u32(a.part[i], factor));
      high.part[i] = vuzp2q_u32(first, second);
      low.part[i] = vuzp1q_u32(first, second);
    }
  }

  static ZEROTH_HD F asFloat(U a) {
    F result;
    for (int i = 0; i < 4; ++i) result.part[i] = vreinterpretq_f32_u32(a.part[i]);
    return result;
  }
  static ZEROTH_HD U asBits(F a) {
    U result;
    for (int i = 0; i < 4; ++i) result.part[i] = vreinterpretq_u32_f32(a.part[i]);
    return result;
  }
  static ZEROTH_HD F fromUnsigned(U a) {
    F result;
    for (int i = 0; i < 4; ++i) result.part[i] = vcvtq_f32_u32(a.part[i]);
    return result;
  }
  static ZEROTH_HD F fromSigned(U a) {
    F result;
    for (int i = 0; i < 4; ++i) result.part[i] = vcvtq_f32_s32(vreinterpretq_s32_u32(a.part[i]));
    return result;
  }
  static ZEROTH_HD F fma(F a, F b, F c) {
    for (int i = 0; i < 4; ++i) c.part[i] = vfmaq_f32(c.part[i], a.part[i], b.part[i]);
    return c;
  }
  static ZEROTH_HD F multiply(F a, F b) {
    for (int i = 0; i < 4; ++i) a.part[i] = vmulq_f32(a.part[i], b.part[i]);
    return a;
  }
  static ZEROTH_HD F add(F a, F b) {
    for (int i = 0; i < 4; ++i) a.part[i] = vaddq_f32(a.part[i], b.part[i]);
    return a;
  }
  static ZEROTH_HD F divide(F a, F b) {
    for (int i = 0; i < 4; ++i) a.part[i] = vdivq_f32(a.part[i], b.part[i]);
    return a;
  }
  static ZEROTH_HD F squareRoot(F a) {
    for (int i = 0; i < 4; ++i) a.part[i] = vsqrtq_f32(a.part[i]);
    return a;
  }
  static ZEROTH_HD F split(F u, float scale, F& mantissa) { return splitByBits<NeonLane>(u, scale, mantissa); }
  static ZEROTH_HD F selectByBit30(U test, F a, F b) {
    const uint32x4_t bit = vdupq_n_u32(0x40000000u);
    for (int i = 0; i < 4; ++i) a.part[i] = vbslq_f32(vtstq_u32(test.part[i], bit), a.part[i], b.part[i]);
    return a;
  }
  static ZEROTH_HD F negateByBit31(U sign, F a) { return asFloat(bitXor(asBits(a), bitAnd(sign, set(0x80000000u)))); }
};

}  // namespace zeroth
