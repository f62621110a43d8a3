import { invalidArgument, MAX_F32, ZerothError } from '../errors.ts';
import { greatest } from '../extremes.ts';
import * as $ from './build.ts';
import type { Node, Shape } from './node.ts';
import { range } from './ops/op.ts';
import { sameShape, shapeText } from './ops/shape.ts';
import { type Operand, Tensor } from './tensor.ts';
import { currentLocation } from './where.ts';

export function isTensor(value: unknown): value is Tensor {
  return value instanceof Tensor;
}

/** The node of an argument that has to be a tensor. */
export function nodeOf(name: string, x: Tensor): Node {
  return isTensor(x) ? x.node : invalidArgument(name, 'a tensor', x);
}

/** Ends an operation of the front end: its name, what is wrong, the user's line. */
export function refuse(op: string, operands: readonly Node[], reason: string): never {
  const where = currentLocation();
  const shapes = operands.map((x) => x.dtype + shapeText(x.shape)).join(', ');
  throw new ZerothError('ERR_ZEROTH_SHAPE', `${op}(${shapes}): ${reason}.${where ? ` At ${where}` : ''}`);
}

/** The common shape by numpy's rule: align on the right; an axis of size 1 or a missing one stretches. */
export function commonShape(op: string, operands: readonly Node[], shapes = operands.map((x) => x.shape)): number[] {
  const rank = greatest(shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    const size = greatest(sizes);
    if (sizes.some((n) => n !== 1 && n !== size)) refuse(op, operands, 'shapes do not broadcast to one another');
    return size;
  });
}

/** Stretches a node to a shape that it broadcasts to. */
export function stretch(x: Node, shape: Shape): Node {
  if (sameShape(x.shape, shape)) return x;
  const offset = shape.length - x.shape.length;
  const kept = x.shape.map((_, axis) => axis).filter((axis) => x.shape[axis] === shape[axis + offset]);
  const core = kept.map((axis) => x.shape[axis]);
  return $.broadcast(
    sameShape(core, x.shape) ? x : $.reshape(x, core),
    shape,
    kept.map((axis) => axis + offset),
  );
}

/**
 * A number that may stand in a graph: one that f32 holds, infinities included. A NaN from JavaScript is somebody's mistake, and would only
 * show as a loss that is NaN.
 */
export function checkConstant(name: string, value: unknown, expected: string): void {
  const size = typeof value === 'number' ? Math.abs(value) : Number.NaN;
  if (!(size <= MAX_F32 || size === Number.POSITIVE_INFINITY)) {
    invalidArgument(name, `${expected} that f32 holds (not NaN, and no finite one beyond ±${MAX_F32})`, value);
  }
}

/** Operands of one shape; numbers become constants of the tensors' dtype. */
export function aligned(op: string, operands: readonly Operand[]): Node[] {
  for (const x of operands) if (!isTensor(x)) checkConstant(op, x, 'tensors, or numbers');
  const tensors = operands.filter(isTensor).map((x) => x.node);
  const shape = tensors.length > 0 ? commonShape(op, tensors) : [];
  const dtype = tensors[0]?.dtype ?? 'f32';
  return operands.map((x) => (isTensor(x) ? stretch(x.node, shape) : $.constant(x, shape, dtype)));
}

/** An axis from −rank to rank − 1, made non-negative. */
export function canonicalAxis(op: string, x: Node, axis: number): number {
  const rank = x.shape.length;
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    refuse(op, [x], `expected an axis from ${-rank} to ${rank - 1}, received ${String(axis)}`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** Distinct axes in increasing order; all of them by default. */
export function canonicalAxes(op: string, x: Node, axes?: number | readonly number[]): number[] {
  if (axes === undefined) return range(x.shape.length);
  const list = (typeof axes === 'number' ? [axes] : axes).map((axis) => canonicalAxis(op, x, axis));
  if (new Set(list).size !== list.length) refuse(op, [x], `expected distinct axes, received ${shapeText(list)}`);
  return list.sort((a, b) => a - b);
}
