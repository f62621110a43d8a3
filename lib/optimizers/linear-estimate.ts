import { checkInteger, checkOptions } from '../errors.ts';
import type { Direction } from '../random/direction.ts';
import type { Estimate, Estimator, Point, StatelessEstimator } from './optimizer.ts';
import { ESTIMATOR_FACTS } from './parts.ts';

/** (Σ weights[i] · losses[i]) / divisor, summed in this order. */
export interface LossCombination {
  /** One a point, finite. A loss of weight 0 does not count, whatever it is. */
  readonly weights: readonly number[];
  /** Finite, not 0. */
  readonly divisor: number;
}

/**
 * An estimate that is a fixed linear function of the losses at points that are known beforehand. All that a finite difference is; and what
 * lets a device take several steps without asking: it needs no more than sums of losses to know where to go.
 */
export interface LinearEstimate {
  readonly points: readonly Point[];
  /** What counts as the loss of the step. */
  readonly loss: LossCombination;
  /** ĝ = Σ coefficient · z(direction). */
  readonly terms: readonly { readonly direction: Direction; readonly coefficient: LossCombination }[];
}

/** What counts of a combination, in its order. */
export function counted({ weights }: LossCombination): readonly { readonly weight: number; readonly i: number }[] {
  return weights.map((weight, i) => ({ weight, i })).filter(({ weight }) => weight !== 0);
}

/** A combination, in the order of additions that devices use. */
export function combine(combination: LossCombination, losses: ArrayLike<number>): number {
  return counted(combination).reduce((sum, { weight, i }) => sum + weight * losses[i], 0) / combination.divisor;
}

/** The estimate, once the losses are there. */
export function estimateOf({ loss, terms }: LinearEstimate, losses: ArrayLike<number>): Estimate {
  const measured = terms.map(({ direction, coefficient }) => ({
    direction,
    coefficient: combine(coefficient, losses),
  }));
  return { kind: 'directions', loss: combine(loss, losses), terms: measured };
}

/**
 * Of the i-th directions of a step.
 * @param norm ‖z‖ of the i-th, of those that were asked for.
 * @param dimension numbers that a direction has.
 */
export type Linear = (
  direction: (i: number) => Direction,
  norm: (i: number) => number,
  dimension: number,
) => LinearEstimate;

/** A linear estimate of a step, with what has to be known of its directions before. */
export interface LinearPlan {
  readonly linear: Linear;
  /** Of so many directions the norms. */
  readonly norms: number;
}

/** By the function that it was made into: an estimator that got another `estimate` is not what it was. */
const plans = new WeakMap<Estimator['estimate'], LinearPlan>();

/** An estimator's linear estimate of a step, known before anything is measured; undefined where `linearEstimator` has not made it. */
export function linearOf(estimator: Estimator): LinearPlan | undefined {
  return plans.get(estimator.estimate);
}

/**
 * An estimator from its linear estimate. For example the central difference of the loss:
 *
 *     const central = (mu: number) =>
 *       linearEstimator({ name: 'central', options: { mu }, mu, cost: { losses: 2 } }, (direction) => ({
 *         points: [[{ direction: direction(0), coefficient: mu }], [{ direction: direction(0), coefficient: -mu }]],
 *         loss: { weights: [1, 1], divisor: 2 },
 *         terms: [{ direction: direction(0), coefficient: { weights: [1, -1], divisor: 2 * mu } }],
 *       }));
 *
 * @param fields all but `estimate`: its name, options, moments.
 * @param linear the estimate of a step: a pure function of the step's directions, and of their norms.
 * @param options.norms of how many directions it needs the norm: of those numbered 0 … norms − 1. Default 0.
 * @throws ERR_ZEROTH_ARGUMENT for an unknown field.
 */
export function linearEstimator(
  fields: Omit<StatelessEstimator, 'estimate' | 'vectors' | 'init'>,
  linear: Linear,
  options: { readonly norms?: number } = {},
): StatelessEstimator {
  checkOptions('linearEstimator: fields', fields, ESTIMATOR_FACTS);
  checkOptions('linearEstimator: options', options, { norms: true });
  const plan: LinearPlan = { linear, norms: checkInteger('norms', options.norms ?? 0, 0) };
  const estimate: StatelessEstimator['estimate'] = async ({ oracle, direction, signal }) => {
    const asked = displacementsOfNorms(plan, direction);
    const norms = asked.length > 0 ? await oracle.norms(asked, signal) : new Float64Array();
    const planned = linear(direction, (i) => norms[i], oracle.dimension);
    return estimateOf(planned, await oracle.losses(planned.points, signal));
  };
  plans.set(estimate, plan);
  return { ...fields, estimate };
}

/** Whose norms a plan needs. */
export const displacementsOfNorms = ({ norms }: LinearPlan, direction: (i: number) => Direction): Point[] =>
  Array.from({ length: norms }, (_, i) => [{ direction: direction(i), coefficient: 1 }]);
