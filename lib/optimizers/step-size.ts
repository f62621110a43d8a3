import {
  checkInteger,
  checkScale,
  invalidArgument,
  isWithin,
  MAX_F32,
  type Names,
  shown,
  ZerothError,
} from '../errors.ts';
import type { Estimate } from './estimate.ts';
import { checkFields } from './fields.ts';
import { checkJson, type Json, type Options, optionsOf } from './json.ts';

/** What the monitor measured last: see its event. */
export interface CurvatureReading {
  readonly step: number;
  /** L(θ), over all examples. */
  readonly loss: number;
  /** Of P⁻¹H where the rule is preconditioned. */
  readonly trace: number;
  readonly traceStdErr: number;
  readonly lambdaMax: number;
}

/** What a step size may go by. */
export interface StepInfo {
  /** Steps done before this one: the first is 0. */
  readonly step: number;
  /** What this step measured. Absent where η is asked for beforehand, for the log or the monitor: return what is to be expected. */
  readonly estimate?: Estimate;
  /** The last measurement of curvature, once there was one. */
  readonly monitor?: CurvatureReading;
}

/**
 * η as a pure function of explicit state, called once a step has measured and before it is applied.
 *
 * The state is plain JSON. It is saved in each checkpoint, so that a resumed run goes on exactly. Nothing else may be remembered: `next` is
 * called more than once a step, and a second answer that differs from the first is ERR_ZEROTH_STEP_SIZE. A field of another name is refused, unless it
 * is an instance of a class.
 *
 * For example, one that halves η when the loss exceeds the smallest so far by half:
 *
 *     const careful: StepSize<{ lr: number; best: number | null }> = {
 *       name: 'careful',
 *       options: { lr: 0.1 },
 *       init: () => ({ lr: 0.1, best: null }),
 *       next({ lr, best }, { estimate }) {
 *         if (!estimate) return { lr, state: { lr, best } };
 *         const now = best !== null && estimate.loss > 1.5 * best ? lr / 2 : lr;
 *         return { lr: now, state: { lr: now, best: Math.min(best ?? estimate.loss, estimate.loss) } };
 *       },
 *     };
 */
export interface StepSize<S extends Json = Json> {
  readonly name: string;
  /** What tells it from others of its name: part of the run's identity, its log and its labels. Default none. */
  readonly options?: Options;
  /** State before the first step. */
  init(): S;
  /** @returns η ≥ 0 of this step, and the state after it. */
  next(state: S, info: StepInfo): { readonly lr: number; readonly state: S };
}

/**
 * A step size that depends on the step alone, so that it is known beforehand. Only `schedule` makes one: a step size of one's own that has an
 * `at` among its methods may well remember.
 */
export class Schedule implements StepSize<null> {
  readonly name: string;
  readonly options: Options;
  readonly #at: (step: number) => number;
  /** η at a step; the first step is 0. */
  readonly at = (step: number): number => checkRate(`lr(${step})`, this.#at(checkInteger('step', step, 0)));

  /** @internal Use `schedule`. */
  constructor(name: string, options: Options, at: (step: number) => number) {
    this.name = name;
    this.options = options;
    this.#at = at;
  }

  init(): null {
    return null;
  }

  next(state: null, { step }: StepInfo): { readonly lr: number; readonly state: null } {
    return { lr: this.at(step), state };
  }
}

/** η: a constant, a pure function of the step (the first is 0), or a step size with options and state. */
export type LearningRate = number | ((step: number) => number) | StepSize;

/** What a device, which computes in f32, can take. */
const RATES = { min: 0, max: MAX_F32 } as const;

/** A schedule from its formula. */
export function schedule(name: string, options: Options, at: (step: number) => number): Schedule {
  return new Schedule(name, options, at);
}

export const isSchedule = (stepSize: StepSize): stepSize is StepSize & Schedule => stepSize instanceof Schedule;

const STEP_SIZE: Names<StepSize> = { name: true, options: true, init: true, next: true };

/** A step size in its one form. @throws ERR_ZEROTH_ARGUMENT for what is none. */
export function stepSizeOf(lr: LearningRate): StepSize {
  if (typeof lr === 'function') return pureFunction(lr);
  if (typeof lr !== 'object' || lr === null) {
    const rate = checkScale('lr', lr);
    return schedule('constant', { lr: rate }, () => rate);
  }
  const stepSize = lr as StepSize;
  if (typeof stepSize.name !== 'string' || typeof stepSize.init !== 'function' || typeof stepSize.next !== 'function')
    invalidArgument('lr', 'a number ≥ 0, a function of the step, or a StepSize { name, options?, init, next }', lr);
  checkFields('lr', stepSize, STEP_SIZE);
  optionsOf('step size', stepSize);
  return stepSize;
}

/** A function of the step that is caught when it remembers: it must say the same again, of this step and of the first. */
function pureFunction(lr: (step: number) => number): Schedule {
  const first = lr(0);
  const again = (step: number, before: unknown) => {
    const now: unknown = lr(step);
    if (Object.is(now, before)) return;
    throw new ZerothError(
      'ERR_ZEROTH_STEP_SIZE',
      `lr: expected a function of the step alone, received one that said ${shown(before)} and then ${shown(now)} of step ${step}. ` +
        'What it remembers would be lost when the run is resumed: use a StepSize { name, options, init, next }, whose state is saved.',
    );
  };
  return schedule('function', {}, (step) => {
    const rate = lr(step);
    again(step, rate);
    again(0, first);
    return rate;
  });
}

/**
 * Asks a step size for η. It is asked twice, of equal states, and must answer the same.
 *
 * @throws ERR_ZEROTH_ARGUMENT for an η that is no rate or a state that is not JSON; ERR_ZEROTH_STEP_SIZE for two answers.
 */
export function askStepSize(stepSize: StepSize, state: Json, info: StepInfo): { lr: number; state: Json } {
  if (isSchedule(stepSize)) return { lr: stepSize.at(info.step), state: null };
  const text = JSON.stringify(state);
  const [one, two] = [text, text].map((before) => {
    const { lr, state } = stepSize.next(JSON.parse(before), info) ?? {};
    const rate = checkRate(`lr of step size ${stepSize.name} at step ${info.step}`, lr);
    return { lr: rate, state: checkJson(`state of step size ${stepSize.name}`, state) };
  });
  if (!Object.is(one.lr, two.lr) || JSON.stringify(one.state) !== JSON.stringify(two.state)) {
    throw new ZerothError(
      'ERR_ZEROTH_STEP_SIZE',
      `lr: expected a StepSize whose next(state, info) depends on its arguments alone, received ${shown(stepSize.name)}, which said ` +
        `η = ${one.lr} and then ${two.lr} of step ${info.step}, or returned two states. Keep what it remembers in its state, which is saved.`,
    );
  }
  return one;
}

function checkRate(name: string, lr: unknown): number {
  if (!isWithin(lr, RATES)) invalidArgument(name, 'a finite number ≥ 0 (in f32)', lr);
  return lr + 0;
}
