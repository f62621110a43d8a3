import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../lib/device/device.ts';
import { div, jvp, mean, mul, sum, type Tensor, tanh, trace, valueAndGrad } from '../../lib/graph/ops.ts';
import { evaluateReference } from '../../lib/graph/reference.ts';
import { linear } from '../../lib/nn/linear.ts';
import { softmaxCrossEntropy, squaredLoss } from '../../lib/nn/losses.ts';
import { compile, type Objective } from '../../lib/objective/objective.ts';
import type { LossValue, Problem } from '../../lib/objective/problem.ts';
import { PhiloxStream } from '../../lib/random/philox.ts';

/** Threads on their own micro-batches (128 examples each at least), and kernels shared by threads. */
const devices: readonly Device[] = [1, 2, 3].map((threads) => openDevice({ threads }));
afterAll(() => Promise.all(devices.map((device) => device.dispose())));

const FEATURES = 3;
const CLASSES = 2;
const POSITIONS = 2;

type Data = Readonly<Record<'x' | 'labels' | 'targets' | 'mask', Tensor>>;
type Names = 'w1' | 'b1' | 'w2';

/** Every loss of lib/nn, in each form, and losses of one's own: of outputs [n, positions, classes]. */
const LOSSES: Readonly<Record<string, (outputs: Tensor, data: Data) => LossValue>> = {
  'squared loss of labels': (f, { labels }) => squaredLoss(f, labels),
  'squared loss of labels, masked': (f, { labels, mask }) => squaredLoss(f, labels, { mask }),
  'squared loss of targets': (f, { targets }) => squaredLoss(f, targets),
  'squared loss of targets, masked': (f, { targets, mask }) => squaredLoss(f, targets, { mask }),
  'cross entropy': (f, { labels }) => softmaxCrossEntropy(f, labels),
  'cross entropy, masked': (f, { labels, mask }) => softmaxCrossEntropy(f, labels, { mask }),
  'a sum and a count': (f) => ({ sum: sum(f.square()), weight: f.shape[0] }),
  'a mean': (f) => mean(f.square()),
};

/** Which positions count. */
const MASKS: Readonly<Record<string, (position: number, positions: number) => number>> = {
  all: () => 1,
  'the first half': (i, n) => (2 * i < n ? 1 : 0),
  'the second half': (i, n) => (2 * i < n ? 0 : 1),
  'the last position': (i, n) => (i === n - 1 ? 1 : 0),
  'every third, with weights': (i) => (i % 3 === 0 ? 0.25 * (1 + (i % 5)) : 0),
};

function problemOf(loss: string, mask: string, examples: number) {
  const random = new PhiloxStream(3n, BigInt(examples));
  const normals = (length: number) => Float32Array.from({ length }, () => random.normal());
  const positions = examples * POSITIONS;
  const data = {
    x: { shape: [examples, POSITIONS, FEATURES], data: normals(positions * FEATURES) },
    labels: {
      shape: [examples, POSITIONS],
      data: Int32Array.from({ length: positions }, () => random.below(CLASSES)),
    },
    targets: { shape: [examples, POSITIONS, CLASSES], data: normals(positions * CLASSES) },
    mask: {
      shape: [examples, POSITIONS],
      data: Float32Array.from({ length: positions }, (_, i) => MASKS[mask](i, positions)),
    },
  };
  return {
    parameters: {
      w1: { shape: [FEATURES, 4], init: { kind: 'uniform', bound: 0.8 } },
      b1: { shape: [4], init: { kind: 'normal', std: 0.3 } },
      w2: { shape: [4, CLASSES], init: { kind: 'uniform', bound: 0.8 } },
    },
    data,
    loss: (p, d) => LOSSES[loss](linear(tanh(linear(d.x, p.w1, p.b1)), p.w2), d),
  } satisfies Problem<Names, keyof Data>;
}

type Array = { readonly shape: readonly number[]; readonly data: Float32Array | Int32Array };

function chosen({ shape, data }: Array, rows: Uint32Array): Array {
  const width = data.length / shape[0];
  const Kind = data.constructor as Float32ArrayConstructor;
  const picked = Kind.from([...rows].flatMap((row) => [...data.subarray(row * width, (row + 1) * width)]));
  return { shape: [rows.length, ...shape.slice(1)], data: picked };
}

