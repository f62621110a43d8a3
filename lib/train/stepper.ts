import type { Objective } from '../objective/objective.ts';
import type { PlannedStep, Stretch } from '../objective/stretch.ts';
import { askEstimator, initialState } from '../optimizers/estimator-state.ts';
import type { Json } from '../optimizers/json.ts';
import { displacementsOfNorms, estimateOf, type LinearPlan, linearOf } from '../optimizers/linear-estimate.ts';
import type { Directions, Estimate, Optimizer, Update } from '../optimizers/optimizer.ts';
import { stepDirections } from '../random/run-streams.ts';
import type { Space } from '../random/space.ts';
import { sampleExamples } from './batch.ts';
import type { RunSettings } from './options.ts';
import type { StepSizer } from './step-sizer.ts';

/** Steps that go to the device together take about so long: what a run says comes no later than that. */
const STRETCH_SECONDS = 0.016;
const LONGEST = 64;

/** Steps taken one by one after somebody has come between, before it is tried again to take several. */
const PATIENCE = 16;

/**
 * Estimates and updates of a run's steps. Where a step is known but for its losses (a linear estimate, a scheduled η) and the model is small,
 * several go to the device in one submission, and are then handed out one by one: the same numbers, and the parameters are those of the step
 * for whoever looks at them, however many were submitted.
 */
export class Stepper {
  readonly #objective: Objective;
  readonly #optimizer: Optimizer;
  readonly #settings: RunSettings;
  readonly #stepSizer: StepSizer;
  readonly #run: number;
  #stretch: Stretch | undefined;
  #length = 1;
  /** Of all directions. */
  readonly #space: Space | undefined;
  readonly #dimension: number;
  /** The estimator's. */
  #state: Json;
  /** Since the length was last chosen. */
  #spent = 0;
  #steps = 0;
  /** Steps since somebody has come between. */
  #undisturbed = 0;

  constructor(
    objective: Objective,
    optimizer: Optimizer,
    settings: RunSettings,
    { stepSizer, run }: { readonly stepSizer: StepSizer; readonly run: number },
  ) {
    this.#objective = objective;
    this.#optimizer = optimizer;
    this.#settings = settings;
    this.#stepSizer = stepSizer;
    this.#run = run;
    this.#space = objective.spaceOf(optimizer.estimator);
    this.#dimension = objective.dimensionOf(optimizer.estimator);
    this.#state = initialState(optimizer.estimator, this.#dimension);
  }

  /** The estimator's state after the last step, for a checkpoint. */
  get state(): Json {
    return this.#state;
  }

  restore(state: Json): void {
    this.#state = state;
  }

  directions(step: number): Directions {
    return stepDirections(this.#settings.seed, this.#run, step, this.#space);
  }

  /**
   * What a step measures.
   * @param until the step before which nothing else is done with the parameters.
   */
  async estimate(step: number, until: number): Promise<Estimate> {
    if (this.#stretch && !this.#stretch.over) return this.#next(this.#stretch);
    if (this.#stretch && !this.#stretch.completed) this.#disturbed();
    this.#stretch = undefined;
    const { estimator } = this.#optimizer;
    const linear = linearOf(estimator);
    // Stretches of about equal lengths: the rest of a long one would be a short one, and cost more.
    const left = until - step;
    const ahead = Math.ceil(left / Math.ceil(left / this.#length));
    if (linear && ahead > 1) {
      const planned = await this.#plan(step, ahead, linear);
      const stretch = await this.#objective.takeSteps(planned);
      if (!stretch.over) {
        this.#stretch = stretch;
        return this.#next(stretch);
      }
      this.#disturbed();
    }
    const oracle = this.#objective.oracleOfSteps(this.#rows(step), this.#dimension);
    const request = { oracle, step, direction: this.directions(step), state: this.#state };
    const { estimate, state } = await askEstimator(estimator, request);
    this.#state = state;
    return estimate;
  }

  /** Applies what the step measured. */
  async apply(update: Update, estimate: Estimate, lr: number): Promise<void> {
    if (this.#stretch && !this.#stretch.over && estimate.kind === 'directions') this.#stretch.take(estimate);
    else await this.#objective.params.apply(update, estimate, lr);
    this.#undisturbed += 1;
  }

  /** A step is done. Its time decides how many go together from now on, and nothing else. */
  took(seconds: number): void {
    this.#spent += seconds;
    this.#steps += 1;
    const known = linearOf(this.#optimizer.estimator) && this.#stepSizer.isSchedule && this.#objective.takesSteps;
    if ((this.#stretch && !this.#stretch.over) || !known || this.#undisturbed < PATIENCE) return;
    const most = Math.floor((STRETCH_SECONDS * this.#steps) / Math.max(this.#spent, 1e-9));
    this.#length = Math.max(1, Math.min(LONGEST, most, 2 * this.#length));
    this.#spent = 0;
    this.#steps = 0;
  }

  /** A stretch did not come to its end: somebody looks at the parameters, and may do so again. */
  #disturbed(): void {
    this.#length = 1;
    this.#undisturbed = 0;
  }

  #next(stretch: Stretch): Estimate {
    const { planned, losses } = stretch.next();
    return estimateOf(planned.estimate, losses);
  }

  async #plan(first: number, count: number, plan: LinearPlan): Promise<PlannedStep[]> {
    const { rule } = this.#optimizer;
    const steps = Array.from({ length: count }, (_, i) => first + i);
    const asked = steps.flatMap((step) => displacementsOfNorms(plan, this.directions(step)));
    const norms = asked.length > 0 ? await this.#objective.norms(asked) : new Float64Array();
    return steps.map((step, s) => ({
      estimate: plan.linear(this.directions(step), (i) => norms[s * plan.norms + i], this.#dimension),
      update: rule.update(step),
      lr: this.#stepSizer.expected(step),
      rows: this.#rows(step),
    }));
  }

  #rows(step: number): Uint32Array | null {
    const { batch, seed } = this.#settings;
    return batch === 'full' ? null : sampleExamples(this.#objective.examples, batch, seed, { run: this.#run, step });
  }
}
