import { checkOptions, invalidArgument } from '../errors.ts';
import { knownMoments, type StabilityOptimizer } from './bounds.ts';
import { solveLaw } from './law.ts';

/**
 * The step size η* at which training on a quadratic is neither stable nor unstable in mean square.
 *
 * Below η* the covariance of the parameters around the minimum decays, above it grows: exactly, for any estimator with moments
 * (s1, s2) and any rule with momentum β and weight w on the estimate (1 for Polyak momentum, 1 − β for Adam). η = wη* solves
 *
 *     Σ_i  s2 η λ_i (1+β) / ( 2 [ 1 − β² − κ η λ_i ] ) = 1,     κ = (s1/2)(1+β) − β
 *
 * and, for exact gradients (s2 = 0), η* = (1 − β²) / (w κ λmax), which is 2/λmax for gradient descent.
 *
 * @param spectrum eigenvalues of the Hessian, in any order; of P⁻¹H for Adam-type rules (exact where P and H commute). Zeros contribute
 *   nothing. Negative eigenvalues are left out: along them a quadratic has no minimum, and no step size makes training stable.
 * @param optimizer its estimator and rule; its `lr` does not matter.
 * @param options.dimension number of parameters, for estimators whose moments depend on it. Default: the length of the spectrum.
 *   Give it when the spectrum is only the part that is not zero.
 * @returns η* > 0, in the units of `lr`.
 * @throws ERR_ZEROTH_ARGUMENT when the spectrum is empty, holds a non-finite number, or has no positive eigenvalue, or the moments are unknown.
 * @example
 * criticalStepSize([1, 0.5, 0.25, 0.1], zoGD({ lr: 0.05 })) // 0.577…
 * @see Song et al., arXiv 2604.14669; docs/mathematics.md for the general law.
 */
export function criticalStepSize(
  spectrum: ArrayLike<number>,
  optimizer: StabilityOptimizer,
  options: { dimension?: number } = {},
): number {
  checkOptions('options', options, { dimension: true });
  if (spectrum.length === 0) invalidArgument('spectrum', 'at least one eigenvalue', []);
  const positive: number[] = [];
  for (let i = 0; i < spectrum.length; i++) {
    if (!Number.isFinite(spectrum[i])) invalidArgument(`spectrum[${i}]`, 'a finite eigenvalue', spectrum[i]);
    if (spectrum[i] > 0) positive.push(spectrum[i]);
  }
  if (positive.length === 0) {
    invalidArgument(
      'spectrum',
      'at least one eigenvalue > 0, since no step size is critical without one',
      Array.from(spectrum),
    );
  }
  const moments = knownMoments(optimizer, options.dimension ?? spectrum.length);
  return solveLaw(positive, moments, optimizer.rule.beta) / optimizer.rule.gradientWeight;
}
