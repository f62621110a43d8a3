import type { Direction } from '../random/direction.ts';
import type { DenseGradient, Point } from './estimate.ts';

/** A place beside a vector that the estimator holds (`StepOracle.hold`): held + Σ coefficient · z(direction). */
export interface HeldPoint {
  /** The name of the vector. */
  readonly at: string;
  /** `[]` is the vector itself. */
  readonly terms: Point;
}

/** Whether a point is one beside a held vector. (An array has an `at`, too.) */
export const isHeld = (point: Point | HeldPoint): point is HeldPoint =>
  typeof point === 'object' && point !== null && 'terms' in point;

/** What may be asked of the thing that is being minimised. */
export interface Oracle {
  /** Numbers that a direction has: all parameters, or those of the estimator's space. */
  readonly dimension: number;
  /** L at each point, in one call to the device: `losses([[]])` is L(θ). */
  losses(points: readonly (Point | HeldPoint)[], signal?: AbortSignal): Promise<Float64Array>;
  /**
   * ‖Σ coefficient · z(direction)‖ of each displacement, in f64, of the sum as f32 holds it: `norms([[{ direction, coefficient: 1 }]])` is ‖z‖. In a
   * space, of the elements that the space has, before they are scaled.
   */
  norms(displacements: readonly Point[], signal?: AbortSignal): Promise<Float64Array>;
  /** L(θ) and ⟨∇L(θ), z⟩ of each direction, exactly: one forward-mode evaluation a direction, which takes no memory of back-propagation. */
  derivatives(
    directions: readonly Direction[],
    signal?: AbortSignal,
  ): Promise<{ readonly loss: number; readonly derivatives: Float64Array }>;
  /** L(θ) and ∇L(θ). */
  gradient(signal?: AbortSignal): Promise<{ loss: number; gradient: DenseGradient }>;
}

/** What a step may ask: of the examples of its mini-batch, or of all. */
export interface StepOracle extends Oracle {
  /** The same of all examples. */
  readonly all: Oracle;
  /** Copies θ, as it is before the step, into one of the estimator's `vectors`. @throws ERR_ZEROTH_ARGUMENT for one that it has not named. */
  hold(name: string): Promise<void>;
}