/** Loss, gradient and H·v of the whole in f64, as one function of all examples, in one piece. */
function reference(problem: ReturnType<typeof problemOf>, theta: Float32Array, v: Float32Array, rows: Uint32Array) {
  const data = Object.fromEntries(Object.entries(problem.data).map(([name, array]) => [name, chosen(array, rows)]));
  const quotient = (p: Record<Names, Tensor>, d: Data): Tensor => {
    const loss = problem.loss(p, d);
    return 'sum' in loss && 'weight' in loss ? div(loss.sum, loss.weight) : (loss as Tensor);
  };
  const specs = [
    Object.fromEntries(Object.entries(problem.parameters).map(([name, { shape }]) => [name, { shape }])),
    Object.fromEntries(
      Object.entries(data).map(([name, { shape, data }]) => [
        name,
        { shape, dtype: data instanceof Int32Array ? ('i32' as const) : ('f32' as const) },
      ]),
    ),
  ] as const;
  const graph = trace(
    (p: Record<Names, Tensor>, d: Data, tangent: Record<Names, Tensor>) => {
      const both = valueAndGrad((q: Record<Names, Tensor>) => quotient(q, d));
      const [[loss, gradient], [, product]] = jvp(both)([p], [tangent]);
      return [loss, gradient, product];
    },
    ...specs,
    specs[0],
  );
  const split = (flat: Float32Array) => {
    let offset = 0;
    return Object.values(problem.parameters).map(({ shape }) => {
      const size = shape.reduce((product, n) => product * n, 1);
      offset += size;
      return flat.slice(offset - size, offset);
    });
  };
  const inputs = [...split(theta), ...Object.values(data).map((array) => array.data), ...split(v)];
  const [[loss], ...vectors] = evaluateReference(graph, inputs);
  const flat = vectors.map((part) => [...part]);
  return { loss, gradient: flat.slice(0, 3).flat(), product: flat.slice(3).flat() };
}

const expectClose = (got: ArrayLike<number>, expected: readonly number[]) => {
  const scale = Math.max(1e-3, ...expected.map(Math.abs));
  for (const [i, value] of expected.entries()) expect(Math.abs(got[i] - value) / scale).toBeLessThan(3e-6);
};

const gradientOf = async (oracle: Pick<Objective, 'gradient'>) => {
  const { loss, gradient } = await oracle.gradient();
  return { loss, gradient: await gradient.buffer.readF32() };
};

const cases = fc.record({
  device: fc.constantFrom(...devices),
  loss: fc.constantFrom(...Object.keys(LOSSES)),
  mask: fc.constantFrom(...Object.keys(MASKS)),
  examples: fc.constantFrom(1, 2, 7, 300, 401),
  // The whole at once; pieces of tens of examples; one example at a time.
  arenaBudget: fc.constantFrom(2 ** 28, 12_000, 1),
});

describe('every loss is one mean over all examples, whatever they are cut into', () => {
  it('in value, gradient and Hessian-vector product: full batch, and mini-batches of gathered rows', async () => {
    const property = fc.asyncProperty(cases, async ({ device, loss, mask, examples, arenaBudget }) => {
      const few = arenaBudget === 1 ? Math.min(examples, 7) : examples;
      const problem = problemOf(loss, mask, few);
      const objective = await compile(device, problem, { seed: 5, arenaBudget });
      const theta = await objective.params.read();
      const v = Float32Array.from(theta, (_, i) => Math.cos(i));
      const all = Uint32Array.from({ length: few }, (_, i) => i);

      const full = reference(problem, theta, v, all);
      const found = await gradientOf(objective);
      expectClose(found.gradient, full.gradient);
      expectClose([found.loss, ...(await objective.losses([[]]))], [full.loss, full.loss]);
      const hessian = await objective.hessian();
      expectClose(await hessian.apply(v, 1), full.product);
      expectClose([await hessian.loss()], [full.loss]);

      // Repeated and in any order; the last one is there, so that something always counts.
      const rows = Uint32Array.from({ length: Math.ceil(few / 2) }, (_, i) => (i === 0 ? few - 1 : (i * 7) % few));
      const part = reference(problem, theta, v, rows);
      if (Number.isFinite(part.loss)) {
        const batch = await gradientOf(objective.batch(rows) as Objective);
        expectClose(batch.gradient, part.gradient);
        expectClose([batch.loss, ...(await objective.batch(rows).losses([[]]))], [part.loss, part.loss]);
      }
      await objective.dispose();
    });
    await fc.assert(property, { seed: 7, numRuns: 40 });
  });

  it.each(devices.map((device) => [device.threads, device] as const))(
    'on %d threads, a mean whose two halves have other numbers of positions that count, and one half that has none',
    async (_, device) => {
      const n = 300;
      const problem = {
        parameters: { w: { shape: [], init: [1] } },
        data: {
          x: { shape: [n], data: Float32Array.from({ length: n }, (_, i) => Math.sin(i) + (i < n / 2 ? 1.5 : 1)) },
          mask: { shape: [n], data: Float32Array.from({ length: n }, (_, i) => Number(i % 10 < (i < n / 2 ? 2 : 9))) },
        },
        loss: ({ w }: { w: Tensor }, { x, mask }: { x: Tensor; mask: Tensor }) => ({
          sum: sum(mul(mask, mul(w, x))),
          weight: sum(mask),
        }),
      };
      const { x, mask } = problem.data;
      const total = x.data.reduce((s, value, i) => s + value * mask.data[i], 0) / mask.data.reduce((s, m) => s + m, 0);
      await using objective = await compile(device, problem);
      expect((await objective.losses([[]]))[0]).toBeCloseTo(total, 6);
      const half = { ...problem, data: { x, mask: { ...mask, data: mask.data.map((m, i) => (i < n / 2 ? 0 : m)) } } };
      await using other = await compile(device, half);
      expect((await gradientOf(other)).loss).toBeGreaterThan(0);
    },
  );
});

