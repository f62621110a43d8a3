import { checkObject, invalidArgument, ZerothError } from '../errors.ts';
import { Objective } from '../objective/objective.ts';
import type { Estimate, LossOracle, Optimizer } from '../optimizers/optimizer.ts';
import { stepDirections } from '../random/run-streams.ts';
import { sampleExamples } from './batch.ts';
import type { Checkpoint, Identity } from './checkpoint.ts';
import { identityOf, runEvent, type Settled } from './describe.ts';
import { Divergence, endMessage } from './ending.ts';
import type { EndEvent, MonitorEvent, StepEvent, TrainEvent } from './events.ts';
import { Monitor } from './monitor.ts';
import { type RunSettings, runSettings, type TrainOptions } from './options.ts';
import { RunFolder } from './run-folder.ts';
import { claimRunNumber, nextRunNumber } from './run-number.ts';
import { StepSizer } from './step-sizer.ts';

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
  readonly #stepSizer: StepSizer;
  readonly #divergence = new Divergence();
  #settled: Settled;
  #monitor: Monitor;
  #folder: RunFolder | undefined;
  #step = 0;
  #lastLoss: number | null = null;
  #stepSeconds = 0;
  #stepsHere = 0;

  constructor(objective: Objective, optimizer: Optimizer, settings: RunSettings) {
    this.#objective = objective;
    this.#optimizer = optimizer;
    this.#settings = settings;
    this.#stepSizer = new StepSizer(optimizer.lr);
    const run = settings.run ?? nextRunNumber(objective, settings.seed);
    this.#settled = { ...settings, run };
    this.#monitor = new Monitor(objective, optimizer, { ...settings, run });
    // What the optimizer says of itself is checked before anything is changed.
    this.#identity();
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
      if (monitorEvery > 0 && this.#step % monitorEvery === 0) yield* this.#measure();
      if (signal?.aborted) continue;

      const event = await this.#takeStep();
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
      const identity = (was: Identity) => this.#settleAs(was);
      this.#folder = await RunFolder.resume(out, identity, (checkpoint) => this.#restore(checkpoint));
      this.#claim();
      yield this.#write({ type: 'resume', step: this.#step, startedAt: new Date().toISOString() });
      return;
    }
    if (out !== undefined) this.#folder = RunFolder.create(out);
    this.#claim();
    yield this.#write(await runEvent(this.#objective, this.#optimizer, this.#settings, this.#settled));
    yield* this.#checkpoint();
  }

  #claim(): void {
    claimRunNumber(this.#objective, this.#settings.seed, this.#settled.run);
  }

  /** Takes what was settled when the run began, where the options leave it open. @returns the identity that the checkpoint must have. */
  #settleAs(was: Identity): Identity {
    const { run = was.run as number } = this.#settings;
    this.#settled = { ...this.#settled, run };
    this.#monitor = new Monitor(this.#objective, this.#optimizer, { ...this.#settings, run });
    return this.#identity();
  }

  async #restore(checkpoint: Checkpoint): Promise<void> {
    const { out, steps } = this.#settings;
    if (checkpoint.step > steps)
      invalidArgument('steps', `at least the ${checkpoint.step} that the run in ${out} has done`, steps);
    await this.#objective.params.restore(checkpoint.params);
    this.#step = checkpoint.step;
    this.#divergence.firstLoss = checkpoint.firstLoss;
    this.#lastLoss = checkpoint.lastLoss ?? null;
    this.#stepSizer.restore(checkpoint.stepSize);
    this.#monitor.startFrom(checkpoint.eigenvector);
  }

  /** One step, unless its estimate says that the run has diverged: then nothing is applied. */
  async #takeStep(): Promise<StepEvent> {
    const started = performance.now();
    const step = this.#step;
    const { estimator, rule } = this.#optimizer;
    const directions = stepDirections(this.#settings.seed, this.#settled.run, step);
    const estimate = await estimator.estimate(this.#oracle(step), directions);
    // A step size is not asked about what is no number.
    const lr = isMeasured(estimate) ? this.#stepSizer.decide(step, estimate) : this.#stepSizer.expected(step);
    this.#lastLoss = Number.isFinite(estimate.loss) ? estimate.loss : null;
    if (!this.#divergence.look(step, estimate, lr)) await this.#objective.params.apply(rule.update(step), estimate, lr);
    this.#stepSeconds += (performance.now() - started) / 1000;
    this.#stepsHere += 1;
    return stepEvent(step, estimate, lr);
  }

  #oracle(step: number): LossOracle {
    const { batch, seed } = this.#settings;
    const { examples } = this.#objective;
    const draw = { run: this.#settled.run, step };
    return this.#objective.oracleOfSteps(batch === 'full' ? null : sampleExamples(examples, batch, seed, draw));
  }

  async *#measure(): AsyncGenerator<TrainEvent, void> {
    const { signal } = this.#settings;
    let event: MonitorEvent | undefined;
    try {
      event = await this.#monitor.measure(this.#step, this.#stepSizer.expected(this.#step), signal);
    } catch (error) {
      const known = error instanceof ZerothError ? error.code : '';
      // An abort ends the run at the loop's head. Curvature that is not finite belongs to a run that is about to be declared diverged.
      if (known !== 'ERR_ZEROTH_ABORTED' && known !== 'ERR_ZEROTH_DIVERGED' && !signal?.aborted) throw error;
    }
    if (!event) return;
    this.#stepSizer.hear(event);
    yield this.#write(event);
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
      lastLoss: this.#lastLoss ?? undefined,
      stepSize: this.#stepSizer.stored(this.#step),
    };
    if (await this.#folder.save(checkpoint, params)) yield this.#write({ type: 'checkpoint', step: this.#step });
  }

  #write<Event extends TrainEvent>(event: Event): Event {
    this.#folder?.append(event);
    return event;
  }

  #identity(): Identity {
    return identityOf(this.#objective, this.#optimizer, this.#settings, this.#settled);
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

function isMeasured(estimate: Estimate): boolean {
  const coefficients = estimate.kind === 'directions' ? estimate.terms.map(({ coefficient }) => coefficient) : [];
  return [estimate.loss, ...coefficients].every(Number.isFinite);
}
