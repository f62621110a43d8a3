import { invalidArgument, ZerothError } from '../errors.ts';
import { least } from '../extremes.ts';
import type { Objective } from '../objective/objective.ts';
import { isMeasured } from '../optimizers/estimate.ts';
import { vectorsOf } from '../optimizers/estimator-state.ts';
import type { Optimizer } from '../optimizers/optimizer.ts';
import type { LoadedCheckpoint } from './checkpoint.ts';
import { endEvent, resumeEvent, runEvent, stepEvent } from './describe.ts';
import type { EndEvent, MonitorEvent, StepEvent, TrainEvent } from './events.ts';
import { type Identity, identityOf, type Settled, settledAs } from './identity.ts';
import { Metrics } from './metrics.ts';
import { Monitor } from './monitor.ts';
import { isMeasuredAt, planMonitor } from './monitor-plan.ts';
import type { RunSettings } from './options.ts';
import { RunFolder } from './run-folder.ts';
import { claimRunNumber, nextRunNumber } from './run-number.ts';
import { StepSizer } from './step-sizer.ts';
import { Stepper } from './stepper.ts';
import { LOOK_EVERY, Watch } from './watch.ts';

/** One run: the loop of its steps, and what is measured, watched and saved between them. */
export class Run {
  readonly #objective: Objective;
  readonly #optimizer: Optimizer;
  readonly #settings: RunSettings;
  readonly #stepSizer: StepSizer;
  readonly #watch: Watch;
  #settled: Settled;
  #monitor: Monitor;
  #stepper: Stepper;
  #folder: RunFolder | undefined;
  #metrics: Metrics | undefined;
  #step = 0;
  #lastLoss: number | null = null;
  #stepSeconds = 0;
  #stepsHere = 0;

  constructor(objective: Objective, optimizer: Optimizer, settings: RunSettings) {
    this.#objective = objective;
    this.#optimizer = optimizer;
    this.#settings = settings;
    this.#stepSizer = new StepSizer(optimizer.lr);
    this.#watch = new Watch(objective, optimizer, settings);
    const run = settings.run ?? nextRunNumber(objective, settings.seed);
    this.#settled = { run, monitor: planMonitor(objective, optimizer.estimator, settings) };
    this.#monitor = this.#newMonitor();
    this.#stepper = this.#newStepper();
    // What the optimizer says of itself is checked before anything is changed.
    this.#identity();
    vectorsOf(optimizer.estimator);
    checkDecay(optimizer);
  }

