// Two independent computations, instruction by instruction in turn: one hides the latency of the other.
#pragma once
#include "random/lane.h"

namespace zeroth {

template <class Lane>
struct Interleaved {
  struct U {
    typename Lane::U a, b;
  };
  struct F {
    typename Lane::F a, b;
  };

  using Words = Interleaved<typename Lane::Words>;

  static ZEROTH_HD U set(uint32_t value) { return {Lane::set(value), Lane::set(value)}; }
  static ZEROTH_HD F set(float value) { return {Lane::set(value), Lane::set(value)}; }

  static ZEROTH_HD U fromWords(typename Words::U x) { return {Lane::fromWords(x.a), Lane::fromWords(x.b)}; }

  static ZEROTH_HD U add(U x, U y) { return {Lane::add(x.a, y.a), Lane::add(x.b, y.b)}; }
  static ZEROTH_HD U sub(U x, U y) { return {Lane::sub(x.a, y.a), Lane::sub(x.b, y.b)}; }
  static ZEROTH_HD U bitAnd(U x, U y) { return {Lane::bitAnd(x.a, y.a), Lane::bitAnd(x.b, y.b)}; }
  static ZEROTH_HD U bitXor(U x, U y) { return {Lane::bitXor(x.a, y.a), Lane::bitXor(x.b, y.b)}; }
  static ZEROTH_HD U bitXor(U x, U y, U z) { return {Lane::bitXor(x.a, y.a, z.a), Lane::bitXor(x.b, y.b, z.b)}; }
  static ZEROTH_HD void multiply(U x, uint32_t y, U& high, U& low) {
    Lane::multiply(x.a, y, high.a, low.a);
    Lane::multiply(x.b, y, high.b, low.b);
  }
  template <int count>
  static ZEROTH_HD U shiftLeft(U x) {
    return {Lane::template shiftLeft<count>(x.a), Lane::template shiftLeft<count>(x.b)};
  }
  template <int count>
  static ZEROTH_HD U shiftRight(U x) {
    return {Lane::template shiftRight<count>(x.a), Lane::template shiftRight<count>(x.b)};
  }

  static ZEROTH_HD F asFloat(U x) { return {Lane::asFloat(x.a), Lane::asFloat(x.b)}; }
  static ZEROTH_HD U asBits(F x) { return {Lane::asBits(x.a), Lane::asBits(x.b)}; }
  static ZEROTH_HD F fromUnsigned(U x) { return {Lane::fromUnsigned(x.a), Lane::fromUnsigned(x.b)}; }
  static ZEROTH_HD F fromSigned(U x) { return {Lane::fromSigned(x.a), Lane::fromSigned(x.b)}; }
  static ZEROTH_HD F fma(F x, F y, F z) { return {Lane::fma(x.a, y.a, z.a), Lane::fma(x.b, y.b, z.b)}; }
  static ZEROTH_HD F multiply(F x, F y) { return {Lane::multiply(x.a, y.a), Lane::multiply(x.b, y.b)}; }
  static ZEROTH_HD F add(F x, F y) { return {Lane::add(x.a, y.a), Lane::add(x.b, y.b)}; }
  static ZEROTH_HD F squareRoot(F x) { return {Lane::squareRoot(x.a), Lane::squareRoot(x.b)}; }
  static ZEROTH_HD F split(F x, float scale, F& mantissa) {
    return {Lane::split(x.a, scale, mantissa.a), Lane::split(x.b, scale, mantissa.b)};
  }
  static ZEROTH_HD F selectByBit30(U test, F x, F y) {
    return {Lane::selectByBit30(test.a, x.a, y.a), Lane::selectByBit30(test.b, x.b, y.b)};
  }
  static ZEROTH_HD F negateByBit31(U sign, F x) {
    return {Lane::negateByBit31(sign.a, x.a), Lane::negateByBit31(sign.b, x.b)};
  }
};

}  // namespace zeroth
