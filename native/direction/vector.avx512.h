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

/**
 * Sixteen words as the low halves of sixteen 64-bit lanes, the even ones apart from the odd ones; the high halves are
 * arbitrary. A product leaves its low word where the next operation wants it, and its high word one shift away.
 */
struct Avx512Words {
  using Words = Avx512Words;
  struct U {
    __m512i even, odd;
  };

  static ZEROTH_HD U set(uint32_t value) {
    const __m512i all = _mm512_set1_epi32(static_cast<int>(value));
    return {all, all};
  }
  static ZEROTH_HD U iota(uint32_t base) {
    const __m512i all = _mm512_set1_epi32(static_cast<int>(base));
    return {_mm512_add_epi32(all, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14)),
            _mm512_add_epi32(all, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15))};
  }
  static ZEROTH_HD U bitXor(U a, U b) { return {_mm512_xor_si512(a.even, b.even), _mm512_xor_si512(a.odd, b.odd)}; }
  static ZEROTH_HD U bitXor(U a, U b, U c) {
    return {_mm512_ternarylogic_epi32(a.even, b.even, c.even, 0x96),
            _mm512_ternarylogic_epi32(a.odd, b.odd, c.odd, 0x96)};
  }
  static ZEROTH_HD void multiply(U a, uint32_t b, U& high, U& low) {
    const __m512i factor = _mm512_set1_epi32(static_cast<int>(b));
    low = {_mm512_mul_epu32(a.even, factor), _mm512_mul_epu32(a.odd, factor)};
    high = {_mm512_srli_epi64(low.even, 32), _mm512_srli_epi64(low.odd, 32)};
  }
};

struct Avx512Lane {
  using Words = Avx512Words;
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

  static ZEROTH_HD U fromWords(Words::U a) { return _mm512_mask_shuffle_epi32(a.even, 0xAAAA, a.odd, _MM_PERM_CCAA); }

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
  static ZEROTH_HD F asFloat(U a) { return _mm512_castsi512_ps(a); }
  static ZEROTH_HD U asBits(F a) { return _mm512_castps_si512(a); }
  static ZEROTH_HD F fromUnsigned(U a) { return _mm512_cvtepu32_ps(a); }
  static ZEROTH_HD F fromSigned(U a) { return _mm512_cvtepi32_ps(a); }
  static ZEROTH_HD F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static ZEROTH_HD F multiply(F a, F b) { return _mm512_mul_ps(a, b); }
  static ZEROTH_HD F add(F a, F b) { return _mm512_add_ps(a, b); }
  static ZEROTH_HD F divide(F a, F b) { return _mm512_div_ps(a, b); }
  static ZEROTH_HD F squareRoot(F a) { return _mm512_sqrt_ps(a); }
  static ZEROTH_HD F split(F u, float scale, F& mantissa) {
    mantissa = _mm512_getmant_ps(u, _MM_MANT_NORM_p5_1, _MM_MANT_SIGN_src);
    const F factor = set(scale);
    return _mm512_fmadd_ps(_mm512_getexp_ps(u), factor, factor);  // its mantissa is in [1, 2), so its exponent k - 1
  }
  static ZEROTH_HD F selectByBit30(U test, F a, F b) {
    return _mm512_mask_blend_ps(_mm512_test_epi32_mask(test, set(0x40000000u)), b, a);
  }
  static ZEROTH_HD F negateByBit31(U sign, F a) {
    // a ^ (sign & mask)
    return asFloat(_mm512_ternarylogic_epi32(asBits(a), sign, set(0x80000000u), 0x78));
  }
};

}  // namespace zeroth
