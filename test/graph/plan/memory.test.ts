import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as $ from '../../../lib/graph/build.ts';
import { allocate, liveBytes } from '../../../lib/graph/plan/arena.ts';
import type { Job, ScheduleProblem } from '../../../lib/graph/plan/ordering.ts';
import { lifetimesOf, schedule, simulate } from '../../../lib/graph/plan/schedule.ts';
import { expectFaithful, graphOf, mlp, planOf, random } from './support.ts';

describe('arena bytes against minima worked out by hand', () => {
  it('a chain of matrix products needs its two largest neighbours', () => {
    // x [16, 64] is an input. h = x A [16, 128], k = h B [16, 32], y = k C [16, 256], loss = Σ y².
    // Alive together: x A: h. h B: h + k. k C: k + y. sum: y + a scalar (64 bytes).
    // k + y = 4 · 16 · (32 + 256) = 18,432 is the most; h + k = 4 · 16 · 160 = 10,240; y + scalar = 16,384 + 64.
    const x = $.input('x', [16, 64]);
    const weights = [$.input('A', [64, 128]), $.input('B', [128, 32]), $.input('C', [32, 256])];
    const y = weights.reduce((product, weight) => $.matmul(product, weight), x as ReturnType<typeof $.matmul>);
    const made = expectFaithful(graphOf([x, ...weights], $.sum($.integerPow(y, 2), [0, 1])));
    expect(made.peakLiveBytes).toBe(18_432);
    expect(made.arenaBytes).toBe(18_432);
  });

  it('an MLP needs two neighbouring activations: bias and GELU are in place', () => {
    // 32 rows, widths 8 → 48 → 80 → 16: h1 + h2 = 4 · 32 · (48 + 80) = 16,384; h2 + h3 = 4 · 32 · (80 + 16) = 12,288.
    const made = planOf(mlp(32, [8, 48, 80, 16]).graph);
    expect(made.arenaBytes).toBe(16_384);
  });

  it('the branch with the high peak and the small result goes first', () => {
    // Two branches from x [16, 16], joined by a sum of two scalars' product with a matrix: branch i makes b_i = x W_i (large)
    // and r_i = b_i V_i (small). b_1 [16, 512] = 32,768 bytes, r_1 [16, 16] = 1,024. b_2 [16, 256] = 16,384 bytes, r_2 [16, 64] = 4,096.
    // 1 then 2: max(32,768 + 1,024, 1,024 + 16,384 + 4,096) = 33,792. 2 then 1: 4,096 + 32,768 + 1,024 = 37,888.
    // Then r_1 r_2 [16, 64] beside both: 1,024 + 4,096 + 4,096. The graph names branch 2 first.
    const x = $.input('x', [16, 16]);
    const [w1, v1] = [$.input('w1', [16, 512]), $.input('v1', [512, 16])];
    const [w2, v2] = [$.input('w2', [16, 256]), $.input('v2', [256, 64])];
    const r2 = $.matmul($.matmul(x, w2), v2);
    const r1 = $.matmul($.matmul(x, w1), v1);
    const made = expectFaithful(graphOf([x, w1, v1, w2, v2], $.matmul(r1, r2)));
    expect(made.peakLiveBytes).toBe(33_792);
    expect(made.arenaBytes).toBe(33_792);
  });
});

/** A random problem of jobs that read earlier buffers and write one each, some in place. */
function randomProblem(seed: number, length: number): ScheduleProblem {
  const next = random(seed);
  const below = (n: number) => Math.floor(next() * n);
  const bytes = Array.from({ length }, () => 64 * (1 + below(8)));
  const jobs: Job[] = bytes.map((size, j) => {
    const reads = [...new Set(Array.from({ length: Math.min(j, below(3)) }, () => below(j)))];
    const reuses = reads.filter((b) => bytes[b] === size).map((read) => ({ write: j, read }));
    return { reads, writes: [j], after: [], reuses };
  });
  const read = new Set(jobs.flatMap((job) => job.reads));
  // What is neither read nor kept is scratch.
  return { jobs, bytes, kept: bytes.map((_, b) => !read.has(b) && below(3) > 0) };
}

