import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { CommandList } from '../../lib/device/commands.ts';
import { openDevice } from '../../lib/device/device.ts';
import type { Point, Term, Update } from '../../lib/optimizers/optimizer.ts';
import { Layout } from '../../lib/params/layout.ts';
import { type Displacement, Params } from '../../lib/params/params.ts';
import type { Direction, Distribution } from '../../lib/random/direction.ts';
import { held } from './held.ts';

const device = openDevice();
afterAll(() => device.dispose());

const LENGTH = 300;
const shape = { w: { shape: [LENGTH] } };

const scale = (from: number, to: number) => fc.double({ min: from, max: to, noNaN: true }).map((x) => 10 ** x);
const signed = (from: number, to: number) =>
  fc.tuple(scale(from, to), fc.boolean()).map(([x, negative]) => (negative ? -x : x));
const direction: fc.Arbitrary<Direction> = fc.record({
  distribution: fc.constantFrom<Distribution>('normal', 'rademacher', 'uniform'),
  seed: fc.constant(5n),
  stream: fc.bigInt({ min: 0n, max: 3n }),
});
const points = (from: number, to: number): fc.Arbitrary<Point[]> =>
  fc.array(fc.array(fc.record({ direction, coefficient: signed(from, to) }), { maxLength: 3 }), { maxLength: 4 });

async function start(displacement: Displacement, size: number): Promise<[Params, Float32Array]> {
  const params = new Params(device, new Layout(shape), displacement);
  const uniform = await device.direction({ distribution: 'uniform', seed: 1n, stream: 0n }, LENGTH);
  const values = uniform.map((x) => x * size);
  await params.write(values);
  return [params, values];
}

const bits = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('hex');
const vectorOf = async ({ direction }: Term) => device.direction(direction, LENGTH);

describe('a displacement in a copy', () => {
  it('leaves θ to the bit where it is, over 30 orders of magnitude of weights and coefficients', async () => {
    await fc.assert(
      fc.asyncProperty(scale(-30, 8), points(-30, 38), async (size, at) => {
        const [params, values] = await start('copy', size);
        const list = new CommandList();
        for (const point of at) params.displace(list, point, params.copy!);
        await device.submit(list);
        expect(bits(await params.theta.readF32())).toBe(bits(values));
        expect(bits(await params.read())).toBe(bits(values));
        params.dispose();
      }),
      { seed: 1, numRuns: 150 },
    );
  });

  it('holds θ + Σ c z, one rounding a term, while what waits is done to θ in the same pass', async () => {
    await fc.assert(
      fc.asyncProperty(scale(-20, 8), points(-20, 8), direction, signed(-20, 8), async (size, at, z, c) => {
        const [params, values] = await start('copy', size);
        const update = await vectorOf({ direction: z, coefficient: c });
        const moved = values.map((x, i) => x + Math.fround(c) * update[i]);
        params.add(z, c);
        for (const point of at) {
          const list = new CommandList();
          const held = params.displace(list, point, params.copy!);
          expect(held).toBe(point.length === 0 ? params.theta : params.copy);
          await device.submit(list);
          const theta = await params.theta.readF32();
          const got = await held.readF32();
          const vectors = await Promise.all(point.map(vectorOf));
          for (let i = 0; i < LENGTH; i++) {
            expect(Math.abs(theta[i] - moved[i])).toBeLessThanOrEqual(2 ** -23 * Math.abs(moved[i]) + 1e-44);
            let exact = theta[i];
            let size = Math.abs(exact);
            for (const [k, term] of point.entries()) {
              exact += Math.fround(term.coefficient) * vectors[k][i];
              size += Math.abs(Math.fround(term.coefficient) * vectors[k][i]);
            }
            expect(Math.abs(got[i] - exact)).toBeLessThanOrEqual(point.length * 2 ** -24 * size * 1.001 + 1e-44);
          }
        }
        params.dispose();
      }),
      { seed: 2, numRuns: 40 },
    );
  });

  const updates: Update[] = [
    { kind: 'plain' },
    { kind: 'momentum', beta: 0.9 },
    { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, t: 1 },
    { kind: 'frozenAdam', beta1: 0.9 },
  ];
  const z = (i: number): Direction => ({ distribution: 'normal', seed: 9n, stream: BigInt(i) });

  it.each(updates)('takes two passes a step, and none for θ itself when nothing waits ($kind)', async (update) => {
    const [params] = await start('copy', 1);
    await params.useRule({ states: ['m', 'v', 'p'], initial: { p: new Float32Array(LENGTH).fill(1) } });
    for (let i = 0; i < 20; i++) {
      const list = new CommandList();
      for (const c of [1e-3, -1e-3]) params.displace(list, [{ direction: z(i), coefficient: c }], params.copy!);
      await device.submit(list);
      await params.apply(update, { kind: 'directions', loss: 0, terms: [{ direction: z(i), coefficient: 0.1 }] }, 0.1);
    }
    expect(params.passes).toBe(40);
    const list = new CommandList();
    expect(params.displace(list, [], params.copy!)).toBe(params.theta);
    expect(params.passes).toBe(41);
    params.displace(list, [], params.copy!);
    params.displace(list, [{ direction: z(0), coefficient: 0 }], params.copy!);
    expect(params.passes).toBe(41);
    await device.submit(list);
    params.dispose();
  });

  it.each(updates)('gives the bits of an update that is made by itself ($kind)', async (update) => {
    const [[fused], [apart]] = await Promise.all([start('copy', 1), start('copy', 1)]);
    for (const params of [fused, apart]) {
      await params.useRule({ states: ['m', 'v', 'p'], initial: { p: new Float32Array(LENGTH).fill(0.5) } });
      for (let i = 0; i < 10; i++) {
        const list = new CommandList();
        params.displace(list, [{ direction: z(i), coefficient: 1e-3 }], params.copy!);
        await device.submit(list);
        const terms = [0, 1].map((k) => ({ direction: z(i + k), coefficient: Math.cos(i + k) }));
        await params.apply(update, { kind: 'directions', loss: 0, terms }, 0.01);
        if (params === apart) await params.commit();
      }
    }
    expect(bits(await fused.read())).toBe(bits(await apart.read()));
    if (update.kind !== 'plain') expect(bits(await fused.readState('m'))).toBe(bits(await apart.readState('m')));
    for (const params of [fused, apart]) params.dispose();
  });
});

