import { checkInteger, checkOptions, checkScale, invalidArgument } from '../errors.ts';
import type { Optimizer } from './optimizer.ts';
import { askStepSize, isSchedule, type Schedule, schedule, stepSizeOf } from './step-size.ts';

export { type Schedule, schedule } from './step-size.ts';

/**
 * The same step size at every step.
 *
 * @param lr η ≥ 0.
 * @returns a schedule; what the number itself stands for wherever a step size is expected.
 * @throws ERR_ZEROTH_ARGUMENT when η is negative or f32 does not hold it.
 * @example
 * constant(0.05).at(1000) // 0.05
 */
export function constant(lr: number): Schedule {
  const rate = checkScale('lr', lr);
  return schedule('constant', { lr: rate }, () => rate);
}

/**
 * A step size that jumps: each entry holds from its step until the next entry's.
 *
 * Raising η in mid-run is how a catapult is provoked (figure 3 of the paper).
 *
 * @param pieces step → η ≥ 0. Must have an entry for step 0.
 * @returns a schedule.
 * @throws ERR_ZEROTH_ARGUMENT when step 0 is missing, a step is not an integer ≥ 0, or an η is negative or f32 does not hold it.
 * @example
 * const lr = piecewise({ 0: 0.03, 2000: 0.05 })
 * lr.at(1999) // 0.03
 * lr.at(2000) // 0.05
 */
export function piecewise(pieces: Readonly<Record<number, number>>): Schedule {
  const entries = Object.entries(pieces).map(([key, lr]) => {
    const from = checkInteger('step of pieces', key.trim() === '' ? Number.NaN : Number(key), 0);
    return { from, lr: checkScale(`pieces[${key}]`, lr) };
  });
  entries.sort((a, b) => a.from - b.from);
  if (entries[0]?.from !== 0) invalidArgument('pieces', 'an entry for step 0', Object.keys(pieces));
  const options = { pieces: Object.fromEntries(entries.map(({ from, lr }) => [from, lr])) };
  return schedule('piecewise', options, (step) => {
    let low = 0;
    for (let high = entries.length; high - low > 1; ) {
      const middle = (low + high) >> 1;
      if (entries[middle].from <= step) low = middle;
      else high = middle;
    }
    return entries[low].lr;
  });
}

/** A rise to a peak and a decay to an end. */
interface WarmupDecay {
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
 * lr.at(4) // 0.5
 * lr.at(60) // 0.5
 */
export function warmupLinearDecay(options: WarmupDecay): Schedule {
  return warmupDecay('warmup-linear-decay', options, (x) => x);
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
 * lr.at(0) // 1
 * lr.at(100) // 0.1
 * @see Loshchilov and Hutter, SGDR, arXiv 1608.03983, eq. 5.
 */
export function warmupCosineDecay(options: WarmupDecay): Schedule {
  return warmupDecay('warmup-cosine-decay', options, (x) => (1 - Math.cos(Math.PI * x)) / 2);
}

function warmupDecay(name: string, options: WarmupDecay, shape: (x: number) => number): Schedule {
  checkOptions(`${name}: options`, options, { peak: true, warmupSteps: true, steps: true, end: true });
  const { end: last = 0 } = options;
  const peak = checkScale('peak', options.peak);
  const end = checkScale('end', last);
  const warmupSteps = checkInteger('warmupSteps', options.warmupSteps, 0);
  const steps = checkInteger('steps', options.steps, warmupSteps + 1);
  return schedule(name, { peak, warmupSteps, steps, end }, (step) => {
    if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
    if (step >= steps) return end;
    return peak + (end - peak) * shape((step - warmupSteps) / (steps - warmupSteps));
  });
}

/**
 * The step size that an optimizer uses at a step, where that is known beforehand.
 *
 * @param optimizer anything with an `lr`.
 * @param step steps done before this one: the first is 0.
 * @returns η ≥ 0; at step 0, of a step size that is not a schedule, what it expects before it has seen anything.
 * @throws ERR_ZEROTH_ARGUMENT when the step is not an integer ≥ 0, the step size returns a negative or non-finite number, or a later step is
 *   asked of a step size that goes by what the run measures.
 * @example
 * learningRateAt(zoGD({ lr: piecewise({ 0: 0.03, 2000: 0.05 }) }), 2000) // 0.05
 */
export function learningRateAt(optimizer: Pick<Optimizer, 'lr'>, step: number): number {
  checkInteger('step', step, 0);
  const stepSize = stepSizeOf(optimizer.lr);
  if (step > 0 && !isSchedule(stepSize)) {
    const expected = `0, because step size ${stepSize.name} goes by what the run measures: the η of other steps is in the run's log`;
    invalidArgument('step', expected, step);
  }
  return askStepSize(stepSize, stepSize.init(), { step }).lr;
}
