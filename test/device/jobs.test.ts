import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommandList } from '../../lib/device/commands.ts';
import { type Device, openDevice } from '../../lib/device/device.ts';

const buffer = (id: number) => ({ id, byteLength: 64 });
const [a, b, c, d] = [1, 2, 3, 4].map(buffer);
const programs = [5, 6].map((id) => ({ id, arenaBytes: 0 }));

/** What is another number at every step. */
interface Numbers {
  readonly seed: bigint;
  readonly stream: bigint;
  readonly x: readonly number[];
  readonly rows: readonly number[];
}

const numbers = fc.record<Numbers>({
  seed: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  stream: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  x: fc.array(fc.double({ noNaN: true }), { minLength: 8, maxLength: 8 }),
  rows: fc.array(fc.nat(3), { minLength: 4, maxLength: 4 }),
});

/** Every command with all that it can have, of such numbers. */
const commands: Record<string, (numbers: Numbers) => CommandList> = {
  pass: ({ seed, stream, x: [coefficient, denseCoefficient, lr, beta1, beta2, epsilon, t, other] }) => {
    const terms = [
      { direction: { distribution: 'normal', seed, stream }, coefficient },
      { direction: { distribution: 'uniform', seed: stream, stream: seed }, coefficient: other, slot: 1 },
    ] as const;
    return new CommandList(2).pass(a, b, 16, [
      { kind: 'adam', terms, dense: c, denseCoefficient, lr, beta1, beta2, epsilon, t, m: d, v: buffer(7) },
      { kind: 'keep', terms: [], to: a },
      { kind: 'traced', terms, traced: { programs, states: [buffer(8)], scalars: [lr, t] } },
    ]);
  },
  call: ({ x: [weight, other] }) =>
    new CommandList(1).call(
      programs[0],
      [{ buffer: a, byteOffset: 4 }],
      [
        { mode: 'addToSlot', slot: 0, weight },
        { mode: 'accumulate', buffer: b, byteOffset: 0, rowLength: 2, byteStride: 8, weight: other },
      ],
    ),
  fill: ({ seed, stream, x: [scale] }) =>
    new CommandList().fill(a, 4, { distribution: 'rademacher', seed, stream }, 3, 5, scale),
  gatherRows: ({ rows }) => new CommandList().gatherRows(a, b, 8, Uint32Array.from(rows)),
  combine: ({ x: [divisor, weight, other] }) =>
    new CommandList(4).combine(
      2,
      [
        { weight, slot: 0 },
        { weight: other, slot: 1 },
      ],
      divisor,
      3,
    ),
  linear: ({ x: [p, q] }) =>
    new CommandList(2).linear(
      {
        count: 8,
        of: [
          { buffer: a, byteOffset: 0 },
          { buffer: b, byteOffset: 0 },
        ],
        outputs: [{ to: { buffer: c, byteOffset: 0 }, coefficients: [{ factor: p }, { factor: q, slot: 1 }] }],
        with: [{ buffer: a, byteOffset: 0 }],
      },
      0,
    ),
};

describe('the words of a job', () => {
  it.each(Object.entries(commands))('are the same whatever the numbers are: %s', (_, list) => {
    fc.assert(
      fc.property(numbers, numbers, (one, other) => {
        const [first, second] = [list(one).encode(), list(other).encode()];
        expect(first.words).toEqual(second.words);
        expect(first.values.length).toBe(second.values.length);
      }),
    );
  });

  it.each(Object.entries(commands))('leave every number to the values: %s', (_, list) => {
    const one = { seed: 1n, stream: 2n, x: [1, 2, 3, 4, 5, 6, 7, 8], rows: [0, 1, 2, 3] };
    const { values } = list(one).encode();
    // Another number anywhere is another value.
    const others: Numbers[] = [
      { ...one, seed: 1n << 40n },
      { ...one, stream: 1n << 40n },
      ...one.x.map((_, i) => ({ ...one, x: one.x.with(i, -1) })),
      ...one.rows.map((_, i) => ({ ...one, rows: one.rows.with(i, 9) })),
    ];
    const changed = new Set<number>();
    for (const other of others) {
      list(other)
        .encode()
        .values.forEach((value, i) => {
          if (value !== values[i]) changed.add(i);
        });
    }
    // Of updates that have no such number, it is 0.
    expect([...values.keys()].filter((i) => !changed.has(i) && values[i] !== 0)).toEqual([]);
    expect(changed.size).toBeGreaterThan(0);
  });
});

