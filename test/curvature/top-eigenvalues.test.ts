import { describe, expect, it } from 'vitest';
import type { LinearOperator } from '../../lib/curvature/operator.ts';
import { type TopEigenvaluesOptions, topEigenvalues } from '../../lib/curvature/top-eigenvalues.ts';
import { seeded } from '../stability/seeded.ts';
import { denseOperator, randomSymmetric, withSpectrum } from './dense-operator.ts';

const methods = ['lanczos', 'power'] as const;
/** Rounding of f32 products, times the largest |λ|. */
const ROUNDING = 2e-6;

/** ‖Av − λv‖/‖v‖ in f64, from the matrix itself. */
async function trueResidual(operator: LinearOperator, value: number, vector: Float32Array): Promise<number> {
  const product = await operator.apply(vector, 1);
  const size = Math.hypot(...vector);
  return Math.hypot(...product.map((p, i) => p - value * vector[i])) / size;
}

/** A spectrum like a Hessian's: some outliers over a bulk. */
function bulk(dimension: number, outliers: number[], seed: number): number[] {
  const { uniform } = seeded(seed);
  return [...outliers, ...Array.from({ length: dimension - outliers.length }, () => 2 * uniform() - 0.5)];
}

describe.each(methods)('the top eigenvalue by %s', (method) => {
  it('is the known one of random matrices, with a residual that is the true one and bounds the error', async () => {
    for (let seed = 0; seed < 8; seed++) {
      const operator = withSpectrum(bulk(60, [10, 7], seed), seed + 100);
      const { values, vectors, residuals, hvps } = await topEigenvalues(operator, {
        method,
        tolerance: 1e-4,
        seed: BigInt(seed),
      });
      expect(hvps).toBe(operator.products);
      expect(residuals[0]).toBeLessThan(2e-4 * 10);
      expect(residuals[0]).toBeCloseTo(await trueResidual(operator, values[0], vectors), 5);
      // A residual r puts λ within r, and within r²/gap when the gap is known: 3 here.
      expect(Math.abs(values[0] - 10)).toBeLessThan(residuals[0] ** 2 / 3 + 10 * ROUNDING);
      expect(Math.hypot(...vectors)).toBeCloseTo(1, 6);
    }
  });

  it('is the largest algebraic one where a negative eigenvalue dominates', async () => {
    const operator = withSpectrum(bulk(30, [-20, 5], 1), 2);
    const { values, residuals } = await topEigenvalues(operator, { method, tolerance: 1e-5, maxIterations: 5000 });
    expect(Math.abs(values[0] - 5)).toBeLessThan(1e-3);
    expect(residuals[0]).toBeLessThan(1e-3);
  });

  it('is found between eigenvalues ±λ of equal size', async () => {
    const { values } = await topEigenvalues(withSpectrum(bulk(20, [6, -6], 3), 4), { method, tolerance: 1e-4 });
    expect(values[0]).toBeCloseTo(6, 3);
  });

  it('is negative for a negative definite operator', async () => {
    const { values } = await topEigenvalues(withSpectrum([-9, -4, -3, -1], 5), {
      method,
      tolerance: 1e-4,
      maxIterations: 2000,
    });
    expect(values[0]).toBeCloseTo(-1, 4);
  });

  it('is exact in one dimension, for either sign, and for the zero operator', async () => {
    for (const value of [3.5, -2, 0]) {
      const { values, residuals } = await topEigenvalues(denseOperator(Float64Array.of(value), 1), { method });
      expect(values[0]).toBeCloseTo(value, 6);
      expect(residuals[0]).toBeLessThan(1e-6);
    }
    const zero = await topEigenvalues(denseOperator(new Float64Array(25), 5), { method });
    expect([zero.values[0], zero.residuals[0]]).toEqual([0, 0]);
  });

  it('is deterministic in the seed, and does not depend on it beyond the tolerance', async () => {
    const run = (seed: bigint) => topEigenvalues(withSpectrum(bulk(40, [9], 6), 7), { method, seed, tolerance: 1e-4 });
    const [first, again, other] = [await run(1n), await run(1n), await run(2n)];
    expect(again).toEqual(first);
    expect(other.vectors).not.toEqual(first.vectors);
    expect(other.values[0]).toBeCloseTo(first.values[0], 4);
  });

  it('returns what it has, with the residual that says so, when the iterations run out', async () => {
    const operator = withSpectrum(bulk(60, [2, 1.99], 8), 9);
    const { values, vectors, residuals, hvps } = await topEigenvalues(operator, {
      method,
      tolerance: 1e-6,
      maxIterations: 3,
    });
    expect(hvps).toBe(4);
    expect(residuals[0]).toBeGreaterThan(0.05);
    expect(residuals[0]).toBeCloseTo(await trueResidual(operator, values[0], vectors), 5);
  });

  it('costs less from the last eigenvector, and still sees another that has overtaken it', async () => {
    const d = 8352;
    const diagonal = (first: number, second: number): LinearOperator => ({
      dimension: d,
      apply: async (v) =>
        v.map((x, i) => x * (i === 0 ? first : i === 1 ? second : i < 12 ? 3 - i / 4 : 1.5 * (i / d) ** 3)),
    });
    const cold = await topEigenvalues(diagonal(4, 3.9), { method });
    const warm = await topEigenvalues(diagonal(4, 3.9), { method, start: cold.vectors });
    expect(warm.hvps).toBeLessThan(cold.hvps);
    expect(warm.values[0]).toBeCloseTo(4, 4);
    for (let seed = 1n; seed < 5n; seed++) {
      const { values } = await topEigenvalues(diagonal(4, 4.5), { method, start: cold.vectors, seed });
      expect(values[0]).toBeCloseTo(4.5, 4);
    }
  });

  it('leaves an old eigenvector that is exact, and so spans a space of its own', async () => {
    const n = 50;
    const matrix = new Float64Array(n * n);
    for (let i = 0; i < n; i++) matrix[i * n + i] = i === 7 ? 2 : i === 3 ? 3 : 0.5;
    const start = new Float32Array(n);
    start[7] = 1;
    const { values } = await topEigenvalues(denseOperator(matrix, n), { method, start });
    expect(values[0]).toBeCloseTo(3, 3);
  });

  it('stops between applies when aborted', async () => {
    const controller = new AbortController();
    const inner = withSpectrum(bulk(60, [2, 1.99], 8), 9);
    const operator: LinearOperator = {
      dimension: 60,
      apply(vectors, count) {
        if (inner.products === 2) controller.abort(new Error('enough'));
        return inner.apply(vectors, count);
      },
    };
    const result = topEigenvalues(operator, { method, tolerance: 1e-6, signal: controller.signal });
    await expect(result).rejects.toMatchObject({ code: 'ERR_ZEROTH_ABORTED', cause: { message: 'enough' } });
    expect(inner.products).toBe(3);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('refuses products that hold %s', async (bad) => {
    const operator: LinearOperator = { dimension: 3, apply: async (v) => v.map((x, i) => (i === 1 ? bad : x)) };
    await expect(topEigenvalues(operator, { method })).rejects.toMatchObject({ code: 'ERR_ZEROTH_DIVERGED' });
  });
});

describe('Lanczos', () => {
  it('finds the top eigenvalues of random indefinite matrices with their multiplicity', async () => {
    const operator = withSpectrum([5, 5, 5, 4, 4, -8, ...bulk(30, [], 12)], 13);
    const { values, residuals, hvps } = await topEigenvalues(operator, { count: 5, tolerance: 1e-5 });
    for (const [i, lambda] of [5, 5, 5, 4, 4].entries()) expect(values[i]).toBeCloseTo(lambda, 4);
    for (const residual of residuals) expect(residual).toBeLessThan(1e-3);
    expect(hvps).toBe(operator.products);
    expect(operator.batches[0]).toBe(5);
  });

  it('returns orthonormal vectors', async () => {
    const { vectors: rows } = await topEigenvalues(withSpectrum([5, 5, 4, ...bulk(20, [], 14)], 15), {
      count: 3,
      tolerance: 1e-5,
    });
    const vectors = [0, 1, 2].map((i) => rows.subarray(i * 23, (i + 1) * 23));
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) {
        const inner = vectors[i].reduce((sum, value, k) => sum + value * vectors[j][k], 0);
        expect(inner).toBeCloseTo(i === j ? 1 : 0, 5);
      }
    }
  });

  it('needs no more iterations than there are different eigenvalues, or dimensions', async () => {
    for (const lambdas of [
      [3, 3, 3, 3, 3, 3],
      [7, 7, 7, 2, 2, 2],
      [4, 3, 2, 1, 0, -1],
    ]) {
      const operator = withSpectrum(lambdas, 16);
      const { values, residuals } = await topEigenvalues(operator, { tolerance: 1e-9 });
      expect(values[0]).toBeCloseTo(lambdas[0], 5);
      expect(residuals[0]).toBeLessThan(1e-5);
      expect(operator.products).toBeLessThanOrEqual(new Set(lambdas).size + 2);
    }
  });

  it('gives the whole spectrum when asked for as many as there are dimensions', async () => {
    const n = 9;
    const matrix = randomSymmetric(n, 17);
    const { values } = await topEigenvalues(denseOperator(matrix, n), { count: n });
    const trace = Array.from({ length: n }, (_, i) => matrix[i * n + i]).reduce((a, b) => a + b);
    expect(values.reduce((a, b) => a + b)).toBeCloseTo(trace, 5);
    const squares = matrix.reduce((sum, value) => sum + value * value, 0);
    expect(values.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(squares, 4);
  });

  it('loses no orthogonality over a long run: the top of a hard bulk to f32 rounding', async () => {
    // Discrete Laplacian: top eigenvalues crowd quadratically, the classical case for ghosts without reorthogonalisation.
    const n = 120;
    const laplacian = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      laplacian[i * n + i] = 2;
      if (i > 0) laplacian[i * n + i - 1] = laplacian[(i - 1) * n + i] = -1;
    }
    const { values } = await topEigenvalues(denseOperator(laplacian, n), {
      count: 2,
      tolerance: 1e-6,
      maxIterations: 120,
    });
    for (const k of [1, 2]) expect(values[k - 1]).toBeCloseTo(2 + 2 * Math.cos((k * Math.PI) / (n + 1)), 5);
  });

  it('stays orthogonal beside an eigenvalue that has long converged, where what is left of a product is all rounding', async () => {
    for (let seed = 0; seed < 6; seed++) {
      const operator = withSpectrum([1000, 3, ...bulk(60, [], seed)], 30 + seed);
      const { values, residuals } = await topEigenvalues(operator, { count: 2, tolerance: 1e-7, maxIterations: 25 });
      expect(Math.abs(values[0] - 1000)).toBeLessThan(1000 * ROUNDING);
      expect(Math.abs(values[1] - 3)).toBeLessThan(1000 * ROUNDING);
      // One pass of orthogonalisation leaves residuals of 2e-3 to 5e-3 here, two leave 5e-5.
      expect(Math.max(...residuals)).toBeLessThan(5e-4);
    }
  });

  it('takes far fewer products than power iteration', async () => {
    const lambdas = bulk(100, [3, 2.7], 18);
    const lanczos = await topEigenvalues(withSpectrum(lambdas, 19), { tolerance: 1e-4 });
    const power = await topEigenvalues(withSpectrum(lambdas, 19), { method: 'power', tolerance: 1e-4 });
    expect(lanczos.values[0]).toBeCloseTo(power.values[0], 3);
    expect(lanczos.hvps * 3).toBeLessThan(power.hvps);
  });

  it('replaces start vectors that are zero or alike', async () => {
    const same = new Float32Array(12).fill(1);
    const operator = withSpectrum([6, 5, ...bulk(10, [], 20)], 21);
    for (const start of [Float32Array.of(...same, ...same), new Float32Array(12)]) {
      const { values } = await topEigenvalues(operator, { count: 2, start, tolerance: 1e-5 });
      expect(values[0]).toBeCloseTo(6, 4);
      expect(values[1]).toBeCloseTo(5, 4);
    }
  });
});

