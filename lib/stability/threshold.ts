import { checkNumber } from '../errors.ts';
import { momentsOf } from '../optimizers/moments.ts';
import type { Estimator, LearningRate, UpdateRule } from '../optimizers/optimizer.ts';
import { learningRateAt } from '../optimizers/schedules.ts';
import { selfCoupling } from './law.ts';

/** What the theory needs of an optimizer: its estimator's moments, its rule's β and weight. Every `Optimizer` is one. */
export interface StabilityOptimizer {
  readonly estimator: Pick<Estimator, 'name' | 'moments'>;
  readonly rule: Pick<UpdateRule, 'beta' | 'gradientWeight'>;
}

/** What can be measured of a large Hessian; of P^-½ H P^-½ for Adam-type rules. */
export interface Curvature {
  /** tr(H). */
  readonly trace: number;
  /** Largest eigenvalue. Taken as 0 when negative: such a Hessian limits no step. */
  readonly lambdaMax: number;
  /** Number of parameters; needed only by estimators whose moments depend on it. */
  readonly dimension?: number;
}

/**
 * The curvature that a step size tolerates.
 *
 *     threshold = 2(1 − β) / (w η),   w = 1 (plain, Polyak), 1 − β (Adam)
 *
 * so 2/η for ZO-GD and ZO-Adam, 2(1 − β)/η for ZO-GDM. Training is at the edge of stability while this lies between the bounds of
 * `stabilityBounds`.
 *
 * @param optimizer its rule and step size.
 * @param step the step whose η is meant. Default 0.
 * @returns the threshold, in the units of an eigenvalue; Infinity where η is 0.
 * @throws ERR_ZEROTH_ARGUMENT when the step is not an integer ≥ 0 or the schedule returns a bad number.
 * @example
 * stabilityThreshold(zoGD({ lr: 0.05 })) // 40
 */
export function stabilityThreshold(
  optimizer: { readonly lr: LearningRate; readonly rule: Pick<UpdateRule, 'beta' | 'gradientWeight'> },
  step = 0,
): number {
  const { beta, gradientWeight } = optimizer.rule;
  const lr = learningRateAt(optimizer, step);
  // For Adam (1 − β)/w is exactly 1: divide first, so that the threshold is 2/η to the last bit.
  return (2 * ((1 - beta) / gradientWeight)) / lr;
}

/**
 * The band in which the threshold must lie at the edge, from the trace and the largest eigenvalue alone.
 *
 *     lower = s2 tr,   upper = s2 tr + 2 κ λmax / (1 + β),   κ = (s1/2)(1 + β) − β
 *
 * A threshold above `upper` is stable and one below `lower` unstable, whatever the rest of the spectrum, on a quadratic without negative
 * eigenvalues. (κ < 0, possible for directions of small kurtosis with momentum, swaps the two expressions.) For exact gradients lower is 0
 * and upper is itself the edge: (1 − β)λmax/(1 + β) for Polyak momentum, which meets 2(1 − β)/η at λmax = 2(1 + β)/η.
 *
 * @param curvature measured trace and λmax; the trace may be negative (noise, or an indefinite Hessian), and `lower` then is too.
 * @param optimizer its estimator and rule.
 * @returns lower ≤ upper, in the units of an eigenvalue.
 * @throws ERR_ZEROTH_ARGUMENT when a number is not finite, or the dimension is needed and missing.
 * @example
 * stabilityBounds({ trace: 38, lambdaMax: 4 }, zoGD({ lr: 0.05 })) // { lower: 38, upper: 46 }
 * @see Song et al., arXiv 2604.14669; docs/mathematics.md for the general form.
 */
export function stabilityBounds(curvature: Curvature, optimizer: StabilityOptimizer): { lower: number; upper: number } {
  checkNumber('trace', curvature.trace);
  checkNumber('lambdaMax', curvature.lambdaMax);
  const moments = momentsOf(optimizer.estimator, curvature.dimension);
  const { beta } = optimizer.rule;
  const fromTrace = moments.s2 * curvature.trace;
  const withLambda = fromTrace + (2 * selfCoupling(moments, beta) * Math.max(curvature.lambdaMax, 0)) / (1 + beta);
  return { lower: Math.min(fromTrace, withLambda), upper: Math.max(fromTrace, withLambda) };
}

/**
 * The range in which the critical step size must lie, from the trace and the largest eigenvalue alone.
 *
 *     2(1 − β) / (w upper)  ≤  η*  ≤  2(1 − β) / (w lower),   with the bounds of `stabilityBounds`
 *
 * @returns min ≤ max, in the units of `lr`. Infinity where the bound is not above 0: exact gradients have no upper end from the trace,
 *   and their η* is `min`.
 * @throws as `stabilityBounds`.
 * @example
 * stepSizeBounds({ trace: 38, lambdaMax: 2 }, zoGD({ lr: 0.05 })) // { min: 0.0476…, max: 0.0526… }
 */
export function stepSizeBounds(curvature: Curvature, optimizer: StabilityOptimizer): { min: number; max: number } {
  const { lower, upper } = stabilityBounds(curvature, optimizer);
  const { beta, gradientWeight } = optimizer.rule;
  const at = (bound: number): number =>
    bound > 0 ? (2 * ((1 - beta) / gradientWeight)) / bound : Number.POSITIVE_INFINITY;
  return { min: at(upper), max: at(lower) };
}

/** How far outside the band still counts as at the edge: the sharpness oscillates around it by this much. */
const EDGE_TOLERANCE = 0.25;

/**
 * Whether training is at the edge of stability.
 *
 *     lower / (1 + tolerance)  ≤  threshold  ≤  upper · (1 + tolerance)
 *
 * which is [0.8 lower, 1.25 upper] by default. For exact gradients (s2 = 0) lower is 0 and says nothing; there the edge is the point
 * threshold = upper (λmax = 2/η for gradient descent), and upper takes the place of lower.
 *
 * @param curvature measured trace and λmax.
 * @param optimizer its estimator, rule and step size.
 * @param options.tolerance relative, ≥ 0. Default 0.25.
 * @param options.step the step whose η is meant. Default 0.
 * @returns false also where nothing limits the step: η = 0, or no positive curvature.
 * @throws as `stabilityBounds` and `stabilityThreshold`.
 * @example
 * atEdge({ trace: 38, lambdaMax: 4 }, zoGD({ lr: 0.05 })) // true: 38 ≤ 40 ≤ 46
 * atEdge({ trace: 38, lambdaMax: 4 }, gd({ lr: 0.05 })) // false: λmax = 4 is far below 40
 */
export function atEdge(
  curvature: Curvature,
  optimizer: StabilityOptimizer & { readonly lr: LearningRate },
  options: { tolerance?: number; step?: number } = {},
): boolean {
  const tolerance = checkNumber('tolerance', options.tolerance ?? EDGE_TOLERANCE, { min: 0 });
  const { lower, upper } = stabilityBounds(curvature, optimizer);
  const threshold = stabilityThreshold(optimizer, options.step ?? 0);
  const exact = momentsOf(optimizer.estimator, curvature.dimension).s2 === 0;
  if (!(upper > 0) || !Number.isFinite(threshold)) return false;
  return threshold >= (exact ? upper : lower) / (1 + tolerance) && threshold <= upper * (1 + tolerance);
}
