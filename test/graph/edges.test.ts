import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import type { Graph } from '../../lib/graph/node.ts';
import type { Tensor } from '../../lib/graph/ops.ts';
import * as t from '../../lib/graph/ops.ts';
import { runProgramReference } from '../../lib/graph/plan/interpret.ts';
import { evaluateReference } from '../../lib/graph/reference.ts';
import { simplify } from '../../lib/graph/simplify.ts';
import { DERIVATIVES, withDerivatives } from './derivatives.ts';
import { type Coverage, unused } from './operations.ts';
import { runNative } from './plan/native-run.ts';
import { planOf } from './plan/support.ts';

/**
 * What every operation and its derivatives are where something is infinite, zero or tied: limits where there are limits, subgradients where
 * operands tie, and NaN where mathematics is silent and JAX says NaN (∞ − ∞, 0/0, and a cotangent of 0 that meets an infinite derivative).
 */

const device = openDevice({ threads: 1 });
afterAll(() => device[Symbol.asyncDispose]());

const I = Number.POSITIVE_INFINITY;
const N = Number.NaN;

/** Every executor: f64 of the graph, of the simplified graph and of the planned bytes, and f32 on the device. */
async function everywhere(graph: Graph, inputs: Float64Array[]) {
  return {
    'the reference': evaluateReference(graph, inputs),
    'the simplified graph': evaluateReference(simplify(graph), inputs),
    'the plan': runProgramReference(planOf(graph).bytes, inputs),
    'the device': await runNative(device, graph, inputs),
  };
}

function expectNumber(received: number, expected: number, what: string): void {
  // Zeros of either sign are one number here.
  const close = Math.abs(received - expected) <= 1e-6 * Math.abs(expected);
  const right = received === expected || close || (Number.isNaN(expected) && Number.isNaN(received));
  expect(right, `${what}: ${received}, expected ${expected}`).toBe(true);
}

/** Where reverse mode differs from forward mode (0 · ∞ in one of them), the first derivative is [by reverse mode, by forward mode]. */
type Row = readonly [x: number, value: number, first: number | readonly [number, number], second: number];

const expectedOf = ([, value, first, second]: Row): number[] =>
  typeof first === 'number' ? [value, first, first, second] : [value, ...first, second];

