import type { LinearOperator } from '../../lib/curvature/operator.ts';
import { rotated } from '../stability/covariance.ts';
import { seeded } from '../stability/seeded.ts';

/** A dense symmetric matrix as an operator: products in f64, rounded to f32 as a device would return them. Counts its vectors. */
export function denseOperator(
  matrix: Float64Array,
  n: number,
): LinearOperator & { products: number; batches: number[] } {
  return {
    dimension: n,
    products: 0,
    batches: [],
    async apply(vectors, count) {
      this.products += count;
      this.batches.push(count);
      const result = new Float32Array(count * n);
      for (let row = 0; row < count; row++) {
        for (let i = 0; i < n; i++) {
          let sum = 0;
          for (let j = 0; j < n; j++) sum += matrix[i * n + j] * vectors[row * n + j];
          result[row * n + i] = sum;
        }
      }
      return result;
    },
  };
}

/** A dense operator with these eigenvalues in a random basis. */
export function withSpectrum(lambdas: readonly number[], seed: number): ReturnType<typeof denseOperator> {
  return denseOperator(rotated(lambdas, seeded(seed).normal).values, lambdas.length);
}

/** A random symmetric matrix, indefinite as a rule. */
export function randomSymmetric(n: number, seed: number): Float64Array {
  const { normal } = seeded(seed);
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) matrix[i * n + j] = matrix[j * n + i] = normal();
  return matrix;
}
