import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { add, matmul, mean, reshape, square } from '../../lib/graph/ops.ts';
import { compile } from '../../lib/objective/objective.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import type { Point } from '../../lib/optimizers/optimizer.ts';
import type { Direction } from '../../lib/random/direction.ts';

const device = openDevice();
afterAll(() => device.dispose());

const uniform = { kind: 'uniform', bound: 0.5 } as const;
const good: Problem = {
  parameters: { w: { shape: [2, 1], init: uniform }, b: { shape: [1], init: uniform } },
  data: { x: { shape: [8, 2], data: Float32Array.from({ length: 16 }, (_, i) => Math.sin(i)) } },
  loss: (p, { x }) => mean(square(add(matmul(x, p.w), p.b))),
};
const numbers = new Float32Array(16);
const direction: Direction = { distribution: 'normal', seed: 1n, stream: 1n };
const here: Point = [];

/** As a program without types would call it. */
const compileAny = (problem: unknown, options?: unknown) => compile(device, problem as Problem, options as object);

describe('a problem that cannot be right is refused, with a code, before anything is allocated', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['no problem', undefined, 'ERR_ZEROTH_ARGUMENT', /problem/],
    ['no data', { ...good, data: undefined }, 'ERR_ZEROTH_ARGUMENT', /data/],
    ['empty data', { ...good, data: {} }, 'ERR_ZEROTH_ARGUMENT', /at least one/],
    ['a bare array', { ...good, data: { x: numbers } }, 'ERR_ZEROTH_ARGUMENT', /data\.x: expected \{ shape, data \}/],
    ['null as data', { ...good, data: { x: null } }, 'ERR_ZEROTH_ARGUMENT', /data\.x/],
    [
      'no examples',
      { ...good, data: { x: { shape: [0, 2], data: new Float32Array(0) } } },
      'ERR_ZEROTH_ARGUMENT',
      /shape/,
    ],
    [
      'f64 data',
      { ...good, data: { x: { shape: [8, 2], data: new Float64Array(16) } } },
      'ERR_ZEROTH_ARGUMENT',
      /Float32Array/,
    ],
    [
      'bytes as data',
      { ...good, data: { x: { shape: [8, 2], data: new Uint8Array(16) } } },
      'ERR_ZEROTH_ARGUMENT',
      /Float32Array/,
    ],
    ['no parameters', { ...good, parameters: undefined }, 'ERR_ZEROTH_ARGUMENT', /parameters/],
    [
      'integer parameters',
      { ...good, parameters: { ...good.parameters, w: { shape: [2, 1], dtype: 'i32', init: uniform } } },
      'ERR_ZEROTH_ARGUMENT',
      /dtype of parameter 'w'/,
    ],
    [
      'a parameter without a shape',
      { ...good, parameters: { w: { init: uniform } } },
      'ERR_ZEROTH_ARGUMENT',
      /shape of parameter 'w'/,
    ],
    [
      'a parameter without a start',
      { ...good, parameters: { ...good.parameters, w: { shape: [2, 1] } } },
      'ERR_ZEROTH_ARGUMENT',
      /init of parameter 'w'/,
    ],
    [
      'an unknown start',
      { ...good, parameters: { ...good.parameters, w: { shape: [2, 1], init: { kind: 'unifrm' } } } },
      'ERR_ZEROTH_ARGUMENT',
      /uniform, normal or constant/,
    ],
    [
      'a start of NaN',
      { ...good, parameters: { ...good.parameters, w: { shape: [2, 1], init: { kind: 'normal', std: Number.NaN } } } },
      'ERR_ZEROTH_ARGUMENT',
      /normal init of parameter 'w'/,
    ],
    [
      'a start beyond f32',
      { ...good, parameters: { ...good.parameters, w: { shape: [2, 1], init: { kind: 'constant', value: 1e39 } } } },
      'ERR_ZEROTH_ARGUMENT',
      /constant init of parameter 'w'/,
    ],
    ['no loss', { ...good, loss: 5 }, 'ERR_ZEROTH_ARGUMENT', /loss/],
    [
      'a loss of nothing',
      { ...good, loss: () => undefined },
      'ERR_ZEROTH_TRACE',
      /returns a scalar f32 tensor, received undefined/,
    ],
    ['a loss of a number', { ...good, loss: () => 3 }, 'ERR_ZEROTH_TRACE', /received 3/],
    ['a promised loss', { ...good, loss: async () => 3 }, 'ERR_ZEROTH_TRACE', /Promise.*without await/],
    [
      'an unknown parameter name',
      { ...good, loss: (p: Record<string, never>, { x }: Record<string, never>) => mean(matmul(x, p.W)) },
      'ERR_ZEROTH_ARGUMENT',
      /parameters\.W: expected one of w, b; received an unknown name\. At .*bad-input\.test\.ts/,
    ],
    [
      'shapes that do not fit',
      { ...good, loss: (p: Record<string, never>, { x }: Record<string, never>) => mean(matmul(x, p.b)) },
      'ERR_ZEROTH_SHAPE',
      /bad-input\.test\.ts/,
    ],
  ])('%s', async (_, problem, code, message) => {
    const before = device.memory();
    await expect(compileAny(problem)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(device.memory()).toEqual(before);
  });

  it('an integer loss, which has no derivative', async () => {
    const data = { y: { shape: [1], data: Int32Array.of(3) } };
    const problem = { ...good, data, loss: (_: unknown, d: Record<string, never>) => reshape(d.y, []) };
    await expect(compileAny(problem)).rejects.toMatchObject({ code: 'ERR_ZEROTH_TRACE' });
  });

  it('a device that is none, and seeds out of range', async () => {
    await expect(compile(undefined as never, good)).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    for (const seed of [-1, 1.5, '3', 2 ** 53, 2n ** 64n, -1n])
      await expect(compileAny(good, { seed })).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
  });
});

