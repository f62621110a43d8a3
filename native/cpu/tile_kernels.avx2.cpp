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
  static V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
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
