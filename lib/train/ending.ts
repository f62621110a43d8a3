import type { Estimate } from '../optimizers/optimizer.ts';
import type { EndEvent } from './events.ts';

/** A loss this many times the run's first is taken as divergence: catapults at the edge of stability stay far below. */
const EXPLOSION = 1e3;

/** What a run looks at in each step to see whether it can go on. */
export class Divergence {
  /** Loss of the run's first step: an explosion is measured against it. */
  firstLoss: number | undefined;
  /** Why the run cannot go on, in words for a person; empty while it can. */
  found = '';

  /** Looks at the estimate of a step before it is applied. @returns whether the run has diverged. */
  look(step: number, estimate: Estimate, lr: number): boolean {
    this.firstLoss ??= estimate.loss;
    this.found = reason(step, estimate, lr, this.firstLoss);
    return this.found !== '';
  }
}

function reason(step: number, estimate: Estimate, lr: number, firstLoss: number): string {
  const finite = (values: readonly number[]) => values.every((value) => Number.isFinite(Math.fround(value)));
  const coefficients = estimate.kind === 'directions' ? estimate.terms.map((term) => term.coefficient) : [];
  if (!finite([estimate.loss, ...coefficients])) return `The loss is not a finite number at step ${step}.`;
  if (!finite(coefficients.map((coefficient) => lr * coefficient)))
    return `The update of step ${step} is not a finite number.`;
  const limit = EXPLOSION * Math.max(Math.abs(firstLoss), 1e-6);
  if (Math.abs(estimate.loss) <= limit) return '';
  return `The loss exploded to ${estimate.loss.toPrecision(3)} at step ${step} (it began at ${firstLoss.toPrecision(3)}).`;
}

/** One sentence or two for a person: how a run ended, and what to do. */
export function endMessage(
  reason: EndEvent['reason'],
  run: {
    readonly step: number;
    readonly steps: number;
    /** Whether the run has a folder. */
    readonly kept: boolean;
    readonly divergence: Divergence;
  },
): string {
  const { step, steps, kept, divergence } = run;
  if (reason === 'completed') return `Completed ${step} steps.`;
  if (reason === 'aborted') return `Stopped after ${step} of ${steps} steps${kept ? '; resume to go on' : ''}.`;
  // A loss that is not finite before anything has moved says nothing about η.
  const advice = Number.isFinite(divergence.firstLoss ?? 0)
    ? 'The step size is beyond the edge of stability: use a smaller η.'
    : 'No step had been taken: look at the loss, its data and the initial parameters.';
  return `${divergence.found} ${advice}${kept ? ' The last finite checkpoint is kept.' : ''}`;
}
