import type { Direction } from '../random/direction.ts';

/**
 * What an estimator makes of a step: its `loss`, which the log has, and ĝ, which the rule is given.
 * ĝ = Σ coefficient · z(direction), never stored; or coefficient (default 1) times a dense vector on the device, as `oracle.gradient` returns
 * it.
 */
export type Estimate =
  | {
      readonly kind: 'directions';
      readonly loss: number;
      readonly terms: readonly Term[];
    }
  | {
      readonly kind: 'dense';
      readonly loss: number;
      readonly gradient: DenseGradient;
      readonly coefficient?: number;
    };

export interface Term {
  readonly direction: Direction;
  readonly coefficient: number;
}

/** A place to evaluate at: θ + Σ coefficient · z(direction). `[]` is θ itself. */
export type Point = readonly Term[];

/** A device vector that holds one value a parameter. Opaque here: `objective` makes it, `params` consumes it. */
export interface DenseGradient {
  readonly byteLength: number;
  /** ‖∇L‖², in f64: a finite number if and only if every element is. */
  readonly squaredNorm: number;
}

/** Whether all of it is finite. One that is not is never applied, and ends a run. */
export function isMeasured(estimate: Estimate): boolean {
  const numbers =
    estimate.kind === 'directions' ? estimate.terms.map(({ coefficient }) => coefficient) : [denseNorm(estimate)];
  return [estimate.loss, ...numbers].every(Number.isFinite);
}

/** ‖ĝ‖ of a dense estimate. */
export const denseNorm = ({ coefficient = 1, gradient }: Extract<Estimate, { kind: 'dense' }>): number =>
  Math.abs(coefficient) * Math.sqrt(gradient.squaredNorm);
