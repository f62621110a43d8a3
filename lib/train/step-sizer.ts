import type { Json } from '../optimizers/json.ts';
import type { Estimate, LearningRate } from '../optimizers/optimizer.ts';
import { askStepSize, type CurvatureReading, isSchedule, type StepSize, stepSizeOf } from '../optimizers/step-size.ts';

/** What a step size goes by, as a checkpoint keeps it. */
export interface StoredStepSize {
  readonly state: Json;
  readonly reading: CurvatureReading | null;
}

/** The step size of a run: its state, and what it was told. */
export class StepSizer {
  readonly #stepSize: StepSize;
  #state: Json;
  #reading: CurvatureReading | null = null;
  /** The reading before that: a run that goes on from the step of the last one may not take it again. */
  #earlier: CurvatureReading | null = null;

  /** @throws ERR_ZEROTH_ARGUMENT, ERR_ZEROTH_STEP_SIZE as of its first η. */
  constructor(lr: LearningRate) {
    this.#stepSize = stepSizeOf(lr);
    this.#state = this.#stepSize.init();
    this.expected(0);
  }

  /** Whether η depends on the step alone. */
  get isSchedule(): boolean {
    return isSchedule(this.#stepSize);
  }

  /** η of a step as far as it is known before the step has measured. */
  expected(step: number): number {
    return this.#ask(step).lr;
  }

  /** η of a step from what it measured. */
  decide(step: number, estimate: Estimate): number {
    const { lr, state } = this.#ask(step, estimate);
    this.#state = state;
    return lr;
  }

  hear({ step, loss, trace, traceStdErr, lambdaMax }: CurvatureReading): void {
    // A checkpoint could not hold it, and a step size could do nothing with it.
    if (![loss, trace, traceStdErr, lambdaMax].every(Number.isFinite)) return;
    this.#earlier = this.#reading;
    this.#reading = { step, loss, trace, traceStdErr, lambdaMax };
  }

  /** As it was before anything was measured at `step`. */
  stored(step: number): StoredStepSize {
    const reading = this.#reading?.step === step ? this.#earlier : this.#reading;
    return { state: this.#state, reading };
  }

  restore({ state, reading }: StoredStepSize): void {
    this.#state = state;
    this.#reading = reading;
  }

  #ask(step: number, estimate?: Estimate) {
    return askStepSize(this.#stepSize, this.#state, { step, estimate, monitor: this.#reading ?? undefined });
  }
}
