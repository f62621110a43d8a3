import { checkOptions, type Names } from '../errors.ts';
import type { Direction } from '../random/direction.ts';
import type { Estimate, Estimator, Point } from './optimizer.ts';

/** (Σ weights[i] · losses[i]) / divisor, summed in this order. */
export interface LossCombination {
  /** One a point, finite. */
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

/** A combination, in the order of additions that devices use. */
export function combine({ weights, divisor }: LossCombination, losses: ArrayLike<number>): number {
  return weights.reduce((sum, weight, i) => sum + weight * losses[i], 0) / divisor;
}

/** The estimate, once the losses are there. */
export function estimateOf({ loss, terms }: LinearEstimate, losses: ArrayLike<number>): Estimate {
  const measured = terms.map(({ direction, coefficient }) => ({
    direction,
    coefficient: combine(coefficient, losses),
  }));
  return {
    kind: 'directions',
    loss: combine(loss, losses),
    ...(measured.length === 1 && { projectedGradient: measured[0].coefficient }),
    terms: measured,
  };
}

/** Of the i-th directions of a step. */
export type Linear = (direction: (i: number) => Direction) => LinearEstimate;

const FIELDS: Names<Omit<Estimator, 'estimate'>> = { name: true, options: true, cost: true, mu: true, moments: true };

/** By the function that it was made into: an estimator that got another `estimate` is not what it was. */
const linears = new WeakMap<Estimator['estimate'], Linear>();

/** An estimator's linear estimate of a step, known before anything is measured; undefined where `linearEstimator` has not made it. */
export function linearOf(estimator: Estimator): Linear | undefined {
  return linears.get(estimator.estimate);
}

/**
 * An estimator from its linear estimate. For example the forward difference, with one loss at θ itself and one beside it:
 *
 *     const forwardDifference = (mu: number) =>
 *       linearEstimator({ name: 'forward-difference', options: { mu }, mu, cost: { losses: 2 } }, (direction) => ({
 *         points: [[], [{ direction: direction(0), coefficient: mu }]],
 *         loss: { weights: [1, 0], divisor: 1 },
 *         terms: [{ direction: direction(0), coefficient: { weights: [-1, 1], divisor: mu } }],
 *       }));
 *
 * @param fields all but `estimate`: its name, options, moments.
 * @param linear the estimate of a step: a pure function of the step's directions.
 * @throws ERR_ZEROTH_ARGUMENT for an unknown field.
 */
export function linearEstimator(fields: Omit<Estimator, 'estimate'>, linear: Linear): Estimator {
  checkOptions('linearEstimator: fields', fields, FIELDS);
  const estimate: Estimator['estimate'] = async (oracle, direction, signal) => {
    const planned = linear(direction);
    return estimateOf(planned, await oracle.losses(planned.points, signal));
  };
  linears.set(estimate, linear);
  return { ...fields, estimate };
}
