import * as $ from '../build.ts';
import type { Attributes, Comparison, Node, Primitive } from '../node.ts';
import { type MaybeZero, type Op, scale, withBatch } from './op.ts';
import { cheap, commutative, costly, type Scalar } from './scalar.ts';
import { erf, erfDerivative, gelu, geluDerivative, sech2, sigmoid } from './special.ts';

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
  | 'sech2'
  | 'erfDerivative'
  | 'geluDerivative'
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'maximum'
  | 'minimum'
  | 'compare'
  | 'select'
  | 'stopGradient';

/** What a kernel computes of one element: every elementwise operation by its own name, a comparison by its direction, and a constant. */
export type MapOpcode = Exclude<Elementwise, 'compare' | 'stopGradient'> | Comparison | 'constant';

/** How a kernel computes an element of a node from those of its operands, in their order. */
export interface ScalarCall {
  readonly op: MapOpcode;
  /** The number that stands in the instruction; 0 where the function needs none. */
  readonly immediate: number;
}

/** A row of the op table that kernels compute one element at a time, and that fuses with its neighbours. */
export interface ElementwiseOp<P extends Primitive = Primitive> extends Op<P> {
  /** How many operands it has: one a partial derivative. */
  readonly operands: number;
  /** Its function of one element, called like the operation; or several by name; or 'operand', where the value is the operand's. */
  readonly scalars: Scalar | { readonly [name in MapOpcode]?: Scalar } | 'operand';
  lower(node: Node<P>): ScalarCall | 'operand';
}

/** t ↦ ∂y/∂xᵢ · t, given the operands and the result. The Jacobian is diagonal, so one function serves tangents and cotangents. */
type Partial<P extends Primitive> = (t: Node, x: readonly Node[], y: Node, attributes: Attributes[P]) => MaybeZero;

interface Rules<P extends Primitive> {
  readonly scalars: ElementwiseOp<P>['scalars'];
  /** Which of several functions. */
  readonly choose?: (attributes: Attributes[P]) => MapOpcode;
  readonly immediate?: (attributes: Attributes[P]) => number;
  /** One an operand, in order. */
  readonly partials: readonly Partial<P>[];
}

function elementwise<P extends Primitive>({
  scalars,
  choose,
  immediate = () => 0,
  partials,
}: Rules<P>): ElementwiseOp<P> {
  const functionOf = (attributes: Attributes[P]): Scalar['value'] => {
    if (scalars === 'operand') return (a) => a;
    return (choose ? (scalars as Record<MapOpcode, Scalar>)[choose(attributes)] : (scalars as Scalar)).value;
  };
  return {
    operands: partials.length,
    scalars,
    lower: ({ op, attributes }) =>
      scalars === 'operand'
        ? 'operand'
        : { op: choose ? choose(attributes) : (op as MapOpcode), immediate: immediate(attributes) },
    jvp: (y, tangents) => {
      const terms = tangents
        .map((t, i) => t && partials[i](t, y.inputs, y, y.attributes))
        .filter((term) => term !== undefined);
      return terms.length > 0 ? terms.reduce($.add) : undefined;
    },
    vjp: (y, g, wanted) => wanted.map((want, i) => (want ? partials[i](g, y.inputs, y, y.attributes) : undefined)),
    batch: (y, operands, batched, size) =>
      $.remake(
        y,
        operands.map((x, i) => withBatch(x, batched[i], size)),
      ),
    reference: (y, [a, b, c]) => {
      const value = functionOf(y.attributes);
      const number = immediate(y.attributes);
      return a.map((_, i) => value(a[i], b?.[i], c?.[i], number));
    },
  };
}

const row = <P extends Primitive>(scalars: Scalar | 'operand', ...partials: readonly Partial<P>[]): ElementwiseOp<P> =>
  elementwise<P>({ scalars, partials });

const zero = (): undefined => undefined;
const one = (x: Node): Node => $.constant(1, x.shape);
/** Indicator of a > b, and ½ where they tie. */
const greater = (a: Node, b: Node): Node => scale($.add($.compare('gt', a, b), $.compare('ge', a, b)), 0.5);
/** The family f′, f″, …, each the derivative of the one before. */
const derivatives = <P extends 'erfDerivative' | 'geluDerivative'>(
  code: number,
  value: (x: number, order: number) => number,
  next: (x: Node, order: number) => Node,
): ElementwiseOp<P> =>
  elementwise<P>({
    scalars: costly(code, (a, _b, _c, order) => value(a, order)),
    immediate: ({ order }) => order,
    partials: [(t, [x], _, { order }) => $.mul(t, next(x, order + 1))],
  });

