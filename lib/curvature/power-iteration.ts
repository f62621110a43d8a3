import { applyChecked } from './apply.ts';
import type { SearchOptions } from './lanczos.ts';
import type { LinearOperator } from './operator.ts';
import type { StartVectors } from './start-vectors.ts';
import { addScaled, dot, norm, scale } from './vectors.ts';

/**
 * Power iteration on H, then on H + σI where H alone does not lead to the largest algebraic eigenvalue.
 *
 * v ← Hv/‖Hv‖ converges to the largest |λ|. When that is negative, or when two of opposite sign tie and it does not converge in half of its
 * iterations, σ = ‖Hv‖ makes the spectrum non-negative, and the largest algebraic eigenvalue the dominant one.
 *
 * @returns one unit vector and the products taken.
 */
export async function powerIteration(
  operator: LinearOperator,
  starts: StartVectors,
  { tolerance, minIterations, maxIterations, signal }: SearchOptions,
): Promise<{ vectors: Float32Array; hvps: number }> {
  let v = Float32Array.from(starts.next());
  let shift = 0;
  for (let iteration = 1; ; iteration++) {
    const product = Float64Array.from(await applyChecked(operator, v, 1, signal));
    const value = dot(v, product) / dot(v, v);
    const magnitude = norm(product);
    const rest = product.slice();
    addScaled(rest, -value, v);
    const converged = iteration >= minIterations && norm(rest) <= tolerance * Math.max(magnitude, shift);
    if ((converged && (value >= 0 || shift > 0)) || iteration === maxIterations) return { vectors: v, hvps: iteration };

    if (shift === 0 && (converged || iteration === Math.floor(maxIterations / 2))) {
      shift = magnitude;
      // An eigenvector of the lowest eigenvalue is mapped to 0 by H + σI: begin again elsewhere.
      if (converged) {
        v = Float32Array.from(starts.next());
        continue;
      }
    }
    addScaled(product, shift, v);
    const length = norm(product);
    if (length === 0) return { vectors: v, hvps: iteration };
    scale(product, 1 / length);
    v = Float32Array.from(product);
  }
}
