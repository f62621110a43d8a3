import type { Direction } from '../random/direction.ts';
import type { DenseGradient, Estimate, Point } from './estimate.ts';
import type { Options } from './json.ts';
import type { LearningRate } from './step-size.ts';

export type { DenseGradient, Estimate, Point, Term } from './estimate.ts';
export type { LearningRate } from './step-size.ts';

/** Moments of an estimator on the quadratic model: E[ĝĝᵀ] = s1 A + s2 tr(A) I, A = HΣH (docs/mathematics.md). */
export interface Moments {
  readonly s1: number;
  readonly s2: number;
}

/** What an estimator may ask of the thing that is being minimised. */
export interface LossOracle {
  readonly dimension: number;
  /** L at each point, in one call to the device: `losses([[]])` is L(θ). */
  losses(points: readonly Point[], signal?: AbortSignal): Promise<Float64Array>;
  /** L(θ) and ∇L(θ). */
  gradient(signal?: AbortSignal): Promise<{ loss: number; gradient: DenseGradient }>;
}

/** How ĝ is made. Stateless: everything random comes from `direction`. */
export interface Estimator {
  readonly name: string;
  /** What tells it from others of its name: part of a run's identity, log and labels. Default none. */
  readonly options?: Options;
  /**
   * What one step asks of the oracle: so many losses, so many gradients. By it the monitor's interval is chosen. Default one loss, so that
   * the monitor costs no more than it may.
   */
  readonly cost?: { readonly losses?: number; readonly gradients?: number };
  /** Smoothing μ, where the estimator has one. */
  readonly mu?: number;
  /**
   * Its half of the stability theory, for a problem of this many parameters. Absent or null: not known, and then nothing is claimed about
   * the edge of stability; curvature is measured all the same.
   */
  moments?(dimension: number): Moments | null;
  /**
   * One that is a linear function of losses is best made by `linearEstimator`: small models then take several steps in one submission.
   * @param direction the i-th direction of this step.
   */
  estimate(oracle: LossOracle, direction: (i: number) => Direction, signal?: AbortSignal): Promise<Estimate>;
}

/**
 * One fused in-place update of θ and its state, as the device runs it. g is the estimate.
 *   plain       θ ← θ − lr g
 *   momentum    m ← β m + g;  θ ← θ − lr m
 *   adam        m ← β1 m + (1−β1) g;  v ← β2 v + (1−β2) g²;  θ ← θ − lr · (m / (1−β1^t)) / (√(v / (1−β2^t)) + ε)
 *   frozenAdam  m ← β1 m + (1−β1) g;  θ ← θ − lr m / p
 */
export type Update =
  | { readonly kind: 'plain' }
  | { readonly kind: 'momentum'; readonly beta: number }
  | {
      readonly kind: 'adam';
      readonly beta1: number;
      readonly beta2: number;
      readonly epsilon: number;
      readonly t: number;
    }
  | { readonly kind: 'frozenAdam'; readonly beta1: number };

/** State vectors of update rules, each as long as θ: momentum, second moment, fixed preconditioner. */
export type StateName = 'm' | 'v' | 'p';

/** What is done with ĝ. Its state lives on the device beside θ. */
export interface UpdateRule {
  readonly name: string;
  /** What tells it from others of its name: part of a run's identity, log and labels. Default none. */
  readonly options?: Options;
  /** Momentum coefficient β (β1 of Adam); 0 without momentum. */
  readonly beta: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Weight of ĝ in the momentum: 1 (Polyak) or 1−β (exponential moving average). The law sees η · weight. */
  readonly gradientWeight: number;
  /** Whether curvature is to be measured on P^-½ H P^-½. */
  readonly preconditioned: boolean;
  /** State vectors, each as long as θ, that start at zero (`p` is given). */
  readonly states: readonly StateName[];
  /** Values of the states that do not start at zero, one a parameter. */
  readonly initial?: { readonly p?: Float32Array };
  /** The update of step `step` (the first is 0). */
  update(step: number): Update;
  /** The diagonal of P that update number `steps` (counted from 1) divided by, from the state after it; absent where there is none. */
  preconditioner?(state: { v?: Float32Array; p?: Float32Array }, steps: number): Float64Array;
}

/** optimizer = estimator × update rule, with its step size. */
export interface Optimizer {
  readonly name: string;
  readonly estimator: Estimator;
  readonly rule: UpdateRule;
  readonly lr: LearningRate;
}
