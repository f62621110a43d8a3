import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkInteger, checkObject, invalidArgument, ZerothError } from '../errors.ts';
import { Objective } from '../objective/objective.ts';
import { describeOptimizer } from '../optimizers/facts.ts';
import type { Estimate, LossOracle, Optimizer } from '../optimizers/optimizer.ts';
import { learningRateAt } from '../optimizers/schedules.ts';
import { stream } from '../random/direction.ts';
import { checkSeed } from '../random/seed.ts';
import { version } from '../version.ts';
import { sampleExamples } from './batch.ts';
import { loadCheckpoint, saveCheckpoint } from './checkpoint.ts';
import type { EndEvent, MonitorEvent, RunEvent, StepEvent, TrainEvent } from './events.ts';
import { makeFolder } from './folder.ts';
import { lockFolder } from './lock.ts';
import { RUN_LOG, RunLog, truncateRunLog } from './log.ts';
import { MAX_PROBES, Monitor } from './monitor.ts';
import type { TrainOptions } from './options.ts';

/** Streams that belong to one step: an estimator takes as many of them as it draws directions. */
const DIRECTIONS_OF_A_STEP = 65536n;

/** A loss this many times the run's first is taken as divergence: catapults at the edge of stability stay far below. */
const EXPLOSION = 1e3;

/**
 * Trains, as an async iterable of events. Breaking out of the loop stops the run where it is, without a last checkpoint; `signal` ends it
 * with one.
 *
 * Deterministic: the same seed, device and number of threads give the same bits, whoever watches and however often.
 *
 * @param objective the compiled loss and its parameters; they are left at the last step's.
 * @param optimizer for example `zoGD({ lr: 0.05 })`.
 * @throws ERR_ZEROTH_ARGUMENT for bad options; ERR_ZEROTH_FILE when `out` holds a run; ERR_ZEROTH_CHECKPOINT when a resume does not fit.
 * @example
 * for await (const event of train(objective, zoGD({ lr: 0.05 }), { steps: 1000, monitorEvery: 250 })) {
 *   if (event.type === 'monitor') console.log(event.step, event.trace, event.threshold);
 * }
 */
export async function* train(
  objective: Objective,
  optimizer: Optimizer,
  options: TrainOptions,
): AsyncGenerator<TrainEvent, void> {
  checkArguments(objective, optimizer, options);
  const run = new Run(objective, optimizer, options);
  if (training.has(objective)) {
    throw new ZerothError(
      'ERR_ZEROTH_ARGUMENT',
      'objective: expected one that no run is training now, received one in use: two runs would move the same parameters. ' +
        'End the other run (break out of its loop, or call its return()), or compile the problem once more.',
    );
  }
  training.add(objective);
  try {
    yield* run.events();
  } finally {
    training.delete(objective);
    run.close();
  }
}

/** Objectives with a run under way. */
const training = new WeakSet<Objective>();

function checkArguments(objective: Objective, optimizer: Optimizer, options: TrainOptions): void {
  if (!(objective instanceof Objective)) invalidArgument('objective', 'what compile() returned', objective);
  const expected = 'an optimizer { estimator, rule, lr }, such as zoGD({ lr })';
  checkObject('optimizer', optimizer, expected);
  if (!optimizer.estimator || !optimizer.rule) invalidArgument('optimizer', expected, optimizer);
  checkObject('options', options, '{ steps, … }');
  const { out, signal, meta = {} } = options;
  if (out !== undefined && (typeof out !== 'string' || out === '')) invalidArgument('out', 'the path of a folder', out);
  if (signal !== undefined && !(signal instanceof AbortSignal)) invalidArgument('signal', 'an AbortSignal', signal);
  try {
    JSON.stringify(meta);
  } catch (cause) {
    throw new ZerothError('ERR_ZEROTH_ARGUMENT', `meta: expected what JSON can hold; ${(cause as Error).message}`, {
      cause,
    });
  }
}

class Run {
  readonly #objective: Objective;
  readonly #optimizer: Optimizer;
  readonly #options: TrainOptions;
  readonly #steps: number;
  readonly #seed: bigint;
  readonly #batch: number | 'full';
  readonly #monitorEvery: number;
  readonly #checkpointEvery: number;
  readonly #monitor: Monitor;
  #log: RunLog | undefined;
  #unlock = () => {};
  #step = 0;
  #firstLoss: number | undefined;
  #lastLoss: number | null = null;
  #stepSeconds = 0;
  #stepsHere = 0;

