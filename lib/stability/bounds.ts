import { checkInteger, checkOptions, invalidArgument } from '../errors.ts';
import { momentsOfOptimizer } from '../optimizers/moments.ts';
import type { Estimator, LearningRate, Moments, UpdateRule } from '../optimizers/optimizer.ts';
import { learningRateAt } from '../optimizers/schedules.ts';
import { type Curvature, checkCurvature, type Interval, positiveTrace } from './curvature.ts';

/** What the theory needs of an optimizer: its estimator's moments, its rule's β and weight. Every `Optimizer` is one. */
export interface StabilityOptimizer {
  readonly estimator: Pick<Estimator, 'name' | 'moments'>;
  readonly rule: Pick<UpdateRule, 'beta' | 'gradientWeight' | 'lawful'> & Partial<Pick<UpdateRule, 'name'>>;
}

/** Which examples a step sees. */
export interface Sampling {
  /** Examples of a step, drawn without replacement. Default: all of them. */
  readonly batch?: number | 'full';
  /** Examples in all; needed where `batch` is a number. */
  readonly examples?: number;
}

/**
 * The curvature that a step size tolerates: of the trace where the estimate is noisy (s2 > 0), of λmax where it is exact (s2 = 0).
 *
 *     s2 > 0:  2(1 − β) / (s2 w η)           s2 = 0:  2(1 + β) / (w η),  s1 = 1         w = 1 (plain, Polyak), 1 − β (Adam)
 *
 * so for the trace 2/η with ZO-GD and ZO-Adam and 2(1 − β)/η with ZO-GDM; for λmax 2/η with GD, 2(1 + β)/η with momentum.
 *
 * @param optimizer its estimator, rule and step size.
 * @param options.step the step whose η is meant. Default 0.
 * @param options.dimension number of parameters, for estimators whose moments depend on it.
 * @returns the limit, in the units of an eigenvalue; Infinity where η is 0.
 * @throws ERR_ZEROTH_ARGUMENT when the step is not an integer ≥ 0, the schedule returns a bad number, or the moments are unknown.
 * @example
 * stabilityLimit(zoGD({ lr: 0.05 })) // 40
 * stabilityLimit(gdm({ lr: 0.05, beta: 0.5 })) // 60
 */
export function stabilityLimit(
  optimizer: StabilityOptimizer & { readonly lr: LearningRate },
  options: { step?: number; dimension?: number } = {},
): number {
  checkOptions('options', options, { step: true, dimension: true });
  const moments = knownMoments(optimizer, options.dimension);
  return limitAtUnitRate(optimizer, moments) / learningRateAt(optimizer, options.step ?? 0);
}

/**
 * The band in which `stabilityLimit` lies at the edge, from the trace and the largest eigenvalue alone. A limit above `upper` is stable
 * and one below `lower` unstable, whatever the rest of the spectrum.
 *
 *     s2 > 0:  lower = tr₊,    upper = tr₊ + 2κ λmax / (s2 (1 + β)),    κ = (s1/2)(1 + β) − β
 *     s2 = 0:  lower = upper = λmax
 *
 * `lower` is raised to what the largest eigenvalue demands by itself, λmax (1 + 2κ/(s2 (1 + β))), where that is more. κ < 0, possible
 * for directions of small kurtosis with momentum, swaps the two ends. Where the positive part's trace tr₊ is not known, `lower` takes the
 * least and `upper` the greatest that it can be (`Curvature`).
 *
 * With a mini-batch of b out of n examples, at a minimum that fits each example: `lower` as above, and
 *
 *     upper = (n/b) tr₊ + ((n/b) s1 − 2β/(1 + β)) λmax / s2
 *
 * @param curvature measured on all examples.
 * @param optimizer its estimator and rule.
 * @returns 0 ≤ lower ≤ upper, in the units of an eigenvalue; `upper` is Infinity where nothing bounds tr₊.
 * @throws ERR_ZEROTH_ARGUMENT when a number is not finite or no Hessian's, the dimension is needed and missing, or the moments are unknown.
 * @example
 * stabilityBounds({ trace: 38, lambdaMax: 4, lambdaMin: 0 }, zoGD({ lr: 0.05 })) // { lower: 38, upper: 46 }
 * stabilityBounds({ trace: 38, lambdaMax: 4, negativeTrace: 3 }, zoGD({ lr: 0.05 })) // { lower: 41, upper: 49 }
 * @see Song et al., arXiv 2604.14669; docs/mathematics.md for the general form and for mini-batches.
 */
export function stabilityBounds(
  curvature: Curvature,
  optimizer: StabilityOptimizer,
  options: Sampling = {},
): { lower: number; upper: number } {
  checkOptions('options', options, { batch: true, examples: true });
  const moments = knownMoments(optimizer, curvature.dimension);
  const { lower, upper } = bandOf(checkCurvature(curvature), optimizer, moments, options);
  return { lower, upper };
}

