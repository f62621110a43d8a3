import { describe, expect, it } from 'vitest';
import { lanczosQuadrature } from '../../lib/curvature/lanczos-quadrature.ts';
import type { LinearOperator } from '../../lib/curvature/operator.ts';
import { symmetricEigen } from '../../lib/curvature/symmetric-eigen.ts';
import { type TopEigenvaluesOptions, topEigenvalues } from '../../lib/curvature/top-eigenvalues.ts';
import { seeded } from '../stability/seeded.ts';
import { denseOperator, randomSymmetric, withSpectrum } from './dense-operator.ts';

/** The least basis there is: 12 vectors, or 6 blocks. */
const least = { basisBudget: 1 };

/** A spectrum like a Hessian's, whose top is not found in eleven products. */
function crowded(dimension: number, seed: number, top: number[] = []): number[] {
  const { uniform } = seeded(seed);
  return [...top, ...Array.from({ length: dimension - top.length }, () => 4 * uniform() - 1)];
}

/** A diagonal matrix, for a random start one like any other of its spectrum. */
function diagonalOperator(lambdas: readonly number[]): LinearOperator {
  const n = lambdas.length;
  return { dimension: n, apply: async (vectors) => vectors.map((x, i) => x * lambdas[i % n]) };
}

describe('Lanczos that is restarted', () => {
  it.each([1, 2, 3, 5])('finds the top %d eigenvalues of dense matrices, as f64 decomposes them', async (count) => {
    for (let seed = 0; seed < 4; seed++) {
      const n = 90;
      const matrix = randomSymmetric(n, 10 * count + seed);
      const { values: all } = symmetricEigen(matrix, n);
      const operator = denseOperator(matrix, n);
      const found = await topEigenvalues(operator, { ...least, count, tolerance: 1e-5, maxIterations: 400, seed });
      expect(found.hvps).toBe(operator.products);
      expect(found.hvps).toBeGreaterThan(12 * count);
      for (const [i, value] of found.values.entries()) {
        expect(Math.abs(value - all[i])).toBeLessThan(1e-5 * all[0]);
        const vector = found.vectors.subarray(i * n, (i + 1) * n);
        const product = await operator.apply(vector, 1);
        const residual = Math.hypot(...product.map((p, k) => p - value * vector[k])) / Math.hypot(...vector);
        expect(found.residuals[i]).toBeCloseTo(residual, 4);
        expect(residual).toBeLessThan(3e-5 * all[0]);
      }
      for (let i = 0; i < count; i++) {
        for (let j = 0; j <= i; j++) {
          const inner = found.vectors
            .subarray(i * n, (i + 1) * n)
            .reduce((sum, value, k) => sum + value * found.vectors[j * n + k], 0);
          expect(inner).toBeCloseTo(i === j ? 1 : 0, 4);
        }
      }
    }
  });

  it('takes some more products than with the whole basis, and far fewer than power iteration', async () => {
    const lambdas = crowded(200, 1, [3.2, 3.1]);
    const run = async (options: TopEigenvaluesOptions) => {
      const found = await topEigenvalues(diagonalOperator(lambdas), {
        tolerance: 1e-4,
        maxIterations: 2000,
        ...options,
      });
      expect(found.values[0]).toBeCloseTo(3.2, 5);
      return found.hvps;
    };
    const [whole, restarted, power] = [await run({}), await run(least), await run({ method: 'power' })];
    expect(restarted).toBeGreaterThan(whole);
    expect(restarted).toBeLessThan(3 * whole);
    expect(restarted).toBeLessThan(power / 3);
  });

  it('finds an eigenvalue as often as it occurs, and others beside one that has long converged', async () => {
    const twice = await topEigenvalues(withSpectrum(crowded(80, 3, [5, 5]), 4), {
      ...least,
      count: 2,
      tolerance: 1e-5,
      maxIterations: 300,
    });
    expect(twice.values).toEqual([expect.closeTo(5, 4), expect.closeTo(5, 4)]);
    const far = await topEigenvalues(withSpectrum(crowded(80, 5, [1000, 3.5]), 6), {
      ...least,
      count: 2,
      tolerance: 1e-7,
      maxIterations: 100,
    });
    expect(far.values).toEqual([expect.closeTo(1000, 2), expect.closeTo(3.5, 2)]);
    expect(Math.max(...far.residuals)).toBeLessThan(1e-3);
  });

  it('finds what is negative where all is, and the algebraic top where a negative eigenvalue dominates', async () => {
    const below = crowded(60, 7).map((lambda) => lambda - 4);
    const options = { ...least, tolerance: 1e-5, maxIterations: 400 };
    const { values } = await topEigenvalues(withSpectrum(below, 8), options);
    expect(values[0]).toBeCloseTo(Math.max(...below), 4);
    const dominated = crowded(60, 9, [-50]);
    const top = await topEigenvalues(withSpectrum(dominated, 10), options);
    expect(top.values[0]).toBeCloseTo(Math.max(...dominated), 4);
  });

  it('is the same, to the bit, as long as the basis stays within its budget', async () => {
    const run = (options: TopEigenvaluesOptions) =>
      topEigenvalues(withSpectrum(crowded(60, 11, [9]), 12), { tolerance: 1e-3, ...options });
    const [whole, within] = [await run({}), await run(least)];
    expect(whole.hvps).toBeLessThan(12);
    expect(within).toEqual(whole);
  });

  it('keeps less, and finds less often, the smaller the budget: 4 bytes times vectors times numbers', async () => {
    const hvps: number[] = [];
    for (const vectors of [12, 24, 64]) {
      const operator = diagonalOperator(crowded(300, 13));
      const found = await topEigenvalues(operator, {
        basisBudget: vectors * 4 * 300,
        tolerance: 1e-4,
        maxIterations: 1000,
      });
      hvps.push(found.hvps);
    }
    expect(hvps).toEqual([...hvps].sort((a, b) => b - a));
    expect(new Set(hvps).size).toBe(3);
  });

  it('returns what it has when the iterations run out in the middle of it', async () => {
    for (let maxIterations = 10; maxIterations < 26; maxIterations++) {
      const operator = diagonalOperator(crowded(100, 15));
      const { values, residuals, hvps } = await topEigenvalues(operator, { ...least, tolerance: 1e-9, maxIterations });
      expect(hvps).toBe(maxIterations + 1);
      const near = Math.min(...crowded(100, 15).map((lambda) => Math.abs(lambda - values[0])));
      expect(near).toBeLessThanOrEqual(residuals[0] + 1e-5);
    }
  });

  it('does without the vectors where they are not wanted', async () => {
    const run = (vectors: boolean) => topEigenvalues(withSpectrum(crowded(40, 17), 18), { count: 2, vectors });
    const [without, all] = [await run(false), await run(true)];
    expect(without).toEqual({ ...all, vectors: new Float32Array(0) });
  });
});