  constructor(objective: Objective, optimizer: Optimizer, options: TrainOptions) {
    this.#objective = objective;
    this.#optimizer = optimizer;
    this.#options = options;
    this.#steps = checkInteger('steps', options.steps, 0);
    this.#seed = checkSeed(options.seed ?? 0);
    this.#batch = options.batch ?? 'full';
    if (this.#batch !== 'full') checkInteger('batch', this.#batch, 1, objective.examples);
    this.#monitorEvery = checkInteger('monitorEvery', options.monitorEvery ?? 0, 0);
    this.#checkpointEvery = checkInteger('checkpointEvery', options.checkpointEvery ?? 1000, 1);
    const probes = checkInteger('probes', options.probes ?? 64, 2, MAX_PROBES);
    if (options.resume && options.out === undefined)
      invalidArgument('out', 'the folder of the run to resume', options.out);
    this.#monitor = new Monitor(objective, optimizer, { probes, seed: this.#seed });
  }

  async *events(): AsyncGenerator<TrainEvent, void> {
    const begun = performance.now();
    const { rule, estimator } = this.#optimizer;
    await this.#objective.params.useStates(rule.states, rule.initial);
    const resumed = await this.#open();
    yield resumed
      ? this.#write({ type: 'resume', step: this.#step, startedAt: new Date().toISOString() })
      : this.#write(await this.#runEvent());
    if (!resumed) yield* this.#checkpoint();

    const { signal } = this.#options;
    let reason: EndEvent['reason'] = 'completed';
    let divergence = '';
    while (this.#step < this.#steps) {
      if (signal?.aborted) {
        reason = 'aborted';
        break;
      }
      const lr = learningRateAt(this.#optimizer, this.#step);
      if (this.#monitorEvery > 0 && this.#step % this.#monitorEvery === 0) yield* this.#measure();
      if (signal?.aborted) continue;

      const started = performance.now();
      const step = this.#step;
      const direction = (i: number) => ({
        distribution: 'normal' as const,
        seed: this.#seed,
        stream: stream('step', BigInt(step) * DIRECTIONS_OF_A_STEP + BigInt(i)),
      });
      const estimate = await estimator.estimate(this.#oracle(step), direction);
      this.#lastLoss = Number.isFinite(estimate.loss) ? estimate.loss : null;
      this.#firstLoss ??= estimate.loss;
      const broken = this.#broken(estimate, lr);
      if (!broken) await this.#objective.params.apply(rule.update(step), estimate, lr);
      this.#stepSeconds += (performance.now() - started) / 1000;
      this.#stepsHere += 1;
      yield this.#write(stepEvent(step, estimate, lr));
      this.#step += 1;
      if (broken) {
        reason = 'diverged';
        divergence = broken;
        break;
      }
      if (this.#step % this.#checkpointEvery === 0 && this.#step < this.#steps) yield* this.#checkpoint();
    }

    if (reason === 'completed' && this.#monitorEvery > 0 && this.#steps > 0) yield* this.#measure();
    if (reason !== 'diverged') yield* this.#checkpoint();
    yield this.#write(this.#endEvent(reason, divergence, (performance.now() - begun) / 1000));
  }

  close(): void {
    try {
      this.#log?.close();
    } finally {
      this.#unlock();
    }
  }

  /** Opens the run folder; true when an earlier run goes on. */
  async #open(): Promise<boolean> {
    const { out, resume } = this.#options;
    if (out === undefined) return false;
    const file = join(out, RUN_LOG);
    if (!resume) makeFolder(out);
    this.#unlock = lockFolder(out);
    if (!resume) {
      if (existsSync(file)) {
        throw new ZerothError(
          'ERR_ZEROTH_FILE',
          `out: expected a folder without a run, received ${out}, which has a ${RUN_LOG}; resume it, remove it, or choose another folder.`,
        );
      }
      this.#log = new RunLog(file);
      return false;
    }
    const checkpoint = await loadCheckpoint(out, this.#identity());
    if (checkpoint.step > this.#steps)
      invalidArgument('steps', `at least the ${checkpoint.step} that the run in ${out} has done`, this.#steps);
    await this.#objective.params.restore(checkpoint.params);
    this.#step = checkpoint.step;
    this.#firstLoss = checkpoint.firstLoss;
    this.#monitor.startFrom(checkpoint.eigenvector);
    truncateRunLog(file, checkpoint.step);
    this.#log = new RunLog(file);
    return true;
  }

  #oracle(step: number): LossOracle {
    if (this.#batch === 'full') return this.#objective;
    return this.#objective.batch(sampleExamples(this.#objective.examples, this.#batch, this.#seed, step));
  }

  /** Why the run cannot go on after this estimate, in words for a person; empty when it can. */
  #broken(estimate: Estimate, lr: number): string {
    const finite = (values: readonly number[]) => values.every((value) => Number.isFinite(Math.fround(value)));
    const coefficients = estimate.kind === 'directions' ? estimate.terms.map((term) => term.coefficient) : [];
    if (!finite([estimate.loss, ...coefficients])) return `The loss is not a finite number at step ${this.#step}.`;
    if (!finite(coefficients.map((coefficient) => lr * coefficient)))
      return `The update of step ${this.#step} is not a finite number.`;
    const limit = EXPLOSION * Math.max(Math.abs(this.#firstLoss ?? 0), 1e-6);
    if (Math.abs(estimate.loss) <= limit) return '';
    return `The loss exploded to ${estimate.loss.toPrecision(3)} at step ${this.#step} (it began at ${this.#firstLoss?.toPrecision(3)}).`;
  }

  async *#measure(): AsyncGenerator<TrainEvent, void> {
    let event: MonitorEvent | undefined;
    try {
      event = await this.#monitor.measure(this.#step, this.#options.signal);
    } catch (error) {
      const known = error instanceof ZerothError ? error.code : '';
      // An abort ends the run at the loop's head. Curvature that is not finite belongs to a run that is about to be declared diverged.
      if (known !== 'ERR_ZEROTH_ABORTED' && known !== 'ERR_ZEROTH_DIVERGED' && !this.#options.signal?.aborted)
        throw error;
    }
    if (event) yield this.#write(event);
  }

  async *#checkpoint(): AsyncGenerator<TrainEvent, void> {
    const { out } = this.#options;
    if (out === undefined || !this.#log) return;
    const params = await this.#objective.params.stored();
    // A checkpoint must be a state to go back to: what is no longer finite does not replace the last good one.
    if (!params.theta.every(Number.isFinite)) return;
    this.#log.flush();
    await saveCheckpoint(
      out,
      {
        step: this.#step,
        identity: this.#identity(),
        params,
        eigenvector: this.#monitor.startAt(this.#step),
        firstLoss: this.#firstLoss,
      },
      this.#objective.params,
    );
    yield this.#write({ type: 'checkpoint', step: this.#step });
  }

  #write<Event extends TrainEvent>(event: Event): Event {
    this.#log?.append(event);
    return event;
  }

  /** What must be equal for a resumed run to be the same run. η may change in mid-run, so it is not here. */
  #identity(): string {
    const { lr: _, ...optimizer } = describeOptimizer(this.#optimizer, { dimension: this.#objective.dimension });
    const { name, dimension, examples } = this.#objective;
    return JSON.stringify({
      problem: name,
      parameters: dimension,
      examples,
      batch: this.#batch,
      seed: String(this.#seed),
      ...optimizer,
      monitorEvery: this.#monitorEvery,
      probes: this.#monitor.probes,
    });
  }

  async #runEvent(): Promise<RunEvent> {
    const { device, name, dimension, examples, params } = this.#objective;
    const rows = this.#batch === 'full' ? examples : this.#batch;
    return {
      type: 'run',
      format: 1,
      zeroth: version,
      startedAt: new Date().toISOString(),
      name,
      parameters: dimension,
      examples,
      batch: this.#batch,
      steps: this.#steps,
      seed: String(this.#seed),
      optimizer: describeOptimizer(this.#optimizer, { dimension }),
      device: { kind: device.kind, description: device.description, isa: device.isa, threads: device.threads },
      memory: { arenaBytes: await this.#objective.lossArenaBytes(rows), parameterBytes: params.byteLength },
      meta: this.#options.meta ?? {},
    };
  }

  #endEvent(reason: EndEvent['reason'], divergence: string, seconds: number): EndEvent {
    const cure = this.#options.out === undefined ? '' : ' The last finite checkpoint is kept.';
    // A loss that is not finite before anything has moved says nothing about η.
    const advice = Number.isFinite(this.#firstLoss ?? 0)
      ? 'The step size is beyond the edge of stability: use a smaller η.'
      : 'No step had been taken: look at the loss, its data and the initial parameters.';
    const message = {
      completed: `Completed ${this.#step} steps.`,
      aborted: `Stopped after ${this.#step} of ${this.#steps} steps${this.#log ? '; resume to go on' : ''}.`,
      diverged: `${divergence} ${advice}${cure}`,
    }[reason];
    const stepsPerSecond = this.#stepSeconds > 0 ? this.#stepsHere / this.#stepSeconds : 0;
    return { type: 'end', reason, steps: this.#step, seconds, stepsPerSecond, loss: this.#lastLoss, message };
  }
}

function stepEvent(step: number, estimate: Estimate, lr: number): StepEvent {
  const projected = estimate.kind === 'directions' ? estimate.projectedGradient : undefined;
  return {
    type: 'step',
    step,
    loss: estimate.loss,
    lr,
    ...(projected !== undefined && { projectedGradient: projected }),
  };
}