describe('a displacement in place', () => {
  it('comes back within 2⁻²³ (|x| + Σ |c z|) a term, over 30 orders of magnitude of weights and coefficients', async () => {
    let lost = 0;
    await fc.assert(
      fc.asyncProperty(scale(-30, 8), points(-30, 30), async (size, at) => {
        const [params, values] = await start('in-place', size);
        const room = Float64Array.from(values, () => 1e-44);
        const list = new CommandList();
        for (const point of at) {
          params.moveTo(list, point);
          const vectors = await Promise.all(point.map(vectorOf));
          for (let i = 0; i < LENGTH; i++) {
            const sizes = point.map(({ coefficient }, k) => Math.abs(coefficient * vectors[k][i]));
            const most = sizes.reduce((sum, one) => sum + one, Math.abs(values[i]) + room[i]);
            room[i] += point.length * 2 ** -23 * most;
          }
        }
        params.moveTo(list, []);
        await device.submit(list);
        const back = await params.theta.readF32();
        for (let i = 0; i < LENGTH; i++) expect(Math.abs(back[i] - values[i])).toBeLessThanOrEqual(room[i]);
        lost += back.filter((x, i) => x !== values[i]).length;
        params.dispose();
      }),
      { seed: 3, numRuns: 150 },
    );
    // The bound is needed: this is what the copy is for.
    expect(lost).toBeGreaterThan(1000);
  });

  it('of several terms is taken off from the last to the first, which loses half of what the other order loses', async () => {
    const [params, values] = await start('in-place', 1);
    const terms = [1e-3, 1, 1e-3].map((coefficient, i) => ({
      direction: { distribution: 'normal' as const, seed: 4n, stream: BigInt(i) },
      coefficient,
    }));
    const list = new CommandList();
    params.moveTo(list, terms);
    params.moveTo(list, []);
    await device.submit(list);
    const vectors = await Promise.all(terms.map(vectorOf));
    const steps = terms.map(({ coefficient }, k) => vectors[k].map((z) => Math.fround(coefficient) * z));
    const forwards = values.map((x, i) => {
      let at = x;
      for (const sign of [1, -1]) for (const step of steps) at = Math.fround(at + sign * step[i]);
      return at;
    });
    const error = (back: Float32Array) => back.reduce((sum, x, i) => sum + Math.abs(x - values[i]), 0);
    expect(error(forwards)).toBeGreaterThan(0);
    expect(error(await params.theta.readF32())).toBeLessThan(0.75 * error(forwards));
    params.dispose();
  });

  it('is refused, with nothing changed, where it could take a parameter out of f32', async () => {
    const [params, values] = await start('in-place', 1);
    const at = (coefficient: number): Point => [
      { direction: { distribution: 'normal', seed: 1n, stream: 1n }, coefficient },
    ];
    for (const coefficient of [1.1e30, -1e31, 3e38, Number.NaN]) {
      const list = new CommandList();
      expect(() => params.moveTo(list, at(coefficient))).toThrow(
        expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT', message: expect.stringContaining('in place') }),
      );
    }
    expect(params.passes).toBe(0);
    expect(bits(await params.read())).toBe(bits(values));
    params.dispose();
  });
});

