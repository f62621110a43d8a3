import { MAX_F32, ZerothError } from '../errors.ts';
import type { Objective } from '../objective/objective.ts';
import { denseNorm } from '../optimizers/estimate.ts';
import type { Estimate, Optimizer, Update } from '../optimizers/optimizer.ts';
import type { MeasuredParams } from '../params/measure.ts';
import type { Direction } from '../random/direction.ts';
import { isFullBatch } from './batch.ts';
import { Diffusion } from './diffusion.ts';
import { Divergence } from './divergence.ts';
import { AGAINST_NOISE, type LastMeasured, lastMeasured } from './ending.ts';
import type { EndCause, MonitorEvent, WarningEvent } from './events.ts';
import { type LastStep, whyStill } from './flatness.ts';
import { Motion } from './motion.ts';
import type { RunSettings } from './options.ts';
import {
  explainEstimate,
  explainOverflow,
  isFiniteF32,
  type Stand,
  type Trouble,
  unlessOutOfMemory,
} from './trouble.ts';
import { Warnings } from './warnings.ts';
import type { WatchState } from './watch-state.ts';
import { brief, orList } from './words.ts';

/** Steps between looks at θ and its states as the device holds them. */
export const LOOK_EVERY = 64;

/** Steps in a row whose estimate is exactly 0 before it is asked why. */
const STILL = 4;

/**
 * The weights diffuse when ‖θ‖² is this many times what it was, and this share of the growth is noise. Wide networks that die of it come
 * there in a few hundred steps; narrow ones that stay at their edge after tens of thousands, if at all.
 */
const GROWN = 4;
const BY_NOISE = 0.9;

/** A loss that has risen by this many times its first one, or ‖θ‖² that is so many times what it was, has run away. */
const AWAY = 100;

/** Factor in what noise has added between two looks at ‖θ‖². */
const FURTHER = 1.25;

/** A step that has been taken. */
interface Step {
  readonly update: Update;
  readonly estimate: Estimate;
  readonly lr: number;
  readonly directions: (i: number) => Direction;
}

/**
 * Looks after a run: at each estimate before it is applied, at θ and its states from time to time, before each checkpoint and before the run
 * is called completed. It changes nothing, and what it finds depends on the trajectory alone, not on who watches or resumes.
 */
export class Watch {
  readonly #objective: Objective;
  readonly #optimizer: Optimizer;
  readonly #settings: RunSettings;
  #divergence: Divergence;
  readonly #diffusion: Diffusion;
  readonly #motion = new Motion();
  #still = 0;
  #pushed = false;
  #measureAt: number | null = null;
  #measured: LastMeasured | null = null;
  readonly #warnings = new Warnings();
  /** The state before the run's last measurement: one that goes on from that step makes it again. */
  #before: { readonly step: number; readonly state: WatchState } | undefined;
  /** The latest ‖θ‖². */
  #squaredNorm = Number.NaN;
  #suspect = false;
  #due = false;
  #taken: LastStep | undefined;
  #loss: number | undefined;
  #trouble: Trouble | undefined;

