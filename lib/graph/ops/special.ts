/** Special functions in f64, good to a few units of the last digits over their whole range: what references are made of. */

/** e^{−s x²} for a power of two s; the rounding of x² is taken out, which would otherwise cost s x² units of the last digit. */
function bell(x: number, s: number): number {
  const head = Math.fround(x);
  return Math.exp(-s * head * head) * Math.exp(s * (head - x) * (head + x));
}

/** Beyond it e^{−x²/2} is 0, also times any power of x that occurs. */
const FAR = 40;

/** Gauss error function: 2/√π e^{−x²} Σ 2ⁿ x^{2n+1} / (2n+1)!!, all terms of one sign. */
export function erf(x: number): number {
  if (Math.abs(x) > 1) return x > 0 ? 1 - erfc(x) : erfc(-x) - 1;
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * bell(x, 1) * total;
}

/** 1 − erf(x) without cancellation. */
export function erfc(x: number): number {
  if (!(x > 1)) return x < -1 ? 2 - erfc(-x) : 1 - erf(x);
  return x > 28 ? 0 : bell(x, 1) * scaledErfc(x);
}

/** e^{x²} erfc(x) = 1/√π · 1/(x + ½/(x + 1/(x + 3⁄2/(x + …)))), for x > 1. */
function scaledErfc(x: number): number {
  let fraction = x;
  for (let n = Math.ceil(40 + 250 / (x * x)); n > 0; n--) fraction = x + n / 2 / fraction;
  return 1 / Math.sqrt(Math.PI) / fraction;
}

/** Standard normal distribution function Φ. */
function normalCdf(x: number): number {
  const z = -x * Math.SQRT1_2;
  return z > 1 ? 0.5 * bell(x, 0.5) * scaledErfc(z) : 0.5 * erfc(z);
}

/** x Φ(x). */
export function gelu(x: number): number {
  return Math.abs(x) > FAR ? Math.max(x, 0) : x * normalCdf(x);
}

/** The derivative of an order ≥ 1: Φ + x φ, then (−1)ⁿ φ · (n Heₙ₋₂ − x Heₙ₋₁), with the standard normal density φ. */
export function geluDerivative(x: number, order: number): number {
  if (Math.abs(x) > FAR) return order === 1 && x > 0 ? 1 : 0;
  const density = bell(x, 0.5) / Math.sqrt(2 * Math.PI);
  if (order === 1) return normalCdf(x) + x * density;
  let [lower, upper] = [1, x];
  for (let n = 1; n < order - 1; n++) [lower, upper] = [upper, x * upper - n * lower];
  return (-1) ** order * density * (order * lower - x * upper);
}

/** The derivative of an order n ≥ 1: 2/√π (−1)ⁿ⁻¹ Hₙ₋₁ e^{−x²}. */
export function erfDerivative(x: number, order: number): number {
  if (Math.abs(x) > FAR) return 0;
  let [lower, upper] = [0, 1];
  for (let n = 0; n < order - 1; n++) [lower, upper] = [upper, 2 * (x * upper - n * lower)];
  return ((-1) ** (order - 1) * 2 * upper * bell(x, 1)) / Math.sqrt(Math.PI);
}

export function sigmoid(x: number): number {
  return x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x));
}

/** 1 / cosh²(x) = 4 e / (1 + e)² with e = e^{−2|x|}. */
export function sech2(x: number): number {
  const e = Math.exp(-2 * Math.abs(x));
  return (4 * e) / (1 + e) ** 2;
}
