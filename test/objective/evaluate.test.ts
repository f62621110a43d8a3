import { afterAll, describe, expect, it, vi } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { ZerothError } from '../../lib/errors.ts';
import type { HostArray } from '../../lib/graph/host-array.ts';
import {
  concat,
  exp,
  matmul,
  max,
  mean,
  mul,
  oneHot,
  reshape,
  slice,
  sub,
  sum,
  type Tensor,
} from '../../lib/graph/ops.ts';
import { squaredLoss } from '../../lib/nn/losses.ts';
import { accuracy } from '../../lib/nn/metrics.ts';
import { compile, type Objective } from '../../lib/objective/objective.ts';
import { PhiloxStream } from '../../lib/random/philox.ts';
import { held } from '../params/held.ts';

const device = openDevice({ threads: 2 });
afterAll(() => device.dispose());

const N = 300;
const random = new PhiloxStream(2n, 2n);
const x = { shape: [N, 2], data: Float32Array.from({ length: 2 * N }, () => random.normal()) };
const weights = [
  [1, -2, 0.5],
  [3, 1, -1],
];

const linearModel = (arenaBudget?: number) =>
  compile(
    device,
    {
      parameters: { w: { shape: [2, 3], init: weights } },
      data: { x },
      constants: {
        shift: [10, 20, 30],
        row: { shape: [N, 1], data: Float32Array.from({ length: N }, (_, i) => i / 256) },
      },
      loss: ({ w }, { x }) => mean(matmul(x, w).square()),
    },
    { arenaBudget },
  );

/** x W + shift in f64. */
const outputs = (rows: ArrayLike<number>, shift = [0, 0, 0]) =>
  Array.from({ length: (rows.length / 2) * 3 }, (_, e) => {
    const [i, c] = [Math.floor(e / 3), e % 3];
    return rows[2 * i] * weights[0][c] + rows[2 * i + 1] * weights[1][c] + shift[c];
  });

