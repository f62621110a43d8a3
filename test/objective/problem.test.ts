import { afterAll, describe, expect, it } from 'vitest';
import { hutchinsonTrace } from '../../lib/curvature/hutchinson-trace.ts';
import { topEigenvalues } from '../../lib/curvature/top-eigenvalues.ts';
import { openDevice } from '../../lib/device/device.ts';
import { gather, grad, matmul, mean, mul, sum, type Tensor } from '../../lib/graph/ops.ts';
import { mlp } from '../../lib/models/mlp.ts';
import { squaredLoss } from '../../lib/nn/losses.ts';
import { compile, type Objective } from '../../lib/objective/objective.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import { supervised } from '../../lib/objective/supervised.ts';
import { gd, zoGD } from '../../lib/optimizers/recipes.ts';
import { frozenAdam } from '../../lib/optimizers/rules/frozen-adam.ts';
import { train } from '../../lib/train/train.ts';

const device = openDevice({ threads: 2 });
afterAll(() => device.dispose());

const zeros = { kind: 'constant', value: 0 } as const;
const lossOf = async (objective: Objective) => (await objective.losses([[]]))[0];
const gradientOf = async (objective: Objective) => [...(await (await objective.gradient()).gradient.buffer.readF32())];

describe('a misspelt name', () => {
  const parameters = { weight: { shape: [2], init: [1, 2] }, bias: { shape: [], init: zeros } };
  const data = {
    x: [
      [1, 2],
      [3, 4],
    ],
  };
  const refusal = (message: RegExp) => ({ code: 'ERR_ZEROTH_ARGUMENT', message: expect.stringMatching(message) });

  it('of a parameter, data or a constant is an error when the loss is traced, with the known names and the line', async () => {
    const constants = { scale: [2] };
    const compileLoss = (loss: Problem['loss']) => compile(device, { parameters, data, constants, loss } as Problem);
    const known =
      /parameters\.biass: expected one of weight, bias; received an unknown name\. At .*problem\.test\.ts:\d+/;
    await expect(compileLoss((p, d) => mean(matmul(d.x, p.weight).add(p.biass)))).rejects.toMatchObject(refusal(known));
    await expect(compileLoss(({ weight, biass: _ }, d) => mean(matmul(d.x, weight)))).rejects.toMatchObject(
      refusal(known),
    );
    await expect(compileLoss((p, d) => mean(matmul(d.X, p.weight)))).rejects.toMatchObject(
      refusal(/data\.X: expected one of x;/),
    );
    await expect(compileLoss((p, d, c) => mean(matmul(d.x, p.weight).mul(c.Scale)))).rejects.toMatchObject(
      refusal(/constants\.Scale: expected one of scale;/),
    );
  });

  it('is an error inside a derivative that the loss itself takes, too', async () => {
    const inner = (p: Record<string, Tensor>) => sum(p.weigth.square());
    const loss: Problem['loss'] = (p) => sum(grad(inner)(p as Record<string, Tensor>).weight);
    await expect(compile(device, { parameters, loss } as Problem)).rejects.toMatchObject(
      refusal(/weigth: expected one of weight, bias/),
    );
  });

  it('leaves alone what the language and inspectors ask for, and what asks without reading', async () => {
    const seen: unknown[] = [];
    const loss: Problem['loss'] = (p, d) => {
      const { weight, ...rest } = p;
      seen.push(
        Object.keys(p),
        Object.keys(rest),
        'bias' in p,
        'biass' in p,
        String(p),
        typeof JSON.stringify({ ...rest }),
      );
      seen.push((p as { then?: unknown }).then, p[Symbol.iterator as unknown as string], Object.hasOwn(p, 'bias'));
      return mean(matmul(d.x, weight).add({ ...p }.bias));
    };
    await compile(device, { parameters, data, loss });
    expect(seen.slice(0, 9)).toEqual([
      ['weight', 'bias'],
      ['bias'],
      true,
      false,
      '[object Object]',
      'string',
      undefined,
      undefined,
      true,
    ]);
  });

  it('cannot be added to a record, nor can a tensor of it be replaced', async () => {
    for (const change of [
      (p: Record<string, unknown>) => {
        p.extra = 1;
      },
      (p: Record<string, unknown>) => {
        delete p.bias;
      },
    ]) {
      const loss: Problem['loss'] = (p, d) => {
        change(p as Record<string, unknown>);
        return mean(matmul(d.x, p.weight));
      };
      await expect(compile(device, { parameters, data, loss })).rejects.toMatchObject(refusal(/read only/));
    }
  });
});