describe('both ends of a spectrum from a basis that is cut back', () => {
  const { normal } = seeded(20);
  // The top is close to the next, and so not found by eleven products.
  const lambdas = [1.6, 1.55, 1.5, ...Array.from({ length: 400 }, () => 0.3 * normal())];
  const negative = lambdas.reduce((sum, lambda) => sum + Math.max(-lambda, 0), 0);
  const operator = () => diagonalOperator(lambdas);

  it('finds the top, and states what the eleven products before know of the rest', async () => {
    let far = 0;
    for (let seed = 0; seed < 12; seed++) {
      const whole = await lanczosQuadrature(operator(), { seed, tolerance: 1e-4 });
      const cut = await lanczosQuadrature(operator(), { seed, tolerance: 1e-4, ...least });
      expect(cut.hvps).toBeGreaterThan(14);
      expect(cut.lambdaMax).toBeCloseTo(1.6, 5);
      expect(cut.lambdaMaxResidual).toBeLessThan(1e-3);
      expect(cut.lambdaMin).toBeGreaterThan(Math.min(...lambdas) - 1e-5);
      const near = Math.min(...lambdas.map((lambda) => Math.abs(lambda - cut.lambdaMin)));
      expect(near).toBeLessThanOrEqual(cut.lambdaMinResidual + 1e-5);
      const eleven = await lanczosQuadrature(operator(), { seed, iterations: 11, maxIterations: 11 });
      expect(cut.negativeTrace).toBe(eleven.negativeTrace);
      expect(cut.negativeTraceStdErr).toBe(eleven.negativeTraceStdErr);
      expect(cut.negativeTraceStdErr).toBeGreaterThan(whole.negativeTraceStdErr);
      if (Math.abs(cut.negativeTrace - negative) > 2 * cut.negativeTraceStdErr) far++;
    }
    expect(far).toBeLessThanOrEqual(2);
  });

  it('takes no products for bounds that a basis which is cut back no longer narrows', async () => {
    const alone = diagonalOperator([40, ...lambdas.slice(1)]);
    expect((await lanczosQuadrature(alone, { tolerance: 1e-2 })).hvps).toBe(21);
    expect((await lanczosQuadrature(alone, { tolerance: 1e-2, ...least })).hvps).toBe(12);
  });
});