function expectValues(got: ArrayLike<number>, expected: readonly number[]) {
  expect(got.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(got[i]).toBeCloseTo(value, 4);
}

describe('plain numbers given to evaluate', () => {
  const labelled = () =>
    compile(device, {
      parameters: { w: { shape: [2, 3], init: weights } },
      data: {
        x: [
          [1, 0],
          [0, 1],
        ],
        y: { data: [1, 0], dtype: 'i32' },
      },
      loss: ({ w }, { x, y }) => squaredLoss(matmul(x, w), y),
    });
  const score = (p: { w: Tensor }, { x, y }: { x: Tensor; y: Tensor }) => accuracy(matmul(x, p.w), y);

  it('are labels where the labels of the problem are, in every form', async () => {
    await using objective = await labelled();
    const x = [
      [1, 0],
      [0, 1],
      [1, 1],
      [-1, 1],
    ];
    const forms: HostArray[] = [
      [2, 0, 0, 2],
      { data: [2, 0, 0, 2] },
      { data: [2, 0, 0, 2], shape: [4] },
      { data: [2, 0, 0, 2], dtype: 'i32' },
      { data: Int32Array.of(2, 0, 0, 2), shape: [4] },
    ];
    // Rows of outputs: (1, −2, ½), (3, 1, −1), (4, −1, −½), (2, 3, −1½).
    for (const y of forms) expect((await objective.evaluate(score, { x, y })).data[0]).toBe(0.5);
    const nested = await objective.evaluate((_, { y }) => oneHot(y, 5), {
      y: [
        [1, 2],
        [3, 4],
      ],
    });
    expect(nested.shape).toEqual([2, 2, 5]);
    // As are those of the problem itself, of which nothing is said.
    expect((await objective.evaluate(score)).data[0]).toBe(0.5);
  });

  it('are refused where they are no labels, and say what to do; with a dtype they are what they say', async () => {
    await using objective = await labelled();
    const x = [[1, 0]];
    for (const y of [[0.5], [[1, 0.5]], { data: [0.5] }, { data: [0.5], shape: [1] }])
      await expect(objective.evaluate(score, { x, y })).rejects.toMatchObject({
        code: 'ERR_ZEROTH_DATA',
        message: expect.stringContaining(
          "data.y: expected integers, as the problem's y are, received 0.5; for real numbers say { data, dtype: 'f32' }",
        ),
      });
    const half = await objective.evaluate((_, { y }) => y, { y: { data: [0.5], dtype: 'f32' } });
    expect([...half.data]).toEqual([0.5]);
    // Of another name, or a problem whose data of that name are real, they are f32: who takes them for labels is told.
    const other = objective.evaluate((p, d) => accuracy(matmul(d.x, p.w), d.z), { x, z: [0] });
    await expect(other).rejects.toMatchObject({
      code: 'ERR_ZEROTH_SHAPE',
      message: expect.stringMatching(
        /received outputs \[1, 3\] with f32 labels \[1\]\. Labels in plain numbers are \{ data, dtype: 'i32' \}\./,
      ),
    });
    for (const data of [null, 3, [1]])
      await expect(objective.evaluate(score, data as never)).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
  });
});

describe('evaluate', () => {
  it('gives what a traced function says of the own data, whole and in pieces, with constants', async () => {
    for (const budget of [undefined, 4000, 1]) {
      await using objective = await linearModel(budget);
      const before = device.memory();
      const result = await objective.evaluate(({ w }, { x }, { shift }) => ({
        scores: matmul(x, w).add(shift),
        errors: [sum(matmul(x, w), -1)],
      }));
      expect([result.scores.shape, result.errors[0].shape]).toEqual([[N, 3], [N]]);
      const plain = outputs(x.data);
      expectValues(result.scores.data, outputs(x.data, [10, 20, 30]));
      expectValues(
        result.errors[0].data,
        Array.from({ length: N }, (_, i) => plain[3 * i] + plain[3 * i + 1] + plain[3 * i + 2]),
      );
      expect(result.scores.data).toBeInstanceOf(Float32Array);
      expect(device.memory()).toEqual(before);
    }
  });

  it("runs pieces within the arena budget where rows are the examples', and the whole where they are not", async () => {
    // The whole result alone has 3,600 bytes.
    await using objective = await linearModel(2000);
    const load = vi.spyOn(device, 'load');
    const arenas = async (f: Parameters<typeof objective.evaluate>[0]) => {
      load.mockClear();
      await objective.evaluate(f);
      return Promise.all(load.mock.results.map(async ({ value }) => (await value).arenaBytes as number));
    };
    // Two programs find out that examples do not mix, two are a piece and the last, shorter one.
    const pieces = await arenas(({ w }, { x }) => matmul(x, w).exp());
    expect(pieces).toHaveLength(4);
    expect(Math.max(...pieces)).toBeLessThan(3600);
    const whole = await arenas(({ w }, { x }) => sum(matmul(x, w).exp()));
    expect(whole).toHaveLength(1);
    load.mockRestore();
  });

  it('takes other data, of other names and any form, one example or many', async () => {
    await using objective = await linearModel();
    const predict = (data: { q: number[][] }) => objective.evaluate(({ w }, { q }) => matmul(q, w), data);
    for (const q of [
      [[1, 2]],
      [
        [1, 2],
        [-3, 0.5],
      ],
      [
        [0, 0],
        [1, 0],
        [0, 1],
      ],
    ]) {
      const { shape, data } = await predict({ q });
      expect(shape).toEqual([q.length, 3]);
      expectValues(data, outputs(q.flat()));
    }
  });

  it('evaluates whole what does not go example by example: scalars, shares, and rows that see one another', async () => {
    for (const budget of [undefined, 1]) {
      await using objective = await linearModel(budget);
      const centred = (x: Tensor) => sub(x, mean(x, 0));
      const result = await objective.evaluate((_, { x }) => ({ total: sum(x), top: max(x, 0), whole: x }));
      expect(result.total.shape).toEqual([]);
      expect(result.total.data).toBeInstanceOf(Float64Array);
      expect(result.total.data[0]).toBeCloseTo(
        x.data.reduce((s, value) => s + value, 0),
        3,
      );
      expect(result.top.data[0]).toBe(Math.max(...x.data.filter((_, i) => i % 2 === 0)));
      expect(result.whole.data).toEqual(x.data);
      // Its rows are as many as the examples, and yet each needs them all.
      const { data } = await objective.evaluate((_, { x }) => centred(x));
      const average = [0, 1].map((c) => x.data.filter((_, i) => i % 2 === c).reduce((s, value) => s + value, 0) / N);
      expectValues(
        data,
        Array.from(x.data, (value, i) => value - average[i % 2]),
      );
    }
  });

  it('evaluates whole what fits together for all examples alone, and takes no other refusal for that', async () => {
    await using objective = await linearModel(1);
    const tall = await objective.evaluate((_, { x }) => reshape(x, [N / 2, 4]));
    expect(tall.data).toEqual(x.data);
    const unless =
      (error: unknown) =>
      (_: unknown, { x }: { x: Tensor }) => {
        if (x.shape[0] < N) throw error;
        return x;
      };
    for (const code of ['ERR_ZEROTH_MEMORY', 'ERR_ZEROTH_TRACE', 'ERR_ZEROTH_ARGUMENT'] as const) {
      const refused = new ZerothError(code, 'refused');
      await expect(objective.evaluate(unless(refused))).rejects.toBe(refused);
    }
    expect((await objective.evaluate(unless(new ZerothError('ERR_ZEROTH_SHAPE', 'no')))).data).toEqual(x.data);
  });

  const infinite = (x: Tensor, scale = 1000) => exp(x.square().add(scale));
  it.each<[string, (x: Tensor) => Tensor]>([
    ['infinities', infinite],
    ['NaNs', (x) => sub(infinite(x), infinite(x, 2000))],
  ])('sees that rows see one another also beside %s, which have no scale', async (_, strange) => {
    await using objective = await linearModel(2000);
    const { data } = await objective.evaluate((_, { x }) => concat([strange(x), sub(x, mean(x, 0))], 1));
    const average = [0, 1].map((c) => x.data.filter((_, i) => i % 2 === c).reduce((s, value) => s + value, 0) / N);
    expect(data.filter((_, i) => i % 4 < 2).some(Number.isFinite)).toBe(false);
    expectValues(
      data.filter((_, i) => i % 4 > 1),
      Array.from(x.data, (value, i) => value - average[i % 2]),
    );
  });

  it.each<[string, (x: Tensor, k: Tensor) => Tensor, (i: number) => number]>([
    ['reshapes all examples', (x) => reshape(reshape(x, [N / 2, 4]), [N, 2]), (i) => x.data[i]],
    ['multiplies by constants of as many rows', (x, k) => mul(x, k), (i) => (x.data[i] * (i >> 1)) / 256],
    [
      'cuts them where fewer have nothing',
      (x) => concat([slice(x, [9, 0], [x.shape[0], 2]), slice(x, [0, 0], [9, 2])]),
      (i) => x.data[(i + 18) % (2 * N)],
    ],
    [
      'checks how many there are',
      (x) => {
        if (x.shape[0] !== N) throw new Error('all of them, please');
        return x;
      },
      (i) => x.data[i],
    ],
    ['does otherwise with few', (x) => (x.shape[0] < 9 ? sum(x, 0) : x), (i) => x.data[i]],
  ])('evaluates whole a function that %s, whatever the budget', async (_, f, expected) => {
    for (const budget of [undefined, 2000]) {
      await using objective = await linearModel(budget);
      // The arena does not hold what is computed on the way.
      const { shape, data } = await objective.evaluate((_, { x }, { row }) => f(exp(x).log(), row));
      expect(shape).toEqual([N, 2]);
      expectValues(
        data,
        Array.from(x.data, (_, i) => expected(i)),
      );
    }
  });

  it('of few examples is the function of all of them', async () => {
    await using objective = await linearModel();
    const { shape, data } = await objective.evaluate((_, { x }) => reshape(x, [2, 2]), { x: [[1], [2], [3], [4]] });
    expect([shape, [...data]]).toEqual([
      [2, 2],
      [1, 2, 3, 4],
    ]);
  });

  it('is at θ itself, with what waits for it, and changes no bit of it', async () => {
    const [watched, alone] = [await linearModel(), await linearModel()];
    const direction = { distribution: 'normal' as const, seed: 1n, stream: 4n };
    const steps = async (objective: Objective, watch: boolean) => {
      for (let k = 0; k < 3; k++) {
        await objective.losses([[{ direction, coefficient: 0.1 }], [{ direction, coefficient: -0.1 }]]);
        objective.params.add(direction, -0.01);
        if (watch) await objective.evaluate((p) => p.w);
      }
    };
    await steps(watched as Objective, true);
    await steps(alone as Objective, false);
    expect(await held(watched.params)).toEqual(await held(alone.params));
    const { shape, data } = await watched.evaluate((p) => p.w);
    expect(shape).toEqual([2, 3]);
    expect(data).toEqual(await watched.params.read());
  });

  it('scores a classifier on data that it has not seen', async () => {
    await using objective = await linearModel();
    const test = {
      x: [
        [1, 0],
        [0, 1],
        [-1, 0],
        [1, 1],
      ],
      y: { data: [0, 0, 1, 1], dtype: 'i32' as const },
    };
    // Outputs [1, −2, 0.5], [3, 1, −1], [−1, 2, −0.5], [4, −1, −0.5].
    const { data } = await objective.evaluate(({ w }, { x, y }) => accuracy(matmul(x, w), y), test);
    expect([...data]).toEqual([0.75]);
  });

  it.each<[string, (objective: Objective) => Promise<unknown>, string, RegExp]>([
    ['no function', (o) => o.evaluate(undefined as never), 'ERR_ZEROTH_ARGUMENT', /a function of parameters/],
    [
      'a result that is no tensor',
      (o) => o.evaluate(() => 3),
      'ERR_ZEROTH_ARGUMENT',
      /result of the evaluated function/,
    ],
    ['a promise', (o) => o.evaluate(async (p) => p.w), 'ERR_ZEROTH_ARGUMENT', /Promise/],
    ['an empty result', (o) => o.evaluate(() => []), 'ERR_ZEROTH_TRACE', /no tensor/],
    ['integers', (o) => o.evaluate((_, d) => d.k, { k: { data: [1], dtype: 'i32' } }), 'ERR_ZEROTH_ARGUMENT', /f32/],
    ['an unknown name', (o) => o.evaluate((p) => p.v), 'ERR_ZEROTH_ARGUMENT', /parameters\.v: expected one of w/],
    [
      'own data beside other data',
      // @ts-expect-error: a type error, too.
      (o) => o.evaluate((_, d) => d.x, { q: [1] }),
      'ERR_ZEROTH_ARGUMENT',
      /data\.x: expected one of q/,
    ],
    [
      'shapes that do not fit',
      (o) => o.evaluate((p, d) => matmul(d.x, p.w), { x: [[1]] }),
      'ERR_ZEROTH_SHAPE',
      /matmul/,
    ],
    ['data that is NaN', (o) => o.evaluate((_, d) => d.x, { x: [Number.NaN] }), 'ERR_ZEROTH_DATA', /NaN/],
    ['no arrays', (o) => o.evaluate((p) => p.w, {}), 'ERR_ZEROTH_ARGUMENT', /at least one named array/],
    ['an aborted signal', (o) => o.evaluate((p) => p.w, undefined, AbortSignal.abort()), 'ERR_ZEROTH_ABORTED', /abort/],
  ])('refuses %s, and leaves nothing behind', async (_, attempt, code, message) => {
    await using objective = await linearModel();
    const before = device.memory();
    await expect(attempt(objective as Objective)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(device.memory()).toEqual(before);
  });

  it('works without data, of the parameters alone, and on data that is brought', async () => {
    const objective = await compile(device, {
      parameters: { w: { shape: [], init: [3] } },
      loss: ({ w }) => w.square(),
    });
    expect((await objective.evaluate(({ w }) => w.mul(2))).data).toEqual(Float64Array.of(6));
    expect((await objective.evaluate(({ w }, { x }) => w.mul(x), { x: [1, 2] })).data).toEqual(Float32Array.of(3, 6));
  });
});
