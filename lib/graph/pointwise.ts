import { aligned, commonShape, nodeOf, stretch } from './broadcasting.ts';
import * as $ from './build.ts';
import type { Comparison, Node } from './node.ts';
import { type Operand, Tensor } from './tensor.ts';

/** Elementwise functions of the front end; operands broadcast by numpy's rule. */

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
/** max(x, 0); derivative 0 at 0. */
export const relu = unary('relu', (x) => {
  const zero = $.constant(0, x.shape, x.dtype);
  return $.select($.compare('le', x, zero), zero, x);
});

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

/**
 * a where mask ≠ 0, else b; all three broadcast. What is not selected has a cotangent of 0, and 0 · ∞ is NaN: where the derivative of a branch
 * is infinite, keep its operand away from there too, as in select(x > 0, sqrt(select(x > 0, x, 1)), 0).
 */
export function select(mask: Tensor, a: Operand, b: Operand): Tensor {
  const [x, y] = aligned('select', [a, b]);
  const m = nodeOf('select: mask', mask);
  const shape = commonShape('select', [m, x, y]);
  return new Tensor($.select(stretch(m, shape), stretch(x, shape), stretch(y, shape)));
}
