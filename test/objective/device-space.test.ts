import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { HostSpace } from '../../lib/curvature/host-space.ts';
import type { Coefficient, VectorSpace, Work } from '../../lib/curvature/space.ts';
import { openDevice } from '../../lib/device/device.ts';
import { DeviceSpace } from '../../lib/objective/device-space.ts';

const devices = [1, 2, 3].map((threads) => openDevice({ threads }));
afterAll(() => Promise.all(devices.map((device) => device.dispose())));

const VECTORS = 5;

/** A command, in numbers: what each means to a work is said below. */
interface Command {
  readonly kind: 'fill' | 'combine' | 'transform';
  readonly to: number;
  readonly of: readonly number[];
  readonly factor: number;
  readonly with: readonly number[];
  readonly numbers: readonly number[];
  readonly fed: boolean;
}

const index = fc.nat(VECTORS - 1);
const commands = fc.array(
  fc.record<Command>({
    kind: fc.constantFrom('fill', 'combine', 'combine', 'combine', 'transform'),
    to: fc.integer({ min: -1, max: VECTORS - 1 }),
    of: fc.uniqueArray(index, { minLength: 1, maxLength: VECTORS }),
    factor: fc.integer({ min: -VECTORS, max: VECTORS - 1 }),
    with: fc.array(index, { maxLength: 6 }),
    numbers: fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 25, maxLength: 25 }),
    fed: fc.boolean(),
  }),
  { minLength: 1, maxLength: 8 },
);

/** Does the commands in a space. @returns the results, and all vectors at the end. */
async function done<V>(space: VectorSpace<V>, list: readonly Command[]) {
  const block = space.allocate(VECTORS, { what: 'vectors', remedy: 'use fewer' });
  const { vectors } = block;
  const start = Float32Array.from({ length: VECTORS * space.dimension }, (_, i) => Math.sin(i + 1));
  await space.write(vectors, start);
  const work: Work<V> = space.work();
  // Squares, which no coefficient that is fed makes large.
  const squares = work.combine({ terms: [[vectors[0], 1]], with: [vectors[0], vectors[1]] });
  for (const { kind, to, of, factor, with: others, numbers, fed } of list) {
    const target = vectors[Math.max(to, 0)];
    if (kind === 'fill') {
      work.fill(target, { distribution: fed ? 'uniform' : 'rademacher', seed: 1n << 63n, stream: BigInt(of[0]) });
    } else if (kind === 'transform') {
      const outputs = of.slice(0, 3).map((i) => vectors[i]);
      const inputs = of.map((i) => vectors[i]);
      work.transform(outputs, inputs, Float64Array.from(numbers).subarray(0, outputs.length * inputs.length));
    } else {
      const coefficient = (i: number): Coefficient =>
        fed && i === 0 ? { factor: numbers[0], result: squares, inverseRoot: true } : numbers[i];
      work.combine({
        ...(to >= 0 && { to: target }),
        terms: of.map((k, i) => [vectors[k], coefficient(i)]),
        ...(factor >= 0 && { factor: vectors[factor] }),
        with: others.map((k) => vectors[k]),
      });
    }
  }
  const results = await work.run();
  const all = await space.read(vectors);
  block.dispose();
  return { results, all };
}

type Numbers = Float32Array | Float64Array;

/** The largest difference, in units of the largest number. */
function distance(a: Numbers, b: Numbers): number {
  let [off, largest] = [0, 1e-30];
  for (let i = 0; i < b.length; i++) {
    off = Math.max(off, Math.abs(a[i] - b[i]));
    largest = Math.max(largest, Math.abs(b[i]));
  }
  return off / largest;
}

const bytes = (array: Numbers) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
const sameBits = (a: Numbers, b: Numbers) => bytes(a).equals(bytes(b));

describe('a device’s vectors and arrays', () => {
  it.each([1, 63, 1025, 2100, 33_000])('of %d numbers give the same results by the same commands', async (n) => {
    await fc.assert(
      fc.asyncProperty(commands, async (list) => {
        const expected = await done(new HostSpace(n), list);
        const received = await Promise.all(devices.map((device) => done(new DeviceSpace(device, n), list)));
        for (const { results, all } of received) {
          // Sums are taken in another order, and what is fed by them may round differently.
          expect(distance(results, expected.results)).toBeLessThan(1e-5);
          expect(distance(all, expected.all)).toBeLessThan(1e-5);
          // Any number of threads: the same bits.
          expect(sameBits(results, received[0].results) && sameBits(all, received[0].all)).toBe(true);
        }
      }),
      { seed: n, numRuns: n > 10_000 ? 4 : 40 },
    );
  });

  it('are drawn with the same bits', async () => {
    const n = 5000;
    for (const distribution of ['uniform', 'rademacher'] as const) {
      const direction = { distribution, seed: (1n << 63n) + 12345n, stream: (5n << 56n) + 7n };
      const drawn: Float32Array[] = [];
      for (const space of [new HostSpace(n), new DeviceSpace(devices[1], n)] as VectorSpace<unknown>[]) {
        const { vectors } = space.allocate(1, { what: 'a vector', remedy: 'none' });
        const work = space.work();
        work.fill(vectors[0], direction);
        await work.run();
        drawn.push(await space.read(vectors));
      }
      expect(drawn[0]).toEqual(drawn[1]);
      expect(drawn[0]).toEqual(await devices[0].direction(direction, n));
    }
  });

  it('are written in pieces, and read one after the other', async () => {
    for (const space of [new HostSpace(3), new DeviceSpace(devices[0], 3)] as VectorSpace<unknown>[]) {
      const { vectors } = space.allocate(3, { what: 'vectors', remedy: 'none' });
      await space.write(vectors.slice(0, 2), Float32Array.of(1, 2, 3, 4, 5, 6));
      await space.writePiece(vectors[2], 1, Float32Array.of(8));
      await space.writePiece(vectors[1], 0, Float32Array.of(-4));
      expect([...(await space.read(vectors))]).toEqual([1, 2, 3, -4, 5, 6, 0, 8, 0]);
      expect([...(await space.read(vectors.slice(1)))]).toEqual([-4, 5, 6, 0, 8, 0]);
    }
  });

  it('do nothing once aborted, and are given back all the same', async () => {
    for (const space of [new HostSpace(3), new DeviceSpace(devices[0], 3)] as VectorSpace<unknown>[]) {
      const { vectors } = space.allocate(1, { what: 'a vector', remedy: 'none' });
      const work = space.work();
      let over = 0;
      work.after(() => over++);
      work.fill(vectors[0], { distribution: 'uniform', seed: 1n, stream: 1n });
      await expect(work.run(AbortSignal.abort('enough'))).rejects.toMatchObject({
        code: 'ERR_ZEROTH_ABORTED',
        cause: 'enough',
      });
      expect([...(await space.read(vectors))]).toEqual([0, 0, 0]);
      expect(over).toBe(1);
    }
  });
});
