import { checkInteger, checkNumber, invalidArgument, ZerothError } from '../errors.ts';
import type { Objective } from '../objective/objective.ts';
import type { Estimator } from '../optimizers/optimizer.ts';
import { MAX_VECTORS } from '../random/run-streams.ts';

/** When a run measures curvature; settled when it begins, and the same whenever it is resumed. */
export interface MonitorPlan {
  /** Steps between measurements; 0: none. */
  readonly every: number;
  /** Hutchinson probes of a measurement. */
  readonly probes: number;
  /** Chosen by cost: then nothing is measured before the first step, where no cost could be set against it, nor once more after the last. */
  readonly auto: boolean;
  /** Estimated share of the run's cost, 0 to 1, without that of `metrics`, which is not known. */
  readonly share: number;
  /** Why nothing is measured, where that was not asked for. */
  readonly note?: string;
}

/** What of a run's settings it goes by. */
interface Settings {
  readonly steps: number;
  readonly batch: number | 'full';
  readonly monitorEvery: number | 'auto' | 'off' | undefined;
  readonly probes: number | undefined;
}

/**
 * Costs in evaluations of the full-batch loss. Nominal, so that the interval depends on no clock and on no machine; held to processor time
 * of MLPs of 7,000 to 116,000 parameters, where a gradient took 2.3 to 2.7 of them, a Hessian-vector product 4.5 to 7.1, and one of sixteen at
 * a time 2.9 to 5.6.
 */
const DERIVATIVE = 2;
const GRADIENT = 2.5;
const PRODUCT = 6;
const PRODUCT_OF_MANY = 5;
/** What a measurement does to its vectors between the products, a parameter, in examples (0.2 µs, where a loss took 30 ps a parameter and example). */
const VECTOR_EXAMPLES = 7000;
/** Parameters times examples of a loss that costs no more than to ask for it. */
const LEAST_LOSS = 700_000;
/** Products, one at a time, by which a measurement usually finds the ends of the spectrum. */
const SPECTRUM_PRODUCTS = 21;

/** What the monitor may cost, as a share of the run. */
const SHARE = 0.1;
const PROBES_SET = 64;
const PROBES_AUTO = 16;

/** The least that a measurement keeps, in vectors as long as θ: θ itself, a Krylov basis that is cut back, a preconditioner and what it scales. */
const VECTORS = 1 + 12 + 2;
/** Bytes of such vectors beyond which nobody is measured unasked. With budgets of half of that, no measurement takes more before. */
const UNASKED_BYTES = 2 ** 30;
/** Bytes of a measurement's basis beyond which it is cut back: the same on every machine, and so are the numbers. */
export const BASIS_BUDGET = UNASKED_BYTES / 2;

/** Checks `monitorEvery` and `probes` as far as they are given. */
export function checkMonitorOptions(monitorEvery: unknown, probes: unknown): void {
  if (monitorEvery === 0) {
    invalidArgument('monitorEvery', "an integer from 1, 'auto' or 'off' ('off' for no measurements)", monitorEvery);
  }
  if (monitorEvery !== undefined && monitorEvery !== 'auto' && monitorEvery !== 'off') {
    if (typeof monitorEvery !== 'number')
      invalidArgument('monitorEvery', "an integer from 1, 'auto' or 'off'", monitorEvery);
    checkInteger('monitorEvery', monitorEvery, 1);
  }
  if (probes !== undefined) checkInteger('probes', probes, 2, MAX_VECTORS);
}

/** @throws where measurements are asked for that the loss does not allow. */
export function planMonitor(objective: Objective, estimator: Estimator, settings: Settings): MonitorPlan {
  const { monitorEvery = 'auto', steps } = settings;
  const auto = monitorEvery === 'auto';
  const probes = settings.probes ?? (auto ? PROBES_AUTO : PROBES_SET);
  const measurement = 1 + probes * PRODUCT_OF_MANY + SPECTRUM_PRODUCTS * PRODUCT + vectorCost(objective);
  const step = stepCost(objective, estimator, settings);
  const none = (note?: string): MonitorPlan => ({ every: 0, probes, auto, share: 0, ...(note && { note }) });
  const plan = (every: number): MonitorPlan => {
    const share = measurement / (measurement + every * step);
    return { every, probes, auto, share };
  };
  if (monitorEvery === 'off') return none();
  if (!auto) {
    objective.checkHessian();
    return plan(monitorEvery);
  }
  const every = roundedUp((measurement * (1 / SHARE - 1)) / step);
  const bytes = VECTORS * 4 * objective.dimension;
  if (bytes > UNASKED_BYTES) {
    return none(
      `No curvature is measured: its vectors take ${Math.ceil(bytes / 2 ** 20)} MiB. Say monitorEvery to have it all the same.`,
    );
  }
  if (every > steps) {
    return {
      ...plan(every),
      note:
        `No curvature is measured within ${steps} steps: a measurement costs as much as ${Math.ceil(measurement / step)} of them. ` +
        'Say monitorEvery to have it all the same.',
    };
  }
  try {
    objective.checkHessian();
  } catch (error) {
    if (!(error instanceof ZerothError)) throw error;
    return none(`No curvature is measured: this loss has no Hessian-vector products. ${error.message}`);
  }
  return plan(every);
}

function vectorCost({ dimension, examples }: Objective): number {
  return (VECTOR_EXAMPLES * dimension) / Math.max(dimension * examples, LEAST_LOSS);
}

/** An estimator that does not say what it asks for is counted as the cheapest there is, so that the monitor costs no more than it may. */
function stepCost({ examples }: Objective, { name, cost }: Estimator, { batch }: Settings): number {
  const { losses = 0, derivatives = 0, gradients = 0 } = cost ?? { losses: 1 };
  checkNumber(`cost.losses of estimator ${name}`, losses, { min: 0 });
  checkNumber(`cost.derivatives of estimator ${name}`, derivatives, { min: 0 });
  checkNumber(`cost.gradients of estimator ${name}`, gradients, { min: 0 });
  const whole = checkNumber(`cost of estimator ${name}`, losses + DERIVATIVE * derivatives + GRADIENT * gradients, {
    above: 0,
  });
  return whole * (batch === 'full' ? 1 : batch / examples);
}

/** Two digits are enough. */
function roundedUp(value: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return Math.ceil(value / unit) * unit;
}

/** Whether curvature is measured before this step of so many, or after the last one. */
export function isMeasuredAt(step: number, steps: number, { every, auto }: MonitorPlan): boolean {
  if (every === 0 || steps === 0) return false;
  if (auto) return step > 0 && step % every === 0;
  return step % every === 0 || step === steps;
}
