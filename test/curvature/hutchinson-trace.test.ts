import { describe, expect, it } from 'vitest';
import { hutchinsonTrace } from '../../lib/curvature/hutchinson-trace.ts';
import type { LinearOperator } from '../../lib/curvature/operator.ts';
import { stream } from '../../lib/random/direction.ts';
import { elementSign } from '../../lib/random/philox.ts';
import { seeded } from '../stability/seeded.ts';
import { denseOperator, randomSymmetric } from './dense-operator.ts';

function traceOf(matrix: Float64Array, n: number): number {
  let trace = 0;
  for (let i = 0; i < n; i++) trace += matrix[i * n + i];
  return trace;
}

/** Variance of one Rademacher probe: 2(‖H‖_F² − Σ h_ii²). */
function probeVariance(matrix: Float64Array, n: number): number {
  let offDiagonal = 0;
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (i !== j) offDiagonal += matrix[i * n + j] ** 2;
  return 2 * offDiagonal;
}

describe('hutchinsonTrace', () => {
  it('is exact for a diagonal operator', async () => {
    const n = 37;
    const matrix = new Float64Array(n * n);
    for (let i = 0; i < n; i++) matrix[i * n + i] = i - 5;
    const { trace, standardError } = await hutchinsonTrace(denseOperator(matrix, n), { probes: 5 });
    expect(trace).toBe(traceOf(matrix, n));
    expect(standardError).toBe(0);
  });

  it('is unbiased, and its standard error is the one of theory', async () => {
    const n = 40;
    const matrix = randomSymmetric(n, 1);
    const probes = 4000;
    const { trace, standardError, hvps } = await hutchinsonTrace(denseOperator(matrix, n), { probes, seed: 5n });
    const theory = Math.sqrt(probeVariance(matrix, n) / probes);
    expect(hvps).toBe(probes);
    expect(Math.abs(trace - traceOf(matrix, n))).toBeLessThan(4 * theory);
    // The relative error of a standard deviation from m nearly normal samples is 1/√(2m): 1.1 % here; the bound is 4 of them.
    expect(Math.abs(standardError / theory - 1)).toBeLessThan(4 / Math.sqrt(2 * probes));
  });

  it('covers the truth as often as its standard error says', async () => {
    const n = 30;
    const matrix = randomSymmetric(n, 2);
    const trials = 300;
    let covered = 0;
    for (let k = 0; k < trials; k++) {
      const { trace, standardError } = await hutchinsonTrace(denseOperator(matrix, n), {
        probes: 64,
        seed: 9n,
        firstStream: 64 * k,
      });
      if (Math.abs(trace - traceOf(matrix, n)) < 2 * standardError) covered++;
    }
    // Binomial with p ≈ 0.95: 285 ± 3.8; the bounds are 4 deviations.
    expect(covered).toBeGreaterThan(269);
    expect(covered).toBeLessThan(300);
  });

  it('does not depend on the batch, and batches as asked', async () => {
    const matrix = randomSymmetric(20, 3);
    const operator = denseOperator(matrix, 20);
    const seven = await hutchinsonTrace(operator, { probes: 20, batch: 7 });
    expect(operator.batches).toEqual([7, 7, 6]);
    expect(await hutchinsonTrace(denseOperator(matrix, 20), { probes: 20, batch: 64 })).toEqual(seven);
  });

  it('takes different probes from different seeds and streams, and the same from the same', async () => {
    const run = (seed: bigint, firstStream: number) =>
      hutchinsonTrace(denseOperator(randomSymmetric(20, 4), 20), { probes: 8, seed, firstStream });
    const first = await run(1n, 0);
    expect(await run(1n, 0)).toEqual(first);
    expect((await run(2n, 0)).trace).not.toBe(first.trace);
    expect((await run(1n, 8)).trace).not.toBe(first.trace);
  });

  it('takes its probes from streams of their own purpose, which no training step uses', async () => {
    const n = 32;
    const seen: Float32Array[] = [];
    const operator: LinearOperator = {
      dimension: n,
      async apply(vectors, count) {
        for (let i = 0; i < count; i++) seen.push(vectors.slice(i * n, (i + 1) * n));
        return vectors.slice();
      },
    };
    await hutchinsonTrace(operator, { probes: 4, seed: 3n, firstStream: 10 });
    for (const [i, z] of seen.entries()) {
      expect([...z]).toEqual(Array.from(z, (_, e) => elementSign(3n, stream('probe', 10 + i), e)));
    }
  });

  it('uses probes of ±1 in every position, balanced', async () => {
    const n = 70;
    const seen: Float32Array[] = [];
    const operator: LinearOperator = {
      dimension: n,
      async apply(vectors, count) {
        for (let i = 0; i < count; i++) seen.push(vectors.slice(i * n, (i + 1) * n));
        return vectors.slice();
      },
    };
    await hutchinsonTrace(operator, { probes: 1000, seed: 3n });
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (const z of seen) {
        expect(Math.abs(z[i])).toBe(1);
        sum += z[i];
      }
      expect(Math.abs(sum)).toBeLessThan(4.5 * Math.sqrt(1000));
    }
  });

  it('takes injected probes, also of another distribution, also promised', async () => {
    const n = 25;
    const matrix = randomSymmetric(n, 5);
    const { normal } = seeded(6);
    const asked: number[] = [];
    const probes = 3000;
    const { trace, standardError } = await hutchinsonTrace(denseOperator(matrix, n), {
      probes,
      probe: async (i) => {
        asked.push(i);
        return Float32Array.from({ length: n }, normal);
      },
    });
    expect(asked).toEqual(Array.from({ length: probes }, (_, i) => i));
    // Gaussian probes: variance 2‖H‖_F².
    const theory = Math.sqrt((2 * matrix.reduce((sum, value) => sum + value * value, 0)) / probes);
    expect(Math.abs(trace - traceOf(matrix, n))).toBeLessThan(4 * theory);
    expect(Math.abs(standardError / theory - 1)).toBeLessThan(0.08);
  });

  it('refuses bad options, bad probes and bad products', async () => {
    const operator = denseOperator(Float64Array.of(1, 0, 0, 2), 2);
    await expect(hutchinsonTrace(operator, { probes: 1 })).rejects.toThrow(/^probes: expected/);
    await expect(hutchinsonTrace(operator, { batch: 0 })).rejects.toThrow(/^batch: expected/);
    await expect(hutchinsonTrace(operator, { firstStream: 0.5 })).rejects.toThrow(/^firstStream: expected/);
    await expect(hutchinsonTrace(operator, { seed: 1n << 64n })).rejects.toThrow(/^seed: expected/);
    await expect(hutchinsonTrace(operator, { probe: () => new Float32Array(3) })).rejects.toThrow(
      /^probe\(0\): expected a Float32Array, or an array, of 2 numbers/,
    );
    const broken: LinearOperator = { dimension: 2, apply: async () => Float32Array.of(Number.NaN, 1) };
    await expect(hutchinsonTrace(broken, { probes: 2, batch: 1 })).rejects.toMatchObject({
      code: 'ERR_ZEROTH_DIVERGED',
    });
  });

  it('stops between applies when aborted', async () => {
    const controller = new AbortController();
    let applies = 0;
    const operator: LinearOperator = {
      dimension: 2,
      async apply(vectors) {
        if (++applies === 2) controller.abort();
        return vectors;
      },
    };
    await expect(hutchinsonTrace(operator, { signal: controller.signal })).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ABORTED',
    });
    expect(applies).toBe(2);
  });
});
