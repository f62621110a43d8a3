import { checkInteger, invalidArgument } from '../errors.ts';
import { type Direction, stream } from './direction.ts';
import type { Space } from './space.ts';

/** Runs that may share a seed, steps of a run, and vectors that a step may draw for one purpose. */
export const MAX_RUNS = 2 ** 12;
export const MAX_STEPS = 2 ** 28;
export const MAX_VECTORS = 2 ** 16;

/** What a run draws: directions of its steps, probes and start vectors of its measurements, mini-batches. */
export type RunPurpose = 'step' | 'probe' | 'lanczos' | 'batch';

/** Where a vector stands in a run: number of the run among those that share a seed, updates done before, which vector of the step. */
export interface RunPlace {
  readonly run: number;
  readonly step: number;
  /** Default 0. */
  readonly index?: number;
}

/**
 * The index of the stream (`stream(purpose, index)`) of a vector that a run draws. Another run, step, index or purpose is another stream: each
 * stands in bits of its own,
 *
 *     purpose 8 | run 12 | step 28 | index 16
 *
 * except that a mini-batch is one draw a step: purpose 8 | run 12 | 0 16 | step 28.
 *
 * @throws ERR_ZEROTH_ARGUMENT for what is out of range: it would be the stream of something else.
 */
export function runIndex(purpose: RunPurpose, { run, step, index = 0 }: RunPlace): bigint {
  checkInteger('run', run, 0, MAX_RUNS - 1);
  checkInteger('step', step, 0, MAX_STEPS - 1);
  checkInteger(`index of a ${purpose} vector`, index, 0, purpose === 'batch' ? 0 : MAX_VECTORS - 1);
  const place = purpose === 'batch' ? BigInt(step) : (BigInt(step) << 16n) | BigInt(index);
  return (BigInt(run) << 44n) | place;
}

export const runStream = (purpose: RunPurpose, place: RunPlace): bigint => stream(purpose, runIndex(purpose, place));

/**
 * The directions of a step, all normal, in a space where there is one. @returns a function of the index, 0 ≤ i < 2^16, and of an earlier step, if it is one of those;
 * it throws ERR_ZEROTH_ARGUMENT beyond.
 */
export function stepDirections(
  seed: bigint,
  run: number,
  step: number,
  space?: Space,
): (i: number, then?: number) => Direction {
  return (i, then = step) => {
    if (then > step) invalidArgument('step of a direction', `one up to this, ${step}`, then);
    const direction = {
      distribution: 'normal',
      seed,
      stream: runStream('step', { run, step: then, index: i }),
    } as const;
    return space ? { ...direction, space } : direction;
  };
}
