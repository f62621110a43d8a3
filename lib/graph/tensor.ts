import { invalidArgument, ZerothError } from '../errors.ts';
import * as $ from './build.ts';
import type { Comparison, DType, Node, Shape } from './node.ts';
import { sameShape, shapeText } from './ops/shape.ts';
import { currentLocation } from './where.ts';

/**
 * A value of a traced function: a static shape and dtype, and a node of the graph that is being recorded. It holds no numbers.
 * Tensors exist only inside the function that received them; nothing needs to be disposed.
 */
export class Tensor {
  readonly node: Node;

  constructor(node: Node) {
    this.node = node;
  }

  get shape(): Shape {
    return this.node.shape;
  }

  get dtype(): DType {
    return this.node.dtype;
  }

  get rank(): number {
    return this.node.shape.length;
  }
}

/** What an operation takes: a tensor, or a number that becomes a constant of the shape and dtype it meets. */
export type Operand = Tensor | number;

export const isTensor = (value: unknown): value is Tensor => value instanceof Tensor;

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
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    const size = Math.max(...sizes);
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

/** Operands of one shape; numbers become constants of the tensors' dtype. */
function aligned(op: string, operands: readonly Operand[]): Node[] {
  for (const x of operands) if (!isTensor(x) && typeof x !== 'number') invalidArgument(op, 'tensors or numbers', x);
  const tensors = operands.filter(isTensor).map((x) => x.node);
  const shape = tensors.length > 0 ? commonShape(op, tensors) : [];
  const dtype = tensors[0]?.dtype ?? 'f32';
  return operands.map((x) => (isTensor(x) ? stretch(x.node, shape) : $.constant(x, shape, dtype)));
}

type Unary = (x: Operand) => Tensor;
type Binary = (a: Operand, b: Operand) => Tensor;

const unary =
  (name: string, build: (x: Node) => Node): Unary =>
  (x) =>
    new Tensor(build(aligned(name, [x])[0]));
const binary =
  (name: string, build: (a: Node, b: Node) => Node): Binary =>
  (x, y) => {
    const [a, b] = aligned(name, [x, y]);
    return new Tensor(build(a, b));
  };
const comparison = (direction: Comparison): Binary => binary(direction, (a, b) => $.compare(direction, a, b));

export const neg = unary('neg', $.neg);
export const exp = unary('exp', $.exp);
export const log = unary('log', $.log);
/** log(1 + x), accurate near 0. */
export const log1p = unary('log1p', $.log1p);
/** exp(x) − 1, accurate near 0. */
export const expm1 = unary('expm1', $.expm1);
export const tanh = unary('tanh', $.tanh);
/** Gauss error function. */
export const erf = unary('erf', $.erf);
export const sigmoid = unary('sigmoid', $.sigmoid);
export const sqrt = unary('sqrt', $.sqrt);
/** 1/√x. */
export const rsqrt = unary('rsqrt', $.rsqrt);
/** Derivative sign(x), so 0 at 0. */
export const abs = unary('abs', $.abs);
export const sign = unary('sign', $.sign);
/** Exact Gaussian error linear unit, x Φ(x). */
export const gelu = unary('gelu', $.gelu);
/** The same value; its derivative is zero. */
export const stopGradient = unary('stopGradient', $.stopGradient);
export const square = unary('square', (x) => $.integerPow(x, 2));
/** max(x, 0); derivative ½ at 0. */
export const relu = unary('relu', (x) => $.maximum(x, $.constant(0, x.shape, x.dtype)));

/** x to an integer power, |exponent| ≤ 64. */
export function integerPow(x: Operand, exponent: number): Tensor {
  return unary('integerPow', (node) => $.integerPow(node, exponent))(x);
}

export const add = binary('add', $.add);
export const sub = binary('sub', $.sub);
export const mul = binary('mul', $.mul);
export const div = binary('div', $.div);
/** Elementwise maximum; where operands tie, each has half of the derivative. */
export const maximum = binary('maximum', $.maximum);
/** Elementwise minimum; where operands tie, each has half of the derivative. */
export const minimum = binary('minimum', $.minimum);

/** Comparisons give 1 where they hold, else 0 (f32); their derivative is zero. */
export const eq = comparison('eq');
export const ne = comparison('ne');
export const lt = comparison('lt');
export const le = comparison('le');
export const gt = comparison('gt');
export const ge = comparison('ge');

/** a where mask ≠ 0, else b; all three broadcast. */
export function select(mask: Tensor, a: Operand, b: Operand): Tensor {
  const [x, y] = aligned('select', [a, b]);
  const m = nodeOf('select: mask', mask);
  const shape = commonShape('select', [m, x, y]);
  return new Tensor($.select(stretch(m, shape), stretch(x, shape), stretch(y, shape)));
}
