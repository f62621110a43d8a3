import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LanczosQuadratureOptions, lanczosQuadrature } from '../../lib/curvature/lanczos-quadrature.ts';
import { negativePartBounds } from '../../lib/curvature/negative-part.ts';
import type { LinearOperator } from '../../lib/curvature/operator.ts';
import { gaussQuadrature, symmetricEigen } from '../../lib/curvature/symmetric-eigen.ts';
import { seeded } from '../stability/seeded.ts';
import { denseOperator, randomSymmetric, withSpectrum } from './dense-operator.ts';

const negative = (lambdas: readonly number[]) => lambdas.reduce((sum, lambda) => sum + Math.max(-lambda, 0), 0);

/** A tridiagonal matrix by rows. */
function dense(diagonal: readonly number[], coupling: readonly number[]): Float64Array {
  const n = diagonal.length;
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    matrix[i * n + i] = diagonal[i];
    if (i + 1 < n) matrix[i * n + i + 1] = matrix[(i + 1) * n + i] = coupling[i];
  }
  return matrix;
}

/** e₁ᵀ f(T) e₁, f(λ) = max(−λ, 0), by a full eigen-decomposition. */
function firstEntry(diagonal: readonly number[], coupling: readonly number[]): number {
  const n = diagonal.length;
  const { values, vectors } = symmetricEigen(dense(diagonal, coupling), n);
  return values.reduce((sum, value, i) => sum + Math.max(-value, 0) * vectors[i * n] ** 2, 0);
}

describe('gaussQuadrature', () => {
  it('has the eigenvalues of the matrix as nodes and squared first components as weights', () => {
    const { normal, uniform } = seeded(1);
    for (let n = 1; n < 12; n++) {
      const diagonal = Array.from({ length: n }, normal);
      const coupling = Array.from({ length: n - 1 }, () => (uniform() < 0.1 ? 0 : normal()));
      const { values, vectors } = symmetricEigen(dense(diagonal, coupling), n);
      const { nodes, weights } = gaussQuadrature(diagonal, coupling);
      const order = Array.from(nodes.keys()).sort((i, j) => nodes[j] - nodes[i]);
      for (const [rank, i] of order.entries()) {
        expect(nodes[i]).toBeCloseTo(values[rank], 10);
        expect(weights[i]).toBeCloseTo(vectors[rank * n] ** 2, 10);
      }
    }
  });
});

describe('bounds on the negative part from the beginning of a Lanczos matrix', () => {
  const entry = fc.double({ min: -3, max: 3, noNaN: true });
  const positive = fc.double({ min: 0.01, max: 3, noNaN: true });
  const matrices = fc
    .tuple(fc.array(fc.tuple(entry, positive), { minLength: 2, maxLength: 14 }), entry)
    .map(([rows, last]) => ({ diagonal: [...rows.map(([d]) => d), last], coupling: rows.map(([, c]) => c) }));

  it('hold the value of every matrix that begins so', () => {
    fc.assert(
      fc.property(matrices, fc.nat(), ({ diagonal, coupling }, cut) => {
        const m = 1 + (cut % (diagonal.length - 1));
        const begin = { diagonal: diagonal.slice(0, m), coupling: coupling.slice(0, m - 1), rest: coupling[m - 1] };
        const { least, most } = negativePartBounds(begin);
        const value = firstEntry(diagonal, coupling);
        const slack = 1e-7 * (1 + value);
        expect(value).toBeGreaterThanOrEqual(least - slack);
        expect(value).toBeLessThanOrEqual(most + slack);
      }),
      { seed: 2, numRuns: 400 },
    );
  });

  it('are reached: no other last entry gives more, and some gives that', () => {
    fc.assert(
      fc.property(matrices, ({ diagonal, coupling }) => {
        const [rest] = coupling.slice(-1);
        const begin = { diagonal: diagonal.slice(0, -1), coupling: coupling.slice(0, -1), rest };
        const { least, most } = negativePartBounds(begin);
        let [lowest, highest] = [Number.POSITIVE_INFINITY, 0];
        for (let i = -400; i <= 400; i++) {
          const value = firstEntry([...begin.diagonal, 10 * Math.tan((i / 401) * (Math.PI / 2))], coupling);
          lowest = Math.min(lowest, value);
          highest = Math.max(highest, value);
        }
        expect(least).toBeLessThanOrEqual(lowest + 1e-9);
        expect(most).toBeGreaterThanOrEqual(highest - 1e-9);
        expect(most - highest).toBeLessThan(0.02 * (1 + most));
        expect(lowest - least).toBeLessThan(0.02 * (1 + most));
      }),
      { seed: 3, numRuns: 15 },
    );
  });

  it('are those of Scarf for a mean and a variance', () => {
    // One coefficient pair: mean μ and deviation σ. E max(−x, 0) ≤ (√(σ² + μ²) − μ)/2, and ≥ max(−μ, 0).
    for (const [mean, deviation] of [
      [1, 2],
      [-1, 2],
      [3, 0.1],
      [-2, 0.5],
    ]) {
      const { least, most } = negativePartBounds({ diagonal: [mean], coupling: [], rest: deviation });
      expect(most).toBeCloseTo((Math.hypot(mean, deviation) - mean) / 2, 8);
      expect(least).toBeCloseTo(Math.max(-mean, 0), 8);
    }
  });

  it('meet where the run is complete', () => {
    const { least, most } = negativePartBounds({ diagonal: [1, -2], coupling: [0.5], rest: 0 });
    expect(most).toBe(least);
    expect(least).toBeCloseTo(firstEntry([1, -2], [0.5]), 12);
  });
});

