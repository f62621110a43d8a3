import { greatest } from '../extremes.ts';

import { gaussQuadrature } from './symmetric-eigen.ts';

/** The tridiagonal matrix of a Lanczos run. */
export interface LanczosMatrix {
  readonly diagonal: readonly number[];
  /** One value less. */
  readonly coupling: readonly number[];
  /** Coupling of the last row to whatever would follow; 0 where the run is complete. */
  readonly rest: number;
}

/** Golden sections of the interval that holds the largest value: to about 1e-9 of a turn. */
const SEARCH_STEPS = 44;

/**
 * Bounds on e₁ᵀ f(T) e₁, f(λ) = max(−λ, 0), over all symmetric tridiagonal matrices T, however large, that begin with the given one.
 *
 * Each such T has the moments that the given one fixes; the extremes are taken by those that are one row larger (the canonical
 * representations of these moments), which its last diagonal entry α enumerates. The least is the one with an eigenvalue at the kink of f,
 * at 0. From there the value rises to the most and falls back, as α goes once through all numbers and infinity.
 *
 * @returns least ≤ most, and e₁ᵀ f(T)² e₁ of the T that gives the most.
 * @see Karlin and Studden, Tchebycheff Systems, 1966, chapters 3 and 4.
 */
export function negativePartBounds({ diagonal, coupling, rest }: LanczosMatrix): {
  least: number;
  most: number;
  square: number;
} {
  if (rest === 0) {
    const complete = negativePart(diagonal, coupling);
    return { least: complete.value, most: complete.value, square: complete.square };
  }
  const couplings = [...coupling, rest];
  const at = (alpha: number) => negativePart([...diagonal, alpha], couplings);
  const scale = Math.max(greatest(diagonal.map(Math.abs)), greatest(couplings));
  // α on a circle, infinity included, that begins and ends where 0 is an eigenvalue.
  const kink = Math.atan(rest ** 2 / lastPivot(diagonal, coupling) / scale);
  const turn = (angle: number) => at(scale * Math.tan(kink + angle));

  // Golden section, between two visits to the least.
  const golden = (Math.sqrt(5) - 1) / 2;
  let low = 0;
  let high = Math.PI;
  let inner = high - golden * (high - low);
  let outer = low + golden * (high - low);
  let innerValue = turn(inner);
  let outerValue = turn(outer);
  let best = innerValue;
  for (let i = 0; i < SEARCH_STEPS; i++) {
    for (const value of [innerValue, outerValue]) if (value.value > best.value) best = value;
    if (innerValue.value > outerValue.value) {
      [high, outer, outerValue] = [outer, inner, innerValue];
      inner = high - golden * (high - low);
      innerValue = turn(inner);
    } else {
      [low, inner, innerValue] = [inner, outer, outerValue];
      outer = low + golden * (high - low);
      outerValue = turn(outer);
    }
  }
  return { least: Math.min(turn(0).value, best.value), most: best.value, square: best.square };
}

function negativePart(diagonal: readonly number[], coupling: readonly number[]): { value: number; square: number } {
  const { nodes, weights } = gaussQuadrature(diagonal, coupling);
  let value = 0;
  let square = 0;
  for (const [i, node] of nodes.entries()) {
    if (node >= 0) continue;
    value -= weights[i] * node;
    square += weights[i] * node * node;
  }
  return { value, square };
}

/** The last pivot of T = L D Lᵀ: 1 / (eₘᵀ T⁻¹ eₘ). A pivot of 0 on the way makes the next one infinite, and the one after that right again. */
function lastPivot(diagonal: readonly number[], coupling: readonly number[]): number {
  let pivot = diagonal[0];
  for (let i = 1; i < diagonal.length; i++) pivot = diagonal[i] - coupling[i - 1] ** 2 / pivot;
  return pivot;
}
