// Random words to normal, Rademacher and uniform variates: the same bits on every CPU and GPU.
//
// Only integer operations, fused multiply-adds, products and correctly rounded roots occur, each written explicitly, so
// nothing is left to a compiler's contraction or to a vendor's libm. The polynomials are minimax fits (linear
// programming, coefficients rounded to f32 one after the other); their errors below are those of the rounded
// coefficients.
#pragma once
#include "random/lane.h"

namespace zeroth {

/**
 * -2 ln((x + 1/2) / 2^32) ≥ 0, for the word x. The argument is rounded to f32 and may become 1, with the logarithm 0.
 *
 * The argument is m 2^k with m in [√½, √2), f = m - 1. Since it is ≤ 1, k = 0 implies f ≤ 0, so no digits cancel and
 * the result is never negative. -2 ln(1 + f) = f (-2 + f P(f)), relative error of the result 1.5e-7.
 */
template <class Lane>
ZEROTH_HD typename Lane::F minusTwoLog(typename Lane::U x) {
  using F = typename Lane::F;
  using U = typename Lane::U;
  const F u = Lane::fma(Lane::fromUnsigned(x), Lane::set(0x1p-32f), Lane::set(0x1p-33f));
  const U bits = Lane::asBits(u);
  const U exponent = Lane::bitAnd(Lane::sub(bits, Lane::set(0x3f3504f3u)), Lane::set(0xff800000u));  // k · 2^23
  const F f = Lane::add(Lane::asFloat(Lane::sub(bits, exponent)), Lane::set(-1.0f));
  F p = Lane::set(0x1.ae1708p-3f);
  p = Lane::fma(p, f, Lane::set(-0x1.4faa2cp-2f));
  p = Lane::fma(p, f, Lane::set(0x1.5fc008p-2f));
  p = Lane::fma(p, f, Lane::set(-0x1.970556p-2f));
  p = Lane::fma(p, f, Lane::set(0x1.ff8140p-2f));
  p = Lane::fma(p, f, Lane::set(-0x1.555c56p-1f));
  p = Lane::fma(p, f, Lane::set(0x1.00003ap+0f));
  p = Lane::fma(p, f, Lane::set(-2.0f));
  const F ofExponent = Lane::multiply(Lane::fromSigned(exponent), Lane::set(-0x1.62e430p-23f));  // -2 ln 2 · k
  return Lane::fma(p, f, ofExponent);
}

/**
 * Cosine and sine of the word x as an angle of x / 2^32 turns: the nearest quarter turn picks swap and signs, the
 * signed remainder, at most 1/8 turn, goes through polynomials. Relative errors: cosine 3.9e-8, sine 2.8e-8.
 */
template <class Lane>
ZEROTH_HD void cosineSine(typename Lane::U x, typename Lane::F& cosine, typename Lane::F& sine) {
  using F = typename Lane::F;
  using U = typename Lane::U;
  // The low 30 bits, moved to the top, are the remainder as a signed number of 2^-34 turns; y is in 1/8 turns.
  const F y = Lane::multiply(Lane::fromSigned(Lane::template shiftLeft<2>(x)), Lane::set(0x1p-31f));
  const F w = Lane::multiply(y, y);
  F s = Lane::set(-3.660915e-05f);
  s = Lane::fma(s, w, Lane::set(0.0024910164f));
  s = Lane::fma(s, w, Lane::set(-0.08074583f));
  s = Lane::fma(s, w, Lane::set(0.7853982f));
  s = Lane::multiply(s, y);
  F c = Lane::set(-0.00031897702f);
  c = Lane::fma(c, w, Lane::set(0.01585015f));
  c = Lane::fma(c, w, Lane::set(-0.3084244f));
  c = Lane::fma(c, w, Lane::set(1.0f));
  const U quadrant = Lane::add(x, Lane::set(0x20000000u));  // in the top two bits
  cosine = Lane::negateByBit31(Lane::add(x, Lane::set(0x60000000u)), Lane::selectByBit30(quadrant, s, c));
  sine = Lane::negateByBit31(quadrant, Lane::selectByBit30(quadrant, c, s));
}

/** Two independent N(0, 1) variates of two independent words (Box-Muller). |z| ≤ 6.77. */
template <class Lane>
ZEROTH_HD void normalPair(typename Lane::U x0, typename Lane::U x1, typename Lane::F& z0, typename Lane::F& z1) {
  const typename Lane::F radius = Lane::squareRoot(minusTwoLog<Lane>(x0));
  typename Lane::F cosine, sine;
  cosineSine<Lane>(x1, cosine, sine);
  z0 = Lane::multiply(radius, cosine);
  z1 = Lane::multiply(radius, sine);
}

/** ±1 with equal probability: the top bit is the sign. */
template <class Lane>
ZEROTH_HD typename Lane::F rademacher(typename Lane::U x) {
  return Lane::negateByBit31(x, Lane::set(1.0f));
}

/** Uniform on (-1, 1): the 2^24 odd multiples of 2^-24, from the top 24 bits; exact, symmetric, never 0 or ±1. */
template <class Lane>
ZEROTH_HD typename Lane::F symmetricUniform(typename Lane::U x) {
  return Lane::fma(Lane::fromSigned(Lane::template shiftRight<8>(x)), Lane::set(0x1p-23f), Lane::set(-0x1.fffffep-1f));
}

}  // namespace zeroth
