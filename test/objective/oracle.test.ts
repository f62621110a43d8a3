import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { matmul, mean, mul, square, sum } from '../../lib/graph/ops.ts';
import { compile, type Objective } from '../../lib/objective/objective.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import type { Point } from '../../lib/optimizers/optimizer.ts';
import type { Direction, Distribution } from '../../lib/random/direction.ts';
import { smallProblem } from '../train/small-problem.ts';

const devices = [1, 2, 3].map((threads) => openDevice({ threads }));
const [device] = devices;
afterAll(() => Promise.all(devices.map((one) => one.dispose())));

const distributions: readonly Distribution[] = ['normal', 'rademacher', 'uniform'];
const z = (stream: number, distribution: Distribution = 'normal'): Direction => ({
  distribution,
  seed: 3n,
  stream: BigInt(stream),
});

const alone = (direction: Direction): Point => [{ direction, coefficient: 1 }];

const normOf = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((total, value) => total + value * value, 0));

const plain = smallProblem();
const weighted: Problem = {
  ...plain,
  data: { ...plain.data, k: { shape: [64], data: Float32Array.from({ length: 64 }, (_, i) => i % 4) } },
  loss: (p, { x, k }) => ({ sum: sum(mul(sum(square(matmul(x, p.w1).add(p.b1)), [1]), k)), weight: sum(k) }),
};

describe('norms', () => {
  it.each(devices.map((one) => [one.threads, one] as const))(
    'are those of the directions, in f64, whatever the length: %i threads',
    async (_, on) => {
      for (const length of [1, 63, 2049, 2 ** 20 + 5]) {
        const parameters = { w: { shape: [length], init: { kind: 'constant' as const, value: 1 } } };
        await using objective = await compile(on, { parameters, loss: ({ w }) => mean(w) });
        const directions = distributions.map((distribution, i) => z(i, distribution));
        const norms = await objective.norms(directions.map(alone));
        for (const [i, direction] of directions.entries()) {
          const values = await on.direction(direction, length);
          const expected = Math.sqrt(values.reduce((total, value) => total + value * value, 0));
          expect(Math.abs(norms[i] / expected - 1)).toBeLessThan(1e-12);
        }
        expect(norms[1]).toBe(Math.sqrt(length));
        expect(await objective.norms([])).toEqual(new Float64Array());
      }
    },
  );

  it.each(devices.map((one) => [one.threads, one] as const))(
    'of sums of directions are those of the sums, also where they cancel, and 0 of no terms: %i threads',
    async (_, on) => {
      for (const length of [1, 63, 2049, 2 ** 20 + 5]) {
        const parameters = { w: { shape: [length], init: { kind: 'constant' as const, value: 1 } } };
        await using objective = await compile(on, { parameters, loss: ({ w }) => mean(w) });
        const sums: Point[] = [
          [],
          [{ direction: z(0), coefficient: -3.5 }],
          distributions.map((distribution, i) => ({ direction: z(i, distribution), coefficient: i - 0.5 })),
          [1, -1].map((coefficient) => ({ direction: z(4), coefficient })),
          Array.from({ length: 7 }, (_, i) => ({ direction: z(i), coefficient: 0.1 * (i + 1) })),
        ];
        const norms = await objective.norms(sums);
        for (const [i, terms] of sums.entries()) {
          const total = new Float64Array(length);
          let lengths = 0;
          for (const { direction, coefficient } of terms) {
            const values = await on.direction(direction, length);
            lengths += Math.abs(coefficient) * normOf(values);
            for (const [e, value] of values.entries()) total[e] += coefficient * value;
          }
          // Each summand and each partial sum is rounded to f32.
          expect(Math.abs(norms[i] - normOf(total))).toBeLessThanOrEqual(terms.length * 2 ** -23 * lengths);
        }
        expect([norms[0], norms[3]]).toEqual([0, 0]);
      }
    },
  );

  it('of sums in a space are of what the space has, before its scales', async () => {
    await using objective = await compile(device, plain, { seed: 1 });
    const space = objective.space({ w1: 'skip', b1: { scale: 3 } });
    const terms = [z(0), z(1)].map((direction, i) => ({ direction: { ...direction, space }, coefficient: i - 0.75 }));
    const [a, b] = await Promise.all([z(0), z(1)].map((one) => device.direction(one, objective.dimension)));
    const kept = [...a].map((x, e) => (space.scaleAt(e) === 0 ? 0 : -0.75 * x + 0.25 * b[e]));
    expect((await objective.norms([terms]))[0]).toBeCloseTo(Math.hypot(...kept), 5);
  });
});

