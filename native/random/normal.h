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
 * -2 ln u > 0 for u = (x + 1/2) / 2^32, rounded to f32 and shrunk by 2^-24 so that it stays below 1.
 *
 * u is m 2^k with m in [1/2, 1), f = m - 1, so neither part of -2 ln(1 + f) - 2 ln 2 · k is negative and no digits
 * cancel. -2 ln(1 + f) = f (-2 + f P(f)), relative error 1.6e-7.
 */
template <class Lane>
ZEROTH_HD typename Lane::F minusTwoLog(typename Lane::U x) {
  using F = typename Lane::F;
  const F u = Lane::fma(Lane::fromUnsigned(x), Lane::set(0x1.fffffep-33f), Lane::set(0x1p-33f));
  F m;
  const F ofExponent = Lane::split(u, -0x1.62e430p+0f, m);  // -2 ln 2 · k
  const F f = Lane::add(m, Lane::set(-1.0f));
  F p = Lane::set(0x1.293932p+1f);
  p = Lane::fma(p, f, Lane::set(0x1.097038p+1f));
  p = Lane::fma(p, f, Lane::set(0x1.811148p+0f));
  p = Lane::fma(p, f, Lane::set(-0x1.9f10b6p-4f));
  p = Lane::fma(p, f, Lane::set(0x1.142998p-1f));
  p = Lane::fma(p, f, Lane::set(-0x1.54191ap-1f));
  p = Lane::fma(p, f, Lane::set(0x1.00033cp+0f));
  p = Lane::fma(p, f, Lane::set(-2.0f));
  return Lane::fma(p, f, ofExponent);
}

/**
 * Cosine and sine of an angle between -1/8 and 1/8 turn: the low 30 bits of x, signed, in units of 2^-32 turns.
 * Relative errors: cosine 3.9e-8, sine 2.8e-8.
 */
template <class Lane>
ZEROTH_HD void cosineSine(typename Lane::U x, typename Lane::F& cosine, typename Lane::F& sine) {
  using F = typename Lane::F;
  // In eighths of a turn.
  const F y = Lane::multiply(Lane::fromSigned(Lane::template shiftLeft<2>(x)), Lane::set(0x1p-31f));
  const F w = Lane::multiply(y, y);
  F s = Lane::set(-3.660915e-05f);
  s = Lane::fma(s, w, Lane::set(0.0024910164f));
  s = Lane::fma(s, w, Lane::set(-0.08074583f));
  s = Lane::fma(s, w, Lane::set(0.7853982f));
  sine = Lane::multiply(s, y);
  F c = Lane::set(-0.00031897702f);
  c = Lane::fma(c, w, Lane::set(0.01585015f));
  c = Lane::fma(c, w, Lane::set(-0.3084244f));
  cosine = Lane::fma(c, w, Lane::set(1.0f));
}

/**
 * Two independent N(0, 1) variates of two independent words (Box-Muller). |z| ≤ 6.77.
 *
 * The angle is within 1/8 turn of 0; swapping the two by bit 30 of x1 and negating both by bit 31 takes it to the whole
 * circle, all 2^32 angles apart but for two.
 */
template <class Lane>
ZEROTH_HD void normalPair(typename Lane::U x0, typename Lane::U x1, typename Lane::F& z0, typename Lane::F& z1) {
  using F = typename Lane::F;
  const F radius = Lane::negateByBit31(x1, Lane::squareRoot(minusTwoLog<Lane>(x0)));
  F cosine, sine;
  cosineSine<Lane>(x1, cosine, sine);
  z0 = Lane::multiply(radius, Lane::selectByBit30(x1, sine, cosine));
  z1 = Lane::multiply(radius, Lane::selectByBit30(x1, cosine, sine));
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
