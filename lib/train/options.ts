import type { Seed } from '../random/seed.ts';

/** How a run goes; everything but `steps` has a default. */
export interface TrainOptions {
  /** Steps of the whole run; a resumed run does the rest of them. */
  readonly steps: number;
  /** Seed of directions, batches and probes. Default 0. */
  readonly seed?: Seed;
  /** Examples of a step, drawn without replacement, fresh each step. Default: all of them. */
  readonly batch?: number | 'full';
  /** Measure curvature before every k-th step and, when the run completes, after the last; 0 = never (default). */
  readonly monitorEvery?: number;
  /** Hutchinson probes of one measurement. Default 64. */
  readonly probes?: number;
  /** Run folder for the log and the checkpoints; nothing is written without one. */
  readonly out?: string;
  /** Go on from the checkpoint in `out`. Default false: `out` must not hold a run yet. */
  readonly resume?: boolean;
  /** Steps between checkpoints. Default 1000. There is one at the start and one at the end, too, unless the run diverges. */
  readonly checkpointEvery?: number;
  /** Ends the run after the step under way, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** For the log: what the caller wants to find again. */
  readonly meta?: Readonly<Record<string, unknown>>;
}
