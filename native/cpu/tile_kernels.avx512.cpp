#include <immintrin.h>

#include "cpu/tile_kernels.inc.h"

// The vector functions of glibc's libmvec (at most 4 ulp), by their names in the x86-64 vector ABI.
extern "C" {
__m512 _ZGVeN16v_expf(__m512);
__m512 _ZGVeN16v_logf(__m512);
__m512 _ZGVeN16v_log1pf(__m512);
__m512 _ZGVeN16v_expm1f(__m512);
__m512 _ZGVeN16v_tanhf(__m512);
__m512 _ZGVeN16v_erff(__m512);
}

namespace zeroth::cpu {

namespace {

struct Avx512Lanes {
  static constexpr size_t W = 16;
  typedef float V __attribute__((vector_size(64)));
  typedef int I __attribute__((vector_size(64)));
  typedef float Half __attribute__((vector_size(32)));
  typedef double Doubles __attribute__((vector_size(64)));
  static V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
  static bool any(I mask) { return _mm512_movepi32_mask((__m512i)mask) != 0; }
  static V round(V x) { return _mm512_maskz_roundscale_ps(0xffff, x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  // To the last bit or two: 14 bits of the instruction, doubled by a Newton step.
  static V reciprocal(V x) {
    const V y = _mm512_maskz_rcp14_ps(0xffff, x);
    return fma(y, _mm512_fnmadd_ps(x, y, _mm512_set1_ps(1)), y);
  }
  static V squareError(V x, V h) { return _mm512_fmsub_ps(x, x, h); }
  // x 2^k for an integer k, rounded once.
  static V scale(V x, V k) { return _mm512_maskz_scalef_ps(0xffff, x, k); }
  static V exp(V x) { return _ZGVeN16v_expf(x); }
  static V log(V x) { return _ZGVeN16v_logf(x); }
  static V log1p(V x) { return _ZGVeN16v_log1pf(x); }
  static V expm1(V x) { return _ZGVeN16v_expm1f(x); }
  static V tanh(V x) { return _ZGVeN16v_tanhf(x); }
  static V erf(V x) { return _ZGVeN16v_erff(x); }
  static V sqrt(V x) { return _mm512_maskz_sqrt_ps(0xffff, x); }
};

constexpr TileKernels kKernels = TileLoops<Avx512Lanes>::table("avx512");

}  // namespace

const TileKernels& avx512Kernels() { return kKernels; }

}  // namespace zeroth::cpu
