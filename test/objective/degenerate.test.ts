import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { hutchinsonTrace } from '../../lib/curvature/hutchinson-trace.ts';
import { topEigenvalues } from '../../lib/curvature/top-eigenvalues.ts';
import { openDevice } from '../../lib/device/device.ts';
import { mean, mul, sum, type Tensor } from '../../lib/graph/ops.ts';
import { compile, type Objective } from '../../lib/objective/objective.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import type { Optimizer } from '../../lib/optimizers/optimizer.ts';
import { adam, frozenZoAdam, gd, gdm, mezo, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import type { TrainEvent } from '../../lib/train/events.ts';
import type { TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';

// L = 3 ‖w‖² x̄ with x̄ = 1 and every w = ½: the gradient is 6 w, the Hessian 6 I, whatever the shapes.

const device = openDevice({ threads: 2 });
const folder = mkdtempSync(join(tmpdir(), 'zeroth-degenerate-'));
afterAll(async () => {
  await device.dispose();
  rmSync(folder, { recursive: true });
});

const SHAPES: readonly (readonly number[])[][] = [[[]], [[1]], [[1, 1, 1]], [[], [1], [2]]];
const DATA = { 'no data': undefined, 'one example': [1], 'two examples': [0.25, 1.75] };

function problemOf(shapes: (typeof SHAPES)[number], data: keyof typeof DATA): Problem {
  const init = { kind: 'constant', value: 0.5 } as const;
  const parameters = Object.fromEntries(shapes.map((shape, i) => [`w${i}`, { shape, init }]));
  const squares = (p: Record<string, Tensor>) =>
    mul(Object.values(p).reduce<Tensor | number>((total, w) => sum(w.square()).add(total), 0) as Tensor, 3);
  const x = DATA[data];
  if (!x) return { name: 'degenerate', parameters, loss: (p) => squares(p) };
  return { name: 'degenerate', parameters, data: { x }, loss: (p, { x }) => mul(squares(p), mean(x)) };
}

const sizeOf = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1);
const dimensionOf = (shapes: (typeof SHAPES)[number]) => shapes.reduce((total, shape) => total + sizeOf(shape), 0);

const cases = SHAPES.flatMap((shapes) =>
  (Object.keys(DATA) as (keyof typeof DATA)[]).map(
    (data) => [JSON.stringify(shapes).slice(1, -1), data, shapes] as const,
  ),
);

const recipes: Readonly<Record<string, (d: number) => Optimizer>> = {
  zoGD: () => zoGD({ lr: 0.01 }),
  mezo: () => mezo({ lr: 0.01 }),
  zoGDM: () => zoGDM({ lr: 0.01 }),
  zoAdam: () => zoAdam({ lr: 0.01 }),
  frozenZoAdam: (d) => frozenZoAdam({ lr: 0.01, preconditioner: new Float32Array(d).fill(2) }),
  gd: () => gd({ lr: 0.01 }),
  gdm: () => gdm({ lr: 0.01 }),
  adam: () => adam({ lr: 0.01 }),
};

const gradientOf = async (oracle: Pick<Objective, 'gradient'>) => {
  const { loss, gradient } = await oracle.gradient();
  return { loss, gradient: [...(await gradient.buffer.readF32())] };
};

async function run(objective: Objective, optimizer: Optimizer, options: TrainOptions): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of train(objective, optimizer, { monitorEvery: 2, probes: 4, ...options })) events.push(event);
  return events;
}

describe.each(cases)('parameters of shapes %s with %s', (_, data, shapes) => {
  const problem = problemOf(shapes, data);
  const d = dimensionOf(shapes);
  const all = (value: number) => new Array<number>(d).fill(value);

  it('have losses, gradients and a Hessian', async () => {
    await using objective = await compile(device, problem);
    expect(objective.dimension).toBe(d);
    expect([...(await objective.losses([[]]))]).toEqual([0.75 * d]);
    const direction = { distribution: 'rademacher' as const, seed: 1n, stream: 0n };
    const [up, down] = await objective.losses([1e-2, -1e-2].map((coefficient) => [{ direction, coefficient }]));
    const sign = (await device.direction(direction, d)).reduce((total, z) => total + z, 0);
    expect((up - down) / 2e-2).toBeCloseTo(3 * sign, 3);
    expect(await gradientOf(objective)).toEqual({ loss: 0.75 * d, gradient: all(3) });
    const hessian = await objective.hessian();
    expect(await hessian.loss()).toBe(0.75 * d);
    expect([...(await hessian.apply(new Float32Array(d).fill(2), 1))]).toEqual(all(12));
    expect([...(await hessian.apply(new Float32Array(3 * d).fill(-1), 3))]).toEqual([
      ...all(-6),
      ...all(-6),
      ...all(-6),
    ]);
    const { trace } = await hutchinsonTrace(hessian, { probes: 8 });
    expect(trace).toBeCloseTo(6 * d, 4);
    const top = await topEigenvalues(hessian, { count: 1 });
    expect(top.values[0]).toBeCloseTo(6, 4);
    if (data === 'no data') return;
    const rows = data === 'one example' ? Uint32Array.of(0, 0) : Uint32Array.of(1);
    const mean = data === 'one example' ? 1 : 1.75;
    expect(await gradientOf(objective.batch(rows) as Objective)).toEqual({
      loss: 0.75 * d * mean,
      gradient: all(3 * mean),
    });
    expect([...(await objective.batch(rows).losses([[]]))]).toEqual([0.75 * d * mean]);
  });

  it('are read, written and evaluated', async () => {
    await using objective = await compile(device, problem);
    for (const [i, shape] of shapes.entries()) {
      const size = sizeOf(shape);
      await objective.params.write(`w${i}`, new Float32Array(size).fill(i + 1));
      expect([...(await objective.params.read(`w${i}`))]).toEqual(new Array(size).fill(i + 1));
      const { shape: evaluated, data } = await objective.evaluate((p) => p[`w${i}`]);
      expect(evaluated).toEqual(shape);
      expect([...data]).toEqual(new Array(size).fill(i + 1));
    }
  });
});

