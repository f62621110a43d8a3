import { checkInteger, checkNumber, checkObject, checkOptions, invalidArgument, ZerothError } from '../errors.ts';
import { MAX_RUNS, MAX_STEPS } from '../random/run-streams.ts';
import { checkSeed, type Seed } from '../random/seed.ts';
import type { Metric } from './metrics.ts';
import { checkMonitorOptions } from './monitor-plan.ts';

/** How a run goes; everything but `steps` has a default. The type parameters are the names of the objective's parameters, data and constants. */
export interface TrainOptions<P extends string = string, D extends string = string, C extends string = string> {
  /** Steps of the whole run, below 2^28; a resumed run does the rest of them. */
  readonly steps: number;
  /** Seed of directions, batches and probes. Default 0. */
  readonly seed?: Seed;
  /**
   * Number of this run among those that share the seed, 0 ≤ run < 4096: each draws directions, batches and probes of its own. Default: how
   * many runs of this objective with this seed began before, so that no two draw the same. Give it to draw again what that run drew.
   */
  readonly run?: number;
  /** Examples of a step, drawn without replacement, fresh each step. Default: all of them. */
  readonly batch?: number | 'full';
  /**
   * When to measure curvature. A number k: before every k-th step, the first included, and after the last of a run that completes. `'auto'`
   * (default): before every so many steps that it costs at most a tenth of the run; the run event says how many. `'off'`: never.
   */
  readonly monitorEvery?: number | 'auto' | 'off';
  /** Hutchinson probes of one measurement. Default 64, and 16 where the interval is chosen. */
  readonly probes?: number;
  /** Run folder for the log and the checkpoints; nothing is written without one. */
  readonly out?: string;
  /** Go on from the checkpoint in `out`. Default false: `out` must not hold a run yet. */
  readonly resume?: boolean;
  /** Steps between checkpoints. Default 1000. There is one at the start and one at the end, too, unless the run diverges. */
  readonly checkpointEvery?: number;
  /**
   * A run has diverged when its loss has risen above its first losses by this many times their scale, in 8 steps in a row; `off` leaves it
   * to numbers that are not finite. Default 1000: catapults at the edge of stability stay far below. May change at a resume.
   */
  readonly divergenceLimit?: number | 'off';
  /**
   * Numbers to follow, evaluated over all examples, whatever memory that takes, with each measurement of curvature and at the end. They do
   * not change the run.
   *
   *     metrics: { accuracy: (p, { x, y }) => accuracy(model.apply(p, x), y) }
   */
  readonly metrics?: Readonly<Record<string, Metric<P, D, C>>>;
  /** Ends the run after the step under way, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** For the log: what the caller wants to find again. */
  readonly meta?: Readonly<Record<string, unknown>>;
}

/** The options of a run, checked, with their defaults. */
export interface RunSettings {
  readonly steps: number;
  readonly seed: bigint;
  readonly run: number | undefined;
  readonly batch: number | 'full';
  readonly monitorEvery: number | 'auto' | 'off' | undefined;
  readonly probes: number | undefined;
  readonly out: string | undefined;
  readonly resume: boolean;
  readonly checkpointEvery: number;
  /** Infinity where it is off. */
  readonly divergenceLimit: number;
  readonly metrics: Readonly<Record<string, Metric>>;
  readonly signal: AbortSignal | undefined;
  readonly meta: Readonly<Record<string, unknown>>;
}

const OPTIONS = {
  steps: true,
  seed: true,
  run: true,
  batch: true,
  monitorEvery: true,
  probes: true,
  out: true,
  resume: true,
  checkpointEvery: true,
  divergenceLimit: true,
  metrics: true,
  signal: true,
  meta: true,
} as const;

function checkBatch(batch: number | 'full', examples: number): number | 'full' {
  if (batch === 'full') return batch;
  if (examples === 0) invalidArgument('batch', "'full', for the problem has no data to choose from", batch);
  return checkInteger('batch', batch, 1, examples);
}

/** @throws ERR_ZEROTH_ARGUMENT */
export function runSettings(options: TrainOptions, examples: number): RunSettings {
  checkOptions('options', options, OPTIONS);
  const { batch = 'full', out, resume = false, divergenceLimit = 1000, metrics = {}, signal, meta = {} } = options;
  if (out !== undefined && (typeof out !== 'string' || out === '')) invalidArgument('out', 'the path of a folder', out);
  if (signal !== undefined && !(signal instanceof AbortSignal)) invalidArgument('signal', 'an AbortSignal', signal);
  checkMeta(meta);
  checkObject('metrics', metrics, 'an object of named functions');
  for (const [name, metric] of Object.entries(metrics)) {
    if (typeof metric !== 'function') invalidArgument(`metrics.${name}`, 'a function of parameters and data', metric);
  }
  checkMonitorOptions(options.monitorEvery, options.probes);
  const settings = {
    steps: checkInteger('steps', options.steps, 0, MAX_STEPS - 1),
    seed: checkSeed(options.seed ?? 0),
    run: options.run === undefined ? undefined : checkInteger('run', options.run, 0, MAX_RUNS - 1),
    batch: checkBatch(batch, examples),
    monitorEvery: options.monitorEvery,
    probes: options.probes,
    checkpointEvery: checkInteger('checkpointEvery', options.checkpointEvery ?? 1000, 1),
    divergenceLimit:
      divergenceLimit === 'off'
        ? Number.POSITIVE_INFINITY
        : checkNumber('divergenceLimit', divergenceLimit, { min: 1 }),
    out,
    resume,
    metrics,
    signal,
    meta,
  };
  if (resume && out === undefined) invalidArgument('out', 'the folder of the run to resume', out);
  return settings;
}

function checkMeta(meta: Readonly<Record<string, unknown>>): void {
  checkObject('meta', meta, 'an object');
  try {
    // A toJSON of its own may make anything of it.
    checkObject('meta', JSON.parse(JSON.stringify(meta) ?? 'null'), 'what is an object in JSON');
  } catch (cause) {
    if (cause instanceof ZerothError) throw cause;
    throw new ZerothError('ERR_ZEROTH_ARGUMENT', `meta: expected what JSON can hold; ${(cause as Error).message}`, {
      cause,
    });
  }
}