/**
 * The range in which the critical step size must lie, from the trace and the largest eigenvalue alone: where `stabilityLimit` is `upper`
 * and `lower` of `stabilityBounds`.
 *
 * @returns min ≤ max, in the units of `lr`. `min` is 0 where nothing bounds the trace of the positive part, and no step size is known to
 *   be stable; both are Infinity where no eigenvalue is above 0.
 * @throws as `stabilityBounds`.
 * @example
 * stepSizeBounds({ trace: 38, lambdaMax: 2, lambdaMin: 0 }, zoGD({ lr: 0.05 })) // { min: 0.0476…, max: 0.0526… }
 * stepSizeBounds({ trace: 1, lambdaMax: 4 }, zoGD({ lr: 0.05 })) // { min: 0, max: 0.1666… }
 */
export function stepSizeBounds(
  curvature: Curvature,
  optimizer: StabilityOptimizer,
  options: Sampling = {},
): { min: number; max: number } {
  checkOptions('options', options, { batch: true, examples: true });
  const moments = knownMoments(optimizer, curvature.dimension);
  const { lower, upper } = bandOf(checkCurvature(curvature), optimizer, moments, options);
  const limit = limitAtUnitRate(optimizer, moments);
  return { min: limit / upper, max: limit / lower };
}

/** The limit times η. For Adam (1 − β)/w is exactly 1: dividing first keeps 2/η to the last bit. */
export function limitAtUnitRate({ rule }: StabilityOptimizer, moments: Moments): number {
  const { beta, gradientWeight } = rule;
  const trace = 2 * ((1 - beta) / gradientWeight);
  return trace / (moments.s2 > 0 ? moments.s2 : topShare(moments, beta));
}

/** A band, and what is known of the curvature that it comes from. */
export interface Band {
  readonly lower: number;
  readonly upper: number;
  /** The curvature that is held against the limit: tr₊ or λmax, and with a mini-batch what its noise can make of that. */
  readonly curvature: Interval;
  /** The limits that lie in the band of every curvature within `curvature`; empty (lower > upper) where that is wide. */
  readonly core: { readonly lower: number; readonly upper: number };
  /** How far `upper` moves when λmax does. */
  readonly upperPerLambda: number;
  /** How far `upper` moves when the trace does: n/b. */
  readonly upperPerTrace: number;
}

/** `stabilityBounds`, with what it rests on. */
export function bandOf(curvature: Curvature, { rule }: StabilityOptimizer, moments: Moments, sampling: Sampling): Band {
  const spread = batchSpread(sampling);
  const lambda = Math.max(curvature.lambdaMax, 0);
  const share = topShare(moments, rule.beta);
  const batchShare = Math.max(0, share + (spread - 1) * moments.s1);
  if (moments.s2 === 0) {
    const most = lambda * (batchShare / share);
    return {
      lower: lambda,
      upper: most,
      curvature: { min: lambda, max: most },
      core: { lower: most, upper: lambda },
      upperPerLambda: batchShare / share,
      upperPerTrace: 0,
    };
  }
  const top = share / moments.s2;
  const lowerOf = (trace: number) => Math.max(trace + Math.min(0, top) * lambda, (1 + top) * lambda);
  const { min, max } = positiveTrace(curvature);
  const upperPerLambda = batchShare / moments.s2;
  return {
    lower: lowerOf(min),
    upper: spread * max + upperPerLambda * lambda,
    curvature: { min, max: spread * max },
    core: { lower: lowerOf(spread * max), upper: min + Math.max(0, top) * lambda },
    upperPerLambda,
    upperPerTrace: spread,
  };
}

/** 2κ/(1 + β) = s1 − 2β/(1 + β): how much the largest eigenvalue can add to the trace. Written so that s1 = 1 cancels nothing. */
function topShare({ s1 }: Moments, beta: number): number {
  return s1 - 1 + (1 - beta) / (1 + beta);
}

/** n/b ≥ 1: how much more than the whole set's Hessian a mini-batch's can be, where no example's has a negative eigenvalue. */
function batchSpread({ batch = 'full', examples }: Sampling): number {
  if (batch === 'full') return 1;
  if (examples === undefined) invalidArgument('examples', 'the number of all examples, beside a mini-batch', examples);
  return checkInteger('examples', examples, 1) / checkInteger('batch', batch, 1, examples);
}

/** @throws ERR_ZEROTH_ARGUMENT where the estimator does not know its moments. */
export function knownMoments({ estimator, rule }: StabilityOptimizer, dimension: number | undefined): Moments {
  const moments = momentsOfOptimizer({ estimator, rule }, dimension);
  if (moments === null) {
    if (rule.lawful === false)
      invalidArgument('optimizer.rule', 'one that the law is about: linear in ĝ, with momentum or without', rule.name);
    invalidArgument(
      'optimizer.estimator',
      'one with known moments (s1, s2), without which the theory says nothing',
      estimator.name,
    );
  }
  return moments;
}