  async *events(): AsyncGenerator<TrainEvent, void> {
    const begun = performance.now();
    const { steps, checkpointEvery, metrics, signal } = this.#settings;
    // A metric that does not fit is refused before anything is written.
    if (Object.keys(metrics).length > 0) this.#metrics = new Metrics(this.#objective, metrics);
    await this.#unlessAborted(() => this.#followed(signal));
    yield* this.#open();

    while (this.#step < steps && !signal?.aborted && !this.#watch.trouble) {
      if (isMeasuredAt(this.#step, steps, this.#settled.monitor)) yield* this.#measure();
      if (signal?.aborted || this.#watch.trouble) continue;

      const event = await this.#takeStep();
      yield this.#write(event);
      this.#step += 1;
      if (this.#watch.due) {
        await this.#watch.check(event.step);
        yield* this.#warnings();
      }
      if (this.#step % checkpointEvery === 0 && this.#step < steps) yield* this.#checkpoint();
    }

    const completed = this.#step === steps && !this.#watch.trouble;
    if (completed) yield* this.#measure(true);
    else if (!this.#watch.trouble) await this.#watch.isFinite(this.#step);
    yield* this.#checkpoint();
    const reason = this.#watch.trouble ? 'diverged' : completed ? 'completed' : 'aborted';
    const followed = reason === 'diverged' ? undefined : await this.#followed();
    yield this.#write({ ...this.#endEvent(reason, (performance.now() - begun) / 1000), ...followed });
  }

  close(): void {
    this.#metrics?.dispose();
    this.#folder?.close();
  }

  /** Opens the run folder, if there is to be one, and begins the run or goes on with it. */
  async *#open(): AsyncGenerator<TrainEvent, void> {
    const { out, resume } = this.#settings;
    if (out !== undefined && resume) {
      const identity = (was: Identity) => this.#settleAs(was);
      this.#folder = await RunFolder.resume(out, identity, (checkpoint) => this.#restore(checkpoint));
      this.#claim();
      yield this.#write(resumeEvent(this.#objective, this.#optimizer, this.#settings, this.#step));
      return;
    }
    if (out !== undefined) RunFolder.checkFree(out);
    await this.#useVectors();
    await this.#watch.begin();
    const { start } = this.#watch.growth;
    const event = await runEvent(this.#objective, this.#optimizer, this.#settings, this.#settled, start);
    if (out !== undefined) this.#folder = RunFolder.create(out);
    this.#claim();
    yield this.#write(event);
    yield* this.#checkpoint();
  }

  async #useVectors(): Promise<void> {
    const { rule, estimator } = this.#optimizer;
    await this.#objective.params.useRule(rule);
    this.#objective.params.useHeld(vectorsOf(estimator));
  }

  #claim(): void {
    claimRunNumber(this.#objective, this.#settings.seed, this.#settled.run);
  }

  /** Takes what was settled when the run began. @returns the identity that the checkpoint must have. */
  #settleAs(was: Identity): Identity {
    this.#settled = settledAs(was, this.#settings, this.#settled);
    this.#monitor = this.#newMonitor();
    this.#stepper = this.#newStepper();
    return this.#identity();
  }

  #newStepper(): Stepper {
    const more = { stepSizer: this.#stepSizer, run: this.#settled.run };
    return new Stepper(this.#objective, this.#optimizer, this.#settings, more);
  }

  #newMonitor(): Monitor {
    const { run, monitor } = this.#settled;
    const { seed, batch } = this.#settings;
    return new Monitor(this.#objective, this.#optimizer, { seed, run, batch, probes: monitor.probes });
  }

  async #restore(checkpoint: LoadedCheckpoint): Promise<void> {
    const { out, steps } = this.#settings;
    if (checkpoint.step > steps)
      invalidArgument('steps', `at least the ${checkpoint.step} that the run in ${out} has done`, steps);
    await checkpoint.restore(this.#objective.params, this.#optimizer);
    this.#step = checkpoint.step;
    this.#lastLoss = checkpoint.lastLoss ?? null;
    this.#stepSizer.restore(checkpoint.stepSize);
    this.#stepper.restore(checkpoint.estimator);
    this.#watch.restore(checkpoint.watch, this.#stepper.directions(Math.max(0, this.#step - 1)));
  }

  /** One step, unless its estimate says that the run has diverged: then nothing is applied. */
  async #takeStep(): Promise<StepEvent> {
    const started = performance.now();
    const step = this.#step;
    const { rule } = this.#optimizer;
    const estimate = await this.#stepper.estimate(step, this.#nextPause(step));
    // A step size is not asked about what is no number.
    const lr = isMeasured(estimate) ? this.#stepSizer.decide(step, estimate) : this.#stepSizer.expected(step);
    this.#lastLoss = Number.isFinite(estimate.loss) ? estimate.loss : null;
    const cause = await this.#watch.look(estimate, lr);
    if (cause) {
      await this.#watch.giveUp(cause, step, estimate, lr);
    } else {
      const update = rule.update(step);
      await this.#stepper.apply(update, estimate, lr);
      this.#watch.stepped(step, { update, estimate, lr, directions: this.#stepper.directions(step) });
    }
    const seconds = (performance.now() - started) / 1000;
    this.#stepper.took(seconds);
    this.#stepSeconds += seconds;
    this.#stepsHere += 1;
    return stepEvent(step, estimate, lr);
  }

  /** The first step from here on before which something else is done with the parameters: measured, looked at, saved. */
  #nextPause(step: number): number {
    const { steps, checkpointEvery } = this.#settings;
    const every = [checkpointEvery, LOOK_EVERY, this.#settled.monitor.every].filter((every) => every > 0);
    return Math.min(steps, least(every.map((every) => (Math.floor(step / every) + 1) * every)));
  }

  /** @param last whether the run is about to end. */
  async *#measure(last = false): AsyncGenerator<TrainEvent, void> {
    const { steps, signal } = this.#settings;
    await this.#watch.measure(this.#step, last);
    yield* this.#warnings();
    if (this.#watch.trouble || !isMeasuredAt(this.#step, steps, this.#settled.monitor)) return;
    const lr = this.#stepSizer.expected(this.#step);
    const seen = await this.#unlessAborted(async () => {
      const measured = await this.#monitor.measure(this.#step, lr, signal);
      return measured && { ...measured, ...(await this.#followed(signal)) };
    });
    if (!seen) return;
    const { now, diffusion } = this.#watch.growth;
    const event: MonitorEvent = { ...seen, squaredNorm: now, diffusion };
    this.#stepSizer.hear(event);
    this.#watch.remember(event);
    yield this.#write(event);
  }

  /** The part of an event that holds the metrics; nothing where there are none. */
  async #followed(signal?: AbortSignal): Promise<{ metrics?: Record<string, number> }> {
    return this.#metrics ? { metrics: await this.#metrics.measure(signal) } : {};
  }

  /** What is measured beside the steps: nothing in a run that ends. */
  async #unlessAborted<T>(measure: () => Promise<T>): Promise<T | undefined> {
    try {
      return await measure();
    } catch (error) {
      const known = error instanceof ZerothError ? error.code : '';
      // An abort ends the run at the loop's head. Curvature that is not finite belongs to a run that is about to be declared diverged.
      if (known !== 'ERR_ZEROTH_ABORTED' && known !== 'ERR_ZEROTH_DIVERGED' && !this.#settings.signal?.aborted)
        throw error;
      return undefined;
    }
  }

  *#warnings(): Generator<TrainEvent, void> {
    for (const warning of this.#watch.takeWarnings()) yield this.#write(warning);
  }

  async *#checkpoint(): AsyncGenerator<TrainEvent, void> {
    // What is no longer finite does not replace the last good one.
    if (!this.#folder || this.#watch.trouble || !(await this.#watch.isFinite(this.#step))) return;
    const { params } = this.#objective;
    const checkpoint = {
      step: this.#step,
      identity: this.#identity(),
      lastLoss: this.#lastLoss ?? undefined,
      stepSize: this.#stepSizer.stored(this.#step),
      estimator: this.#stepper.state,
      watch: this.#watch.stateAt(this.#step),
    };
    await this.#folder.save(checkpoint, params);
    yield this.#write({ type: 'checkpoint', step: this.#step });
  }

  #write<Event extends TrainEvent>(event: Event): Event {
    this.#folder?.append(event);
    return event;
  }

  #identity(): Identity {
    return identityOf(this.#objective, this.#optimizer, this.#settings, this.#settled);
  }

  #endEvent(reason: EndEvent['reason'], seconds: number): EndEvent {
    const { steps, batch } = this.#settings;
    return endEvent(reason, this.#watch, {
      step: this.#step,
      steps,
      seconds,
      stepsPerSecond: this.#stepSeconds > 0 ? this.#stepsHere / this.#stepSeconds : 0,
      loss: this.#lastLoss,
      kept: this.#folder?.resumable ?? false,
      batch,
      examples: this.#objective.examples,
    });
  }
}

/** @throws ERR_ZEROTH_ARGUMENT */
function checkDecay({ rule, estimator }: Optimizer): void {
  if (!rule.decays || !estimator.space) return;
  const expected =
    'a rule without weight decay beside an estimator in a space: it would move what the space leaves out';
  invalidArgument('optimizer', expected, rule.name);
}
