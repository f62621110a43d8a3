// One lane of arithmetic: the operations that random numbers and updates are written in.
//
// Philox, Box-Muller and the update rules are templates over a "lane" type: one element (ScalarLane, here, on the host
// and in a CUDA kernel) or sixteen (vector.avx512.h, vector.avx2.h, vector.neon.h). Every operation is exact or
// correctly rounded (IEEE 754 round to nearest even), so all lane types yield the same bits.
#pragma once
#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define ZEROTH_HD __host__ __device__ __forceinline__
#else
// Always inline: a file compiled for AVX-512 must not leave a shared copy that the linker could pick for an older
// machine.
#define ZEROTH_HD inline __attribute__((always_inline))
#endif

namespace zeroth {

/**
 * u = m 2^k with m in [1/2, 1), for normal u > 0: m, and k · scale rounded once. `scale` must bear a product with
 * 2^-23. By bits, for lanes that have no instruction for it.
 */
template <class Lane>
ZEROTH_HD typename Lane::F splitByBits(typename Lane::F u, float scale, typename Lane::F& mantissa) {
  const typename Lane::U bits = Lane::asBits(u);
  const typename Lane::U exponent =  // k · 2^23
      Lane::bitAnd(Lane::sub(bits, Lane::set(0x3f000000u)), Lane::set(0xff800000u));
  mantissa = Lane::asFloat(Lane::sub(bits, exponent));
  return Lane::multiply(Lane::fromSigned(exponent), Lane::set(scale * 0x1p-23f));
}

struct ScalarLane {
  /** The same words as Philox likes them. */
  using Words = ScalarLane;
  using U = uint32_t;
  using F = float;
  static constexpr int lanes = 1;

  static ZEROTH_HD U set(uint32_t value) { return value; }
  static ZEROTH_HD F set(float value) { return value; }
  /** base, base + 1, … */
  static ZEROTH_HD U iota(uint32_t base) { return base; }
  static ZEROTH_HD F load(const float* from) { return *from; }
  static ZEROTH_HD void store(float* to, F value) { *to = value; }

  static ZEROTH_HD U fromWords(U a) { return a; }

  static ZEROTH_HD U add(U a, U b) { return a + b; }
  static ZEROTH_HD U sub(U a, U b) { return a - b; }
  static ZEROTH_HD U bitAnd(U a, U b) { return a & b; }
  static ZEROTH_HD U bitXor(U a, U b) { return a ^ b; }
  static ZEROTH_HD U bitXor(U a, U b, U c) { return a ^ b ^ c; }
  template <int count>
  static ZEROTH_HD U shiftLeft(U a) {
    return a << count;
  }
  template <int count>
  static ZEROTH_HD U shiftRight(U a) {
    return a >> count;
  }
  static ZEROTH_HD void multiply(U a, uint32_t b, U& high, U& low) {
    const uint64_t product = static_cast<uint64_t>(a) * b;
    high = static_cast<uint32_t>(product >> 32);
    low = static_cast<uint32_t>(product);
  }

  static ZEROTH_HD F asFloat(U a) {
#if defined(__CUDA_ARCH__)
    return __uint_as_float(a);
#else
    float value;
    std::memcpy(&value, &a, sizeof value);
    return value;
#endif
  }
  static ZEROTH_HD U asBits(F a) {
#if defined(__CUDA_ARCH__)
    return __float_as_uint(a);
#else
    uint32_t bits;
    std::memcpy(&bits, &a, sizeof bits);
    return bits;
#endif
  }
  /** The nearest float of an unsigned integer. */
  static ZEROTH_HD F fromUnsigned(U a) {
#if defined(__CUDA_ARCH__)
    return __uint2float_rn(a);
#else
    return static_cast<float>(a);
#endif
  }
  /** The nearest float of the bits read as a signed integer. */
  static ZEROTH_HD F fromSigned(U a) {
#if defined(__CUDA_ARCH__)
    return __int2float_rn(static_cast<int32_t>(a));
#else
    return static_cast<float>(static_cast<int32_t>(a));
#endif
  }

  /** a · b + c, rounded once. */
  static ZEROTH_HD F fma(F a, F b, F c) {
#if defined(__CUDA_ARCH__)
    return __fmaf_rn(a, b, c);
#else
    return __builtin_fmaf(a, b, c);
#endif
  }
  static ZEROTH_HD F multiply(F a, F b) {
#if defined(__CUDA_ARCH__)
    return __fmul_rn(a, b);
#else
    return a * b;
#endif
  }
  static ZEROTH_HD F add(F a, F b) {
#if defined(__CUDA_ARCH__)
    return __fadd_rn(a, b);
#else
    return a + b;
#endif
  }
  static ZEROTH_HD F divide(F a, F b) {
#if defined(__CUDA_ARCH__)
    return __fdiv_rn(a, b);
#else
    return a / b;
#endif
  }
  static ZEROTH_HD F squareRoot(F a) {
#if defined(__CUDA_ARCH__)
    return __fsqrt_rn(a);
#else
    return __builtin_sqrtf(a);
#endif
  }
  static ZEROTH_HD F split(F u, float scale, F& mantissa) { return splitByBits<ScalarLane>(u, scale, mantissa); }
  /** bit 30 of `test` set ? a : b. */
  static ZEROTH_HD F selectByBit30(U test, F a, F b) { return (test & 0x40000000u) != 0 ? a : b; }
  /** Negates where bit 31 of `sign` is set. */
  static ZEROTH_HD F negateByBit31(U sign, F a) { return asFloat(asBits(a) ^ (sign & 0x80000000u)); }
};

}  // namespace zeroth
