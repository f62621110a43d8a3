import { momentsOf } from './moments.ts';
import type { Optimizer } from './optimizer.ts';
import { learningRateAt } from './schedules.ts';

/** What is worth writing down about an optimizer: plain data, in a log, a report or a calculator. */
export interface OptimizerFacts {
  readonly name: string;
  readonly estimator: string;
  readonly rule: string;
  readonly lr: number;
  /** Smoothing μ; absent for first-order methods. */
  readonly mu?: number;
  readonly beta?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly moments: { readonly s1: number; readonly s2: number };
}

/**
 * An optimizer as plain data.
 *
 * @param optimizer the optimizer.
 * @param options.dimension number of parameters; needed only by estimators whose moments depend on it.
 * @param options.step the step whose η is reported as `lr`. Default 0.
 * @returns facts without undefined fields; `beta` is there when the rule keeps a momentum.
 * @throws ERR_ZEROTH_ARGUMENT when the dimension is needed and missing.
 * @example
 * describeOptimizer(zoGD({ lr: 0.05 }))
 * // { name: 'zo-gd', estimator: 'gaussian-two-point', rule: 'plain', lr: 0.05, mu: 0.001, moments: { s1: 2, s2: 1 } }
 */
export function describeOptimizer(
  optimizer: Optimizer,
  options: { dimension?: number; step?: number } = {},
): OptimizerFacts {
  const { estimator, rule } = optimizer;
  return {
    name: optimizer.name,
    estimator: estimator.name,
    rule: rule.name,
    lr: learningRateAt(optimizer, options.step ?? 0),
    ...(estimator.mu !== undefined && { mu: estimator.mu }),
    ...(rule.states.includes('m') && { beta: rule.beta }),
    ...(rule.beta2 !== undefined && { beta2: rule.beta2 }),
    ...(rule.epsilon !== undefined && { epsilon: rule.epsilon }),
    moments: momentsOf(estimator, options.dimension),
  };
}