const root = Math.sqrt(Math.PI);
const elementwise: Record<string, { f: (x: Tensor) => Tensor; rows: readonly Row[] }> = {
  'neg x': {
    f: t.neg,
    rows: [
      [I, -I, -1, 0],
      [0, 0, -1, 0],
    ],
  },
  'exp x': {
    f: t.exp,
    rows: [
      [-I, 0, 0, 0],
      [0, 1, 1, 1],
      [I, I, I, I],
    ],
  },
  'log x': {
    f: t.log,
    rows: [
      [0, -I, I, -I],
      [1, 0, 1, -1],
      [I, I, 0, 0],
    ],
  },
  'log1p x': {
    f: t.log1p,
    rows: [
      [-1, -I, I, -I],
      [0, 0, 1, -1],
      [I, I, 0, 0],
    ],
  },
  'expm1 x': {
    f: t.expm1,
    rows: [
      [-I, -1, 0, 0],
      [0, 0, 1, 1],
      [I, I, I, I],
    ],
  },
  'tanh x': {
    f: t.tanh,
    rows: [
      [-I, -1, 0, 0],
      [0, 0, 1, 0],
      [I, 1, 0, 0],
      [1000, 1, 0, 0],
    ],
  },
  'erf x': {
    f: t.erf,
    rows: [
      [-I, -1, 0, 0],
      [0, 0, 2 / root, 0],
      [I, 1, 0, 0],
      [3e38, 1, 0, 0],
    ],
  },
  'sigmoid x': {
    f: t.sigmoid,
    rows: [
      [-I, 0, 0, 0],
      [0, 0.5, 0.25, 0],
      [I, 1, 0, 0],
      [-3e38, 0, 0, 0],
    ],
  },
  'gelu x': {
    f: t.gelu,
    rows: [
      [-I, 0, 0, 0],
      [0, 0, 0.5, Math.SQRT2 / root],
      [I, I, 1, 0],
      [-3e38, 0, 0, 0],
      [3e38, 3e38, 1, 0],
    ],
  },
  // One-sided: the domain ends at 0.
  '√x': {
    f: t.sqrt,
    rows: [
      [0, 0, I, -I],
      [1, 1, 0.5, -0.25],
      [I, I, 0, 0],
    ],
  },
  '1/√x': {
    f: t.rsqrt,
    rows: [
      [0, I, -I, I],
      [1, 1, -0.5, 0.75],
      [I, 0, 0, 0],
    ],
  },
  'outside the domain: log x, √x': { f: (x) => t.add(t.log(x), t.sqrt(x)), rows: [[-1, N, N, N]] },
  '|x|': {
    f: t.abs,
    rows: [
      [-I, I, -1, 0],
      [-0, 0, 0, 0],
      [0, 0, 0, 0],
      [I, I, 1, 0],
    ],
  },
  'sign x': {
    f: t.sign,
    rows: [
      [-I, -1, 0, 0],
      [0, 0, 0, 0],
      [I, 1, 0, 0],
    ],
  },
  'relu x': {
    f: t.relu,
    rows: [
      [-I, 0, 0, 0],
      [-0, 0, 0, 0],
      [0, 0, 0, 0],
      [I, I, 1, 0],
    ],
  },
  'stopGradient x': { f: t.stopGradient, rows: [[I, I, 0, 0]] },
  'x⁰': {
    f: (x) => t.integerPow(x, 0),
    rows: [
      [0, 1, 0, 0],
      [I, 1, 0, 0],
      [N, 1, 0, 0],
    ],
  },
  'x¹': {
    f: (x) => t.integerPow(x, 1),
    rows: [
      [0, 0, 1, 0],
      [-I, -I, 1, 0],
    ],
  },
  'x²': {
    f: t.square,
    rows: [
      [0, 0, 0, 2],
      [-I, I, -I, 2],
    ],
  },
  'x³': {
    f: (x) => t.integerPow(x, 3),
    rows: [
      [0, 0, 0, 0],
      [-I, -I, I, -I],
    ],
  },
  'x⁻¹': {
    f: (x) => t.integerPow(x, -1),
    rows: [
      [0, I, -I, I],
      [-0, -I, -I, -I],
      [I, 0, 0, 0],
    ],
  },
  'x⁻²': {
    f: (x) => t.integerPow(x, -2),
    rows: [
      [0, I, -I, I],
      [-0, I, I, I],
      [-I, 0, 0, 0],
    ],
  },
  'x⁻⁶⁴': {
    f: (x) => t.integerPow(x, -64),
    rows: [
      [1, 1, -64, 64 * 65],
      [0, I, -I, I],
      [I, 0, 0, 0],
    ],
  },
  'x + 1': { f: (x) => t.add(x, 1), rows: [[-I, -I, 1, 0]] },
  'x − ∞': {
    f: (x) => t.sub(x, I),
    rows: [
      [I, N, 1, 0],
      [-I, -I, 1, 0],
    ],
  },
  'x · ∞': {
    f: (x) => t.mul(x, I),
    rows: [
      [0, N, I, 0],
      [-1, -I, I, 0],
    ],
  },
  'x / 0': {
    f: (x) => t.div(x, 0),
    rows: [
      [1, I, I, 0],
      [0, N, I, 0],
    ],
  },
  '1 / x': {
    f: (x) => t.div(1, x),
    rows: [
      [0, I, -I, I],
      [-0, -I, -I, -I],
      [I, 0, 0, 0],
      [-I, 0, 0, 0],
    ],
  },
  'x / x': {
    f: (x) => t.div(x, x),
    rows: [
      [0, N, N, N],
      [I, N, N, N],
      [2, 1, 0, 0],
    ],
  },
  'max(x, 0)': {
    f: (x) => t.maximum(x, 0),
    rows: [
      [0, 0, 0.5, 0],
      [-0, 0, 0.5, 0],
      [-I, 0, 0, 0],
      [I, I, 1, 0],
    ],
  },
  'max(x, x)': {
    f: (x) => t.maximum(x, x),
    rows: [
      [3, 3, 1, 0],
      [I, I, 1, 0],
    ],
  },
  'max(x, −∞)': {
    f: (x) => t.maximum(x, -I),
    rows: [
      [-I, -I, 0.5, 0],
      [1, 1, 1, 0],
    ],
  },
  'min(x, ∞)': {
    f: (x) => t.minimum(I, x),
    rows: [
      [I, I, 0.5, 0],
      [-1, -1, 1, 0],
    ],
  },
  'min(x, |x|)': {
    f: (x) => t.minimum(x, t.abs(x)),
    rows: [
      [-2, -2, 1, 0],
      [2, 2, 1, 0],
      [0, 0, 0.5, 0],
    ],
  },
  'x > 0, as a number': {
    f: (x) => t.gt(x, 0),
    rows: [
      [0, 0, 0, 0],
      [I, 1, 0, 0],
      [N, 0, 0, 0],
    ],
  },
  'x ≠ x': {
    f: (x) => t.ne(x, x),
    rows: [
      [N, 1, 0, 0],
      [I, 0, 0, 0],
    ],
  },
  'x = ∞': {
    f: (x) => t.eq(x, I),
    rows: [
      [I, 1, 0, 0],
      [-I, 0, 0, 0],
      [N, 0, 0, 0],
    ],
  },
  'x < 0': {
    f: (x) => t.lt(x, 0),
    rows: [
      [-0, 0, 0, 0],
      [-I, 1, 0, 0],
      [N, 0, 0, 0],
    ],
  },
  'x ≤ 0': {
    f: (x) => t.le(x, 0),
    rows: [
      [0, 1, 0, 0],
      [-0, 1, 0, 0],
      [I, 0, 0, 0],
      [N, 0, 0, 0],
    ],
  },
  'x ≥ ∞': {
    f: (x) => t.ge(x, I),
    rows: [
      [I, 1, 0, 0],
      [3e38, 0, 0, 0],
      [N, 0, 0, 0],
    ],
  },
  'select, of finite branches': {
    f: (x) => t.select(t.gt(x, 0), x, t.mul(x, 2)),
    rows: [
      [0, 0, 2, 0],
      [1, 1, 1, 0],
    ],
  },
  'select, of a branch that is infinite here': {
    f: (x) => t.select(t.gt(x, 0), t.div(1, x), 0),
    rows: [
      [0, 0, [N, 0], N],
      [2, 0.5, -0.25, 0.25],
      [-2, 0, 0, 0],
    ],
  },
  'select, of a branch that is kept away': {
    f: (x) => t.select(t.gt(x, 0), t.sqrt(t.select(t.gt(x, 0), x, 1)), 0),
    rows: [
      [0, 0, 0, 0],
      [-I, 0, 0, 0],
      [4, 2, 0.25, -1 / 32],
    ],
  },
  'softplus, log(1 + eˣ)': {
    f: (x) => t.log1p(t.exp(x)),
    rows: [
      [-I, 0, 0, 0],
      [0, Math.LN2, 0.5, 0.25],
    ],
  },
};

