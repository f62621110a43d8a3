// The portable kernels and the choice between them and the vector ones.
#include "cpu/tile_kernels.h"

#include <cmath>

#include "cpu/tile_kernels.inc.h"
#include "direction/isa.h"

namespace zeroth::cpu {

namespace {

struct PortableLanes {
  static constexpr size_t W = 4;
  typedef float V __attribute__((vector_size(16)));
  typedef int I __attribute__((vector_size(16)));
  template <class F>
  static V each(V x, F function) {
    for (size_t i = 0; i < W; ++i) x[i] = function(x[i]);
    return x;
  }
  static V fma(V a, V b, V c) { return a * b + c; }  // close enough where it is only a polynomial
  static V exp(V x) {
    return each(x, [](float v) { return std::exp(v); });
  }
  static V log(V x) {
    return each(x, [](float v) { return std::log(v); });
  }
  static V log1p(V x) {
    return each(x, [](float v) { return std::log1p(v); });
  }
  static V expm1(V x) {
    return each(x, [](float v) { return std::expm1(v); });
  }
  static V tanh(V x) {
    return each(x, [](float v) { return std::tanh(v); });
  }
  static V erf(V x) {
    return each(x, [](float v) { return std::erf(v); });
  }
  static V sqrt(V x) {
    return each(x, [](float v) { return std::sqrt(v); });
  }
};

constexpr TileKernels kKernels = TileLoops<PortableLanes>::table("portable");

const TileKernels& choose() {
  switch (activeIsa()) {
#if defined(__x86_64__)
    case Isa::avx512:
      return avx512Kernels();
    case Isa::avx2:
      return avx2Kernels();
#endif
    default:
      return portableKernels();
  }
}

}  // namespace

const TileKernels& portableKernels() { return kKernels; }

const TileKernels& tileKernels() {
  static const TileKernels& chosen = choose();
  return chosen;
}

}  // namespace zeroth::cpu
