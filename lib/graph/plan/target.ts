import { compositeOps } from '../ops/composite.ts';

/** What a plan goes by of the device that it is for. */
export interface Target {
  /** Bytes: values in the arena begin at multiples of it. */
  readonly alignment: number;
  /** Composites that it computes by one instruction; the others are computed by their parts. */
  readonly composites: readonly string[];
}

/** Every composite whole: for who has no device, and for the interpreter. */
export const ANY_TARGET: Target = { alignment: 64, composites: Object.keys(compositeOps) };