const covered: Coverage = {
  neg: ['neg x'],
  exp: ['exp x'],
  log: ['log x'],
  log1p: ['log1p x'],
  expm1: ['expm1 x'],
  tanh: ['tanh x'],
  erf: ['erf x'],
  sigmoid: ['sigmoid x'],
  sqrt: ['√x'],
  rsqrt: ['1/√x'],
  abs: ['|x|'],
  sign: ['sign x', '|x|'],
  gelu: ['gelu x'],
  integerPow: ['x²', 'x³', 'x⁻¹', 'x⁻²', 'x⁻⁶⁴'],
  sech2: ['tanh x'],
  erfDerivative: ['erf x'],
  geluDerivative: ['gelu x'],
  add: ['x + 1'],
  sub: ['x − ∞'],
  mul: ['x · ∞'],
  div: ['x / 0', '1 / x', 'x / x'],
  maximum: ['max(x, 0)', 'max(x, −∞)'],
  minimum: ['min(x, ∞)', 'min(x, |x|)'],
  eq: ['x = ∞'],
  ne: ['x ≠ x'],
  lt: ['x < 0'],
  le: ['x ≤ 0'],
  gt: ['x > 0, as a number'],
  ge: ['x ≥ ∞'],
  select: ['select, of finite branches', 'select, of a branch that is infinite here'],
  stopGradient: ['stopGradient x'],
};

describe('an elementwise operation at the edges: value, first and second derivative', () => {
  it('stands in the table, whichever it is', () => {
    const graphOf = (name: string) => elementwise[name] && withDerivatives(elementwise[name].f, { shape: [2] });
    expect(unused(covered, graphOf)).toEqual([]);
  });

  it.each(Object.entries(elementwise))('%s', async (_, { f, rows }) => {
    const graph = withDerivatives(f, { shape: [rows.length] });
    const inputs = [Float64Array.from(rows, ([x]) => x), new Float64Array(rows.length).fill(1)];
    for (const [who, outputs] of Object.entries(await everywhere(graph, inputs))) {
      rows.forEach((row, i) => {
        const [x] = row;
        const expected = expectedOf(row);
        outputs.forEach((values, k) => {
          // The simplifier takes 0 · x for 0, so a constant zero in a derivative hides a NaN that the plain graph shows.
          if (Number.isNaN(expected[k]) && who !== 'the reference' && values[i] === 0) return;
          expectNumber(values[i], expected[k], `${who}, ${DERIVATIVES[k]} at ${x}`);
        });
      });
    }
  });

  it('is the same for a scalar, which the device computes in f64', async () => {
    for (const [name, { f, rows }] of Object.entries(elementwise)) {
      const graph = withDerivatives(f, { shape: [] });
      for (const row of rows) {
        const [x] = row;
        const expected = expectedOf(row);
        const received = await runNative(device, graph, [Float64Array.of(x), Float64Array.of(1)]);
        received.forEach(([number], k) => {
          if (Number.isNaN(expected[k]) && number === 0) return;
          expectNumber(number, expected[k], `${name}, ${DERIVATIVES[k]} at ${x}`);
        });
      }
    }
  });
});

