import * as $ from '../../lib/graph/build.ts';
import type { DType, Node, Primitive, Shape } from '../../lib/graph/node.ts';

export interface SampleOperand {
  readonly shape: Shape;
  readonly dtype?: DType;
  /** Range of the values; integers include both ends. */
  readonly range?: readonly [number, number];
}

/** One use of an operation: operands, how it is built, and its value by other means (nested arrays, flattened by the caller). */
export interface Sample {
  readonly operands: readonly SampleOperand[];
  readonly build: (...x: Node[]) => Node;
  readonly naive: (...x: number[][]) => unknown;
}

const v = (shape: Shape, range?: readonly [number, number]): SampleOperand => ({ shape, range });
const indices = (shape: Shape, rows: number): SampleOperand => ({ shape, dtype: 'i32', range: [0, rows - 1] });

const unary = (build: (x: Node) => Node, f: (x: number) => number, range?: readonly [number, number]): Sample[] => [
  { operands: [v([2, 3], range)], build, naive: (x) => x.map(f) },
  { operands: [v([], range)], build, naive: (x) => x.map(f) },
];
const binary = (
  build: (a: Node, b: Node) => Node,
  f: (a: number, b: number) => number,
  range?: readonly [number, number],
): Sample[] => [{ operands: [v([2, 3]), v([2, 3], range)], build, naive: (a, b) => a.map((x, i) => f(x, b[i])) }];

/** ∫₀ˣ 2/√π e^{−t²} dt by Simpson's rule. */
function erfByQuadrature(x: number): number {
  const n = 2000;
  const f = (i: number) => (2 / Math.sqrt(Math.PI)) * Math.exp(-(((i * x) / n) ** 2));
  let total = f(0) + f(n);
  for (let i = 1; i < n; i++) total += f(i) * (i % 2 === 1 ? 4 : 2);
  return (total * x) / (3 * n);
}

/** x[i][j] of a flat row-major matrix. */
const at = (x: number[], columns: number) => (i: number, j: number) => x[i * columns + j];
const grid = <T>(rows: number, columns: number, f: (i: number, j: number) => T): T[][] =>
  Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => f(i, j)));
const product = (
  m: number,
  n: number,
  k: number,
  a: (i: number, l: number) => number,
  b: (l: number, j: number) => number,
) => grid(m, n, (i, j) => Array.from({ length: k }, (_, l) => a(i, l) * b(l, j)).reduce((s, x) => s + x, 0));

/** h_t = a_t h_{t−1} + b_t of rows of two, from the first or the last on. */
function states(rows: number, a: number[], b: number[], start: number[], reverse: boolean): number[] {
  const result: number[] = [];
  let state = start;
  for (let step = 0; step < rows; step++) {
    const at = 2 * (reverse ? rows - 1 - step : step);
    state = state.map((x, j) => a[at + j] * x + b[at + j]);
    state.forEach((x, j) => {
      result[at + j] = x;
    });
  }
  return result;
}

/** A loop of three trips: s ← w tanh(s) + x, of which one result is taken. */
const looped =
  (index: number, reverse: boolean) =>
  (w: Node, s: Node, x: Node): Node => {
    const [inW, inS, inX] = ['w', 's', 'x'].map((name) => $.input(name, [2]));
    const next = $.add($.mul(inW, $.tanh(inS)), inX);
    const body = { inputs: [inW, inS, inX], outputs: [next, $.mul(inS, inX)] };
    return $.result($.scan([w, s, x], { body, length: 3, reverse, constants: 1, carries: 1 }), index);
  };
/** The last state, what each trip gives, the state that each receives. */
const naiveLoop = (index: number, reverse: boolean) => (w: number[], s: number[], x: number[]) => {
  const [given, received]: number[][][] = [[], []];
  let state = s;
  for (const t of reverse ? [2, 1, 0] : [0, 1, 2]) {
    const row = x.slice(2 * t, 2 * t + 2);
    received[t] = state;
    given[t] = row.map((value, j) => value * received[t][j]);
    state = row.map((value, j) => w[j] * Math.tanh(received[t][j]) + value);
  }
  return [state, given, received][index];
};

