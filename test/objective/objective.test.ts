import { afterAll, describe, expect, it } from 'vitest';
import { sortingMlpData } from '../../lib/data/sorting.ts';
import { openDevice } from '../../lib/device/device.ts';
import { mean } from '../../lib/graph/contract.ts';
import { type Tensor, tanh } from '../../lib/graph/ops.ts';
import { sortingMlp } from '../../lib/models/sorting-mlp.ts';
import { linear } from '../../lib/nn/linear.ts';
import { squaredLoss } from '../../lib/nn/losses.ts';
import { compile, type Objective } from '../../lib/objective/objective.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import { PhiloxStream } from '../../lib/random/philox.ts';

const device = openDevice();
afterAll(() => device.dispose());

/** A two-layer net small enough for a dense Hessian. */
function smallProblem(examples = 23) {
  const random = new PhiloxStream(5n, 1n);
  return {
    parameters: {
      w1: { shape: [3, 4], init: { kind: 'uniform', bound: 0.8 } },
      b1: { shape: [4], init: { kind: 'normal', std: 0.3 } },
      w2: { shape: [4, 2], init: { kind: 'uniform', bound: 0.8 } },
    },
    data: {
      x: { shape: [examples, 3], data: Float32Array.from({ length: examples * 3 }, () => random.normal()) },
      y: { shape: [examples], data: Int32Array.from({ length: examples }, () => random.below(2)) },
    },
    loss: (p, { x, y }) => squaredLoss(linear(tanh(linear(x, p.w1, p.b1)), p.w2), y),
  } satisfies Problem<'w1' | 'b1' | 'w2', 'x' | 'y'>;
}

/** The same loss in plain f64 loops, independent of the graph. */
function lossByHand(theta: Float64Array, { data }: ReturnType<typeof smallProblem>): number {
  const [w1, b1, w2] = [theta.subarray(0, 12), theta.subarray(12, 16), theta.subarray(16, 24)];
  const n = data.y.shape[0];
  let sum = 0;
  for (let i = 0; i < n; i++) {
    const h = [0, 1, 2, 3].map((j) =>
      Math.tanh(b1[j] + [0, 1, 2].reduce((s, k) => s + data.x.data[i * 3 + k] * w1[k * 4 + j], 0)),
    );
    for (let c = 0; c < 2; c++) {
      const f = h.reduce((s, value, j) => s + value * w2[j * 2 + c], 0);
      sum += 0.5 * (f - (data.y.data[i] === c ? 1 : 0)) ** 2;
    }
  }
  return sum / n;
}

/** Central differences of the hand-written loss: gradient and dense Hessian in f64. */
function derivativesByHand(theta: Float64Array, problem: ReturnType<typeof smallProblem>) {
  const d = theta.length;
  const at = (...moves: [number, number][]) => {
    const moved = theta.slice();
    for (const [i, h] of moves) moved[i] += h;
    return lossByHand(moved, problem);
  };
  const h = 1e-4;
  const gradient = Float64Array.from({ length: d }, (_, i) => (at([i, h]) - at([i, -h])) / (2 * h));
  const hessian = Array.from({ length: d }, (_, i) =>
    Float64Array.from(
      { length: d },
      (_, j) => (at([i, h], [j, h]) - at([i, h], [j, -h]) - at([i, -h], [j, h]) + at([i, -h], [j, -h])) / (4 * h * h),
    ),
  );
  return { gradient, hessian };
}

async function dense(objective: Objective): Promise<Float32Array> {
  const d = objective.dimension;
  const identity = new Float32Array(d * d);
  for (let i = 0; i < d; i++) identity[i * d + i] = 1;
  const hessian = await objective.hessian();
  const columns = await hessian.apply(identity, d);
  hessian.dispose();
  return columns;
}

