import { checkOptions } from '../../errors.ts';
import { linearEstimator } from '../linear-estimate.ts';
import type { StatelessEstimator } from '../optimizer.ts';
import { centralDifference, checkSmoothing } from './difference.ts';

/**
 * Central difference of the loss along one direction that is uniform on the sphere of radius √d.
 *
 * A Gaussian direction whose length no longer varies: the displacement is μ√d at every step. ‖z‖ is measured on the device, in f64.
 *
 *     z ~ N(0, I),   u = √d z / ‖z‖,   c = [L(θ + μu) − L(θ − μu)] / 2μ,   ĝ = c u
 *
 * On the quadratic model E[ĝĝᵀ] = d/(d + 2) · (2A + tr(A) I), so s1 = 2d/(d + 2), s2 = d/(d + 2): in one dimension, where u = ±1, the
 * exact derivative.
 *
 * @param options.mu smoothing μ > 0, in units of the parameters. Default 1e-3.
 * @returns an estimator whose `loss` is the mean of the two losses, and whose coefficient is that along z: c √d / ‖z‖.
 * @throws ERR_ZEROTH_ARGUMENT when μ is not a number from 1e-30 to 1e30, where f32 holds it.
 * @example
 * sphereTwoPoint({ mu: 1e-3 }).moments(2) // { s1: 1, s2: 0.5 }
 * @see Flaxman, Kalai, McMahan, Online convex optimization in the bandit setting, 2005.
 */
export function sphereTwoPoint(options: { mu?: number } = {}): StatelessEstimator {
  checkOptions('sphereTwoPoint: options', options, { mu: true });
  const mu = checkSmoothing(options.mu ?? 1e-3);
  const moments = (d: number) => ({ s1: (2 * d) / (d + 2), s2: d / (d + 2) });
  const fields = { name: 'sphere-two-point', options: { mu }, mu, cost: { losses: 2 }, moments };
  return linearEstimator(
    fields,
    (direction, norm, dimension) => centralDifference(direction(0), mu, onSphere(norm(0), dimension)),
    { norms: 1 },
  );
}

/** √d / ‖z‖. A z of nothing but zeros, one in 2³¹ in one dimension, has no direction: it moves nothing. */
const onSphere = (norm: number, dimension: number): number => (norm > 0 ? Math.sqrt(dimension) / norm : 0);
