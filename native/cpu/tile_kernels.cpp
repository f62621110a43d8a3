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
  typedef float Half __attribute__((vector_size(8)));
  typedef double Doubles __attribute__((vector_size(16)));
  template <class F>
  static V each(V x, F function) {
    for (size_t i = 0; i < W; ++i) x[i] = function(x[i]);
    return x;
  }
  static V fma(V a, V b, V c) { return a * b + c; }  // close enough where it is only a polynomial
  static bool any(I mask) { return (mask[0] | mask[1] | mask[2] | mask[3]) != 0; }
  // Nearest integer, for |x| < 2^22.
  static V round(V x) { return (x + 12582912.0f) - 12582912.0f; }
  static V reciprocal(V x) { return 1.0f / x; }
  // x² - h for h = x² rounded, exactly: Dekker's product.
  static V squareError(V x, V h) {
    I bits;
    __builtin_memcpy(&bits, &x, sizeof x);
    bits &= ~0xfff;
    V high;
    __builtin_memcpy(&high, &bits, sizeof x);
    const V low = x - high;
    return ((high * high - h) + 2.0f * high * low) + low * low;
  }
  // x 2^k for an integer k from -250 to 0, rounded once.
  static V scale(V x, V k) {
    const I whole = __builtin_convertvector(k < -250.0f ? V{} - 250.0f : k, I), half = whole >> 1;
    const I bits[] = {(half + 127) << 23, (whole - half + 127) << 23};
    V powers[2];
    __builtin_memcpy(powers, bits, sizeof powers);
    return x * powers[0] * powers[1];
  }
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