describe('a sum with a weight', () => {
  const problem = problemOf('cross entropy, masked', 'the second half', 8);

  it('that adds up to nothing is an error with a code, in every evaluation, and never NaN', async () => {
    const none = { ...problem, data: { ...problem.data, mask: { shape: [8, 2], data: new Float32Array(16) } } };
    const objective = await compile(devices[0], none);
    const refused = expect.objectContaining({ code: 'ERR_ZEROTH_DATA', message: expect.stringMatching(/weight/) });
    await expect(objective.losses([[]])).rejects.toThrow(refused);
    await expect(objective.gradient()).rejects.toThrow(refused);
    const hessian = await objective.hessian();
    await expect(hessian.apply(new Float32Array(objective.dimension), 1)).rejects.toThrow(refused);
    await expect(hessian.loss()).rejects.toThrow(refused);
  });

  it('is refused in a mini-batch where nothing counts, and the objective goes on', async () => {
    const objective = await compile(devices[0], problem);
    const before = await objective.losses([[]]);
    for (const work of ['gradient', 'losses'] as const) {
      const batch = objective.batch(Uint32Array.of(0, 1));
      await expect(work === 'gradient' ? batch.gradient() : batch.losses([[]])).rejects.toMatchObject({
        code: 'ERR_ZEROTH_DATA',
        message: expect.stringContaining('weights of 2 examples'),
      });
    }
    expect(await objective.losses([[]])).toEqual(before);
    expect((await objective.batch(Uint32Array.of(0, 7)).losses([[]]))[0]).toBeGreaterThan(0);
  });

  it('whose weight moves with the parameters is refused when it is compiled, by the name of the parameter', async () => {
    for (const weight of [(w: Tensor) => sum(w.square()), (w: Tensor) => sum(mul(w, 0))]) {
      const loss: typeof problem.loss = (p, d) => ({ sum: sum(d.x), weight: weight(p.w1) });
      await expect(compile(devices[0], { ...problem, loss })).rejects.toMatchObject({
        code: 'ERR_ZEROTH_TRACE',
        message: expect.stringMatching(/loss\.weight: .*parameter 'w1'/),
      });
    }
  });

  it.each<[string, (x: Tensor) => unknown, string]>([
    ['a vector as its weight', (x) => ({ sum: sum(x), weight: sum(x, [1, 2]) }), 'ERR_ZEROTH_SHAPE'],
    ['a vector as its sum', (x) => ({ sum: x, weight: 1 }), 'ERR_ZEROTH_SHAPE'],
    ['no weight', (x) => ({ sum: sum(x) }), 'ERR_ZEROTH_TRACE'],
    ['no sum', () => ({ weight: 3 }), 'ERR_ZEROTH_TRACE'],
    ['a misspelt weight', (x) => ({ sum: sum(x), wieght: 3 }), 'ERR_ZEROTH_ARGUMENT'],
    ['a negative weight', (x) => ({ sum: sum(x), weight: -1 }), 'ERR_ZEROTH_ARGUMENT'],
    ['a weight that is not finite', (x) => ({ sum: sum(x), weight: Number.NaN }), 'ERR_ZEROTH_ARGUMENT'],
    ['a mean for some sizes only', (x) => (x.shape[0] > 4 ? { sum: sum(x), weight: 1 } : mean(x)), 'ERR_ZEROTH_TRACE'],
  ])('%s is refused', async (_, loss, code) => {
    const attempt = async () => {
      const objective = await compile(devices[0], { ...problem, loss: (_p, d) => loss(d.x) as Tensor });
      await objective.batch(Uint32Array.of(7)).losses([[]]);
    };
    await expect(attempt()).rejects.toMatchObject({ code });
  });
});
