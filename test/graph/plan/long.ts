import * as $ from '../../../lib/graph/build.ts';
import { grad, jvp, valueAndGrad, vmap } from '../../../lib/graph/derive.ts';
import type { Graph, Node } from '../../../lib/graph/node.ts';
import {
  add,
  broadcastTo,
  concat,
  matmul,
  mean,
  mul,
  sigmoid,
  slice,
  square,
  sum,
  type Tensor,
  tanh,
} from '../../../lib/graph/ops.ts';
import { trace } from '../../../lib/graph/trace.ts';
import { graphOf } from './support.ts';

/** Programs that go on for as long as one likes, by the length: unrolled recurrences, and chains and trees of every kind of operation. */

/** x ← tanh(x · w) …, elementwise, `length` operations. */
export function chain(length: number): Graph {
  const [x, w] = [$.input('x', [3]), $.input('w', [3])];
  let y: Node = x;
  for (let i = 0; i < length; i++) y = i % 2 === 0 ? $.mul(y, w) : $.tanh(y);
  return graphOf([x, w], y);
}

/** The gradient of such a chain with respect to w. */
export const chainGradient = (length: number): Graph =>
  trace(
    grad((w: Tensor, x: Tensor) => {
      let y = x;
      for (let i = 0; i < length; i++) y = i % 2 === 0 ? mul(y, w) : tanh(y);
      return sum(y);
    }),
    { shape: [3] },
    { shape: [3] },
  );

/** Scalars, which are f64: s ← s · w + c. */
export function scalarChain(length: number): Graph {
  const [x, w] = [$.input('x', []), $.input('w', [])];
  let y: Node = x;
  for (let i = 0; i < length; i++) y = $.add($.mul(y, w), $.constant(0.25));
  return graphOf([x, w], y);
}

/** Views that do not merge: a transposition and a reshape in turn. */
export function views(length: number): Graph {
  const x = $.input('x', [2, 3, 4]);
  let y: Node = x;
  for (let i = 0; i < length; i++) y = i % 2 === 0 ? $.transpose(y, [2, 0, 1]) : $.reshape(y, [2, 3, 4]);
  return graphOf([x], $.exp(y));
}

/** The sum of `length` inputs' functions, as a balanced tree: one enormous kernel if it were not cut. */
export function tree(length: number): Graph {
  const inputs = Array.from({ length: 8 }, (_, i) => $.input(`x${i}`, [3]));
  let level: Node[] = Array.from({ length }, (_, i) => $.mul(inputs[i % 8], $.constant(i / length, [3])));
  while (level.length > 1) {
    level = level.flatMap((x, i) => (i % 2 === 0 ? [i + 1 < level.length ? $.add($.tanh(x), level[i + 1]) : x] : []));
  }
  return graphOf(inputs, level[0]);
}

/** Each half of a value meets the other half: every level doubles what one result is made of. */
export function halving(levels: number): Graph {
  const x = $.input('x', [2 ** levels]);
  let y: Node = x;
  for (let size = 2 ** (levels - 1); size >= 1; size /= 2) {
    y = $.add($.tanh($.slice(y, [0], [size])), $.slice(y, [size], [2 * size]));
  }
  return graphOf([x], y);
}

/** A state that is kept by appending to it, then taken apart: nested concatenations and slices of them. */
export function history(length: number): Graph {
  const x = $.input('x', [1, 3]);
  let y: Node = x;
  let all: Node = x;
  for (let i = 1; i < length; i++) {
    y = $.tanh($.add(y, x));
    all = $.concat([all, y], 0);
  }
  const parts = Array.from({ length }, (_, i) => $.slice(all, [i, 0], [i + 1, 3]));
  return graphOf([x], $.concat([...parts, ...parts.map((part) => $.exp(part))], 1));
}

/** One stored value that everybody reads, and the products of all: wide instead of deep. */
export function wide(length: number): Graph {
  const [x, w] = [$.input('x', [3, 3]), $.input('w', [3, 3])];
  const shared = $.matmul(x, w);
  const all = Array.from({ length }, (_, i) => $.matmul(shared, $.mul(w, $.constant(i / length, [3, 3]))));
  return graphOf([x, w], $.concat(all, 0), $.sum($.concat(all.toReversed(), 1), [0, 1]));
}

const CELL = { rows: 2, features: 2, units: 3 };
type Weights = { readonly w: Tensor; readonly u: Tensor; readonly b: Tensor };
const weights = {
  w: { shape: [CELL.units, CELL.units] },
  u: { shape: [CELL.features, CELL.units] },
  b: { shape: [CELL.units] },
};

function recurrentLoss({ w, u, b }: Weights, x: Tensor, length: number): Tensor {
  let state = broadcastTo(b, [CELL.rows, CELL.units]);
  for (let t = 0; t < length; t++) {
    const now = slice(x, [0, t, 0], [CELL.rows, t + 1, CELL.features]).reshape([CELL.rows, CELL.features]);
    state = tanh(add(add(matmul(state, w), matmul(now, u)), b));
  }
  return mean(square(state));
}

const series = (length: number) => ({ shape: [CELL.rows, length, CELL.features] });

/** Loss and gradient of a recurrent network, unrolled. */
export const recurrence = (length: number): Graph =>
  trace(
    (p: Weights, x: Tensor) => valueAndGrad((q: Weights) => recurrentLoss(q, x, length))(p),
    weights,
    series(length),
  );

/** Two layers of LSTM cells, unrolled; the second reads the history of the first. */
function lstmLoss(p: Record<string, Tensor>, x: Tensor, length: number, layers: number): Tensor {
  const { rows, units } = CELL;
  let input = x;
  let state = input;
  for (let layer = 0; layer < layers; layer++) {
    state = broadcastTo(p.start, [rows, units]);
    let memory = state;
    const outputs: Tensor[] = [];
    for (let t = 0; t < length; t++) {
      const now = slice(input, [0, t, 0], [rows, t + 1, input.shape[2]]).reshape([rows, input.shape[2]]);
      const gates = add(add(matmul(now, p[`x${layer}`]), matmul(state, p[`h${layer}`])), p[`b${layer}`]);
      const gate = (k: number) => slice(gates, [0, k * units], [rows, (k + 1) * units]);
      memory = add(mul(sigmoid(gate(0)), memory), mul(sigmoid(gate(1)), tanh(gate(2))));
      state = mul(sigmoid(gate(3)), tanh(memory));
      outputs.push(state.reshape([rows, 1, units]));
    }
    input = concat(outputs, 1);
  }
  return mean(square(state));
}

/** H·v for `count` vectors of a network of LSTM cells, unrolled. */
export function lstmHessian(length: number, count: number, layers = 2): Graph {
  const { features, units } = CELL;
  const shapes: Record<string, number[]> = { start: [units] };
  for (let layer = 0; layer < layers; layer++) {
    shapes[`x${layer}`] = [layer === 0 ? features : units, 4 * units];
    shapes[`h${layer}`] = [units, 4 * units];
    shapes[`b${layer}`] = [4 * units];
  }
  const specs = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, { shape }]));
  const tangents = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, { shape: [count, ...shape] }]),
  );
  return trace(
    (p: Record<string, Tensor>, v: Record<string, Tensor>, x: Tensor) => {
      const gradient = grad((q: Record<string, Tensor>) => lstmLoss(q, x, length, layers));
      return vmap((tangent: Record<string, Tensor>) => jvp(gradient)([p], [tangent])[1])(v);
    },
    specs,
    tangents,
    series(length),
  );
}
