import { checkObject, invalidArgument, ZerothError } from '../errors.ts';
import { Objective } from '../objective/objective.ts';
import type { Estimate, LossOracle, Optimizer } from '../optimizers/optimizer.ts';
import { learningRateAt } from '../optimizers/schedules.ts';
import { stream } from '../random/direction.ts';
import { sampleExamples } from './batch.ts';
import type { Checkpoint } from './checkpoint.ts';
import { identityOf, runEvent } from './describe.ts';
import { Divergence, endMessage } from './ending.ts';
import type { EndEvent, MonitorEvent, StepEvent, TrainEvent } from './events.ts';
import { Monitor } from './monitor.ts';
import { type RunSettings, runSettings, type TrainOptions } from './options.ts';
import { RunFolder } from './run-folder.ts';

/** Streams that belong to one step: an estimator takes as many of them as it draws directions. */
const DIRECTIONS_OF_A_STEP = 65536n;

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
  checkArguments(objective, optimizer);
  const run = new Run(objective, optimizer, runSettings(options, objective.examples));
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

function checkArguments(objective: Objective, optimizer: Optimizer): void {
  if (!(objective instanceof Objective)) invalidArgument('objective', 'what compile() returned', objective);
  const expected = 'an optimizer { estimator, rule, lr }, such as zoGD({ lr })';
  checkObject('optimizer', optimizer, expected);
  if (!optimizer.estimator || !optimizer.rule) invalidArgument('optimizer', expected, optimizer);
}

class Run {
  readonly #objective: Objective;
  readonly #optimizer: Optimizer;
  readonly #settings: RunSettings;
  readonly #monitor: Monitor;
  readonly #divergence = new Divergence();
  #folder: RunFolder | undefined;
  #step = 0;
  #lastLoss: number | null = null;
  #stepSeconds = 0;
  #stepsHere = 0;

  constructor(objective: Objective, optimizer: Optimizer, settings: RunSettings) {
    this.#objective = objective;
    this.#optimizer = optimizer;
    this.#settings = settings;
    this.#monitor = new Monitor(objective, optimizer, settings);
  }

  async *events(): AsyncGenerator<TrainEvent, void> {
    const begun = performance.now();
    const { rule } = this.#optimizer;
    const { steps, monitorEvery, checkpointEvery, signal } = this.#settings;
    await this.#objective.params.useStates(rule.states, rule.initial);
    yield* this.#open();

    let reason: EndEvent['reason'] = 'completed';
    while (this.#step < steps) {
      if (signal?.aborted) {
        reason = 'aborted';
        break;
      }
      const lr = learningRateAt(this.#optimizer, this.#step);
      if (monitorEvery > 0 && this.#step % monitorEvery === 0) yield* this.#measure();
      if (signal?.aborted) continue;

      const event = await this.#takeStep(lr);
      yield this.#write(event);
      this.#step += 1;
      if (this.#divergence.found) {
        reason = 'diverged';
        break;
      }
      if (this.#step % checkpointEvery === 0 && this.#step < steps) yield* this.#checkpoint();
    }

    if (reason === 'completed' && monitorEvery > 0 && steps > 0) yield* this.#measure();
    if (reason !== 'diverged') yield* this.#checkpoint();
    yield this.#write(this.#endEvent(reason, (performance.now() - begun) / 1000));
  }

  close(): void {
    this.#folder?.close();
  }

  /** Opens the run folder, if there is to be one, and begins the run or goes on with it. */
  async *#open(): AsyncGenerator<TrainEvent, void> {
    const { out, resume } = this.#settings;
    if (out !== undefined && resume) {
      this.#folder = await RunFolder.resume(out, this.#identity(), (checkpoint) => this.#restore(checkpoint));
      yield this.#write({ type: 'resume', step: this.#step, startedAt: new Date().toISOString() });
      return;
    }
    if (out !== undefined) this.#folder = RunFolder.create(out);
    yield this.#write(await runEvent(this.#objective, this.#optimizer, this.#settings));
    yield* this.#checkpoint();
  }

  async #restore(checkpoint: Checkpoint): Promise<void> {
    const { out, steps } = this.#settings;
    if (checkpoint.step > steps)
      invalidArgument('steps', `at least the ${checkpoint.step} that the run in ${out} has done`, steps);
    await this.#objective.params.restore(checkpoint.params);
    this.#step = checkpoint.step;
    this.#divergence.firstLoss = checkpoint.firstLoss;
    this.#monitor.startFrom(checkpoint.eigenvector);
  }

  /** One step, unless its estimate says that the run has diverged: then nothing is applied. */
  async #takeStep(lr: number): Promise<StepEvent> {
    const started = performance.now();
    const step = this.#step;
    const { estimator, rule } = this.#optimizer;
    const direction = (i: number) => ({
      distribution: 'normal' as const,
      seed: this.#settings.seed,
      stream: stream('step', BigInt(step) * DIRECTIONS_OF_A_STEP + BigInt(i)),
    });
    const estimate = await estimator.estimate(this.#oracle(step), direction);
    this.#lastLoss = Number.isFinite(estimate.loss) ? estimate.loss : null;
    if (!this.#divergence.look(step, estimate, lr)) await this.#objective.params.apply(rule.update(step), estimate, lr);
    this.#stepSeconds += (performance.now() - started) / 1000;
    this.#stepsHere += 1;
    return stepEvent(step, estimate, lr);
  }

  #oracle(step: number): LossOracle {
    const { batch, seed } = this.#settings;
    if (batch === 'full') return this.#objective;
    return this.#objective.batch(sampleExamples(this.#objective.examples, batch, seed, step));
  }

  async *#measure(): AsyncGenerator<TrainEvent, void> {
    const { signal } = this.#settings;
    let event: MonitorEvent | undefined;
    try {
      event = await this.#monitor.measure(this.#step, signal);
    } catch (error) {
      const known = error instanceof ZerothError ? error.code : '';
      // An abort ends the run at the loop's head. Curvature that is not finite belongs to a run that is about to be declared diverged.
      if (known !== 'ERR_ZEROTH_ABORTED' && known !== 'ERR_ZEROTH_DIVERGED' && !signal?.aborted) throw error;
    }
    if (event) yield this.#write(event);
  }

  async *#checkpoint(): AsyncGenerator<TrainEvent, void> {
    if (!this.#folder) return;
    const { params } = this.#objective;
    const checkpoint = {
      step: this.#step,
      identity: this.#identity(),
      params: await params.stored(),
      eigenvector: this.#monitor.startAt(this.#step),
      firstLoss: this.#divergence.firstLoss,
    };
    if (await this.#folder.save(checkpoint, params)) yield this.#write({ type: 'checkpoint', step: this.#step });
  }

  #write<Event extends TrainEvent>(event: Event): Event {
    this.#folder?.append(event);
    return event;
  }

  #identity(): string {
    return identityOf(this.#objective, this.#optimizer, this.#settings);
  }

  #endEvent(reason: EndEvent['reason'], seconds: number): EndEvent {
    const message = endMessage(reason, {
      step: this.#step,
      steps: this.#settings.steps,
      kept: this.#folder !== undefined,
      divergence: this.#divergence,
    });
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