describe('bad options of topEigenvalues', () => {
  const operator = denseOperator(Float64Array.of(1, 0, 0, 2), 2);
  it.each<[string, TopEigenvaluesOptions]>([
    ['count', { count: 0 }],
    ['count', { count: 3 }],
    ['count', { count: 2, method: 'power' }],
    ['method', { method: 'qr' as 'power' }],
    ['tolerance', { tolerance: 0 }],
    ['maxIterations', { maxIterations: 0 }],
    ['firstStream', { firstStream: -1 }],
    ['seed', { seed: -1n }],
    ['seed', { seed: 1n << 64n }],
    ['start', { start: new Float32Array(4) }],
    ['start', { start: new Float32Array(3) }],
    ['start', { start: Float32Array.of(1, Number.NaN) }],
  ])('names %s', async (name, options) => {
    await expect(topEigenvalues(operator, options)).rejects.toThrow(new RegExp(`^${name}: expected`));
  });

  it('takes an operator of one’s own by its function, whatever else it has', async () => {
    const own = { ...operator, space: {}, batch: 1, append: () => Promise.reject(new Error('not this')) };
    expect((await topEigenvalues(own)).values[0]).toBeCloseTo(2, 5);
  });

  it('refuses an operator without dimensions, and one that returns too little', async () => {
    await expect(topEigenvalues({ dimension: 0, apply: async (v) => v })).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ARGUMENT',
    });
    await expect(topEigenvalues({ dimension: 2, apply: async () => new Float32Array(1) })).rejects.toMatchObject({
      code: 'ERR_ZEROTH_SHAPE',
    });
  });
});