// Derivatives are written so that they are right wherever f32 has numbers: no difference of what is nearly equal, no intermediate result that
// overflows before the derivative does, no 0 · ∞ where there is a limit.
// A row reads: opcode and value, then one partial an operand (t is the incoming tangent or cotangent, y the result).
export const elementwiseOps: { readonly [P in Elementwise]: ElementwiseOp<P> } = {
  neg: row(
    cheap(1, (a) => -a),
    (t) => $.neg(t),
  ),
  exp: row(costly(2, Math.exp), (t, _, y) => $.mul(t, y)),
  log: row(costly(3, Math.log), (t, [x]) => $.div(t, x)),
  log1p: row(costly(4, Math.log1p), (t, [x]) => $.div(t, $.add(x, one(x)))),
  expm1: row(costly(5, Math.expm1), (t, [x]) => $.mul(t, $.exp(x))),
  tanh: row(costly(6, Math.tanh), (t, [x]) => $.mul(t, $.sech2(x))),
  erf: row(costly(7, erf), (t, [x]) => $.mul(t, $.erfDerivative(x, 1))),
  sigmoid: row(costly(8, sigmoid), (t, [x]) => $.mul(t, scale($.sech2(scale(x, 0.5)), 0.25))),
  sqrt: row(costly(9, Math.sqrt), (t, _, y) => $.div(scale(t, 0.5), y)),
  rsqrt: row(
    costly(10, (a) => 1 / Math.sqrt(a)),
    (t, [x], y) => $.mul(t, $.div(scale(y, -0.5), x)),
  ),
  abs: row(cheap(11, Math.abs), (t, [x]) => $.mul(t, $.sign(x))),
  sign: row(cheap(12, Math.sign), zero),
  integerPow: elementwise({
    scalars: {
      ...costly(13, (a, _b, _c, exponent) => a ** exponent),
      cheap: (exponent) => exponent >= 0 && exponent <= 3,
    },
    immediate: ({ exponent }) => exponent,
    partials: [
      (t, [x], y, { exponent: n }) => {
        if (n === 0) return undefined;
        return $.mul(t, scale(n > -64 ? $.integerPow(x, n - 1) : $.div(y, x), n));
      },
    ],
  }),
  gelu: row(costly(14, gelu), (t, [x]) => $.mul(t, $.geluDerivative(x, 1))),
  sech2: row(costly(15, sech2), (t, [x], y) => $.mul(t, scale($.mul($.tanh(x), y), -2))),
  erfDerivative: derivatives(16, erfDerivative, $.erfDerivative),
  geluDerivative: derivatives(17, geluDerivative, $.geluDerivative),
  add: row(
    commutative(cheap(32, (a, b) => a + b)),
    (t) => t,
    (t) => t,
  ),
  sub: row(
    cheap(33, (a, b) => a - b),
    (t) => t,
    (t) => $.neg(t),
  ),
  mul: row(
    commutative(cheap(34, (a, b) => a * b)),
    (t, [, b]) => $.mul(t, b),
    (t, [a]) => $.mul(t, a),
  ),
  div: row(
    costly(35, (a, b) => a / b),
    (t, [, b]) => $.div(t, b),
    (t, [, b], y) => $.neg($.div($.mul(t, y), b)),
  ),
  /** The gradient is shared equally by operands that tie. */
  maximum: row(
    cheap(36, (a, b) => Math.max(a, b)),
    (t, [a, b]) => $.mul(t, greater(a, b)),
    (t, [a, b]) => $.mul(t, greater(b, a)),
  ),
  minimum: row(
    cheap(37, (a, b) => Math.min(a, b)),
    (t, [a, b]) => $.mul(t, greater(b, a)),
    (t, [a, b]) => $.mul(t, greater(a, b)),
  ),
  compare: elementwise({
    scalars: {
      eq: commutative(cheap(38, (a, b) => Number(a === b))),
      ne: commutative(cheap(39, (a, b) => Number(a !== b))),
      lt: cheap(40, (a, b) => Number(a < b)),
      le: cheap(41, (a, b) => Number(a <= b)),
      gt: cheap(42, (a, b) => Number(a > b)),
      ge: cheap(43, (a, b) => Number(a >= b)),
    } satisfies { readonly [C in Comparison]: Scalar },
    choose: ({ direction }) => direction,
    partials: [zero, zero],
  }),
  select: elementwise({
    scalars: cheap(48, (mask, a, b) => (mask !== 0 ? a : b)),
    partials: [
      zero,
      (t, [mask]) => $.select(mask, t, $.constant(0, t.shape)),
      (t, [mask]) => $.select(mask, $.constant(0, t.shape), t),
    ],
  }),
  stopGradient: row('operand', zero),
};
