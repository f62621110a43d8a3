import { checkOptions } from '../../errors.ts';
import { linearEstimator } from '../linear-estimate.ts';
import type { StatelessEstimator } from '../optimizer.ts';
import { centralDifference, checkSmoothing } from './difference.ts';

/**
 * Central difference of the loss along one Gaussian direction.
 *
 * Two loss evaluations and a seed, whatever the number of parameters: no back-propagation, no stored direction. Unbiased for
 * the gradient of the smoothed loss E_u L(θ + μu), which differs from L by (μ²/2) tr(H) + O(μ⁴).
 *
 *     u ~ N(0, I),   c = [L(θ + μu) − L(θ − μu)] / 2μ,   ĝ = c u
 *
 * On the quadratic model E[ĝĝᵀ] = 2A + tr(A) I, so s1 = 2, s2 = 1, in every dimension.
 *
 * @param options.mu smoothing μ > 0, in units of the parameters. Default 1e-3. In f32 the rounding noise of the loss, about 1e-7 |L|,
 *   reaches c divided by 2μ.
 * @returns an estimator whose `loss` is the mean of the two losses, and whose coefficient is c.
 * @throws ERR_ZEROTH_ARGUMENT when μ is not a number from 1e-30 to 1e30, where f32 holds it.
 * @example
 * gaussianTwoPoint({ mu: 1e-3 }).moments(100) // { s1: 2, s2: 1 }
 * @see Nesterov and Spokoiny, Random gradient-free minimization of convex functions, 2017; Song et al., arXiv 2604.14669, eq. 2.
 */
export function gaussianTwoPoint(options: { mu?: number } = {}): StatelessEstimator {
  checkOptions('gaussianTwoPoint: options', options, { mu: true });
  const mu = checkSmoothing(options.mu ?? 1e-3);
  const moments = () => ({ s1: 2, s2: 1 });
  const fields = { name: 'gaussian-two-point', options: { mu }, mu, cost: { losses: 2 }, moments };
  return linearEstimator(fields, (direction) => centralDifference(direction(0), mu));
}
