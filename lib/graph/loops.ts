import { checkInteger, checkOptions, invalidArgument } from '../errors.ts';
import { nodeOf, refuse } from './broadcasting.ts';
import * as $ from './build.ts';
import { capture } from './capture.ts';
import type { Node } from './node.ts';
import { sameShape, shapeText } from './ops/shape.ts';
import { Tensor } from './tensor.ts';
import { mapTensors } from './trace.ts';

/** Loops over time: any step, and the recurrence that is linear in its state. */

export interface ScanOptions {
  /** Number of steps. Default: that of the rows of xs. */
  readonly length?: number;
  /** From the last row to the first; ys stand where their rows of xs stand. Default false. */
  readonly reverse?: boolean;
}

export interface RecurrenceOptions {
  /** From the last row to the first. Default false. */
  readonly reverse?: boolean;
}

interface Leaf {
  readonly node: Node;
  readonly path: string;
}

/** The tensors of a tree, with their places in it; none of null. */
function leavesOf(what: string, tree: unknown): Leaf[] {
  const leaves: Leaf[] = [];
  if (tree === null) return leaves;
  mapTensors(what, tree, ({ node }, path) => leaves.push({ node, path }));
  return leaves;
}

/** The same tree with other tensors, in order. */
function refill(what: string, tree: unknown, nodes: readonly Node[]): unknown {
  let next = 0;
  return tree === null ? null : mapTensors(what, tree, () => new Tensor(nodes[next++]));
}

const described = ({ node: { dtype, shape }, path }: Leaf): string =>
  `${path && `${path} `}${dtype}${shapeText(shape)}`;

/** Refuses a step that does not return a carry like the one that it received. */
function checkCarry(start: readonly Leaf[], next: readonly Leaf[]): void {
  const alike = (a: Leaf, b: Leaf) =>
    a.path === b.path && a.node.dtype === b.node.dtype && sameShape(a.node.shape, b.node.shape);
  if (start.length === next.length && start.every((leaf, i) => alike(leaf, next[i]))) return;
  const wrong = next.findIndex((leaf, i) => !start[i] || !alike(start[i], leaf));
  const [expected, received] = wrong < 0 ? [start, next] : [start.slice(wrong, wrong + 1), [next[wrong]]];
  const text = (list: readonly Leaf[]) => list.map(described).join(', ') || 'no more tensors';
  refuse('scan', [], `expected a step to return a carry like init: ${text(expected)}; received ${text(received)}`);
}

function lengthOf(rows: readonly Leaf[], length: number | undefined): number {
  if (length !== undefined) checkInteger('scan: options.length', length, 0);
  const known = length ?? rows[0]?.node.shape[0];
  if (known === undefined && rows.length === 0)
    invalidArgument('scan: options.length', 'a number of steps where there are no xs', length);
  const odd = rows.find(({ node }) => known === undefined || node.shape[0] !== known);
  if (odd) {
    const count = known === undefined ? 'rows' : `${known} rows`;
    refuse(
      'scan',
      rows.map(({ node }) => node),
      `expected ${count} along axis 0 of xs${odd.path}`,
    );
  }
  return known;
}

/**
 * A loop over the rows of xs: (carry, x) → [next carry, y], step by step. The step is traced once, whatever the length, and its program is the
 * step's; without derivatives, a loop whose ys nobody asks for holds one carry.
 *
 *     const [state, states] = scan((h, x) => { const next = tanh(matmul(x, w).add(matmul(h, u))); return [next, next]; }, start, xs);
 *
 * @param f a step: pure; receives a carry like `init` and one row of every tensor of xs (null where xs is), returns the next carry, of the same tree,
 *   shapes and dtypes, and y: a tensor, arrays and records of tensors, or null. It may close over tensors, which every step sees whole.
 * @param init the carry that the first step receives: a tensor, or arrays and records of them.
 * @param xs tensors [n, …] of one n, arrays and records of them, or null with `options.length`.
 * @returns the last carry, and the ys of all steps [n, …].
 *   Derivatives run the loop once more, or the other way from a history of the carries; each step is computed again from its carry.
 * @throws ERR_ZEROTH_SHAPE where the step returns another carry than it received, or lengths differ; ERR_ZEROTH_ARGUMENT.
 */
export function scan<Carry, Xs, Y>(
  f: (carry: Carry, x: Xs) => readonly [carry: Carry, y: Y],
  init: Carry,
  xs: Xs,
  options: ScanOptions = {},
): [carry: Carry, ys: Y] {
  if (typeof f !== 'function') invalidArgument('scan: f', 'a function of a carry and a row', f);
  checkOptions('scan: options', options, { length: true, reverse: true });
  const start = leavesOf('scan: init', init);
  const rows = leavesOf('scan: xs', xs);
  const length = lengthOf(rows, options.length);

  const parameter = (name: string, { node: { dtype }, path }: Leaf, shape: readonly number[]) =>
    $.input(`${name}${path} of a step of scan`, shape, dtype);
  const carries = start.map((leaf) => parameter('carry', leaf, leaf.node.shape));
  const slices = rows.map((leaf) => parameter('x', leaf, leaf.node.shape.slice(1)));
  const returned = f(refill('scan: init', init, carries) as Carry, refill('scan: xs', xs, slices) as Xs);
  if (!Array.isArray(returned) || returned.length !== 2)
    invalidArgument('scan: result of f', '[next carry, y]', returned);
  const [next, y] = returned as readonly [Carry, Y];
  const nextLeaves = leavesOf('scan: next carry', next);
  checkCarry(start, nextLeaves);
  const outputs = leavesOf('scan: y', y === undefined ? invalidArgument('scan: y', 'tensors, or null', y) : y);
  if (length === 0) {
    if (outputs.length > 0 || rows.length > 0)
      refuse('scan', [], 'expected at least one step where there are xs or ys: no tensor has an axis of size 0');
    return [init, y];
  }

  const { body, captured } = capture(
    [...nextLeaves, ...outputs].map(({ node }) => node),
    [...carries, ...slices],
  );
  const loop = $.scan([...captured, ...[...start, ...rows].map(({ node }) => node)], {
    body,
    length,
    reverse: options.reverse ?? false,
    constants: captured.length,
    carries: carries.length,
  });
  const results = body.outputs.map((_, i) => $.result(loop, i));
  return [
    refill('scan: init', init, results.slice(0, carries.length)) as Carry,
    refill('scan: y', y, results.slice(carries.length)) as Y,
  ];
}

/**
 * h_t = a_t h_{t−1} + b_t, elementwise: all states of a recurrence that is linear in its state (a moving average, a selective state space).
 *
 * @param a, b f32 [n, …].
 * @param start h before the first step, [...] like one row. In reverse it stands behind the last row.
 * @returns h [n, …]; the last state is its last row, in reverse its first.
 * @throws ERR_ZEROTH_SHAPE
 */
export function linearRecurrence(a: Tensor, b: Tensor, start: Tensor, options: RecurrenceOptions = {}): Tensor {
  checkOptions('linearRecurrence: options', options, { reverse: true });
  const nodes = [a, b, start].map((x, i) => nodeOf(`linearRecurrence: ${['a', 'b', 'start'][i]}`, x));
  return new Tensor($.linearRecurrence(nodes[0], nodes[1], nodes[2], options.reverse ?? false));
}