describe.each<Displacement>(['copy', 'in-place'])('parameters that are displaced %s', (displacement) => {
  const adam = (t: number): Update => ({ kind: 'adam', beta1: 0.9, beta2: 0.99, epsilon: 1e-8, t });
  const z = (i: number): Direction => ({ distribution: 'normal', seed: 9n, stream: BigInt(i) });

  async function steps(params: Params, from: number, to: number, settled = false): Promise<void> {
    for (let i = from; i < to; i++) {
      const list = new CommandList();
      for (const coefficient of [1e-3, -1e-3]) {
        const point = [{ direction: z(i), coefficient }];
        params.copy ? params.displace(list, point, params.copy) : params.moveTo(list, point);
      }
      await device.submit(list);
      const terms = [{ direction: z(i), coefficient: Math.cos(i) }];
      await params.apply(adam(i + 1), { kind: 'directions', loss: 0, terms }, 0.01);
      if (settled) await params.settle();
    }
  }

  it('are moved by no bit when they are settled, and go on in another place from their vectors, which come in pieces', async () => {
    const [[alone], [settled], [other]] = await Promise.all([0, 1, 2].map(() => start(displacement, 1e-4)));
    for (const params of [alone, settled, other]) await params.useRule({ states: ['m', 'v'] });
    await steps(alone, 0, 12);
    await steps(settled, 0, 6, true);
    const vectors = await settled.settle();
    expect([...vectors.keys()]).toEqual(['theta', 'm', 'v']);
    const lengths = new Map([...vectors.keys()].map((name) => [name, LENGTH] as const));
    await steps(other, 20, 22);
    await other.replace(lengths, async function* (name) {
      const buffer = vectors.get(name as 'theta')!;
      for (let offset = 0; offset < LENGTH; offset += 77)
        yield { offset, data: await buffer.readF32(offset, Math.min(77, LENGTH - offset)) };
    });
    await steps(settled, 6, 12);
    await steps(other, 6, 12);
    for (const params of [settled, other]) {
      expect(bits(await params.read())).toBe(bits(await alone.read()));
      for (const name of ['m', 'v'] as const)
        expect(bits(await params.readState(name))).toBe(bits(await alone.readState(name)));
    }
  });

  it('are not replaced by vectors that do not fit', async () => {
    const [params] = await start(displacement, 1);
    await params.useRule({ states: ['m'] });
    await steps(params, 0, 0);
    const before = await held(params, 'm');
    const none = (): AsyncIterable<never> => {
      throw new Error('nothing is to be asked for');
    };
    const wrong: [string, number][][] = [
      [['theta', LENGTH]],
      [
        ['theta', LENGTH],
        ['m', LENGTH - 1],
      ],
      [
        ['theta', LENGTH],
        ['v', LENGTH],
      ],
      [
        ['theta', LENGTH],
        ['m', LENGTH],
        ['v', LENGTH],
      ],
    ];
    for (const vectors of wrong)
      await expect(params.replace(new Map(vectors), none)).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    expect(await held(params, 'm')).toEqual(before);
  });
});
