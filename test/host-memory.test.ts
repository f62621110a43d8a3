import { describe, expect, it, vi } from 'vitest';
import type { LinearOperator } from '../lib/curvature/operator.ts';

const MEBIBYTE = 2 ** 20;
vi.mock('node:os', async (load) => ({ ...(await load<typeof import('node:os')>()), totalmem: () => 4 * 2 ** 20 }));

const { bytesText, checkHostBytes, hostArray } = await import('../lib/host-memory.ts');
const { hutchinsonTrace } = await import('../lib/curvature/hutchinson-trace.ts');
const { topEigenvalues } = await import('../lib/curvature/top-eigenvalues.ts');
const { sortingMlpData } = await import('../lib/data/sorting.ts');

const memory = (...parts: string[]) =>
  expect.objectContaining({
    code: 'ERR_ZEROTH_MEMORY',
    message: expect.stringMatching(new RegExp(parts.join('.*'))),
  });

describe('on a machine of 4 MiB', () => {
  it('an array that does not fit is refused with what was asked for, what is there, and what to do', () => {
    expect(hostArray(Float32Array, MEBIBYTE, 'x', 'use less')).toHaveLength(MEBIBYTE);
    for (const elements of [MEBIBYTE + 1, 1e9, 2 ** 40, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY]) {
      expect(() => hostArray(Float32Array, elements, 'x of a test', 'use less')).toThrow(
        memory('x of a test', 'received a request for', '4 MiB are there', 'use less'),
      );
    }
    expect(() => checkHostBytes('all of it', 4 * MEBIBYTE, 'use less')).not.toThrow();
    expect(() => checkHostBytes('more', 4 * MEBIBYTE + 1, 'use less')).toThrow(memory('more'));
  });

  it('a length that no array has is refused too', () => {
    expect(() => hostArray(Float32Array, -1, 'x', 'use less')).toThrow(memory('no single array'));
  });

  it('example data do not outgrow it', () => {
    expect(() => sortingMlpData({ n: 2 ** 24, seed: 0n })).toThrow(
      memory('x of 16777216 examples', '2 GiB', 'smaller n'),
    );
  });

  /** A diagonal matrix with eigenvalues that Lanczos finds slowly. */
  const operator = (dimension: number): LinearOperator & { applied: number } => ({
    dimension,
    applied: 0,
    async apply(vectors) {
      this.applied++;
      return vectors.map((value, i) => value * (1 + (i % dimension) / dimension));
    },
  });

  it('curvature refuses vectors that do not fit before the first product, by every method', async () => {
    for (const dimension of [2 * MEBIBYTE, 1e13]) {
      const large = operator(dimension);
      await expect(hutchinsonTrace(large)).rejects.toThrow(memory('batch of 16 probes', 'smaller batch'));
      await expect(topEigenvalues(large)).rejects.toThrow(memory('numbers'));
      await expect(topEigenvalues(large, { method: 'power' })).rejects.toThrow(memory('power iteration', 'numbers'));
      expect(large.applied).toBe(0);
    }
    await expect(hutchinsonTrace(operator(1000), { probes: 1e9, batch: 1e8 })).rejects.toThrow(memory('batch of 1'));
    await expect(topEigenvalues(operator(2000), { count: 500 })).rejects.toThrow(memory('500 eigenvalues'));
  });

  it('Lanczos cuts its basis back where it would outgrow it', async () => {
    const { values, hvps } = await topEigenvalues(operator(60_000), { tolerance: 1e-4, maxIterations: 400 });
    // A quarter of 4 MiB holds 4 vectors; it has the 12 that it needs, and not the hundreds that it takes products of.
    expect(hvps).toBeGreaterThan(24);
    expect(values[0]).toBeCloseTo(2, 3);
  });
});

it('sizes are written for people', () => {
  const texts = [0, 1, 1023, 1024, 1536, 4 * MEBIBYTE, 12.5 * 2 ** 30, 2 ** 80].map(bytesText);
  expect(texts).toEqual(['0 bytes', '1 bytes', '1023 bytes', '1 KiB', '1.5 KiB', '4 MiB', '12.5 GiB', '1050000 EiB']);
});
