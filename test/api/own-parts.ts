// What somebody outside writes who needs more than there is: typed by the public API alone.
import type {
  CurvatureReading,
  Estimate,
  EstimateRequest,
  Estimator,
  Optimizer,
  Point,
  Schedule,
  StepInfo,
  StepSize,
  Term,
  Update,
  UpdateRule,
} from '../../lib/index.ts';
import { schedules } from '../../lib/index.ts';

/** Forward differences along q directions, averaged: q + 1 losses a step. (s1, s2) = (1 + 1/q, 1/q) of Gaussian directions. */
export function forwardDifferences({ queries, mu = 1e-3 }: { queries: number; mu?: number }): Estimator {
  return {
    name: 'forward-differences',
    options: { queries, mu },
    mu,
    moments: () => ({ s1: 1 + 1 / queries, s2: 1 / queries }),
    async estimate({ oracle, direction, signal }: EstimateRequest): Promise<Estimate> {
      const directions = Array.from({ length: queries }, (_, i) => direction(i));
      const points: Point[] = [[], ...directions.map((one): Point => [{ direction: one, coefficient: mu }])];
      const [loss, ...losses] = await oracle.losses(points, signal);
      const terms: Term[] = directions.map((one, i) => ({
        direction: one,
        coefficient: (losses[i] - loss) / (mu * queries),
      }));
      return { kind: 'directions', loss, terms };
    },
  };
}

/** Momentum that grows from 0 to β over some steps. */
export function warmMomentum({ beta, steps }: { beta: number; steps: number }): UpdateRule {
  return {
    name: 'warm-momentum',
    options: { beta, steps },
    beta,
    gradientWeight: 1,
    preconditioned: false,
    states: ['m'],
    update: (step): Update => ({ kind: 'momentum', beta: beta * Math.min(1, step / steps) }),
  };
}

interface Plateau {
  readonly lr: number;
  readonly patience: number;
}

/** Halves η after some steps without a new best loss; stays below 1 ÷ the trace once that is measured. */
export function plateau({ lr, patience }: Plateau): StepSize<{ lr: number; best: number | null; since: number }> {
  const below = (now: number, monitor?: CurvatureReading) =>
    monitor ? Math.min(now, 1 / Math.abs(monitor.trace)) : now;
  return {
    name: 'plateau',
    options: { lr, patience },
    init: () => ({ lr, best: null, since: 0 }),
    next(state, { estimate, monitor }: StepInfo) {
      if (!estimate) return { lr: below(state.lr, monitor), state };
      const better = state.best === null || estimate.loss < state.best;
      const since = better ? 0 : state.since + 1;
      const now = since >= patience ? state.lr / 2 : state.lr;
      const best = better ? estimate.loss : state.best;
      return { lr: below(now, monitor), state: { lr: now, best, since: since >= patience ? 0 : since } };
    },
  };
}

export const triangle = (peak: number, period: number): Schedule =>
  schedules.schedule('triangle', { peak, period }, (step) => peak * (1 - Math.abs((2 * (step % period)) / period - 1)));

export const own = (lr: Optimizer['lr']): Optimizer => ({
  name: 'own',
  estimator: forwardDifferences({ queries: 4 }),
  rule: warmMomentum({ beta: 0.5, steps: 10 }),
  lr,
});
