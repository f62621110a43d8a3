import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { symmetricEigen } from '../../lib/curvature/symmetric-eigen.ts';
import { rotated } from '../stability/covariance.ts';
import { seeded } from '../stability/seeded.ts';

/** Largest entry of A v − λ v and of V Vᵀ − I. */
function defects(matrix: Float64Array, n: number) {
  const { values, vectors } = symmetricEigen(matrix, n);
  let residual = 0;
  let orthogonality = 0;
  for (let k = 0; k < n; k++) {
    for (let i = 0; i < n; i++) {
      let product = 0;
      let inner = 0;
      for (let j = 0; j < n; j++) {
        product += matrix[i * n + j] * vectors[k * n + j];
        inner += vectors[k * n + j] * vectors[i * n + j];
      }
      residual = Math.max(residual, Math.abs(product - values[k] * vectors[k * n + i]));
      orthogonality = Math.max(orthogonality, Math.abs(inner - (i === k ? 1 : 0)));
    }
  }
  return { values, residual, orthogonality };
}

describe('symmetricEigen', () => {
  it('finds eigenpairs of random symmetric matrices, descending, to rounding', () => {
    const entries = fc.double({ min: -10, max: 10, noNaN: true });
    const matrices = fc
      .integer({ min: 1, max: 12 })
      .chain((n) => fc.array(entries, { minLength: n * n, maxLength: n * n }).map((a) => ({ a, n })));
    fc.assert(
      fc.property(matrices, ({ a, n }) => {
        const matrix = Float64Array.from(a, (_, index) => a[Math.max(index, (index % n) * n + Math.floor(index / n))]);
        const { values, residual, orthogonality } = defects(matrix, n);
        expect(residual).toBeLessThan(1e-12);
        expect(orthogonality).toBeLessThan(1e-13);
        expect([...values]).toEqual([...values].sort((x, y) => y - x));
      }),
      { seed: 6, numRuns: 300 },
    );
  });

  it('recovers a known spectrum in a random basis, repeated and zero eigenvalues included', () => {
    const lambdas = [5, 5, 5, 1, 0, 0, -2, -2, -7];
    const { values } = symmetricEigen(rotated(lambdas, seeded(7).normal).values, lambdas.length);
    for (const [i, lambda] of lambdas.entries()) expect(values[i]).toBeCloseTo(lambda, 12);
  });

  it('agrees with the closed form of the discrete Laplacian, 2 − 2 cos(kπ/(n + 1))', () => {
    const n = 60;
    const laplacian = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      laplacian[i * n + i] = 2;
      if (i > 0) laplacian[i * n + i - 1] = laplacian[(i - 1) * n + i] = -1;
    }
    const { values, residual } = defects(laplacian, n);
    expect(residual).toBeLessThan(1e-13);
    for (let k = 1; k <= n; k++) expect(values[n - k]).toBeCloseTo(2 - 2 * Math.cos((k * Math.PI) / (n + 1)), 12);
  });

  it('handles extreme grading, zeros and one row', () => {
    expect([...symmetricEigen(Float64Array.of(-3), 1).values]).toEqual([-3]);
    expect([...symmetricEigen(new Float64Array(9), 3).values]).toEqual([0, 0, 0]);
    const graded = Float64Array.of(1e200, 1e100, 0, 1e100, 1, 1e-100, 0, 1e-100, 1e-200);
    expect(symmetricEigen(graded, 3).values[0] / 1e200).toBeCloseTo(1, 12);
    // The trace is kept.
    expect(symmetricEigen(Float64Array.of(0, 1, 1, 0), 2).values[1]).toBeCloseTo(-1, 14);
  });

  it('refuses a matrix that is not finite instead of looping for ever', () => {
    expect(() => symmetricEigen(Float64Array.of(1, Number.NaN, Number.NaN, 1), 2)).toThrow(
      expect.objectContaining({ code: 'ERR_ZEROTH_DIVERGED' }),
    );
  });
});
