import { checkInteger, invalidArgument } from '../errors.ts';
import { canonicalAxis, checkConstant, commonShape, nodeOf, refuse, stretch } from './broadcasting.ts';
import * as $ from './build.ts';
import { type DType, type Shape, sizeOf } from './node.ts';
import { range } from './ops/op.ts';
import { sameShape, shapeText } from './ops/shape.ts';
import { Tensor } from './tensor.ts';

/** One number in every element. */
export function full(shape: Shape, value: number, dtype: DType = 'f32'): Tensor {
  checkConstant('full: value', value, 'a number');
  return new Tensor($.constant(value, shape, dtype));
}

/** 0, 1, 2, … along an axis (default 0), constant along the others. */
export function iota(shape: Shape, axis = 0, dtype: DType = 'f32'): Tensor {
  return new Tensor($.iota(shape, axis, dtype));
}

/** Repeats along new leading axes and along axes of size 1. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  const node = nodeOf('broadcastTo', x);
  const common = commonShape('broadcastTo', [node], [node.shape, shape]);
  if (!sameShape(common, shape)) refuse('broadcastTo', [node], `it does not broadcast to ${shapeText(shape)}`);
  return new Tensor(stretch(node, shape));
}

/** The same elements in row-major order; one size may be −1 (whatever is left). */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const node = nodeOf('reshape', x);
  const known = shape.filter((n) => n !== -1);
  if (shape.length - known.length > 1)
    refuse('reshape', [node], `expected at most one -1, received ${shapeText(shape)}`);
  const rest = sizeOf(node.shape) / sizeOf(known);
  if (shape.length > known.length && !Number.isInteger(rest)) {
    refuse('reshape', [node], `${sizeOf(node.shape)} elements do not divide into ${shapeText(shape)}`);
  }
  return new Tensor(
    $.reshape(
      node,
      shape.map((n) => (n === -1 ? rest : n)),
    ),
  );
}

/** Result axis i is operand axis permutation[i]; by default the order of all axes is reversed. */
export function transpose(x: Tensor, permutation?: readonly number[]): Tensor {
  const node = nodeOf('transpose', x);
  const order =
    permutation?.map((axis) => canonicalAxis('transpose', node, axis)) ?? range(node.shape.length).reverse();
  return new Tensor($.transpose(node, order));
}

/** Elements starts ≤ i < limits (defaults: the whole axis; negative ones count from the end) in steps of `strides` (default 1). Missing trailing axes are whole. */
export function slice(
  x: Tensor,
  starts: readonly number[],
  limits: readonly (number | undefined)[] = [],
  strides: readonly number[] = [],
): Tensor {
  const node = nodeOf('slice', x);
  const { shape } = node;
  if (Math.max(starts.length, limits.length, strides.length) > shape.length)
    refuse('slice', [node], 'more bounds than axes');
  const position = (value: number | undefined, n: number, whole: number): number => {
    if (value === undefined) return whole;
    return value < 0 ? value + n : value;
  };
  return new Tensor(
    $.slice(
      node,
      shape.map((n, i) => position(starts[i], n, 0)),
      shape.map((n, i) => position(limits[i], n, n)),
      shape.map((_, i) => strides[i] ?? 1),
    ),
  );
}

/** Zeros around (`low`, `high`) and between (`interior`) the elements, one entry an axis. */
export function pad(x: Tensor, low: readonly number[], high: readonly number[], interior?: readonly number[]): Tensor {
  return new Tensor($.pad(nodeOf('pad', x), low, high, interior));
}

/** Joins tensors that agree on all other axes. */
export function concat(parts: readonly Tensor[], axis = 0): Tensor {
  if (!Array.isArray(parts) || parts.length === 0)
    invalidArgument('concat: parts', 'a non-empty array of tensors', parts);
  const nodes = parts.map((part, i) => nodeOf(`concat: parts[${i}]`, part));
  return new Tensor($.concat(nodes, canonicalAxis('concat', nodes[0], axis)));
}

/** Rows of a table (an embedding): table [V, …rest], i32 indices [...i] → [...i, …rest]. An index outside 0 … V − 1 ends the evaluation with ERR_ZEROTH_NATIVE. */
export function gather(table: Tensor, indices: Tensor): Tensor {
  return new Tensor($.gather(nodeOf('gather: table', table), nodeOf('gather: indices', indices)));
}

/** The transpose of `gather`: i32 indices [...i], updates [...i, …rest] → [rows, …rest], zero where nothing is added. */
export function scatterAdd(indices: Tensor, updates: Tensor, rows: number): Tensor {
  return new Tensor($.scatterAdd(nodeOf('scatterAdd: indices', indices), nodeOf('scatterAdd: updates', updates), rows));
}

/** i32 indices [...i] → f32 [...i, classes]: 1 at the index, else 0; only zeros for an index outside 0 … classes − 1. */
export function oneHot(indices: Tensor, classes: number): Tensor {
  const node = nodeOf('oneHot: indices', indices);
  checkInteger('oneHot: classes', classes, 1);
  if (node.dtype !== 'i32') refuse('oneHot', [node], 'expected i32 indices');
  const shape = [...node.shape, classes];
  const spread = $.broadcast(node, shape, range(node.shape.length));
  return new Tensor($.compare('eq', spread, $.iota(shape, node.shape.length, 'i32')));
}
