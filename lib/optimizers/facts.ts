import { type Options, optionsOf } from './json.ts';
import { momentsOfOptimizer } from './moments.ts';
import type { Optimizer } from './optimizer.ts';
import { learningRateAt } from './schedules.ts';
import { stepSizeOf } from './step-size.ts';

/** What is worth writing down about an optimizer: plain data, in a log, a report or a calculator. */
export interface OptimizerFacts {
  readonly name: string;
  readonly estimator: string;
  readonly rule: string;
  /** η of the first step, or of the step asked for. */
  readonly lr: number;
  readonly stepSize: { readonly name: string; readonly options: Options };
  /** Whatever tells the estimator and the rule from others of their names. */
  readonly options: { readonly estimator: Options; readonly rule: Options };
  /** Smoothing μ; absent for first-order methods. */
  readonly mu?: number;
  readonly beta?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Null where the estimator does not know them, or the law is not about the rule. */
  readonly moments: { readonly s1: number; readonly s2: number } | null;
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
 * describeOptimizer(zoGD({ lr: 0.05 })).lr // 0.05
 * describeOptimizer(zoGD({ lr: 0.05 })).stepSize // { name: 'constant', options: { lr: 0.05 } }
 * describeOptimizer(zoGD({ lr: 0.05 })).options // { estimator: { mu: 0.001 }, rule: {} }
 */
export function describeOptimizer(
  optimizer: Optimizer,
  options: { dimension?: number; step?: number } = {},
): OptimizerFacts {
  const { estimator, rule } = optimizer;
  const stepSize = stepSizeOf(optimizer.lr);
  return {
    name: optimizer.name,
    estimator: estimator.name,
    rule: rule.name,
    lr: learningRateAt(optimizer, options.step ?? 0),
    stepSize: { name: stepSize.name, options: optionsOf('step size', stepSize) },
    options: { estimator: optionsOf('estimator', estimator), rule: optionsOf('rule', rule) },
    ...(estimator.mu !== undefined && { mu: estimator.mu }),
    ...(rule.states.includes('m') && { beta: rule.beta }),
    ...(rule.beta2 !== undefined && { beta2: rule.beta2 }),
    ...(rule.epsilon !== undefined && { epsilon: rule.epsilon }),
    moments: momentsOfOptimizer(optimizer, options.dimension),
  };
}
