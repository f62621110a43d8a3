/** Special functions in f64, good to a few units of the last digits over their whole range: what references are made of. */

/** e^{−x²}; the rounding of x² is taken out, which would otherwise cost x² units of the last digit. */
export function gaussian(x: number): number {
  if (!(Math.abs(x) < 40)) return Number.isNaN(x) ? x : 0;
  const head = Math.fround(x);
  return Math.exp(-head * head) * Math.exp((head - x) * (head + x));
}

/** Gauss error function: 2/√π e^{−x²} Σ 2ⁿ x^{2n+1} / (2n+1)!!, all terms of one sign. */
export function erf(x: number): number {
  if (Math.abs(x) > 1) return x > 0 ? 1 - erfc(x) : erfc(-x) - 1;
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * gaussian(x) * total;
}

/** 1 − erf(x) without cancellation: e^{−x²}/√π · 1/(x + ½/(x + 1/(x + 3⁄2/(x + …)))) for x > 1. */
export function erfc(x: number): number {
  if (!(x > 1)) return x < -1 ? 2 - erfc(-x) : 1 - erf(x);
  if (x > 28) return 0;
  let fraction = x;
  for (let n = Math.ceil(40 + 250 / (x * x)); n > 0; n--) fraction = x + n / 2 / fraction;
  return gaussian(x) / Math.sqrt(Math.PI) / fraction;
}
