#include <immintrin.h>

#include "cpu/tile_kernels.inc.h"

// The vector functions of glibc's libmvec (at most 4 ulp), by their names in the x86-64 vector ABI.
extern "C" {
__m256 _ZGVdN8v_expf(__m256);
__m256 _ZGVdN8v_logf(__m256);
__m256 _ZGVdN8v_log1pf(__m256);
__m256 _ZGVdN8v_expm1f(__m256);
__m256 _ZGVdN8v_tanhf(__m256);
__m256 _ZGVdN8v_erff(__m256);
}

namespace zeroth::cpu {

namespace {

struct Avx2Lanes {
  static constexpr size_t W = 8;
  typedef float V __attribute__((vector_size(32)));
  typedef int I __attribute__((vector_size(32)));
  typedef float Half __attribute__((vector_size(16)));
  typedef double Doubles __attribute__((vector_size(32)));
  static V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
  static bool any(I mask) { return _mm256_movemask_ps(_mm256_castsi256_ps((__m256i)mask)) != 0; }
  static V round(V x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static V reciprocal(V x) { return 1.0f / x; }
  static V squareError(V x, V h) { return _mm256_fmsub_ps(x, x, h); }
  // x 2^k for an integer k from -250 to 0, rounded once.
  static V scale(V x, V k) {
    const __m256i whole = _mm256_cvtps_epi32(_mm256_max_ps(k, _mm256_set1_ps(-250))),
                  half = _mm256_srai_epi32(whole, 1);
    return x * power(half) * power(_mm256_sub_epi32(whole, half));
  }
  static V power(__m256i k) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(k, _mm256_set1_epi32(127)), 23));
  }
  static V exp(V x) { return _ZGVdN8v_expf(x); }
  static V log(V x) { return _ZGVdN8v_logf(x); }
  static V log1p(V x) { return _ZGVdN8v_log1pf(x); }
  static V expm1(V x) { return _ZGVdN8v_expm1f(x); }
  static V tanh(V x) { return _ZGVdN8v_tanhf(x); }
  static V erf(V x) { return _ZGVdN8v_erff(x); }
  static V sqrt(V x) { return _mm256_sqrt_ps(x); }
};

constexpr TileKernels kKernels = TileLoops<Avx2Lanes>::table("avx2");

}  // namespace

const TileKernels& avx2Kernels() { return kKernels; }

}  // namespace zeroth::cpu