/** For every operation at least one sample; the type says so. Values are drawn apart from kinks and poles. */
export const samples: { readonly [P in Exclude<Primitive, 'result'>]: readonly Sample[] } = {
  input: [{ operands: [v([2])], build: (x) => x, naive: (x) => x }],
  constant: [
    { operands: [v([2, 2])], build: (x) => $.mul(x, $.constant(-1.5, [2, 2])), naive: (x) => x.map((a) => -1.5 * a) },
  ],
  iota: [
    { operands: [v([2, 3])], build: (x) => $.mul(x, $.iota([2, 3], 1)), naive: (x) => x.map((a, i) => a * (i % 3)) },
    {
      operands: [v([2, 3])],
      build: (x) => $.mul(x, $.iota([2, 3], 0)),
      naive: (x) => x.map((a, i) => a * Math.floor(i / 3)),
    },
  ],
  neg: unary($.neg, (x) => -x),
  exp: unary($.exp, (x) => Math.E ** x),
  log: unary($.log, (x) => Math.log10(x) / Math.log10(Math.E), [0.4, 2]),
  log1p: unary($.log1p, (x) => Math.log(1 + x), [-0.6, 2]),
  expm1: unary($.expm1, (x) => Math.exp(x) - 1),
  tanh: unary($.tanh, (x) => (Math.exp(2 * x) - 1) / (Math.exp(2 * x) + 1), [-2, 2]),
  erf: unary($.erf, erfByQuadrature, [-2.5, 2.5]),
  sigmoid: unary($.sigmoid, (x) => 0.5 + 0.5 * Math.tanh(x / 2), [-4, 4]),
  sqrt: unary($.sqrt, (x) => x ** 0.5, [0.4, 2]),
  rsqrt: unary($.rsqrt, (x) => x ** -0.5, [0.4, 2]),
  abs: unary($.abs, (x) => (x > 0 ? x : -x)).concat(unary($.abs, (x) => -x, [-2, -0.1])),
  sign: unary($.sign, (x) => (x > 0 ? 1 : -1)),
  gelu: unary($.gelu, (x) => x * (0.5 + 0.5 * erfByQuadrature(x / Math.sqrt(2))), [-2.5, 2.5]),
  sech2: unary($.sech2, (x) => 4 / (Math.exp(x) + Math.exp(-x)) ** 2, [-2, 2]),
  erfDerivative: [
    ...unary(
      (x) => $.erfDerivative(x, 1),
      (x) => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x),
    ),
    ...unary(
      (x) => $.erfDerivative(x, 4),
      (x) => (-2 / Math.sqrt(Math.PI)) * (8 * x ** 3 - 12 * x) * Math.exp(-x * x),
    ),
  ],
  geluDerivative: [
    ...unary(
      (x) => $.geluDerivative(x, 1),
      (x) => 0.5 + 0.5 * erfByQuadrature(x / Math.sqrt(2)) + (x * Math.exp(-(x ** 2) / 2)) / Math.sqrt(2 * Math.PI),
    ),
    ...unary(
      (x) => $.geluDerivative(x, 3),
      (x) => ((x ** 3 - 4 * x) * Math.exp(-(x ** 2) / 2)) / Math.sqrt(2 * Math.PI),
    ),
  ],
  integerPow: [
    ...unary(
      (x) => $.integerPow(x, 3),
      (x) => x * x * x,
    ),
    ...unary(
      (x) => $.integerPow(x, 1),
      (x) => x,
    ),
    ...unary(
      (x) => $.integerPow(x, 0),
      () => 1,
    ),
    ...unary(
      (x) => $.integerPow(x, -2),
      (x) => 1 / (x * x),
      [0.5, 1.5],
    ),
  ],
  add: binary($.add, (a, b) => a + b),
  sub: binary($.sub, (a, b) => a - b),
  mul: [
    ...binary($.mul, (a, b) => a * b),
    { operands: [v([3])], build: (x) => $.mul(x, x), naive: (x) => x.map((a) => a ** 2) },
  ],
  div: binary($.div, (a, b) => a * (1 / b), [0.5, 2]),
  maximum: binary($.maximum, (a, b) => (a + b + Math.abs(a - b)) / 2),
  minimum: binary($.minimum, (a, b) => (a + b - Math.abs(a - b)) / 2),
  compare: [
    ...binary(
      (a, b) => $.compare('lt', a, b),
      (a, b) => (a - b < 0 ? 1 : 0),
    ),
    ...binary(
      (a, b) => $.compare('ge', a, b),
      (a, b) => (a - b < 0 ? 0 : 1),
    ),
    ...(['eq', 'ne', 'le', 'gt'] as const).map((direction): Sample => {
      const truth = { eq: [0], ne: [-1, 1], le: [-1, 0], gt: [1] }[direction];
      return {
        operands: [indices([8], 3), indices([8], 3)],
        build: (a, b) => $.compare(direction, a, b),
        naive: (a, b) => a.map((x, i) => (truth.includes(Math.sign(x - b[i])) ? 1 : 0)),
      };
    }),
  ],
  select: [
    {
      operands: [indices([2, 3], 2), v([2, 3]), v([2, 3])],
      build: (mask, a, b) => $.select(mask, a, b),
      naive: (mask, a, b) => mask.map((m, i) => (m ? a[i] : b[i])),
    },
    {
      operands: [v([4]), v([4])],
      build: (a, b) => $.select($.compare('gt', a, $.constant(0, [4])), $.mul(a, b), b),
      naive: (a, b) => a.map((x, i) => (x > 0 ? x * b[i] : b[i])),
    },
  ],
  stopGradient: [{ operands: [v([3])], build: (x) => $.mul($.stopGradient(x), x), naive: (x) => x.map((a) => a * a) }],
  broadcast: [
    {
      operands: [v([2, 3])],
      build: (x) => $.broadcast(x, [2, 4, 3], [0, 2]),
      naive: (x) => [0, 1].map((i) => grid(4, 3, (_, k) => at(x, 3)(i, k))),
    },
    { operands: [v([])], build: (x) => $.broadcast(x, [2, 2], []), naive: ([x]) => [x, x, x, x] },
  ],
  reshape: [{ operands: [v([2, 3])], build: (x) => $.reshape(x, [3, 1, 2]), naive: (x) => x }],
  transpose: [
    { operands: [v([2, 3])], build: (x) => $.transpose(x, [1, 0]), naive: (x) => grid(3, 2, (i, j) => at(x, 3)(j, i)) },
    {
      operands: [v([2, 3, 4])],
      build: (x) => $.transpose(x, [2, 0, 1]),
      naive: (x) => Array.from({ length: 4 }, (_, k) => grid(2, 3, (i, j) => x[(i * 3 + j) * 4 + k])),
    },
  ],
  slice: [
    {
      operands: [v([4, 5])],
      build: (x) => $.slice(x, [1, 0], [4, 4], [2, 3]),
      naive: (x) => [1, 3].map((i) => [0, 3].map((j) => at(x, 5)(i, j))),
    },
  ],
  pad: [
    {
      operands: [v([2, 2])],
      build: (x) => $.pad(x, [1, 0], [0, 2], [0, 1]),
      naive: ([a, b, c, d]) => [
        [0, 0, 0, 0, 0],
        [a, 0, b, 0, 0],
        [c, 0, d, 0, 0],
      ],
    },
  ],
  concat: [
    {
      operands: [v([2, 1]), v([2, 3])],
      build: (a, b) => $.concat([a, b, a], 1),
      naive: (a, b) => [0, 1].map((i) => [a[i], ...b.slice(3 * i, 3 * i + 3), a[i]]),
    },
  ],
  gather: [
    {
      operands: [v([4, 3]), indices([2, 3], 4)],
      build: (table, i) => $.gather(table, i),
      naive: (table, i) => i.map((row) => table.slice(3 * row, 3 * row + 3)),
    },
    { operands: [v([4]), indices([], 4)], build: (table, i) => $.gather(table, i), naive: (table, [i]) => [table[i]] },
  ],
  scatterAdd: [
    {
      operands: [indices([5], 3), v([5, 2])],
      build: (i, updates) => $.scatterAdd(i, updates, 3),
      naive: (rows, u) => grid(3, 2, (r, j) => rows.reduce((s, row, i) => s + (row === r ? u[2 * i + j] : 0), 0)),
    },
    {
      operands: [indices([2, 2], 4), v([2, 2])],
      build: (i, updates) => $.scatterAdd(i, updates, 4),
      naive: (rows, u) => [0, 1, 2, 3].map((r) => rows.reduce((s, row, i) => s + (row === r ? u[i] : 0), 0)),
    },
  ],
  sum: [
    {
      operands: [v([2, 3, 2])],
      build: (x) => $.sum(x, [0, 2]),
      naive: (x) => [0, 1, 2].map((j) => x[2 * j] + x[2 * j + 1] + x[6 + 2 * j] + x[7 + 2 * j]),
    },
    { operands: [v([3])], build: (x) => $.sum(x, [0]), naive: ([a, b, c]) => a + b + c },
    { operands: [v([3])], build: (x) => $.sum(x, []), naive: (x) => x },
  ],
  max: [
    {
      operands: [v([3, 4])],
      build: (x) => $.max(x, [1]),
      naive: (x) => [0, 1, 2].map((i) => x.slice(4 * i, 4 * i + 4).sort((a, b) => b - a)[0]),
    },
    { operands: [v([2, 2])], build: (x) => $.max(x, [0, 1]), naive: (x) => x.sort((a, b) => b - a)[0] },
  ],
  matmul: [
    ...[false, true].flatMap((transposeA) =>
      [false, true].map((transposeB): Sample => {
        const operands = [v(transposeA ? [3, 2] : [2, 3]), v(transposeB ? [4, 3] : [3, 4])];
        const naive = (a: number[], b: number[]) =>
          product(
            2,
            4,
            3,
            (i, l) => (transposeA ? a[l * 2 + i] : a[i * 3 + l]),
            (l, j) => (transposeB ? b[j * 3 + l] : b[l * 4 + j]),
          );
        return { operands, build: (a, b) => $.matmul(a, b, transposeA, transposeB), naive };
      }),
    ),
    // A batch on both sides, then on one; each with every transposition that changes a rule.
    ...[false, true].flatMap((transposeA) =>
      (['both', 'left', 'right'] as const).map((batch): Sample => {
        const [rows, columns] = transposeA ? [3, 2] : [2, 3];
        const operands = [
          v(batch === 'right' ? [rows, columns] : [2, rows, columns]),
          v(batch === 'left' ? [4, 3] : [2, 4, 3]),
        ];
        const naive = (a: number[], b: number[]) =>
          [0, 1].map((n) => {
            const [p, q] = [batch === 'right' ? 0 : 6 * n, batch === 'left' ? 0 : 12 * n];
            return product(
              2,
              4,
              3,
              (i, l) => a[p + (transposeA ? l * 2 + i : i * 3 + l)],
              (l, j) => b[q + j * 3 + l],
            );
          });
        return { operands, build: (a, b) => $.matmul(a, b, transposeA, true), naive };
      }),
    ),
    {
      operands: [v([2, 2, 3]), v([3, 2])],
      build: (a, b) => $.matmul(a, b),
      naive: (a, b) =>
        [0, 1].map((n) =>
          product(
            2,
            2,
            3,
            (i, l) => a[6 * n + i * 3 + l],
            (l, j) => b[l * 2 + j],
          ),
        ),
    },
  ],
  logSoftmax: [
    {
      operands: [v([2, 4])],
      build: (x) => $.logSoftmax(x, 1),
      naive: (x) => x.map((a, i) => a - Math.log([0, 1, 2, 3].reduce((s, j) => s + Math.exp(x[4 * (i >> 2) + j]), 0))),
    },
    {
      operands: [v([3, 2])],
      build: (x) => $.logSoftmax(x, 0),
      naive: (x) => x.map((a, i) => a - Math.log([0, 2, 4].reduce((s, j) => s + Math.exp(x[(i % 2) + j]), 0))),
    },
  ],
  linearRecurrence: [false, true].flatMap((reverse): Sample[] => [
    {
      operands: [v([3, 2]), v([3, 2]), v([2])],
      build: (a, b, start) => $.linearRecurrence(a, b, start, reverse),
      naive: (a, b, start) => states(3, a, b, start, reverse),
    },
    {
      operands: [v([1, 2]), v([1, 2]), v([2])],
      build: (a, b, start) => $.linearRecurrence(a, b, start, reverse),
      naive: (a, b, start) => states(1, a, b, start, reverse),
    },
    {
      operands: [v([4]), v([4]), v([])],
      build: (a, b, start) => $.linearRecurrence(a, b, start, reverse),
      naive: (a, b, [start]) => {
        const twice = (x: number[]) => x.flatMap((value) => [value, value]);
        return states(4, twice(a), twice(b), [start, start], reverse).filter((_, i) => i % 2 === 0);
      },
    },
  ]),
  scan: [0, 1, 2].flatMap((index) =>
    [false, true].map(
      (reverse): Sample => ({
        operands: [v([2]), v([2]), v([3, 2])],
        build: looped(index, reverse),
        naive: naiveLoop(index, reverse),
      }),
    ),
  ),
};
