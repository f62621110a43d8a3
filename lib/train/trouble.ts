import { MAX_F32, ZerothError } from '../errors.ts';
import { greatest } from '../extremes.ts';
import type { Objective } from '../objective/objective.ts';
import type { Estimate } from '../optimizers/optimizer.ts';
import type { MeasuredParams } from '../params/measure.ts';
import type { DeviceGradient } from '../params/params.ts';
import type { EarlyLosses } from './divergence.ts';
import type { EndCause } from './events.ts';
import { findGradientOverflow, findOverflow, overflowing, overflowText } from './finite.ts';
import { brief, stepsText } from './words.ts';

/** Why a run cannot go on. */
export interface Trouble {
  readonly cause: EndCause;
  /** What happened, in a sentence. */
  readonly text: string;
  /** What it says about the run: of its loss before anything moved, of the loss's derivative, of its scale, of what made a NaN of numbers, of η and the noise. */
  readonly lies:
    | 'in the start'
    | 'in μ'
    | 'in the derivative'
    | 'in the scale'
    | 'in the arithmetic'
    | 'in the dynamics';
}

/** Where a run stood when it could not go on. */
export interface Stand {
  /** Steps done. */
  readonly step: number;
  /** Whether the loss or ‖θ‖² is far from where it began: then what overflows is what the steps have made. */
  readonly away: boolean;
}

/** An estimate that must not be applied. */
interface Refused {
  readonly cause: EndCause;
  readonly estimate: Estimate;
  readonly lr: number;
  /** What the loss was held against. */
  readonly limit: number;
  readonly reference: EarlyLosses | undefined;
}

export const isFiniteF32 = (value: number): boolean => Math.abs(value) <= MAX_F32;

/** What is not finite of θ and its states. */
export async function explainOverflow(
  { params }: Objective,
  measured: MeasuredParams,
  { step, away }: Stand,
): Promise<Trouble | undefined> {
  const names = overflowing(measured);
  if (names.length === 0) return undefined;
  // A state that has overflowed is the cause of what it did to θ.
  const name = names.at(-1) ?? 'theta';
  const found = await unlessOutOfMemory(() => findOverflow(params, name));
  const moved = step === 0 ? 'in the start' : 'in the dynamics';
  return {
    cause: name === 'theta' ? 'parameters-not-finite' : 'state-not-finite',
    text: `${found ? overflowText(found) : `${name} is not finite`} after ${stepsText(step)}.`,
    // Sums of gradients, or of their squares: η has no part in them while θ is about where it began.
    lies: name !== 'theta' && step > 0 && !away ? ofNumber(found?.value) : moved,
  };
}

/** Why an estimate must not be applied. @param overflow what is not finite of the parameters that it was made at. */
export async function explainEstimate(
  objective: Objective,
  { cause, estimate, lr, limit, reference }: Refused,
  { step, away }: Stand,
  overflow: Trouble | undefined,
): Promise<Trouble> {
  const { loss } = estimate;
  switch (cause) {
    case 'loss-not-finite': {
      const what = `The loss is ${loss} at step ${step}`;
      // θ or a state that is not finite says more.
      if (overflow) return { ...overflow, text: `${what}. ${overflow.text}` };
      const lies = step === 0 ? 'in the start' : 'in the dynamics';
      if (estimate.kind === 'dense') return { cause, text: `${what}.`, lies };
      const here = await unlessOutOfMemory(() => lossHere(objective));
      if (here === undefined || !Number.isFinite(here)) return { cause, text: `${what}.`, lies };
      const text = `${what}, where the parameters are perturbed; at the parameters themselves it is ${brief(here)}.`;
      return { cause, text, lies: step === 0 ? 'in μ' : lies };
    }
    case 'gradient-not-finite': {
      if (overflow) return overflow;
      const { gradient } = estimate as Extract<Estimate, { kind: 'dense' }>;
      const found = await unlessOutOfMemory(() => findGradientOverflow(objective.params, gradient as DeviceGradient));
      const what = found ? overflowText(found) : 'The gradient is not finite';
      const text = `${what} at step ${step}, where the loss is ${brief(loss)}.`;
      return { cause, text, lies: away ? 'in the dynamics' : 'in the derivative' };
    }
    case 'update-not-finite': {
      if (estimate.kind === 'dense') {
        const { coefficient = 1 } = estimate;
        const text = `The update of step ${step}, η = ${brief(lr)} times ${brief(coefficient)} of the gradient, is beyond f32.`;
        return { cause, text, lies: 'in the dynamics' };
      }
      const { terms } = estimate;
      const bad = terms.find(({ coefficient }) => !isFiniteF32(coefficient));
      if (bad) {
        const beyond = Number.isNaN(bad.coefficient) ? '' : ', beyond f32';
        const text = `The estimate of step ${step} is ${brief(bad.coefficient)} along its direction${beyond}, where the loss is ${brief(loss)}.`;
        return { cause, text, lies: step === 0 || !beyond ? ofNumber(bad.coefficient) : 'in the dynamics' };
      }
      const largest = greatest(terms.map(({ coefficient }) => Math.abs(coefficient)));
      const text = `The update of step ${step}, η = ${brief(lr)} times ${brief(largest)} along its direction, is beyond f32.`;
      return { cause, text, lies: 'in the dynamics' };
    }
    default: {
      const { median = Number.NaN, losses = 0 } = reference ?? {};
      const first = losses === 1 ? 'first loss' : `first ${losses} losses`;
      const text = `The loss rose to ${brief(loss)} at step ${step}, beyond ${limit} times the scale of the ${first} (median ${brief(median)}).`;
      return { cause, text, lies: 'in the dynamics' };
    }
  }
}

/** What it says of a number that it is not finite while loss and θ are as they were: too large, or, as NaN, never a number. */
const ofNumber = (value: number | undefined): Trouble['lies'] =>
  Number.isNaN(value) ? 'in the arithmetic' : 'in the scale';

/** Where there is no memory to find something out, less is said; the run does not die of the question. */
export async function unlessOutOfMemory<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ZerothError && OUT_OF_MEMORY.includes(error.code)) return undefined;
    throw error;
  }
}

const OUT_OF_MEMORY: readonly string[] = ['ERR_ZEROTH_DEVICE', 'ERR_ZEROTH_MEMORY'];

/** L(θ) over all examples. */
async function lossHere(objective: Objective): Promise<number> {
  const theta = await objective.params.snapshot();
  try {
    return await objective.lossAt(theta);
  } finally {
    theta.dispose();
  }
}
