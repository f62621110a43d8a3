import { shown } from '../errors.ts';
import type { DiffusionState } from './diffusion.ts';
import type { DivergenceState } from './divergence.ts';
import type { LastMeasured } from './ending.ts';
import type { WarningEvent } from './events.ts';
import type { LastStep } from './flatness.ts';
import type { MotionState } from './motion.ts';
import { recordOf } from './record.ts';

/** What a resumed run needs to see what it would have seen. */
export interface WatchState {
  readonly divergence: DivergenceState;
  readonly diffusion: DiffusionState;
  readonly motion: MotionState;
  /** Steps in a row whose estimate was exactly 0. */
  readonly still: number;
  /** Of the last step; null before there was one. */
  readonly kind: LastStep['kind'] | null;
  /** ‖θ‖² is measured when noise has added this much; null where that is never. */
  readonly measureAt: number | null;
  readonly measured: LastMeasured | null;
  readonly warnings: readonly WarningEvent[];
}

/** @throws Error, which says what is wrong, unless the value is a state that was once written. */
export function checkedWatchState(value: unknown): WatchState {
  const state = record('watch', value);
  const divergence = record('divergence', state.divergence);
  const motion = record('motion', state.motion);
  const start = record('start', motion.start);
  const [early, beyond] = [list('early losses', divergence.early), list('losses beyond', divergence.beyond)];
  const numbers = [state.still, start.sum, start.squares, motion.pushes, ...early, ...beyond];
  if (motion.seen !== null) {
    const { step, digest } = record('seen', motion.seen);
    numbers.push(step);
    if (typeof digest !== 'string') throw new Error(`watch: digest ${shown(digest)}`);
  }
  if (divergence.first !== null) numbers.push(divergence.first);
  if (state.diffusion !== null) {
    const { xx, xm, mm } = record('diffusion', state.diffusion);
    numbers.push(xx, xm, mm);
  }
  if (state.measureAt !== null) numbers.push(state.measureAt);
  if (state.measured !== null) {
    const { step, lr, value, ratio, ratioMax, squaredNorm } = record('measured', state.measured);
    numbers.push(step, lr, value, squaredNorm, ...[ratio, ratioMax].filter((known) => known !== null));
  }
  for (const number of numbers) {
    if (typeof number !== 'number') throw new Error(`watch: expected a number, received ${shown(number)}`);
  }
  if (typeof motion.moved !== 'boolean') throw new Error(`watch: moved ${shown(motion.moved)}`);
  if (![null, 'directions', 'dense', 'none'].includes(state.kind as string | null))
    throw new Error(`watch: kind ${shown(state.kind)}`);
  for (const warning of list('warnings', state.warnings)) record('warning', warning);
  return value as WatchState;
}

const record = (name: string, value: unknown) => recordOf(`watch: ${name}`, value);

function list(name: string, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new Error(`watch: ${name} ${shown(value)}`);
}
