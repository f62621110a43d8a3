import { checkOptions } from '../errors.ts';
import { canonicalAxes, canonicalAxis, commonShape, nodeOf, refuse, stretch } from './broadcasting.ts';
import * as $ from './build.ts';
import { type Node, sizeOf } from './node.ts';
import { sameShape } from './ops/shape.ts';
import { abs, add, div, exp, log, lt, mul, select, stopGradient, sub } from './pointwise.ts';
import { type Axes, type ReductionOptions, Tensor } from './tensor.ts';

/** Reductions, and what is made of them: means, soft maxima, matrix products. */

const REDUCTION_OPTIONS = { keepDims: true } as const;

function reduce(op: 'sum' | 'max', x: Tensor, axes: Axes | undefined, options: ReductionOptions): Tensor {
  checkOptions(`${op}: options`, options, REDUCTION_OPTIONS);
  const { keepDims = false } = options;
  const node = nodeOf(op, x);
  const list = canonicalAxes(op, node, axes);
  const result = (op === 'sum' ? $.sum : $.max)(node, list);
  if (!keepDims) return new Tensor(result);
  return new Tensor(
    $.reshape(
      result,
      node.shape.map((n, axis) => (list.includes(axis) ? 1 : n)),
    ),
  );
}

/** Sum over axes (default: all). */
export function sum(x: Tensor, axes?: Axes, options: ReductionOptions = {}): Tensor {
  return reduce('sum', x, axes, options);
}

/** Maximum over axes (default: all). Elements that tie share the derivative equally. */
export function max(x: Tensor, axes?: Axes, options: ReductionOptions = {}): Tensor {
  return reduce('max', x, axes, options);
}

/** Mean over axes (default: all). */
export function mean(x: Tensor, axes?: Axes, options: ReductionOptions = {}): Tensor {
  const total = sum(x, axes, options);
  return mul(total, sizeOf(total.shape) / sizeOf(x.shape));
}

/** log Σ exp(x) along an axis, without overflow: −∞ where all x are −∞, ∞ where one is ∞ (and no derivative in either case: NaN). */
export function logSumExp(x: Tensor, axis = -1, options: ReductionOptions = {}): Tensor {
  checkOptions('logSumExp: options', options, REDUCTION_OPTIONS);
  // The shift changes no value and no derivative, so it may be treated as a constant; an infinite one would give ∞ − ∞.
  const largest = stopGradient(max(x, axis, { keepDims: true }));
  const shift = select(lt(abs(largest), Number.POSITIVE_INFINITY), largest, 0);
  const total = add(log(sum(exp(sub(x, shift)), axis, { keepDims: true })), shift);
  return options.keepDims ? total : sum(total, axis);
}

/** x − logSumExp(x). */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  const node = nodeOf('logSoftmax', x);
  return new Tensor($.logSoftmax(node, canonicalAxis('logSoftmax', node, axis)));
}

/** exp(x) / Σ exp(x) along an axis, without overflow. */
export function softmax(x: Tensor, axis = -1): Tensor {
  const weights = exp(sub(x, stopGradient(max(x, axis, { keepDims: true }))));
  return div(weights, sum(weights, axis, { keepDims: true }));
}

/**
 * Matrix product by numpy's rules: [..., m, k] × [..., k, n] → [..., m, n], leading axes broadcast; a vector on the left is a row, on the right a column,
 * and its axis disappears.
 */
export function matmul(x: Tensor, y: Tensor): Tensor {
  const [left, right] = [nodeOf('matmul', x), nodeOf('matmul', y)];
  if (left.shape.length === 0 || right.shape.length === 0)
    refuse('matmul', [left, right], 'expected operands of rank ≥ 1');
  const a = left.shape.length === 1 ? $.reshape(left, [1, left.shape[0]]) : left;
  const b = right.shape.length === 1 ? $.reshape(right, [right.shape[0], 1]) : right;
  const product = batchedProduct(a, b, [left, right]);
  const vectorAxes = [
    ...(left.shape.length === 1 ? [product.shape.length - 2] : []),
    ...(right.shape.length === 1 ? [product.shape.length - 1] : []),
  ];
  if (vectorAxes.length === 0) return new Tensor(product);
  return new Tensor(
    $.reshape(
      product,
      product.shape.filter((_, axis) => !vectorAxes.includes(axis)),
    ),
  );
}

function batchedProduct(a: Node, b: Node, operands: readonly Node[]): Node {
  const [m, k] = a.shape.slice(-2);
  const [kB, n] = b.shape.slice(-2);
  if (k !== kB) refuse('matmul', operands, `inner dimensions ${k} and ${kB} differ`);
  const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const batch = commonShape('matmul', operands, [batchA, batchB]);
  // A matrix that all rows share: one product, whatever the batch.
  if (sizeOf(batchB) === 1 && sameShape(batchA, batch)) {
    const rows = batchA.length === 0 ? a : $.reshape(a, [sizeOf(batchA) * m, k]);
    const product = $.matmul(rows, batchB.length === 0 ? b : $.reshape(b, [k, n]));
    return batch.length === 0 ? product : $.reshape(product, [...batch, m, n]);
  }
  const whole = (x: Node): Node => (x.shape.length === 2 ? x : stretch(x, [...batch, ...x.shape.slice(-2)]));
  return $.matmul(whole(a), whole(b));
}
