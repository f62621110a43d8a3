import { checkFinite } from './checks.ts';
import type { Found, SearchOptions } from './search.ts';
import type { SpaceOperator } from './space-operator.ts';
import type { StartVectors } from './start-vectors.ts';

/**
 * Power iteration on H, then on H + σI where H alone does not lead to the largest algebraic eigenvalue. It takes the memory of two vectors.
 *
 * v ← Hv/‖Hv‖ converges to the largest |λ|. When that is negative, or when two of opposite sign tie and it does not converge in half of its
 * iterations, σ = ‖Hv‖ makes the spectrum non-negative, and the largest algebraic eigenvalue the dominant one.
 */
export async function powerIteration<V>(
  operator: SpaceOperator<V>,
  starts: StartVectors,
  { tolerance, minIterations, maxIterations, signal }: SearchOptions,
): Promise<Found<V>> {
  const { space, dimension } = operator;
  const purpose = {
    what: `power iteration with 2 vectors of ${dimension} numbers`,
    remedy: 'measure fewer parameters',
  };
  space.require(2, purpose);
  const block = space.allocate(2, purpose);
  let [v, next] = block.vectors;
  const found = (iteration: number): Found<V> => {
    return { vectors: [v], spare: [next], hvps: iteration, dispose: () => block.dispose() };
  };
  try {
    await starts.next(space, v, next, signal);
    let shift = 0;
    for (let iteration = 1; ; iteration++) {
      const work = space.work();
      await operator.append(work, [v], [next]);
      work.combine({ terms: [[next, 1]], with: [v, next] });
      work.combine({ terms: [[v, 1]], with: [v] });
      const length = work.combine({
        to: next,
        terms: [
          [next, 1],
          [v, shift],
        ],
        with: [next],
      });
      work.combine({ to: next, terms: [[next, { factor: 1, result: length, inverseRoot: true }]] });
      const results = await work.run(signal);
      const [product, square, unit] = results;
      const value = product / unit;
      const magnitude = Math.sqrt(checkFinite(square));
      // ‖Hv − λv‖: of f32 products there is no residual so small that f64 would not tell it.
      const rest = Math.sqrt(Math.max(0, square - value * product));
      const converged = iteration >= minIterations && rest <= tolerance * Math.max(magnitude, shift);
      if ((converged && (value >= 0 || shift > 0)) || iteration === maxIterations) return found(iteration);

      if (shift === 0 && (converged || iteration === Math.floor(maxIterations / 2))) {
        shift = magnitude;
        // An eigenvector of the lowest eigenvalue is mapped to 0 by H + σI: begin again elsewhere.
        if (converged) {
          await starts.next(space, v, next, signal);
          continue;
        }
      }
      if (results[length] === 0) return found(iteration);
      [v, next] = [next, v];
    }
  } catch (error) {
    block.dispose();
    throw error;
  }
}