/** One rank-0 parameter, with data and without, and one among others. */
const trained = cases.filter(
  ([, data, shapes]) =>
    (data === 'no data' && shapes.length !== 1) || (data !== 'two examples' && shapes[0].length === 0),
);

describe.each(trained)('parameters of shapes %s with %s', (name, data, shapes) => {
  const problem = problemOf(shapes, data);
  const d = dimensionOf(shapes);

  it.each(Object.keys(recipes))('are trained and monitored by %s, and resume to the same bits', async (recipe) => {
    const out = join(folder, `${name}-${data}-${recipe}`.replaceAll(/[^\w-]/g, '_'));
    const whole = await compile(device, problem);
    const events = await run(whole, recipes[recipe](d), { steps: 6 });
    const monitors = events.filter((event) => event.type === 'monitor');
    expect(monitors.length).toBeGreaterThanOrEqual(3);
    expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'completed' });
    // H = 6 I: where it is not preconditioned, every probe finds the trace.
    if (!monitors[0].preconditioned) for (const { trace } of monitors) expect(trace).toBeCloseTo(6 * d, 3);

    await run(await compile(device, problem), recipes[recipe](d), { steps: 4, out });
    const resumed = await compile(device, problem);
    await run(resumed, recipes[recipe](d), { steps: 6, out, resume: true });
    expect(await resumed.params.read()).toEqual(await whole.params.read());
    if (recipe === 'gd') for (const w of await whole.params.read()) expect(w).toBeCloseTo(0.5 * 0.94 ** 6, 6);
    if (recipe === 'gdm') expect((await whole.params.read())[0]).toBeCloseTo(heavyBall(6), 6);
    if (recipe === 'adam') expect((await whole.params.read())[0]).toBeCloseTo(0.5 - 6 * 0.01, 3);
  });
});

/** w after so many steps of momentum 0.9 at η = 0.01 on 3 w², from ½. */
function heavyBall(steps: number): number {
  let [w, m] = [0.5, 0];
  for (let t = 0; t < steps; t++) {
    m = 0.9 * m + 6 * w;
    w -= 0.01 * m;
  }
  return w;
}

describe('axes of no elements', () => {
  const good = { parameters: { w: { shape: [2], init: [1, 2] } }, data: { x: [[1, 2]] } };
  const none = new Float32Array(0);
  it.each<[string, object, RegExp]>([
    ['a parameter', { parameters: { w: { shape: [0], init: none } } }, /shape of parameter 'w'/],
    [
      'a matrix',
      { parameters: { w: { shape: [2, 0], init: { kind: 'constant', value: 0 } } } },
      /shape of parameter 'w'/,
    ],
    ['data', { data: { x: { shape: [0, 2], data: none } } }, /data\.x\.shape: expected positive integers/],
    [
      'examples of nothing',
      { data: { x: { shape: [3, 0], data: none } } },
      /data\.x\.shape: expected positive integers/,
    ],
    ['a constant', { constants: { c: { shape: [0], data: none } } }, /constants\.c\.shape/],
    ['plain data', { data: { x: [] } }, /data\.x: expected at least one element/],
  ])('are refused: %s', async (_, change, message) => {
    const loss = (p: Record<string, Tensor>) => sum(p.w);
    await expect(compile(device, { ...good, loss, ...change } as unknown as Problem)).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ARGUMENT',
      message: expect.stringMatching(message),
    });
  });

  it('are refused where a function is evaluated, and in a mini-batch', async () => {
    await using objective = await compile(device, { ...good, loss: (p, d) => mean(mul(d.x, p.w)) });
    const nothing = objective.evaluate((_, { q }) => q, { q: { shape: [0, 2], data: none } });
    await expect(nothing).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    expect(() => objective.batch(new Uint32Array(0))).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
  });
});