describe('arrays of plain numbers', () => {
  it('stand where typed arrays do: data, constants, starts of parameters', async () => {
    const objective = await compile(device, {
      parameters: {
        w: {
          shape: [2, 2],
          init: [
            [1, 2],
            [3, 4],
          ],
        },
        b: { shape: [2], init: Float32Array.of(5, 6) },
      },
      data: {
        x: [
          [1, 0],
          [0, 1],
        ],
        k: { data: [1, 0], dtype: 'i32' },
      },
      constants: { table: { data: [10, 20, 30, 40], shape: [2, 2] } },
      loss: ({ w, b }, { x, k }, { table }) => mean(matmul(x, w).add(b).add(gather(table, k))),
    });
    expect(await objective.params.read()).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    // Mean of [[1, 2], [3, 4]] + [5, 6] + [[30, 40], [10, 20]].
    expect(await lossOf(objective)).toBeCloseTo(2.5 + 5.5 + 25, 6);
    expect(await gradientOf(objective)).toEqual([0.25, 0.25, 0.25, 0.25, 0.5, 0.5]);
  });

  it('stand for vectors of f32, too: what is written, multiplied, started from, probed with, preconditioned by', async () => {
    // H = diag(2, 4).
    const objective = await compile(device, {
      parameters: { w: { shape: [2], init: [1, 2] } },
      constants: { scale: [1, 2] },
      loss: ({ w }, _, { scale }) => sum(mul(mul(w, w), scale)),
    });
    await objective.params.write([3, 4]);
    expect(await objective.params.read()).toEqual(Float32Array.of(3, 4));
    await objective.params.write('w', [[5], [6]]);
    expect(await objective.params.read()).toEqual(Float32Array.of(5, 6));
    const hessian = await objective.hessian();
    const rows = [
      [1, 0],
      [1, 1],
    ];
    expect(await hessian.apply(rows, 2)).toEqual(Float32Array.of(2, 0, 2, 4));
    expect((await topEigenvalues(hessian, { start: [0, 1] })).values[0]).toBeCloseTo(4, 5);
    expect((await hutchinsonTrace(hessian, { probes: 2, probe: (i) => [1, 1 - 2 * i] })).trace).toBeCloseTo(6, 5);
    expect(frozenAdam({ preconditioner: [1, 2] }).initial).toEqual({ p: Float32Array.of(1, 2) });

    const argument = { code: 'ERR_ZEROTH_ARGUMENT', message: expect.stringContaining('or an array, of ') };
    await expect(objective.params.write([1, 2, 3])).rejects.toMatchObject(argument);
    await expect(hessian.apply([], 1)).rejects.toMatchObject(argument);
    await expect(hessian.apply([1, Number.NaN], 1)).rejects.toMatchObject({ code: 'ERR_ZEROTH_DATA' });
    expect(() => frozenAdam({ preconditioner: [] })).toThrow(expect.objectContaining(argument));
    expect(await objective.params.read()).toEqual(Float32Array.of(5, 6));
    hessian.dispose();
  });

  const good = {
    parameters: { w: { shape: [2], init: [1, 2] } },
    data: {
      x: [
        [1, 2],
        [3, 4],
      ],
    },
  };
  const loss = (p: Record<string, Tensor>, d: Record<string, Tensor>) => mean(matmul(d.x, p.w));
  it.each<[string, object, string, RegExp]>([
    [
      'rows of unequal lengths',
      { data: { x: [[1, 2], [3]] } },
      'ERR_ZEROTH_ARGUMENT',
      /data\.x\[1\]: expected an array of 2 elements/,
    ],
    ['a number among rows', { data: { x: [[1, 2], 3] } }, 'ERR_ZEROTH_ARGUMENT', /data\.x\[1\]/],
    ['a row among numbers', { data: { x: [1, [2]] } }, 'ERR_ZEROTH_ARGUMENT', /data\.x\[1\]: expected a number/],
    ['text', { data: { x: [['1', 2]] } }, 'ERR_ZEROTH_ARGUMENT', /data\.x\[0\]\[0\]: expected a number, received "1"/],
    ['a hole', { data: { x: [[1, undefined]] } }, 'ERR_ZEROTH_ARGUMENT', /data\.x\[0\]\[1\]/],
    ['nothing', { data: { x: [] } }, 'ERR_ZEROTH_ARGUMENT', /at least one element/],
    ['empty rows', { data: { x: [[], []] } }, 'ERR_ZEROTH_ARGUMENT', /data\.x\[0\]: expected at least one/],
    [
      'NaN',
      {
        data: {
          x: [
            [1, 2],
            [3, Number.NaN],
          ],
        },
      },
      'ERR_ZEROTH_DATA',
      /received NaN at element 3 \(row 1\)/,
    ],
    [
      'more than f32 holds',
      { data: { x: [[1e39, 2]] } },
      'ERR_ZEROTH_DATA',
      /range of f32, received 1e\+39 at element 0/,
    ],
    [
      'a fraction as an integer',
      { data: { x: { data: [[1.5, 2]], dtype: 'i32' } } },
      'ERR_ZEROTH_DATA',
      /integers below/,
    ],
    [
      'a large integer',
      { data: { x: { data: [[2 ** 24, 2]], dtype: 'i32' } } },
      'ERR_ZEROTH_DATA',
      /received 16777216/,
    ],
    [
      'another shape than its nesting',
      {
        data: {
          x: {
            data: [
              [1, 2],
              [3, 4],
            ],
            shape: [4, 1],
          },
        },
      },
      'ERR_ZEROTH_ARGUMENT',
      /as its data is nested/,
    ],
    [
      'a shape of other size',
      { data: { x: { data: [1, 2, 3], shape: [2, 2] } } },
      'ERR_ZEROTH_ARGUMENT',
      /whose product is the 3 elements/,
    ],
    ['an unknown dtype', { data: { x: { data: [[1, 2]], dtype: 'f64' } } }, 'ERR_ZEROTH_ARGUMENT', /data\.x\.dtype/],
    [
      'a dtype that its array has not',
      { data: { x: { data: new Float32Array(2), shape: [1, 2], dtype: 'i32' } } },
      'ERR_ZEROTH_ARGUMENT',
      /data\.x\.dtype/,
    ],
    [
      'a misspelt field',
      { data: { x: { data: [[1, 2]], shpae: [1, 2] } } },
      'ERR_ZEROTH_ARGUMENT',
      /unknown name "shpae"/,
    ],
    ['a circle', { data: { x: circle() } }, 'ERR_ZEROTH_ARGUMENT', /levels of nesting/],
    ['a constant that is none', { constants: { c: 'x' } }, 'ERR_ZEROTH_ARGUMENT', /constants\.c/],
    ['a constant of NaN', { constants: { c: [Number.NaN] } }, 'ERR_ZEROTH_DATA', /constants\.c/],
    [
      'a start of other size',
      { parameters: { w: { shape: [2], init: [1] } } },
      'ERR_ZEROTH_ARGUMENT',
      /init of parameter 'w'/,
    ],
    [
      'a start of other shape',
      { parameters: { w: { shape: [2], init: [[1], [2]] } } },
      'ERR_ZEROTH_ARGUMENT',
      /init of parameter 'w'/,
    ],
    [
      'a start of infinity',
      { parameters: { w: { shape: [2], init: [1, Number.POSITIVE_INFINITY] } } },
      'ERR_ZEROTH_DATA',
      /init of parameter 'w'/,
    ],
    [
      'a typed start of other size',
      { parameters: { w: { shape: [2], init: new Float32Array(3) } } },
      'ERR_ZEROTH_ARGUMENT',
      /init of parameter 'w'/,
    ],
  ])('that are wrong are refused, with their place: %s', async (_, change, code, message) => {
    const before = device.memory();
    const attempt = compile(device, { ...good, loss, ...change } as unknown as Problem);
    await expect(attempt).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(device.memory()).toEqual(before);
  });
});