describe('an objective', () => {
  it('refuses points that are none, and afterwards is where it was, to the bit', async () => {
    await using objective = await compile(device, good);
    const away = await objective.losses([here, [{ direction, coefficient: 0.25 }]]);
    const points = [
      { direction, coefficient: Number.NaN },
      { direction, coefficient: 1e300 },
      { direction: { ...direction, distribution: 'zipf' }, coefficient: 1 },
      { direction: { ...direction, seed: 5 }, coefficient: 1 },
      { direction: { ...direction, stream: 1n << 64n }, coefficient: 1 },
      { direction: { ...direction, seed: -1n }, coefficient: 1 },
      { coefficient: 1 },
      null,
    ];
    for (const point of points) {
      await expect(objective.losses([here, [point as never]])).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
      expect(() => objective.params.add(point?.direction as never, point?.coefficient as never)).toThrow(
        expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }),
      );
      const estimate = { kind: 'directions', loss: 1, terms: [point as never] } as const;
      const update = { kind: 'momentum', beta: 0.9 } as const;
      await expect(objective.params.apply(update, estimate, 0.1)).rejects.toMatchObject({
        code: 'ERR_ZEROTH_ARGUMENT',
      });
    }
    expect(await objective.losses([here, [{ direction, coefficient: 0.25 }]])).toEqual(away);
    await expect(objective.losses([new Float32Array(3) as never])).rejects.toThrow(/received Float32Array of 12 bytes/);
    for (const point of [null, undefined, 3, 'θ', { direction, coefficient: 1 }, [[]]])
      await expect(objective.losses([here, point as never])).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    await expect(objective.losses(undefined as never)).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
  });

  it('refuses example numbers that are none, and what is no list of them', async () => {
    await using objective = await compile(device, good);
    for (const rows of [[0, 1.5], [8], ['1'], undefined, 3, Float32Array.of(1)]) {
      expect(() => objective.batch(rows as never)).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
    }
  });

  it('refuses parameters and vectors that are none', async () => {
    await using objective = await compile(device, good);
    for (const values of [Float64Array.of(1, 2), Float32Array.of(1, 2), Float32Array.of(1, 2, Number.NaN), {}, null])
      await expect(objective.params.write(values as never)).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    const hessian = await objective.hessian();
    for (const vectors of [[1, 0], Float64Array.of(1, 0, 0), Float32Array.of(1, 0)])
      await expect(hessian.apply(vectors as never, 1)).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
  });

  it('answers calls that were not awaited one by one as it answers them in turn', async () => {
    await using objective = await compile(device, good);
    const points = Array.from({ length: 8 }, (_, i) => [
      [{ direction: { ...direction, stream: BigInt(i) }, coefficient: 0.1 }],
    ]);
    const alone: number[] = [];
    for (const point of points) alone.push((await objective.losses(point))[0]);
    const some = Uint32Array.of(1, 2, 2);
    const ofSome = (await objective.batch(some).losses([here]))[0];
    const [together, batch] = await Promise.all([
      Promise.all(points.map((point) => objective.losses(point))),
      objective.batch(some).losses([here]),
      objective.batch(Uint32Array.of(5)).losses([here]),
      objective.gradient(),
    ]);
    // In-place perturbation restores θ up to the rounding next to a change of binade.
    for (const [i, [loss]] of together.entries()) expect(loss).toBeCloseTo(alone[i], 6);
    expect(batch[0]).toBeCloseTo(ofSome, 6);
  });

  it('that was disposed says so, whatever it is asked, and may be disposed again', async () => {
    const objective = await compile(device, good);
    const hessian = await objective.hessian();
    await objective.dispose();
    await objective.dispose();
    hessian.dispose();
    hessian.dispose();
    const asks = [
      () => objective.losses([here]),
      () => objective.gradient(),
      () => objective.hessian(),
      () => objective.params.read(),
      () => objective.params.write(Float32Array.of(1, 2, 3)),
      () => hessian.apply(Float32Array.of(1, 0, 0), 1),
    ];
    for (const ask of asks) await expect(ask()).rejects.toMatchObject({ code: 'ERR_ZEROTH_DISPOSED' });
  });

  it('accepts a loss that ignores a parameter, or all of them: their gradient and curvature are 0', async () => {
    await using partial = await compile(device, { ...good, loss: (p, { x }) => mean(square(matmul(x, p.w))) });
    const { gradient } = await partial.gradient();
    expect((await gradient.buffer.readF32())[2]).toBe(0);
    expect((await gradient.buffer.readF32())[0]).not.toBe(0);
    await using constant = await compile(device, { ...good, loss: (_, { x }) => mean(x) });
    expect([...(await (await constant.gradient()).gradient.buffer.readF32())]).toEqual([0, 0, 0]);
    const hessian = await constant.hessian();
    expect([...(await hessian.apply(Float32Array.of(1, 2, 3), 1))]).toEqual([0, 0, 0]);
  });
});
