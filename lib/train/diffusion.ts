import type { Estimate, Term, Update } from '../optimizers/optimizer.ts';
import type { Distribution } from '../random/direction.ts';

/** E[z²] of an element. */
const VARIANCE: Record<Distribution, number> = { normal: 1, rademacher: 1, uniform: 1 / 3 };

/** Second moments of the part of (θ, m) that noise has made: E‖x‖², E⟨x, m⟩, E‖m‖². Null: not known any more. */
export type DiffusionState = { readonly xx: number; readonly xm: number; readonly mm: number } | null;

/**
 * How much ‖θ‖² has grown because estimates along random directions are mostly noise: the weights *diffuse*. An estimate Σ c z(direction)
 * has E‖ĝ‖² = Σ c² E[z²] d (in a space Σ s² for d), nearly all of it at right angles to everything that the run knows, and independent from step to step; so with
 * x = what noise has added to θ,
 *
 *     plain θ' = θ − ηĝ:                     E‖x'‖² = E‖x‖² + η² c² d
 *     momentum m' = βm + wĝ, θ' = θ − ηm':   E‖m'‖² = β² E‖m‖² + w² c² d,  E⟨x', m'⟩ = β E⟨x, m⟩ − η E‖m'‖²,
 *                                            E‖x'‖² = E‖x‖² − 2ηβ E⟨x, m⟩ + η² E‖m'‖²
 *
 * Curvature pulls back what this leaves free, in the few directions that have some. Frozen Adam's m/p counts with the mean of 1/p². Unknown
 * (null) with Adam, whose step depends on the noise itself, with estimators that keep a state, and with dense gradients of mini-batches, whose noise is not seen; an exact
 * gradient of all examples has none.
 */
export class Diffusion {
  readonly #squaredScale: number;
  readonly #fullBatch: boolean;
  readonly #inverseSquare: number;
  #state: DiffusionState = { xx: 0, xm: 0, mm: 0 };

  constructor(options: {
    /** E‖z‖² of directions whose elements have variance 1: the dimension, where they are in no space. */
    readonly squaredScale: number;
    /** Whether a step sees all examples. */
    readonly fullBatch: boolean;
    /** Frozen Adam's p. */
    readonly preconditioner?: Float32Array;
    /**
     * Whether the noise of a step is known: not of an estimator that keeps a state, where it may be that of another step, nor of one in a space
     * beside a preconditioner, which weighs elements otherwise. Default true.
     */
    readonly known?: boolean;
  }) {
    const { squaredScale, fullBatch, preconditioner, known = true } = options;
    if (!known) this.#state = null;
    this.#squaredScale = squaredScale;
    this.#fullBatch = fullBatch;
    this.#inverseSquare = preconditioner ? meanInverseSquare(preconditioner) : 1;
  }

  /** Takes a step. */
  add(update: Update, estimate: Estimate, lr: number): void {
    if (this.#state === null) return;
    const squares = this.#noise(estimate);
    const rule = coefficients(update);
    if (squares === undefined || rule === undefined) {
      this.#state = null;
      return;
    }
    const { beta, weight } = rule;
    const { xx, xm, mm } = this.#state;
    if (update.kind === 'plain') {
      // A step without momentum neither uses nor changes m.
      this.#state = { mm, xm, xx: xx + lr * lr * squares };
      return;
    }
    const nextM = beta * beta * mm + weight * weight * squares;
    const gain = update.kind === 'frozenAdam' ? this.#inverseSquare : 1;
    this.#state = {
      mm: nextM,
      xm: beta * xm - lr * nextM,
      xx: xx - 2 * lr * gain * beta * xm + lr * lr * gain * nextM,
    };
  }

  /** What noise has added to ‖θ‖² so far; null where that is not known. */
  get total(): number | null {
    return this.#state === null ? null : this.#state.xx;
  }

  get state(): DiffusionState {
    return this.#state;
  }

  restore(state: DiffusionState): void {
    this.#state = state;
  }

  #noise(estimate: Estimate): number | undefined {
    if (estimate.kind === 'dense') return this.#fullBatch ? 0 : undefined;
    return summedByDirection(estimate.terms).reduce(
      (sum, { direction, coefficient }) =>
        sum + coefficient ** 2 * VARIANCE[direction.distribution] * this.#squaredScale,
      0,
    );
  }
}

/** One term a direction: equal directions do not add like independent ones. */
function summedByDirection(terms: readonly Term[]): readonly Term[] {
  if (terms.length < 2) return terms;
  const summed = new Map<string, Term>();
  for (const { direction, coefficient } of terms) {
    const key = `${direction.distribution} ${direction.seed} ${direction.stream}`;
    summed.set(key, { direction, coefficient: coefficient + (summed.get(key)?.coefficient ?? 0) });
  }
  return [...summed.values()];
}

function coefficients(update: Update): { beta: number; weight: number } | undefined {
  switch (update.kind) {
    case 'plain':
      return { beta: 0, weight: 1 };
    case 'momentum':
      return { beta: update.beta, weight: 1 };
    case 'frozenAdam':
      return { beta: update.beta1, weight: 1 - update.beta1 };
    case 'adam':
      return undefined;
  }
}

function meanInverseSquare(p: Float32Array): number {
  let sum = 0;
  for (const value of p) sum += 1 / value ** 2;
  return sum / p.length;
}