/** softmax of finite numbers, and 0 at −∞. */
function softmax(x: readonly number[]): number[] {
  const weights = x.map((value) => Math.exp(value - Math.max(...x)));
  const total = weights.reduce((sum, w) => sum + w, 0);
  return weights.map((w) => w / total);
}
const v = [1, 3, 5];
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i], 0);
/** The Hessian of log Σ exp times v. */
const curved = (x: readonly number[]): number[] => softmax(x).map((p, i) => p * (v[i] - dot(softmax(x), v)));
const all = (value: number) => [value, value, value];

const rows: Record<string, { f: (x: Tensor) => Tensor; x: number[]; expected: number[][] }> = {
  'max of a tie': { f: (x) => t.max(x), x: [2, 2, 1], expected: [[2], [0.5, 0.5, 0], [2], all(0)] },
  'max of −∞ alone': { f: (x) => t.max(x), x: all(-I), expected: [[-I], all(1 / 3), [3], all(0)] },
  'max with ∞': { f: (x) => t.max(x), x: [1, I, -I], expected: [[I], [0, 1, 0], [3], all(0)] },
  'sum of ∞ and −∞': { f: (x) => t.sum(x), x: [I, -I, 0], expected: [[N], all(1), [9], all(0)] },
  'mean with ∞': { f: (x) => t.mean(x), x: [I, 1, 0], expected: [[I], all(1 / 3), [3], all(0)] },
  'log Σ exp with −∞': {
    f: (x) => t.logSumExp(x),
    x: [1, -I, 2],
    expected: [
      [Math.log(Math.E + Math.E ** 2)],
      softmax([1, -I, 2]),
      [dot(softmax([1, -I, 2]), v)],
      curved([1, -I, 2]),
    ],
  },
  'log Σ exp of numbers whose exponentials overflow': {
    f: (x) => t.logSumExp(x),
    x: [3e38, 1e38, -3e38],
    expected: [[3e38], [1, 0, 0], [1], all(0)],
  },
  'log Σ exp of −∞ alone': { f: (x) => t.logSumExp(x), x: all(-I), expected: [[-I], all(N), [N], all(N)] },
  'log Σ exp with ∞': { f: (x) => t.logSumExp(x), x: [I, I, I], expected: [[I], all(N), [N], all(N)] },
  'softmax with −∞': {
    f: (x) => t.softmax(x).slice([0], [1]),
    x: [1, -I, 2],
    expected: (() => {
      const p = softmax([1, -I, 2]);
      const s = p[0];
      const gradient = p.map((q, i) => s * (Number(i === 0) - q));
      const slope = dot(gradient, v);
      return [[s], gradient, [slope], p.map((q, i) => slope * (Number(i === 0) - q) - s * curved([1, -I, 2])[i])];
    })(),
  },
  'softmax of −∞ alone, which is no distribution': {
    f: (x) => t.softmax(x),
    x: all(-I),
    expected: [all(N), all(N), all(N), all(N)],
  },
  'log softmax with −∞, of a possible class': {
    f: (x) => t.logSoftmax(x).slice([2]),
    x: [1, -I, 2],
    expected: (() => {
      const p = softmax([1, -I, 2]);
      return [
        [Math.log(p[2])],
        p.map((q, i) => Number(i === 2) - q),
        [v[2] - dot(p, v)],
        curved([1, -I, 2]).map((c) => -c),
      ];
    })(),
  },
  'log softmax with −∞, of that class': {
    f: (x) => t.logSoftmax(x).slice([1], [2]),
    x: [1, -I, 2],
    expected: (() => {
      const p = softmax([1, -I, 2]);
      return [[-I], p.map((q, i) => Number(i === 1) - q), [v[1] - dot(p, v)], curved([1, -I, 2]).map((c) => -c)];
    })(),
  },
};

describe('a function of a row at the edges: value, gradient, jvp and Hessian-vector product', () => {
  it.each(Object.entries(rows))('%s', async (_, { f, x, expected }) => {
    const graph = withDerivatives(f, { shape: [3] });
    const outputs = await everywhere(graph, [Float64Array.from(x), Float64Array.from(v)]);
    for (const [who, results] of Object.entries(outputs)) {
      results.forEach((values, k) => {
        expected[k].forEach((number, i) => {
          expectNumber(values[i], number, `${who}, ${DERIVATIVES[k]}, element ${i}`);
        });
      });
    }
  });
});