/** A diagonal operator in f64, rounded to f32: start vectors have no preferred direction, so a rotation would change nothing. Counts. */
function diagonalOperator(lambdas: readonly number[]): LinearOperator & { products: number } {
  const n = lambdas.length;
  return {
    dimension: n,
    products: 0,
    async apply(vectors, count) {
      this.products += count;
      return vectors.map((x, i) => x * lambdas[i % n]);
    },
  };
}

/** Outliers over a bulk that crowds around 0, with small negative eigenvalues: the Hessian of a network that has trained for a while. */
function trained(dimension: number, seed: number, outliers = [17, 13, 8, 4, 2, 1]): number[] {
  const { normal } = seeded(seed);
  return [...outliers, ...Array.from({ length: dimension - outliers.length }, () => 0.02 * normal() ** 3)];
}

describe('lanczosQuadrature', () => {
  it('finds both ends and the negative trace of random spectra, within its own errors', async () => {
    let [seen, far] = [0, 0];
    for (let seed = 0; seed < 30; seed++) {
      const lambdas = trained(300, seed);
      const operator = diagonalOperator(lambdas);
      const found = await lanczosQuadrature(operator, { seed: BigInt(seed) });
      expect(found.hvps).toBe(operator.products);
      expect(found.hvps).toBeLessThanOrEqual(22);
      expect(Math.abs(found.lambdaMax - 17)).toBeLessThan(1e-3 * 17);
      expect(found.lambdaMin).toBeGreaterThanOrEqual(Math.min(...lambdas) - 1e-4);
      const near = Math.min(...lambdas.map((lambda) => Math.abs(lambda - found.lambdaMin)));
      expect(near).toBeLessThanOrEqual(found.lambdaMinResidual + 1e-4);
      const deviation = Math.abs(found.negativeTrace - negative(lambdas)) / found.negativeTraceStdErr;
      if (deviation > 2) far++;
      expect(deviation).toBeLessThan(4);
      seen += found.negativeTraceStdErr / negative(lambdas);
    }
    // Two standard errors hold about 95 % of the time, and the error is no empty promise: less than the whole thing.
    expect(far).toBeLessThanOrEqual(3);
    expect(seen / 30).toBeLessThan(1);
  });

  it('narrows with the iterations, to the spread of the start vector', async () => {
    const { normal } = seeded(1);
    const lambdas = [17, 8, 3, ...Array.from({ length: 1000 }, () => 0.02 * normal())];
    const operator = diagonalOperator(lambdas);
    const errors: number[] = [];
    for (const iterations of [5, 10, 20, 40, 80]) {
      const { negativeTraceStdErr } = await lanczosQuadrature(operator, {
        iterations,
        maxIterations: 80,
        tolerance: 1,
      });
      errors.push(negativeTraceStdErr);
    }
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
    const spread = Math.sqrt(2 * lambdas.reduce((sum, lambda) => sum + Math.max(-lambda, 0) ** 2, 0));
    expect(errors[0]).toBeGreaterThan(1.5 * spread);
    expect(errors[4]).toBeLessThan(1.15 * spread);
    expect(errors[4]).toBeGreaterThan(0.85 * spread);
  });

  it('has a small residual at either end where that end stands alone, and a large one in a crowd', async () => {
    const crowd = trained(200, 4, []).map(Math.abs);
    const alone = await lanczosQuadrature(diagonalOperator([17, -20, ...crowd]));
    expect(alone.lambdaMin).toBeCloseTo(-20, 4);
    expect(alone.lambdaMinResidual).toBeLessThan(1e-5);
    const crowded = await lanczosQuadrature(diagonalOperator([17, ...trained(200, 4, [])]), {
      iterations: 6,
      tolerance: 1,
    });
    expect(crowded.lambdaMinResidual).toBeGreaterThan(1e-3);
  });

  it('is exact where the Krylov space is the whole: few different eigenvalues, or few dimensions', async () => {
    const two = await lanczosQuadrature(withSpectrum([3, 3, 3, -1, -1], 3));
    expect([two.lambdaMax, two.lambdaMin]).toEqual([expect.closeTo(3, 5), expect.closeTo(-1, 5)]);
    for (const value of [3.5, -2, 0]) {
      const one = await lanczosQuadrature(denseOperator(Float64Array.of(value), 1));
      expect(one.lambdaMax).toBeCloseTo(value, 6);
      expect(one.lambdaMin).toBeCloseTo(value, 6);
      expect(one.negativeTrace).toBeCloseTo(Math.max(-value, 0), 6);
    }
    // Isotropic: every start vector gives the trace itself.
    const alike = await lanczosQuadrature(withSpectrum(new Array(20).fill(-0.5), 4));
    expect(alike.negativeTrace).toBeCloseTo(10, 4);
  });

  it('is unbiased over starts, with the spread that it states, once the quadrature is exact', async () => {
    const n = 24;
    const matrix = randomSymmetric(n, 5);
    const { values } = symmetricEigen(matrix, n);
    const truth = negative([...values]);
    const runs = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        lanczosQuadrature(denseOperator(matrix, n), { iterations: n, firstStream: i, seed: 7 }),
      ),
    );
    const mean = runs.reduce((sum, run) => sum + run.negativeTrace, 0) / 100;
    const deviation = Math.sqrt(runs.reduce((sum, run) => sum + (run.negativeTrace - truth) ** 2, 0) / 100);
    const stated = Math.sqrt(runs.reduce((sum, run) => sum + run.negativeTraceStdErr ** 2, 0) / 100);
    expect(Math.abs(mean - truth)).toBeLessThan((4 * deviation) / Math.sqrt(100));
    // Uniform on the sphere: 2d/(d + 2) (‖f(H)‖² − tr²/d), of which the statement leaves out the last part.
    expect(deviation).toBeLessThan(stated);
    expect(deviation).toBeGreaterThan(0.5 * stated);
  });

  it('finds nothing below 0 in a Hessian that has nothing there, but for what it cannot see', async () => {
    const { uniform } = seeded(6);
    const lambdas = [9, 5, ...Array.from({ length: 100 }, () => 0.1 + uniform())];
    const { lambdaMin, negativeTrace, negativeTraceStdErr } = await lanczosQuadrature(diagonalOperator(lambdas));
    expect(lambdaMin).toBeGreaterThan(0);
    expect(negativeTrace).toBeLessThan(2 * negativeTraceStdErr + 1e-6);
    expect(negativeTrace).toBeLessThan(0.01 * lambdas.reduce((a, b) => a + b));
  });

  it('goes on beyond its iterations until the top has converged', async () => {
    const operator = diagonalOperator([2, 1.99, ...trained(80, 8, [])]);
    const { lambdaMax, lambdaMaxResidual, hvps } = await lanczosQuadrature(operator, {
      iterations: 2,
      tolerance: 1e-4,
    });
    expect(hvps).toBeGreaterThan(4);
    expect(lambdaMax).toBeCloseTo(2, 4);
    expect(lambdaMaxResidual).toBeLessThan(1e-3);
  });

  it('is a function of the seed and the stream', async () => {
    const run = (options: LanczosQuadratureOptions) => lanczosQuadrature(diagonalOperator(trained(60, 3)), options);
    expect(await run({ seed: 1n })).toEqual(await run({ seed: 1n }));
    expect(await run({ seed: 1n })).not.toEqual(await run({ seed: 2n }));
    expect(await run({ seed: 1n })).not.toEqual(await run({ seed: 1n, firstStream: 1 }));
  });

  it('stops when aborted, and refuses products that are not finite', async () => {
    const signal = AbortSignal.abort();
    await expect(lanczosQuadrature(withSpectrum([1, 2], 1), { signal })).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ABORTED',
    });
    const broken: LinearOperator = { dimension: 2, apply: async (v) => v.map(() => Number.NaN) };
    await expect(lanczosQuadrature(broken)).rejects.toMatchObject({ code: 'ERR_ZEROTH_DIVERGED' });
  });

  it.each<[string, LanczosQuadratureOptions]>([
    ['iterations', { iterations: 0 }],
    ['iterations', { iterations: 65 }],
    ['maxIterations', { maxIterations: 0 }],
    ['tolerance', { tolerance: 0 }],
    ['seed', { seed: -1n }],
    ['firstStream', { firstStream: -1 }],
  ])('names a bad %s', async (name, options) => {
    await expect(lanczosQuadrature(withSpectrum([1, 2], 1), options)).rejects.toThrow(new RegExp(`^${name}: expected`));
  });
});