/** An array that contains itself. */
function circle(): unknown[] {
  const array: unknown[] = [];
  array.push(array);
  return array;
}

describe('constants', () => {
  it('are whole in every piece of the examples, in mini-batches too, and not trained', async () => {
    const n = 400;
    const k = Int32Array.from({ length: n }, (_, i) => i % 3);
    const problem = (arenaBudget?: number) =>
      compile(
        device,
        {
          parameters: { w: { shape: [], init: [2] } },
          data: { k: { shape: [n], data: k } },
          constants: { table: [1, 10, 100], shift: { shape: [], data: Int32Array.of(0) } },
          loss: ({ w }, { k }, { table, shift }) => mul(mean(gather(table, k.add(shift))), w),
        },
        { arenaBudget },
      );
    for (const objective of [await problem(), await problem(1000)]) {
      const expected = k.reduce((total, i) => total + 10 ** i, 0) / n;
      expect(await lossOf(objective)).toBeCloseTo(2 * expected, 4);
      expect((await gradientOf(objective))[0]).toBeCloseTo(expected, 4);
      for (const rows of [Uint32Array.of(2, 5, 0), [2, 5, 0]]) {
        const [loss] = await objective.batch(rows).losses([[]]);
        expect(loss).toBeCloseTo((2 * (100 + 100 + 1)) / 3, 4);
      }
      expect(objective.dimension).toBe(1);
    }
  });
});

