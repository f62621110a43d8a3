import * as $ from '../build.ts';
import type { Attributes, Comparison, Node, Primitive } from '../node.ts';
import { type MaybeZero, type Op, scale, withBatch } from './op.ts';
import * as shapes from './shape.ts';

export type Elementwise =
  | 'neg'
  | 'exp'
  | 'log'
  | 'log1p'
  | 'expm1'
  | 'tanh'
  | 'erf'
  | 'sigmoid'
  | 'sqrt'
  | 'rsqrt'
  | 'abs'
  | 'sign'
  | 'gelu'
  | 'integerPow'
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'maximum'
  | 'minimum'
  | 'compare'
  | 'select'
  | 'stopGradient';

/** t ↦ ∂y/∂xᵢ · t, given the operands and the result. The Jacobian is diagonal, so one function serves tangents and cotangents. */
type Partial = (t: Node, x: readonly Node[], y: Node) => MaybeZero;

function elementwise<P extends Primitive>(
  shape: shapes.ShapeRule<P>,
  value: (attributes: Attributes[P]) => (a: number, b: number, c: number) => number,
  partials: (attributes: Attributes[P]) => readonly Partial[],
): Op<P> {
  return {
    shape,
    jvp: (y, tangents) => {
      const rules = partials(y.attributes);
      const terms = tangents.map((t, i) => t && rules[i](t, y.inputs, y)).filter((term) => term !== undefined);
      return terms.length > 0 ? terms.reduce($.add) : undefined;
    },
    vjp: (y, g, wanted) => {
      const rules = partials(y.attributes);
      return wanted.map((want, i) => (want ? rules[i](g, y.inputs, y) : undefined));
    },
    batch: (y, operands, batched, size) =>
      $.remake(
        y,
        operands.map((x, i) => withBatch(x, batched[i], size)),
      ),
    reference: (y, [a, b, c]) => {
      const f = value(y.attributes);
      return a.map((_, i) => f(a[i], b?.[i], c?.[i]));
    },
  };
}

const float = <P extends Primitive>(value: (a: number, b: number) => number, ...partials: readonly Partial[]): Op<P> =>
  elementwise<P>(
    shapes.floatElementwise,
    () => value,
    () => partials,
  );
const anyType = <P extends Primitive>(
  value: (a: number, b: number) => number,
  ...partials: readonly Partial[]
): Op<P> =>
  elementwise<P>(
    shapes.elementwise,
    () => value,
    () => partials,
  );

const zero: Partial = () => undefined;
const one = (x: Node): Node => $.constant(1, x.shape);
/** Indicator of a > b, and ½ where they tie. */
const greater = (a: Node, b: Node): Node => scale($.add($.compare('gt', a, b), $.compare('ge', a, b)), 0.5);
/** Standard normal distribution function and density, both of z = x/√2 so that they and their derivatives share one exponential. */
const normalCdf = (z: Node): Node => scale($.add($.erf(z), one(z)), 0.5);
const normalPdf = (z: Node): Node => scale(bell(z), 1 / Math.sqrt(2 * Math.PI));
const bell = (z: Node): Node => $.exp($.neg($.integerPow(z, 2)));

/** erf(x) = 2/√π e^{−x²} Σ 2ⁿ x^{2n+1} / (2n+1)!!: no cancellation, so good to the last digits of f64. */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

const comparisons: { readonly [C in Comparison]: (a: number, b: number) => boolean } = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
};

// A row reads: value, then one partial an operand (t is the incoming tangent or cotangent, y the result).
export const elementwiseOps: { readonly [P in Elementwise]: Op<P> } = {
  neg: anyType((a) => -a, $.neg),
  exp: float(Math.exp, (t, _, y) => $.mul(t, y)),
  log: float(Math.log, (t, [x]) => $.div(t, x)),
  log1p: float(Math.log1p, (t, [x]) => $.div(t, $.add(x, one(x)))),
  expm1: float(Math.expm1, (t, _, y) => $.mul(t, $.add(y, one(y)))),
  tanh: float(Math.tanh, (t, _, y) => $.mul(t, $.sub(one(y), $.integerPow(y, 2)))),
  erf: float(erf, (t, [x]) => $.mul(t, scale(bell(x), 2 / Math.sqrt(Math.PI)))),
  sigmoid: float(
    (a) => (a >= 0 ? 1 / (1 + Math.exp(-a)) : Math.exp(a) / (1 + Math.exp(a))),
    (t, _, y) => $.mul(t, $.mul(y, $.sub(one(y), y))),
  ),
  sqrt: float(Math.sqrt, (t, [x]) => $.mul(t, scale($.rsqrt(x), 0.5))),
  rsqrt: float(
    (a) => 1 / Math.sqrt(a),
    (t, _, y) => $.mul(t, scale($.integerPow(y, 3), -0.5)),
  ),
  abs: anyType(Math.abs, (t, [x]) => $.mul(t, $.sign(x))),
  sign: anyType(Math.sign, zero),
  gelu: float(
    (a) => 0.5 * a * (1 + erf(a * Math.SQRT1_2)),
    (t, [x]) => {
      const z = scale(x, Math.SQRT1_2);
      return $.mul(t, $.add(normalCdf(z), $.mul(x, normalPdf(z))));
    },
  ),
  integerPow: elementwise<'integerPow'>(
    shapes.integerPowShape,
    ({ exponent }) =>
      (a) =>
        a ** exponent,
    ({ exponent: n }) => [
      (t, [x], y) => {
        if (n === 0) return undefined;
        return $.mul(t, scale(n > -64 ? $.integerPow(x, n - 1) : $.div(y, x), n));
      },
    ],
  ),
  add: anyType(
    (a, b) => a + b,
    (t) => t,
    (t) => t,
  ),
  sub: anyType(
    (a, b) => a - b,
    (t) => t,
    $.neg,
  ),
  mul: anyType(
    (a, b) => a * b,
    (t, [, b]) => $.mul(t, b),
    (t, [a]) => $.mul(t, a),
  ),
  div: float(
    (a, b) => a / b,
    (t, [, b]) => $.div(t, b),
    (t, [, b], y) => $.neg($.div($.mul(t, y), b)),
  ),
  /** The gradient is shared equally by operands that tie. */
  maximum: anyType(
    (a, b) => Math.max(a, b),
    (t, [a, b]) => $.mul(t, greater(a, b)),
    (t, [a, b]) => $.mul(t, greater(b, a)),
  ),
  minimum: anyType(
    (a, b) => Math.min(a, b),
    (t, [a, b]) => $.mul(t, greater(b, a)),
    (t, [a, b]) => $.mul(t, greater(a, b)),
  ),
  compare: elementwise<'compare'>(
    shapes.compareShape,
    ({ direction }) =>
      (a, b) =>
        Number(comparisons[direction](a, b)),
    () => [zero, zero],
  ),
  select: elementwise<'select'>(
    shapes.selectShape,
    () => (mask, a, b) => (mask !== 0 ? a : b),
    () => [
      zero,
      (t, [mask]) => $.select(mask, t, $.constant(0, t.shape)),
      (t, [mask]) => $.select(mask, $.constant(0, t.shape), t),
    ],
  ),
  stopGradient: anyType((a) => a, zero),
};