/** Peak of one order, computed moment by moment from lifetimes. */
function peakOf(problem: ScheduleProblem, order: readonly number[]): number {
  const lifetimes = lifetimesOf(problem, order);
  const sizes = order.map((_, at) =>
    problem.bytes.reduce((sum, size, b) => {
      const { start, end } = lifetimes[b];
      const takenOver = lifetimes.some((x) => x.reuses === b && x.start === at);
      return sum + (start <= at && at <= end && !takenOver ? size : 0);
    }, 0),
  );
  return Math.max(...sizes);
}

function* orders(problem: ScheduleProblem, prefix: number[] = []): Generator<number[]> {
  if (prefix.length === problem.jobs.length) yield prefix;
  for (let j = 0; j < problem.jobs.length; j++) {
    const ready = problem.jobs[j].reads.every((b) => prefix.includes(b));
    if (ready && !prefix.includes(j)) yield* orders(problem, [...prefix, j]);
  }
}

describe('scheduling', () => {
  it('finds the least peak of all orders of small programs', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 2, max: 6 }), (seed, length) => {
        const problem = randomProblem(seed, length);
        const found = schedule(problem, 'thorough')!;
        expect(peakOf(problem, found.order)).toBe(found.peak);
        const peaks = [...orders(problem)].map((order) => {
          const peak = peakOf(problem, order);
          expect(simulate(problem, order).peak).toBe(peak);
          return peak;
        });
        const least = Math.min(...peaks);
        expect(found.peak).toBe(least);
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  it('respects the dependences of large programs', () => {
    const problem = randomProblem(5, 120);
    const { order, peak } = schedule(problem, 'thorough')!;
    const position = new Map(order.map((j, at) => [j, at]));
    problem.jobs.forEach((job, j) => {
      for (const b of job.reads) expect(position.get(b)!).toBeLessThan(position.get(j)!);
    });
    expect(peakOf(problem, order)).toBe(peak);
  });

  it('refuses a circle', () => {
    const job = (reads: number[], writes: number[]): Job => ({ reads, writes, after: [], reuses: [] });
    const problem = { jobs: [job([1], [0]), job([0], [1])], bytes: [64, 64], kept: [true, true] };
    expect(schedule(problem, 'quick')).toBeUndefined();
  });
});

describe('arena offsets', () => {
  const block = fc
    .record({ bytes: fc.integer({ min: 1, max: 16 }).map((lines) => 64 * lines), start: fc.nat(20), length: fc.nat(8) })
    .map(({ bytes, start, length }) => ({ bytes, start, end: start + length }));

  it('are aligned, never overlap in space and time, and come close to the bound', () => {
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 30 }), (blocks) => {
        const { offsets, bytes } = allocate(blocks);
        blocks.forEach((a, i) => {
          expect(offsets[i] % 64).toBe(0);
          expect(offsets[i] + a.bytes).toBeLessThanOrEqual(bytes);
          for (let j = 0; j < i; j++) {
            const b = blocks[j];
            const meet = a.start <= b.end && b.start <= a.end;
            const overlap = offsets[i] < offsets[j] + b.bytes && offsets[j] < offsets[i] + a.bytes;
            expect(meet && overlap).toBe(false);
          }
        });
        expect(bytes).toBeGreaterThanOrEqual(liveBytes(blocks));
        expect(bytes).toBeLessThanOrEqual(1.25 * liveBytes(blocks) + 64);
      }),
      { seed: 4, numRuns: 200 },
    );
  });

  it('of no blocks is nothing', () => {
    expect(allocate([])).toEqual({ offsets: [], bytes: 0 });
  });
});