describe('derivatives', () => {
  const cases = devices.flatMap((on) =>
    [plain, weighted].flatMap((problem) =>
      [undefined, 20_000].flatMap((arenaBudget) =>
        [null, [3, 3, 9, 60, 1]].map(
          (rows) => [on.threads, problem === plain ? 'mean' : 'sum', arenaBudget, rows, problem, on] as const,
        ),
      ),
    ),
  );
  it.each(cases)(
    'are ⟨∇L, z⟩, beside L: %i threads, a %s, arenas of %s bytes, examples %j',
    async (_, __, arenaBudget, rows, problem, on) => {
      await using objective = await compile(on, problem, { seed: 1, arenaBudget });
      const oracle = rows ? objective.batch(rows) : objective;
      const gradient = await gradientOf(objective, rows);
      const directions = distributions.map((distribution, i) => z(i, distribution));
      // What waits is done before.
      objective.params.add(z(9), 0);
      const { loss, derivatives } = await oracle.derivatives(directions);
      expect(loss).toBeCloseTo((await oracle.losses([[]]))[0], 6);
      for (const [i, direction] of directions.entries()) {
        const values = await on.direction(direction, objective.dimension);
        const expected = gradient.reduce((total, g, e) => total + g * values[e], 0);
        const scale = gradient.reduce((total, g, e) => total + Math.abs(g * values[e]), 0);
        expect(Math.abs(derivatives[i] - expected)).toBeLessThan(2e-6 * scale);
      }
    },
  );

  it('are refused for no directions, for what is none, and when they were aborted, with nothing changed', async () => {
    await using objective = await compile(device, plain, { seed: 1 });
    const before = await objective.params.read();
    const refused = expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' });
    for (const ask of [
      () => objective.derivatives([]),
      () => objective.derivatives('z' as never),
      () => objective.derivatives([{ ...z(0), seed: 1 } as never]),
      () => objective.norms([alone({ ...z(0), distribution: 'cauchy' } as never)]),
    ])
      await expect(ask()).rejects.toEqual(refused);
    const aborted = { code: 'ERR_ZEROTH_ABORTED' };
    await expect(objective.derivatives([z(0)], AbortSignal.abort())).rejects.toMatchObject(aborted);
    await expect(objective.norms([alone(z(0))], AbortSignal.abort())).rejects.toMatchObject(aborted);
    expect(await objective.params.read()).toEqual(before);
  });
});

describe.each(['copy', 'in-place'] as const)('points beside a held vector (%s)', (displacement) => {
  const begin = async (): Promise<Objective> => {
    const objective = await compile(device, plain, { seed: 1, displacement });
    objective.params.useHeld(['snapshot', 'other']);
    return objective;
  };

  it('are where θ was when it was held, to the bit, whatever became of θ', async () => {
    await using objective = await begin();
    const oracle = objective.oracleOfSteps(null);
    objective.params.add(z(1), 0.125);
    const point = [{ direction: z(0), coefficient: 0.25 }];
    await oracle.hold('snapshot');
    const expected = await oracle.losses([[], point]);
    objective.params.add(z(2), 0.5);
    const theta = await objective.params.read();
    const at = 'snapshot';
    for (let i = 0; i < 3; i++) {
      const [held, beside, here] = await oracle.losses([{ at, terms: [] }, { at, terms: point }, []]);
      expect([held, beside]).toEqual([...expected]);
      expect(here).not.toBe(held);
    }
    if (displacement === 'copy') expect(await objective.params.read()).toEqual(theta);
    // The other is zero until it is held.
    const [atZero] = await oracle.losses([{ at: 'other', terms: [] }]);
    await objective.params.write(new Float32Array(objective.dimension));
    expect((await objective.losses([[]]))[0]).toBe(atZero);
  });

  it('are refused where nothing of that name is held, with nothing changed', async () => {
    await using objective = await begin();
    const before = await objective.params.read();
    const oracle = objective.oracleOfSteps(Uint32Array.of(1, 2));
    const refused = { code: 'ERR_ZEROTH_ARGUMENT', message: expect.stringContaining('snapshot, other') };
    await expect(
      oracle.losses([[{ direction: z(0), coefficient: 1 }], { at: 'nothing', terms: [] }]),
    ).rejects.toMatchObject(refused);
    await expect(oracle.hold('nothing')).rejects.toMatchObject(refused);
    await expect(
      oracle.losses([{ at: 'snapshot', terms: [{ direction: z(0), coefficient: 1e39 }] }]),
    ).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    expect(await objective.params.read()).toEqual(before);
  });

  it('cost a vector each, and one to displace them in where θ has none', async () => {
    await using objective = await begin();
    const { params } = objective;
    const vectors = () => params.byteLength / params.theta.byteLength;
    const before = vectors();
    expect(before).toBe(displacement === 'copy' ? 4 : 3);
    await objective.losses([{ at: 'other', terms: [{ direction: z(0), coefficient: 1 }] }]);
    expect(vectors() - before).toBe(displacement === 'copy' ? 0 : 1);
    params.useHeld([]);
    expect(vectors()).toBe(displacement === 'copy' ? 2 : 1);
  });
});

async function gradientOf(objective: Objective, rows: readonly number[] | null): Promise<Float64Array> {
  const { gradient } = await (rows ? objective.batch(rows) : objective).gradient();
  return Float64Array.from(
    await (gradient as never as { buffer: { readF32(): Promise<Float32Array> } }).buffer.readF32(),
  );
}