describe('a loss without data', () => {
  const rosenbrock = {
    name: 'rosenbrock',
    parameters: { x: { shape: [], init: [-1.2] }, y: { shape: [], init: [1] } },
    loss: ({ x, y }: Record<'x' | 'y', Tensor>) => x.mul(-1).add(1).square().add(y.sub(x.square()).square().mul(100)),
  };

  it('has value, gradient and Hessian', async () => {
    const objective = await compile(device, rosenbrock);
    expect(objective.examples).toBe(0);
    expect(await lossOf(objective)).toBeCloseTo(24.2, 4);
    expect((await gradientOf(objective)).map((value) => value.toFixed(2))).toEqual(['-215.60', '-88.00']);
    const hessian = await objective.hessian();
    const columns = await hessian.apply(Float32Array.of(1, 0, 0, 1), 2);
    for (const [i, value] of [1330, 480, 480, 200].entries()) expect(columns[i]).toBeCloseTo(value, 2);
    expect(await hessian.loss()).toBeCloseTo(24.2, 4);
  });

  it.each([
    ['zoGD', zoGD({ lr: 1e-4 })],
    ['gd', gd({ lr: 1e-3 })],
  ])('is trained and monitored, by %s', async (_, optimizer) => {
    const objective = await compile(device, rosenbrock);
    const before = await lossOf(objective);
    const types = new Set<string>();
    for await (const event of train(objective, optimizer, { steps: 60, monitorEvery: 30, probes: 4 }))
      types.add(event.type);
    expect([...types]).toEqual(['run', 'monitor', 'step', 'end']);
    expect(await lossOf(objective)).toBeLessThan(before / 2);
  });

  it('has no examples to choose from', async () => {
    const objective = await compile(device, rosenbrock);
    expect(() => objective.batch(Uint32Array.of(0))).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
    const run = train(objective, gd({ lr: 1e-3 }), { steps: 1, batch: 1 });
    await expect(run[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ARGUMENT',
      message: expect.stringContaining("batch: expected 'full', for the problem has no data"),
    });
  });
});

describe('supervised', () => {
  const x = [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ];

  it('takes plain labels, which have one axis fewer than the outputs, and plain targets, which have as many', async () => {
    const labelled = supervised(mlp({ sizes: [2, 3, 2] }), { x, y: [0, 1, 1, 0] }, squaredLoss);
    expect(labelled.data?.y).toEqual({ shape: [4], data: Int32Array.of(0, 1, 1, 0) });
    const real = supervised(mlp({ sizes: [2, 3, 1] }), { x, y: [[0], [1], [1], [2]] }, squaredLoss);
    expect(real.data?.y).toEqual({ shape: [4, 1], data: Float32Array.of(0, 1, 1, 2) });
    for (const problem of [labelled, real]) expect(await lossOf(await compile(device, problem))).toBeGreaterThan(0);
  });

  it('fits real targets: a line through points on a line', async () => {
    const line = { name: 'line', parameters: { a: { shape: [1, 1], init: zeros }, b: { shape: [1], init: zeros } } };
    const model = { ...line, apply: (p: Record<string, Tensor>, x: Tensor) => matmul(x, p.a).add(p.b) };
    const points = [-1, -0.5, 0, 0.5, 1];
    const data = { x: points.map((value) => [value]), y: points.map((value) => [3 * value - 2]) };
    const objective = await compile(device, supervised(model, data, squaredLoss));
    for await (const _ of train(objective, gd({ lr: 0.5 }), { steps: 200 }));
    const [a, b] = await objective.params.read();
    expect(a).toBeCloseTo(3, 4);
    expect(b).toBeCloseTo(-2, 4);
  });

  it('says what real labels should look like', () => {
    expect(() => supervised(mlp({ sizes: [2, 3, 1] }), { x, y: [0.5, 1, 1, 0] }, squaredLoss)).toThrow(
      expect.objectContaining({
        code: 'ERR_ZEROTH_DATA',
        message: expect.stringMatching(
          /labels of outputs \[4, 1\], received 0\.5 at element 0; real targets have the shape of the outputs/,
        ),
      }),
    );
    const flat = supervised(
      mlp({ sizes: [2, 3, 1] }),
      { x, y: { shape: [4], data: new Float32Array(4) } },
      squaredLoss,
    );
    return expect(compile(device, flat)).rejects.toMatchObject({
      code: 'ERR_ZEROTH_SHAPE',
      message: expect.stringMatching(/outputs \[4, 1\] with f32 targets \[4\]/),
    });
  });
});
