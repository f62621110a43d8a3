// Sixteen lanes in one AVX-512 register.
#pragma once
// gcc 12 takes the undefined pass-through operand of its own unmasked intrinsics for an uninitialised variable.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

#include "random/lane.h"

namespace zeroth {

struct Avx512Lane {
  using U = __m512i;
  using F = __m512;
  static constexpr int lanes = 16;

  static ZEROTH_HD U set(uint32_t value) { return _mm512_set1_epi32(static_cast<int>(value)); }
  static ZEROTH_HD F set(float value) { return _mm512_set1_ps(value); }
  static ZEROTH_HD U iota(uint32_t base) {
    return _mm512_add_epi32(set(base), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  }
  static ZEROTH_HD F load(const float* from) { return _mm512_loadu_ps(from); }
  static ZEROTH_HD void store(float* to, F value) { _mm512_storeu_ps(to, value); }

  static ZEROTH_HD U add(U a, U b) { return _mm512_add_epi32(a, b); }
  static ZEROTH_HD U sub(U a, U b) { return _mm512_sub_epi32(a, b); }
  static ZEROTH_HD U bitAnd(U a, U b) { return _mm512_and_si512(a, b); }
  static ZEROTH_HD U bitXor(U a, U b) { return _mm512_xor_si512(a, b); }
  static ZEROTH_HD U bitXor(U a, U b, U c) { return _mm512_ternarylogic_epi32(a, b, c, 0x96); }
  template <int count>
  static ZEROTH_HD U shiftLeft(U a) {
    return _mm512_slli_epi32(a, count);
  }
  template <int count>
  static ZEROTH_HD U shiftRight(U a) {
    return _mm512_srli_epi32(a, count);
  }
  static ZEROTH_HD void multiply(U a, uint32_t b, U& high, U& low) {
    const U factor = set(b);
    const U even = _mm512_mul_epu32(a, factor);
    const U odd = _mm512_mul_epu32(_mm512_shuffle_epi32(a, _MM_PERM_DDBB), factor);
    high = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
    low = _mm512_mask_shuffle_epi32(even, 0xAAAA, odd, _MM_PERM_CCAA);
  }

  static ZEROTH_HD F asFloat(U a) { return _mm512_castsi512_ps(a); }
  static ZEROTH_HD U asBits(F a) { return _mm512_castps_si512(a); }
  static ZEROTH_HD F fromUnsigned(U a) { return _mm512_cvtepu32_ps(a); }
  static ZEROTH_HD F fromSigned(U a) { return _mm512_cvtepi32_ps(a); }
  static ZEROTH_HD F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static ZEROTH_HD F multiply(F a, F b) { return _mm512_mul_ps(a, b); }
  static ZEROTH_HD F add(F a, F b) { return _mm512_add_ps(a, b); }
  static ZEROTH_HD F divide(F a, F b) { return _mm512_div_ps(a, b); }
  static ZEROTH_HD F squareRoot(F a) { return _mm512_sqrt_ps(a); }
  static ZEROTH_HD F selectByBit30(U test, F a, F b) {
    return _mm512_mask_blend_ps(_mm512_test_epi32_mask(test, set(0x40000000u)), b, a);
  }
  static ZEROTH_HD F negateByBit31(U sign, F a) {
    // a ^ (sign & mask)
    return asFloat(_mm512_ternarylogic_epi32(asBits(a), sign, set(0x80000000u), 0x78));
  }
};

}  // namespace zeroth