  constructor(objective: Objective, optimizer: Optimizer, settings: RunSettings) {
    this.#objective = objective;
    this.#optimizer = optimizer;
    this.#settings = settings;
    this.#divergence = new Divergence(settings.divergenceLimit);
    this.#diffusion = new Diffusion({
      squaredScale: objective.spaceOf(optimizer.estimator)?.squaredScale ?? objective.dimension,
      fullBatch: isFullBatch(settings.batch, objective.examples),
      preconditioner: optimizer.rule.initial?.p,
      known: optimizer.estimator.init === undefined && !(optimizer.estimator.space && optimizer.rule.initial?.p),
    });
  }

  /** Why the run cannot go on; undefined while it can. */
  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  get warnings(): readonly WarningEvent[] {
    return this.#warnings.all;
  }

  /** ‖θ‖²: at the start, as last measured, and what noise has added. */
  get growth(): { readonly start: number; readonly now: number; readonly diffusion: number | null } {
    return { start: this.#start, now: this.#squaredNorm, diffusion: this.#diffusion.total };
  }

  /** Whether θ is known to have moved since the start. */
  get moved(): boolean {
    return this.#motion.state.moved;
  }

  /** The last loss and what was usual at first, where the one lies far above the other. */
  risen(loss: number | null): { readonly loss: number; readonly usual: number } | undefined {
    const usual = loss === null ? undefined : this.#divergence.usualBelow(loss);
    return loss === null || usual === undefined ? undefined : { loss, usual };
  }

  /** The last measurement of curvature. */
  get measured(): LastMeasured | undefined {
    return this.#measured ?? undefined;
  }

  /** Takes note of a measurement of curvature, after `measure` of the same step. */
  remember(event: MonitorEvent): void {
    this.#measured = lastMeasured(event);
  }

  /** Warnings since the last call. */
  takeWarnings(): WarningEvent[] {
    return this.#warnings.take();
  }

  /** Looks at the parameters that a run begins with. */
  async begin(): Promise<void> {
    const measured = await this.#measureFinite(0);
    this.#motion.begin(measured.theta);
    this.#measureAt = this.#start > 0 ? (GROWN - 1) * this.#start : null;
  }

  /** Looks at the estimate of a step, before it is applied. @returns why it must not be; undefined where it may. */
  async look(estimate: Estimate, lr: number): Promise<EndCause | undefined> {
    if (!Number.isFinite(estimate.loss)) return 'loss-not-finite';
    this.#loss = estimate.loss;
    if (estimate.kind === 'dense') {
      const { coefficient: c = 1, gradient } = estimate;
      if (!Number.isFinite(gradient.squaredNorm)) return 'gradient-not-finite';
      if (!isFiniteF32(c) || !isFiniteF32(lr * c)) return 'update-not-finite';
    } else if (!estimate.terms.every(({ coefficient: c }) => isFiniteF32(c) && isFiniteF32(lr * c))) {
      return 'update-not-finite';
    }
    const risen = this.#divergence.look(estimate.loss);
    if (risen !== 'perhaps') return risen ? 'loss-rose' : undefined;
    // A run that the noise of its steps lifts from a minimum stays near it; one that jumps has left.
    const { theta } = await this.#objective.params.measure();
    if (this.#start > 0 && theta.squares > AWAY * this.#start) return 'loss-rose';
    this.#divergence.forgetFirst();
    return undefined;
  }

  /** Finds out what there is to know of it: the run is over. */
  async giveUp(cause: EndCause, step: number, estimate: Estimate, lr: number): Promise<void> {
    const { theta } = await this.#measureFinite(step);
    const { divergenceLimit: limit } = this.#settings;
    const refused = { cause, estimate, lr, limit, reference: this.#divergence.reference };
    this.#trouble = await explainEstimate(this.#objective, refused, this.#stand(step, theta.squares), this.#trouble);
  }

  /** Takes note of a step that has been applied. */
  stepped(step: number, taken: Step): void {
    const { update, estimate, lr, directions } = taken;
    this.#diffusion.add(update, estimate, lr);
    const still = isZero(estimate);
    this.#still = still ? this.#still + 1 : 0;
    this.#taken = lastStep(kindOf(estimate), directions, estimate);
    this.#pushed = lr !== 0 && !still && this.#motion.push();
    // An update of this size may leave f32. A norm is larger than every element.
    this.#suspect = estimate.kind === 'dense' && !(lr * denseNorm(estimate) < MAX_F32);
    this.#due =
      this.#suspect || this.#pushed || (step + 1) % LOOK_EVERY === 0 || this.#still === STILL || this.#isDiffusing();
  }

  /** Whether `check` has something to do after this step. */
  get due(): boolean {
    return this.#due && !this.#trouble;
  }

  async check(step: number): Promise<void> {
    if (this.#suspect || (step + 1) % LOOK_EVERY === 0) {
      const held = await this.#objective.params.measureHeld();
      await this.#lookForOverflow(held, step + 1);
    }
    if (this.#trouble) return;
    if (this.#still === STILL) await this.#askWhyStill(step);
    if (this.#pushed) await this.#lookForMotion(step + 1, false);
    if (this.#isDiffusing()) {
      await this.#measureFinite(step + 1);
      this.#judgeGrowth(step);
      this.#measureAt = FURTHER * (this.#diffusion.total ?? 0);
    }
  }

  /** Whether θ and its states are finite: before they are kept, or the run is called done. */
  async isFinite(step: number): Promise<boolean> {
    await this.#measureFinite(step);
    return this.#trouble === undefined;
  }

  /** Measures ‖θ‖²; where the run ends here, says what else is to be said of how θ moved. */
  async measure(step: number, last = false): Promise<void> {
    this.#before = this.#before?.step === step ? this.#before : { step, state: this.#state };
    await this.#measureFinite(step);
    if (this.#trouble || !last) return;
    if (this.#still > 0 && this.#still === step && step < STILL) await this.#askWhyStill(step);
    await this.#lookForMotion(step, true);
    this.#judgeGrowth(step);
  }

  /** What a checkpoint at this step keeps. */
  stateAt(step: number): WatchState {
    return this.#before?.step === step ? this.#before.state : this.#state;
  }

  /** @param directions those of the last step. */
  restore(state: WatchState, directions: Step['directions']): void {
    this.#divergence = new Divergence(this.#settings.divergenceLimit, state.divergence);
    this.#diffusion.restore(state.diffusion);
    this.#motion.restore(state.motion);
    this.#squaredNorm = this.#start;
    this.#still = state.still;
    this.#taken = state.kind === null ? undefined : lastStep(state.kind, directions);
    this.#measureAt = state.measureAt;
    this.#measured = state.measured;
    this.#warnings.restore(state.warnings);
  }

  get #state(): WatchState {
    return {
      divergence: this.#divergence.state,
      diffusion: this.#diffusion.state,
      motion: this.#motion.state,
      still: this.#still,
      kind: this.#taken?.kind ?? null,
      measureAt: this.#measureAt,
      measured: this.#measured,
      warnings: this.#warnings.all,
    };
  }

  /** ‖θ‖² at the start. */
  get #start(): number {
    return this.#motion.state.start.squares;
  }

  #isDiffusing(): boolean {
    return this.#measureAt !== null && (this.#diffusion.total ?? 0) >= this.#measureAt;
  }

  async #measureFinite(step: number): Promise<MeasuredParams> {
    const measured = await this.#objective.params.measure();
    this.#squaredNorm = measured.theta.squares;
    await this.#lookForOverflow(measured, step);
    return measured;
  }

  async #lookForOverflow(measured: MeasuredParams, step: number): Promise<void> {
    const stand = this.#stand(step, measured.theta.squares);
    this.#trouble ??= await explainOverflow(this.#objective, measured, stand);
  }

  /** What is not finite in θ says nothing of where θ was: a state that overflows takes θ with it. */
  #stand(step: number, squaredNorm: number): Stand {
    const grown = Number.isFinite(squaredNorm) && this.#start > 0 && squaredNorm > AWAY * this.#start;
    return { step, away: grown || this.#divergence.hasRisen(this.#loss, AWAY) };
  }

  async #askWhyStill(step: number): Promise<void> {
    const { batch, signal } = this.#settings;
    if (!this.#taken) return;
    const some = !isFullBatch(batch, this.#objective.examples);
    try {
      const found = await whyStill(this.#objective, this.#optimizer.estimator, this.#taken, some, signal);
      if (found) this.#warnings.add(step, found.code, found.message);
    } catch (error) {
      // The loop's head sees the abort, too.
      if (!(error instanceof ZerothError && error.code === 'ERR_ZEROTH_ABORTED')) throw error;
    }
  }

  async #lookForMotion(step: number, last: boolean): Promise<void> {
    const still = await unlessOutOfMemory(() => this.#motion.look(this.#objective.params, step, last));
    if (!still) return;
    this.#warnings.add(
      step,
      'parameters-stuck',
      `No parameter changed from step ${still.from} to step ${still.to}: the updates are not 0, and below the spacing of f32 at the parameters ` +
        '(2⁻²⁴ of a weight). Unless the run began at a minimum, use a larger η.',
    );
  }

  /** ‖θ‖² as measured now, against what noise has made of it. */
  #judgeGrowth(step: number): void {
    const { start, now, diffusion } = this.growth;
    if (diffusion === null || !(start > 0) || now < GROWN * start || diffusion < BY_NOISE * (now - start)) return;
    this.#warnings.add(
      step,
      'weights-diffuse',
      `The weights diffuse: ‖θ‖² has grown from ${brief(start)} to ${brief(now)}, and the noise of the steps alone adds ${brief(diffusion)}. ` +
        `In wide networks that can raise the curvature until the run dies; it is slowed down by ${orList(['a smaller η', ...AGAINST_NOISE])}.`,
    );
  }
}

const isZero = (estimate: Estimate): boolean =>
  estimate.kind === 'dense' ? denseNorm(estimate) === 0 : estimate.terms.every(({ coefficient }) => coefficient === 0);

const kindOf = (estimate: Estimate): LastStep['kind'] =>
  estimate.kind === 'directions' && estimate.terms.length === 0 ? 'none' : estimate.kind;

const lastStep = (kind: LastStep['kind'], directions: Step['directions'], estimate?: Estimate): LastStep => ({
  kind,
  direction: (estimate?.kind === 'directions' && estimate.terms[0]?.direction) || directions(0),
});
