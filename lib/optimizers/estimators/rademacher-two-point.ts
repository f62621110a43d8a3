import { checkOptions } from '../../errors.ts';
import { linearEstimator } from '../linear-estimate.ts';
import type { StatelessEstimator } from '../optimizer.ts';
import { centralDifference, checkSmoothing } from './difference.ts';

/**
 * Central difference of the loss along one direction of signs: SPSA.
 *
 * Each parameter moves by ±μ, no more and no less. The cheapest direction to make: one bit a parameter.
 *
 *     u_i = ±1, each with probability 1/2,   c = [L(θ + μu) − L(θ − μu)] / 2μ,   ĝ = c u
 *
 * On the quadratic model E[ĝĝᵀ] = 2A + tr(A) I − 2 diag(A): not isotropic, for it depends on the coordinates in which H is written. So it
 * has no s1 and s2, `moments` is null, and nothing is claimed of its edge of stability. With β = 0 the edge lies at
 *
 *     tr(H) + 2 λmin(O) ≤ 2/η* ≤ tr(H) + 2 λmax(O),   O = H − diag(H)
 *
 * which is exactly tr(H) = 2/η* for a diagonal H: where the trace governs, that of Gaussian directions is a good guess.
 *
 * @param options.mu smoothing μ > 0, in units of the parameters. Default 1e-3.
 * @returns an estimator whose `loss` is the mean of the two losses, and whose coefficient is c.
 * @throws ERR_ZEROTH_ARGUMENT when μ is not a number from 1e-30 to 1e30, where f32 holds it.
 * @example
 * rademacherTwoPoint({ mu: 1e-3 }).moments(100) // null
 * @see Spall, Multivariate stochastic approximation using a simultaneous perturbation gradient approximation, 1992.
 */
export function rademacherTwoPoint(options: { mu?: number } = {}): StatelessEstimator {
  checkOptions('rademacherTwoPoint: options', options, { mu: true });
  const mu = checkSmoothing(options.mu ?? 1e-3);
  const fields = { name: 'rademacher-two-point', options: { mu }, mu, cost: { losses: 2 }, moments: () => null };
  return linearEstimator(fields, (direction) => centralDifference({ ...direction(0), distribution: 'rademacher' }, mu));
}
