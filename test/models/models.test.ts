import { describe, expect, it } from 'vitest';
import { sortingMlpData } from '../../lib/data/sorting.ts';
import { sizeOf } from '../../lib/graph/node.ts';
import { type Tensor, trace } from '../../lib/graph/ops.ts';
import { evaluateReference } from '../../lib/graph/reference.ts';
import { mlp } from '../../lib/models/mlp.ts';
import type { Model } from '../../lib/models/model.ts';
import { sortingMlp } from '../../lib/models/sorting-mlp.ts';
import { squaredLoss } from '../../lib/nn/losses.ts';
import { supervised } from '../../lib/objective/supervised.ts';

const parameterCount = ({ parameters }: Model) =>
  Object.values(parameters).reduce((sum, { shape }) => sum + sizeOf(shape), 0);

/** erf by its Taylor series: exact to f64 for the small arguments here. */
function erf(x: number): number {
  let [term, sum] = [x, x];
  for (let n = 1; n < 60; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** An MLP in plain loops. */
function forward(sizes: readonly number[], values: Float64Array[], x: Float64Array): number[] {
  let h = [...x];
  for (let layer = 0; layer + 1 < sizes.length; layer++) {
    const [weight, bias] = [values[2 * layer], values[2 * layer + 1]];
    const last = layer + 2 === sizes.length;
    h = [...bias].map((b, j) => {
      const z = h.reduce((sum, value, i) => sum + value * weight[i * bias.length + j], b);
      return last ? z : 0.5 * z * (1 + erf(z / Math.SQRT2));
    });
  }
  return h;
}

const someValues = (count: number, salt: number) =>
  Float64Array.from({ length: count }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * salt) * 0.4);

describe('models', () => {
  it('have the parameter counts of the published table', () => {
    expect(parameterCount(sortingMlp())).toBe(8_352);
    expect(parameterCount(mlp({ sizes: [3072, 256, 256, 4] }))).toBe(853_508);
    expect(parameterCount(mlp({ sizes: [192, 32, 32, 4] }))).toBe(7_364);
  });

  it('start weights and biases as U(±1/√inputs)', () => {
    expect(mlp({ sizes: [16, 4, 1] }).parameters).toEqual({
      'layer1.weight': { shape: [16, 4], init: { kind: 'uniform', bound: 1 / 4 } },
      'layer1.bias': { shape: [4], init: { kind: 'uniform', bound: 1 / 4 } },
      'layer2.weight': { shape: [4, 1], init: { kind: 'uniform', bound: 1 / 2 } },
      'layer2.bias': { shape: [1], init: { kind: 'uniform', bound: 1 / 2 } },
    });
  });

  it('an MLP computes what plain loops compute, with GELU between layers and none after the last', () => {
    const sizes = [3, 5, 4, 2];
    const { parameters, apply } = mlp({ sizes });
    const graph = trace(apply, parameters, { shape: [2, 3] });
    const values = Object.values(parameters).map(({ shape }, i) => someValues(sizeOf(shape), i));
    const x = someValues(6, 9);
    const [outputs] = evaluateReference(graph, [...values, x]);
    const expected = [x.slice(0, 3), x.slice(3)].flatMap((row) => forward(sizes, values, row));
    expected.forEach((value, i) => {
      expect(outputs[i]).toBeCloseTo(value, 12);
    });
  });

  it('the sorting problem is the mean over positions of half the squared distance to the sorted symbols', () => {
    const data = sortingMlpData({ n: 3, seed: 1n });
    const { name, parameters, loss } = supervised(sortingMlp(), data, squaredLoss);
    expect(name).toBe('sorting-mlp');
    const specs = { x: { shape: data.x.shape }, y: { shape: data.y.shape, dtype: 'i32' as const } };
    const graph = trace(loss, parameters, specs, {});
    const values = Object.values(parameters).map(({ shape }, i) => someValues(sizeOf(shape), i));
    const [[value]] = evaluateReference(graph, [...values, data.x.data, data.y.data]);
    let expected = 0;
    for (let i = 0; i < 3; i++) {
      const outputs = forward([32, 64, 64, 32], values, Float64Array.from(data.x.data.subarray(i * 32, i * 32 + 32)));
      outputs.forEach((output, j) => {
        const target = data.y.data[i * 8 + Math.floor(j / 4)] === j % 4 ? 1 : 0;
        expected += (0.5 * (output - target) ** 2) / 24;
      });
    }
    expect(value).toBeCloseTo(expected, 10);
  });

  it('refuse an x of another width by their own names', () => {
    const apply = (model: Model) => () =>
      trace(
        (p: Record<string, Tensor>, x: Tensor) => model.apply(p, x),
        Object.fromEntries(Object.entries(model.parameters).map(([name, { shape }]) => [name, { shape }])),
        { shape: [4, 3] },
      );
    for (const [model, inputs] of [
      [mlp({ name: 'small', sizes: [2, 5] }), 2],
      [sortingMlp({ name: 'sorts' }), 32],
    ] as const)
      expect(apply(model)).toThrow(
        `${model.name}: expected x [n, ${inputs}], for the model has ${inputs} inputs, received [4, 3].`,
      );
  });

  it('refuse sizes that make no network', () => {
    for (const sizes of [[], [3], [3, 0], [3, 1.5, 2]]) {
      expect(() => mlp({ sizes })).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
    }
  });
});
