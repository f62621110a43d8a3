import { checkOptions } from '../../errors.ts';
import { linearEstimator } from '../linear-estimate.ts';
import type { StatelessEstimator } from '../optimizer.ts';
import { checkSmoothing } from './difference.ts';

/**
 * Forward difference of the loss along one Gaussian direction.
 *
 * Its loss is that at θ itself, and queries share it: the mean of q takes q + 1 losses (`meanOfQueries`). The price is an error of first
 * order in μ.
 *
 *     u ~ N(0, I),   c = [L(θ + μu) − L(θ)] / μ,   ĝ = c u
 *
 * On the quadratic model E[ĝĝᵀ] = 2A + tr(A) I plus (μ²/4) E[(uᵀHu)² uuᵀ], about (μ²/4) tr(H)² I, which does not depend on where θ is: it sets
 * a floor below which the loss does not come, and leaves the edge of stability where s1 = 2, s2 = 1 put it.
 *
 * @param options.mu smoothing μ > 0, in units of the parameters. Default 1e-3.
 * @returns an estimator whose `loss` is L(θ), and whose coefficient is c.
 * @throws ERR_ZEROTH_ARGUMENT when μ is not a number from 1e-30 to 1e30, where f32 holds it.
 * @example
 * oneSided({ mu: 1e-3 }).moments(100) // { s1: 2, s2: 1 }
 * @see Nesterov and Spokoiny, Random gradient-free minimization of convex functions, 2017.
 */
export function oneSided(options: { mu?: number } = {}): StatelessEstimator {
  checkOptions('oneSided: options', options, { mu: true });
  const mu = checkSmoothing(options.mu ?? 1e-3);
  const moments = () => ({ s1: 2, s2: 1 });
  const fields = { name: 'one-sided', options: { mu }, mu, cost: { losses: 2 }, moments };
  return linearEstimator(fields, (direction) => {
    const u = direction(0);
    return {
      points: [[], [{ direction: u, coefficient: mu }]],
      loss: { weights: [1, 0], divisor: 1 },
      terms: [{ direction: u, coefficient: { weights: [-1, 1], divisor: mu } }],
    };
  });
}
