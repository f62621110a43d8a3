import { checkInteger, checkNumber, invalidArgument, isWithin, MAX_F32, shown, ZerothError } from '../errors.ts';
import type { LearningRate, Optimizer } from './optimizer.ts';

/** What a device, which computes in f32, can take. */
const RATES = { min: 0, max: MAX_F32 } as const;

/** A step size as a function of the step; the first step is 0. */
export type Schedule = (step: number) => number;

/**
 * The same step size at every step.
 *
 * @param lr η ≥ 0.
 * @returns a schedule.
 * @throws ERR_ZEROTH_ARGUMENT when η is negative or not finite.
 * @example
 * constant(0.05)(1000) // 0.05
 */
export function constant(lr: number): Schedule {
  checkNumber('lr', lr, { min: 0 });
  return () => lr;
}

/**
 * A step size that jumps: each entry holds from its step until the next entry's.
 *
 * Raising η in mid-run is how a catapult is provoked (figure 3 of the paper).
 *
 * @param pieces step → η ≥ 0. Must have an entry for step 0.
 * @returns a schedule.
 * @throws ERR_ZEROTH_ARGUMENT when step 0 is missing, a step is not an integer ≥ 0, or an η is negative or not finite.
 * @example
 * const lr = piecewise({ 0: 0.03, 2000: 0.05 })
 * lr(1999) // 0.03
 * lr(2000) // 0.05
 */
export function piecewise(pieces: Readonly<Record<number, number>>): Schedule {
  const entries = Object.entries(pieces).map(([key, lr]) => {
    const from = checkInteger('step of pieces', key.trim() === '' ? Number.NaN : Number(key), 0);
    return { from, lr: checkNumber(`pieces[${key}]`, lr, { min: 0 }) };
  });
  entries.sort((a, b) => a.from - b.from);
  if (entries[0]?.from !== 0) invalidArgument('pieces', 'an entry for step 0', Object.keys(pieces));
  return (step) => {
    let low = 0;
    for (let high = entries.length; high - low > 1; ) {
      const middle = (low + high) >> 1;
      if (entries[middle].from <= step) low = middle;
      else high = middle;
    }
    return entries[low].lr;
  };
}

/** A rise to a peak and a decay to an end. */
export interface WarmupDecay {
  /** Largest η, reached at step `warmupSteps`. */
  readonly peak: number;
  /** Steps of linear rise from 0 to `peak`; step 0 already takes peak/warmupSteps, so that no step is wasted. 0: no warm-up. */
  readonly warmupSteps: number;
  /** Step at which η reaches `end`; it stays there afterwards. Must exceed `warmupSteps`. */
  readonly steps: number;
  /** Last η. Default 0. */
  readonly end?: number;
}

/**
 * Linear warm-up, then linear decay.
 *
 *     η(t) = peak · (t + 1)/warmupSteps                          t < warmupSteps
 *     η(t) = peak + (end − peak) · x,  x = (t − warmupSteps)/(steps − warmupSteps), at most 1
 *
 * @returns a schedule.
 * @throws ERR_ZEROTH_ARGUMENT when a number is out of range.
 * @example
 * const lr = warmupLinearDecay({ peak: 1, warmupSteps: 10, steps: 110 })
 * lr(4) // 0.5
 * lr(60) // 0.5
 */
export function warmupLinearDecay(options: WarmupDecay): Schedule {
  return warmupDecay(options, (x) => x);
}

/**
 * Linear warm-up, then half a cosine.
 *
 *     η(t) = peak · (t + 1)/warmupSteps                                t < warmupSteps
 *     η(t) = peak + (end − peak) · (1 − cos πx)/2,  x = (t − warmupSteps)/(steps − warmupSteps), at most 1
 *
 * @returns a schedule.
 * @throws ERR_ZEROTH_ARGUMENT when a number is out of range.
 * @example
 * const lr = warmupCosineDecay({ peak: 1, warmupSteps: 0, steps: 100, end: 0.1 })
 * lr(0) // 1
 * lr(100) // 0.1
 * @see Loshchilov and Hutter, SGDR, arXiv 1608.03983, eq. 5.
 */
export function warmupCosineDecay(options: WarmupDecay): Schedule {
  return warmupDecay(options, (x) => (1 - Math.cos(Math.PI * x)) / 2);
}

function warmupDecay({ peak, warmupSteps, steps, end = 0 }: WarmupDecay, shape: (x: number) => number): Schedule {
  checkNumber('peak', peak, { min: 0 });
  checkNumber('end', end, { min: 0 });
  checkInteger('warmupSteps', warmupSteps, 0);
  checkInteger('steps', steps, warmupSteps + 1);
  return (step) => {
    if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
    if (step >= steps) return end;
    return peak + (end - peak) * shape((step - warmupSteps) / (steps - warmupSteps));
  };
}

/**
 * The step size that an optimizer uses at a step.
 *
 * @param optimizer anything with an `lr`.
 * @param step steps done before this one: the first is 0.
 * @returns η ≥ 0.
 * @throws ERR_ZEROTH_ARGUMENT when the step is not an integer ≥ 0, or the schedule returns a negative or non-finite number.
 * @example
 * learningRateAt(zoGD({ lr: piecewise({ 0: 0.03, 2000: 0.05 }) }), 2000) // 0.05
 */
export function learningRateAt(optimizer: Pick<Optimizer, 'lr'>, step: number): number {
  checkInteger('step', step, 0);
  const { lr } = optimizer;
  if (typeof lr !== 'function') return checkNumber('lr', lr, RATES);
  const value: unknown = lr(step);
  if (!isWithin(value, RATES)) {
    throw new ZerothError(
      'ERR_ZEROTH_ARGUMENT',
      `lr(${step}): expected a finite number ≥ 0 from the schedule (in f32), received ${shown(value)}.`,
    );
  }
  return value;
}

/** Checks a step size as far as it can be known in advance: a number now, a schedule at each step. Returns it. */
export function checkLearningRate(lr: LearningRate): LearningRate {
  // 0 is allowed: a run that moves nothing is how rounding drift is measured.
  if (typeof lr !== 'function') checkNumber('lr', lr, RATES);
  return lr;
}
