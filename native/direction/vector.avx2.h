// Sixteen lanes in two AVX2 registers: two independent chains, which hides part of the latency of the products.
#pragma once
#include <immintrin.h>

#include "random/lane.h"

namespace zeroth {

struct Avx2Lane {
  using Words = Avx2Lane;
  struct U {
    __m256i a, b;
  };
  struct F {
    __m256 a, b;
  };
  static constexpr int lanes = 16;

  static ZEROTH_HD U set(uint32_t value) {
    const __m256i all = _mm256_set1_epi32(static_cast<int>(value));
    return {all, all};
  }
  static ZEROTH_HD F set(float value) {
    const __m256 all = _mm256_set1_ps(value);
    return {all, all};
  }
  static ZEROTH_HD U iota(uint32_t base) {
    const __m256i all = _mm256_set1_epi32(static_cast<int>(base));
    return {_mm256_add_epi32(all, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)),
            _mm256_add_epi32(all, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15))};
  }
  static ZEROTH_HD F load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
  static ZEROTH_HD void store(float* to, F value) {
    _mm256_storeu_ps(to, value.a);
    _mm256_storeu_ps(to + 8, value.b);
  }

  static ZEROTH_HD U fromWords(U a) { return a; }

  static ZEROTH_HD U add(U x, U y) { return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)}; }
  static ZEROTH_HD U sub(U x, U y) { return {_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b)}; }
  static ZEROTH_HD U bitAnd(U x, U y) { return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)}; }
  static ZEROTH_HD U bitXor(U x, U y) { return {_mm256_xor_si256(x.a, y.a), _mm256_xor_si256(x.b, y.b)}; }
  static ZEROTH_HD U bitXor(U x, U y, U z) { return bitXor(bitXor(x, y), z); }
  template <int count>
  static ZEROTH_HD U shiftLeft(U x) {
    return {_mm256_slli_epi32(x.a, count), _mm256_slli_epi32(x.b, count)};
  }
  template <int count>
  static ZEROTH_HD U shiftRight(U x) {
    return {_mm256_srli_epi32(x.a, count), _mm256_srli_epi32(x.b, count)};
  }
  static ZEROTH_HD void multiply(U x, uint32_t y, U& high, U& low) {
    const __m256i factor = _mm256_set1_epi32(static_cast<int>(y));
    half(x.a, factor, high.a, low.a);
    half(x.b, factor, high.b, low.b);
  }

  static ZEROTH_HD F asFloat(U x) { return {_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)}; }
  static ZEROTH_HD U asBits(F x) { return {_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)}; }
  static ZEROTH_HD F fromUnsigned(U x) {
    // Both halves convert exactly; their fused sum is the integer, rounded once.
    const F upper = fromSigned(shiftRight<16>(x));
    const F lower = fromSigned(bitAnd(x, set(0xffffu)));
    return fma(upper, set(65536.0f), lower);
  }
  static ZEROTH_HD F fromSigned(U x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
  static ZEROTH_HD F fma(F x, F y, F z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
  static ZEROTH_HD F multiply(F x, F y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
  static ZEROTH_HD F add(F x, F y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
  static ZEROTH_HD F divide(F x, F y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
  static ZEROTH_HD F squareRoot(F x) { return {_mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b)}; }
  static ZEROTH_HD F split(F u, float scale, F& mantissa) { return splitByBits<Avx2Lane>(u, scale, mantissa); }
  static ZEROTH_HD F selectByBit30(U test, F x, F y) {
    const F mask = asFloat(shiftLeft<1>(test));  // blendv looks at bit 31
    return {_mm256_blendv_ps(y.a, x.a, mask.a), _mm256_blendv_ps(y.b, x.b, mask.b)};
  }
  static ZEROTH_HD F negateByBit31(U sign, F x) {
    const F bit = asFloat(bitAnd(sign, set(0x80000000u)));
    return {_mm256_xor_ps(x.a, bit.a), _mm256_xor_ps(x.b, bit.b)};
  }

 private:
  static ZEROTH_HD void half(__m256i x, __m256i factor, __m256i& high, __m256i& low) {
    const __m256i even = _mm256_mul_epu32(x, factor);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), factor);
    high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
  }
};

}  // namespace zeroth