describe('objective', () => {
  it('evaluates loss, gradient and Hessian like a hand-written f64 loss and its finite differences', async () => {
    const problem = smallProblem();
    const objective = await compile(device, problem, { seed: 3 });
    const theta = Float64Array.from(await objective.params.read());
    const { gradient: expected, hessian } = derivativesByHand(theta, problem);
    const { loss, gradient } = await objective.gradient();
    expect(loss).toBeCloseTo(lossByHand(theta, problem), 6);
    const got = await gradient.buffer.readF32();
    for (const [i, value] of expected.entries()) expect(got[i]).toBeCloseTo(value, 5);
    const columns = await dense(objective);
    for (let i = 0; i < objective.dimension; i++) {
      for (let j = 0; j < objective.dimension; j++)
        expect(columns[i * objective.dimension + j]).toBeCloseTo(hessian[i][j], 4);
    }
  });

  it('gives losses at displaced parameters, and the same again after coming back', async () => {
    const problem = smallProblem();
    const objective = await compile(device, problem, { seed: 3 });
    const theta = Float64Array.from(await objective.params.read());
    const direction = { distribution: 'normal' as const, seed: 1n, stream: 9n };
    const z = await device.direction(direction, objective.dimension);
    const coefficients = [0, 0.1, -0.1, 0];
    const losses = await objective.losses(coefficients.map((coefficient) => [{ direction, coefficient }]));
    for (const [k, coefficient] of coefficients.entries()) {
      expect(losses[k]).toBeCloseTo(
        lossByHand(
          theta.map((x, i) => x + coefficient * z[i]),
          problem,
        ),
        6,
      );
    }
    // Taking a displacement off restores all but the few bits next to a change of binade.
    expect(losses[3]).toBeCloseTo(losses[0], 6);
  });

  it('gives the loss at θ itself, and at a sum of several displacements', async () => {
    const problem = smallProblem();
    const objective = await compile(device, problem, { seed: 3 });
    const theta = Float64Array.from(await objective.params.read());
    const terms = [0.1, -0.2, 0.3].map((coefficient, i) => ({
      direction: { distribution: 'normal' as const, seed: 1n, stream: BigInt(i) },
      coefficient,
    }));
    const z = await Promise.all(terms.map(({ direction }) => device.direction(direction, objective.dimension)));
    for (const point of [[], terms.slice(0, 2), terms, []]) {
      const at = theta.map((x, i) => point.reduce((sum, { coefficient }, k) => sum + coefficient * z[k][i], x));
      const [loss] = await objective.losses([point]);
      expect(loss).toBeCloseTo(lossByHand(at, problem), 6);
    }
    expect((await objective.losses([[], terms, []])).length).toBe(3);
  });

  it('accumulates micro-batches to the same loss, gradient and Hessian', async () => {
    const problem = smallProblem(5000);
    const whole = await compile(device, problem, { seed: 3 });
    const cut = await compile(device, problem, { seed: 3, arenaBudget: 20_000 });
    expect(await cut.lossArenaBytes()).toBeLessThan(await whole.lossArenaBytes());
    const [a, b] = [await whole.gradient(), await cut.gradient()];
    expect(b.loss).toBeCloseTo(a.loss, 6);
    const [ga, gb] = [await a.gradient.buffer.readF32(), await b.gradient.buffer.readF32()];
    ga.forEach((value, i) => {
      expect(gb[i]).toBeCloseTo(value, 6);
    });
    const [ha, hb] = [await dense(whole), await dense(cut)];
    ha.forEach((value, i) => {
      expect(hb[i]).toBeCloseTo(value, 5);
    });
  });

  it('evaluates chosen examples only', async () => {
    const problem = smallProblem(40);
    const objective = await compile(device, problem, { seed: 3 });
    const rows = Uint32Array.of(7, 3, 31);
    const take = (shape: readonly number[], data: Float32Array | Int32Array) => {
      const width = data.length / shape[0];
      return {
        shape: [3, ...shape.slice(1)],
        data: (data.constructor as Float32ArrayConstructor).from(
          [...rows].flatMap((r) => [...data.subarray(r * width, (r + 1) * width)]),
        ),
      };
    };
    const part = {
      ...problem,
      data: { x: take(problem.data.x.shape, problem.data.x.data), y: take(problem.data.y.shape, problem.data.y.data) },
    };
    const { loss, gradient } = await objective.batch(rows).gradient();
    const expected = await (await compile(device, part, { seed: 3 })).gradient();
    expect(loss).toBeCloseTo(expected.loss, 12);
    expect(await (gradient as typeof expected.gradient).buffer.readF32()).toEqual(
      await expected.gradient.buffer.readF32(),
    );
    expect(() => objective.batch(Uint32Array.of(40))).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
  });

  it('batches Hessian-vector products of sorting-mlp to what single products give', async () => {
    const data = sortingMlpData({ n: 100, seed: 0n });
    const model = sortingMlp();
    const objective = await compile(device, {
      parameters: model.parameters,
      data: { ...data },
      loss: (p: Record<string, Tensor>, { x, y }) => squaredLoss(model.apply(p, x), y),
    });
    const d = objective.dimension;
    const vectors = await device.direction({ distribution: 'normal', seed: 0n, stream: 0n }, d * 19);
    const hessian = await objective.hessian();
    const together = await hessian.apply(vectors, 19);
    for (const i of [0, 7, 18]) {
      const alone = await hessian.apply(vectors.slice(i * d, (i + 1) * d), 1);
      const row = together.subarray(i * d, (i + 1) * d);
      const error = Math.hypot(...alone.map((x, e) => x - row[e])) / Math.hypot(...alone);
      expect(error).toBeLessThan(1e-5);
    }
  });

  it('measures the Hessian of the moment at which it was asked for', async () => {
    const objective = await compile(device, smallProblem(), { seed: 3 });
    const hessian = await objective.hessian();
    const v = new Float32Array(objective.dimension).fill(1);
    const before = await hessian.apply(v, 1);
    objective.params.add({ distribution: 'normal', seed: 0n, stream: 0n }, 0.5);
    await objective.params.commit();
    expect(await hessian.apply(v, 1)).toEqual(before);
    expect(await (await objective.hessian()).apply(v, 1)).not.toEqual(before);
  });

  it('refuses data and losses that do not fit', async () => {
    const problem = smallProblem();
    const nan = {
      ...problem,
      data: { ...problem.data, x: { shape: [23, 3], data: new Float32Array(69).fill(Number.NaN, 30, 31) } },
    };
    await expect(compile(device, nan)).rejects.toMatchObject({
      code: 'ERR_ZEROTH_DATA',
      message: expect.stringContaining('row 10'),
    });
    const uneven = { ...problem, data: { ...problem.data, y: { shape: [22], data: new Int32Array(22) } } };
    await expect(compile(device, uneven)).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    const vector = compile(device, { ...problem, loss: (p, { x }) => mean(linear(x, p.w1), [0]) });
    await expect(vector).rejects.toMatchObject({ code: 'ERR_ZEROTH_SHAPE' });
    await expect(compile(device, problem, { seed: -1 })).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
  });

  it('frees everything it holds on the device', async () => {
    await using own = openDevice();
    const objective = await compile(own, smallProblem());
    await objective.gradient();
    (await objective.hessian()).dispose();
    await objective.dispose();
    expect(own.memory()).toEqual({ bufferBytes: 0, arenaBytes: 0 });
  });
});