/** One structure whose results tell all its numbers: c Σ xᵢ over row r of a table, w times that, and what it was divided by. */
async function table(device: Device) {
  const rows = await device.upload(Float32Array.of(1, 2, 3, 10, 20, 30, 100, 200, 300));
  const [row, x] = [device.allocate(12), device.allocate(12)];
  const job = ({ r, c, w }: { r: number; c: number; w: number }) =>
    new CommandList(3)
      .gatherRows(rows, row, 12, Uint32Array.of(r))
      .linear(
        {
          count: 3,
          of: [{ buffer: row, byteOffset: 0 }],
          outputs: [{ to: { buffer: x, byteOffset: 0 }, coefficients: [{ factor: 0 }] }],
          with: [],
        },
        0,
      )
      .pass(x, x, 3, [{ kind: 'add', terms: [], dense: row, denseCoefficient: c }])
      .sums(x, 0, 3, 0)
      .combine(2, [{ weight: w, slot: 0 }], 4);
  const results = ({ r, c, w }: { r: number; c: number; w: number }) => {
    const scale = c * 10 ** r;
    return [6 * scale, 14 * scale * scale, (6 * scale * w) / 4];
  };
  return { rows, row, x, job, results };
}

// Small integers, of which f32 loses nothing.
const someNumbers = fc.record({
  r: fc.nat(2),
  c: fc.integer({ min: -50, max: 50 }),
  w: fc.integer({ min: -9, max: 9 }),
});
const plain = (values: Float64Array) => [...values].map((value) => value + 0);

describe('jobs of the same words', () => {
  it('have each their own numbers, however many are in the queue', async () => {
    await using device = openDevice({ threads: 2 });
    const { job, results } = await table(device);
    await fc.assert(
      fc.asyncProperty(fc.array(someNumbers, { minLength: 1, maxLength: 40 }), async (all) => {
        const found = await Promise.all(all.map((one) => device.submit(job(one))));
        expect(found.map(plain)).toEqual(all.map((one) => results(one).map((value) => value + 0)));
      }),
      { numRuns: 30, seed: 5 },
    );
  });

  it('are refused one by one: what a bad number ends is its own job', async () => {
    await using device = openDevice({ threads: 1 });
    const { job, results, x } = await table(device);
    const good = { r: 1, c: 3, w: 2 };
    await device.submit(job(good));
    const bad = [
      { ...good, r: 3 },
      { ...good, c: Number.NaN },
      { ...good, c: 1e39 },
      { ...good, w: Number.POSITIVE_INFINITY },
    ];
    for (const one of bad) {
      const [refused, next] = await Promise.allSettled([
        device.submit(job(one)),
        device.submit(job({ ...good, c: 7 })),
      ]);
      expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'ERR_ZEROTH_NATIVE' } });
      expect(next).toMatchObject({ status: 'fulfilled', value: Float64Array.from(results({ ...good, c: 7 })) });
      // And nothing of it is done, although what is wrong comes after what is right.
      await device.submit(job(good));
      await expect(device.submit(job(one))).rejects.toMatchObject({ code: 'ERR_ZEROTH_NATIVE' });
      expect([...(await x.readF32())]).toEqual([30, 60, 90]);
    }
  });

  it('are aborted one by one', async () => {
    await using device = openDevice({ threads: 1 });
    const { job, results } = await table(device);
    const all = [1, 2, 3].map((c) => ({ r: 0, c, w: 1 }));
    const [one, two, three] = await Promise.allSettled(
      all.map((numbers) => device.submit(job(numbers), numbers.c === 2 ? AbortSignal.abort() : undefined)),
    );
    expect(one).toMatchObject({ value: Float64Array.from(results(all[0])) });
    expect(two).toMatchObject({ reason: { code: 'ERR_ZEROTH_ABORTED' } });
    expect(three).toMatchObject({ value: Float64Array.from(results(all[2])) });
  });

  it('hold memory while they wait, and no longer: what is disposed is free, and refused', async () => {
    await using device = openDevice({ threads: 1 });
    const { job, results, row, rows } = await table(device);
    const one = { r: 2, c: 1, w: 1 };
    await device.submit(job(one));
    const later = job(one);
    const held = device.memory().bufferBytes;
    const waiting = device.submit(job(one));
    row.dispose();
    expect(device.memory().bufferBytes).toBe(held - 12);
    expect(plain(await waiting)).toEqual(results(one));
    // A list from before the end of what it names, of words that the device has had twice.
    await expect(device.submit(later)).rejects.toMatchObject({
      code: 'ERR_ZEROTH_NATIVE',
      message: expect.stringContaining('does not exist or was disposed'),
    });
    expect([...(await rows.readF32(0, 3))]).toEqual([1, 2, 3]);
  });

  it('are different jobs on different devices, whose buffers have the same numbers', async () => {
    await using one = openDevice({ threads: 1 });
    await using other = openDevice({ threads: 1 });
    const [first, second] = [await table(one), await table(other)];
    await second.rows.write(Float32Array.of(5, 5, 5));
    const numbers = { r: 0, c: 1, w: 1 };
    expect(first.job(numbers).encode()).toEqual(second.job(numbers).encode());
    const found = await Promise.all([one.submit(first.job(numbers)), other.submit(second.job(numbers))]);
    expect(found.map(([sum]) => sum)).toEqual([6, 15]);
  });
});
