import { describe, expect, it } from 'vitest';
import { hutchinsonTrace } from '../../lib/curvature/hutchinson-trace.ts';
import { preconditionedOperator } from '../../lib/curvature/preconditioned-operator.ts';
import { symmetricEigen } from '../../lib/curvature/symmetric-eigen.ts';
import { topEigenvalues } from '../../lib/curvature/top-eigenvalues.ts';
import { seeded } from '../stability/seeded.ts';
import { denseOperator, randomSymmetric } from './dense-operator.ts';

const n = 15;
const matrix = randomSymmetric(n, 1);
const { uniform } = seeded(2);
const p = Float64Array.from({ length: n }, () => 10 ** (2 * uniform() - 1));

describe('preconditionedOperator', () => {
  it('multiplies by P^-½ H P^-½, a batch at a time', async () => {
    const operator = preconditionedOperator(denseOperator(matrix, n), p);
    const identity = new Float32Array(n * n);
    for (let i = 0; i < n; i++) identity[i * n + i] = 1;
    const products = await operator.apply(identity, n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        const expected = matrix[i * n + j] / Math.sqrt(p[i] * p[j]);
        expect(Math.abs(products[i * n + j] - expected)).toBeLessThan(1e-6 * Math.max(1, Math.abs(expected)));
      }
    }
  });

  it('has the trace and eigenvalues of P⁻¹H', async () => {
    const operator = preconditionedOperator(denseOperator(matrix, n), p);
    const { values, vectors } = await topEigenvalues(operator, { tolerance: 1e-5 });
    // P⁻¹H w = λ w for w = P^-½ v: checked on the unsymmetric matrix itself.
    const w = Array.from(vectors, (value, i) => value / Math.sqrt(p[i]));
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let j = 0; j < n; j++) sum += (matrix[i * n + j] / p[i]) * w[j];
      expect(Math.abs(sum - values[0] * w[i])).toBeLessThan(1e-3 * Math.abs(values[0]));
    }
    const dense = matrix.map((value, k) => value / Math.sqrt(p[Math.floor(k / n)] * p[k % n]));
    expect(values[0] / symmetricEigen(dense, n).values[0]).toBeCloseTo(1, 5);
    const { trace, standardError } = await hutchinsonTrace(operator, { probes: 2000 });
    const exact = Array.from(p, (value, i) => matrix[i * n + i] / value).reduce((a, b) => a + b);
    expect(Math.abs(trace - exact)).toBeLessThan(4 * standardError);
  });

  it('leaves its input alone and passes the signal on', async () => {
    const { signal } = new AbortController();
    let received: AbortSignal | undefined;
    const inner = {
      dimension: 2,
      async apply(vectors: Float32Array, _count: number, given?: AbortSignal) {
        received = given;
        return vectors;
      },
    };
    const input = Float32Array.of(1, 2);
    const output = await preconditionedOperator(inner, Float64Array.of(4, 1)).apply(input, 1, signal);
    expect([...input]).toEqual([1, 2]);
    expect([...output]).toEqual([0.25, 2]);
    expect(received).toBe(signal);
  });

  it.each([[[1]], [[1, 0]], [[1, -1]], [[1, Number.NaN]], [[1, Number.POSITIVE_INFINITY]]])(
    'refuses P = diag(%j)',
    (diagonal) => {
      expect(() => preconditionedOperator(denseOperator(new Float64Array(4), 2), Float64Array.from(diagonal))).toThrow(
        /diagonalP.*: expected/,
      );
    },
  );
});
