import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { div, full, iota, type Tensor } from '../../lib/graph/ops.ts';
import { evaluateReference } from '../../lib/graph/reference.ts';
import { softmaxCrossEntropy, squaredLoss } from '../../lib/nn/losses.ts';
import { DERIVATIVES, withDerivatives } from '../graph/derivatives.ts';
import { runNative } from '../graph/plan/native-run.ts';

const NO = Number.NEGATIVE_INFINITY;
const device = openDevice({ threads: 1 });
afterAll(() => device[Symbol.asyncDispose]());

/** The mean over positions that count of −log softmax at the label, with its derivatives, by the formulas of p = softmax. */
function crossEntropy(rows: number[][], labels: number[], counts: number[], v: number[][]) {
  const n = counts.reduce((total, count) => total + count, 0);
  let value = 0;
  const gradient: number[] = [];
  const second: number[] = [];
  rows.forEach((x, i) => {
    if (counts[i] === 0) {
      gradient.push(...x.map(() => 0));
      second.push(...x.map(() => 0));
      return;
    }
    const total = x.reduce((sum, logit) => sum + Math.exp(logit), 0);
    const p = x.map((logit) => Math.exp(logit) / total);
    const mean = p.reduce((sum, probability, j) => sum + probability * v[i][j], 0);
    value += (Math.log(total) - x[labels[i]]) / n;
    gradient.push(...p.map((probability, j) => (probability - Number(j === labels[i])) / n));
    second.push(...p.map((probability, j) => (probability * (v[i][j] - mean)) / n));
  });
  const directional = gradient.reduce((sum, g, k) => sum + g * v.flat()[k], 0);
  return [[value], gradient, [directional], second];
}

// Position i has label i.
const cases: Record<string, { rows: number[][]; counts?: number[] }> = {
  'a logit of −∞ away from the label': {
    rows: [
      [1, NO, 2],
      [0.5, 1.5, NO],
    ],
  },
  'no class left but the label': {
    rows: [
      [3, NO, NO],
      [NO, 0.5, NO],
    ],
  },
  'a label that cannot be, which costs ∞': {
    rows: [
      [NO, 1, 2],
      [1, 0, 3],
    ],
  },
  'logits that f32 squares to ∞': {
    rows: [
      [3e38, 0, -3e38],
      [-1e30, 1e30, 1],
    ],
  },
  'a masked position of −∞ alone': {
    rows: [
      [1, NO, 2],
      [NO, NO, NO],
    ],
    counts: [1, 0],
  },
  'a masked position of NaN and ∞': {
    rows: [
      [Number.NaN, Number.POSITIVE_INFINITY, NO],
      [1, 2, NO],
    ],
    counts: [0, 1],
  },
};

describe('softmaxCrossEntropy has the right value, gradient, jvp and Hessian-vector product', () => {
  it.each(Object.entries(cases))('at %s', async (_, { rows, counts }) => {
    const v = [
      [0.5, -1, 2],
      [1.5, 0.25, -0.75],
    ];
    const loss = (x: Tensor) => {
      const labels = iota([2], 0, 'i32');
      if (counts === undefined) return softmaxCrossEntropy(x, labels);
      const mask = counts[0] === 1 ? full([2], 1).sub(iota([2])) : iota([2]);
      const { sum, weight } = softmaxCrossEntropy(x, labels, { mask });
      return div(sum, weight);
    };
    const graph = withDerivatives(loss, { shape: [2, 3] });
    const inputs = [Float64Array.from(rows.flat()), Float64Array.from(v.flat())];
    const shifted = rows.map((x) => x.map((logit) => logit - Math.max(...x)));
    const expected = crossEntropy(shifted, [0, 1], counts ?? [1, 1], v);
    const received = { f64: evaluateReference(graph, inputs), f32: await runNative(device, graph, inputs) };
    for (const [precision, outputs] of Object.entries(received)) {
      outputs.forEach((values, k) => {
        expected[k].forEach((x, i) => {
          const tolerance = (precision === 'f64' ? 1e-13 : 1e-6) * (1 + Math.abs(x));
          const right = Object.is(x, values[i]) || x === values[i] || Math.abs(x - values[i]) <= tolerance;
          expect(right, `${precision}, ${DERIVATIVES[k]}, element ${i}: ${values[i]} for ${x}`).toBe(true);
        });
      });
    }
  });
});

it('squaredLoss does not see what stands where nothing counts: neither its value nor its derivatives', async () => {
  const loss = (x: Tensor) => {
    const { sum, weight } = squaredLoss(x, full([2, 2], 0.5), { mask: iota([2]) });
    return div(sum, weight);
  };
  const inputs = [Float64Array.of(Number.NaN, Number.POSITIVE_INFINITY, 1, -2), Float64Array.of(1, 2, 3, 4)];
  const graph = withDerivatives(loss, { shape: [2, 2] });
  const expected = [[3.25], [0, 0, 0.5, -2.5], [-8.5], [0, 0, 3, 4]];
  for (const outputs of [evaluateReference(graph, inputs), await runNative(device, graph, inputs)]) {
    expect(outputs.map((values) => [...values])).toEqual(expected);
  }
});
