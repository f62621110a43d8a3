import { MAX_F32 } from '../../errors.ts';
import * as $ from '../build.ts';
import type { Node, Primitive } from '../node.ts';
import { constantOf, isConstant } from './pattern.ts';

type Rewrite<P extends Primitive> = (node: Node<P>) => Node | undefined;

/** Whether f32 holds a constant to full precision: only such may take the place of two, whose results one after the other may be in range. */
const isOrdinary = (value: number): boolean => Math.abs(value) >= 2 ** -126 && Math.abs(value) <= MAX_F32;

const like = (node: Node, value: number): Node => $.constant(value, node.shape, node.dtype);

/** Identities of elementwise arithmetic. A constant factor or term stands on the right. */
const rules: { readonly [P in Primitive]?: Rewrite<P> } = {
  stopGradient: ({ inputs: [x] }) => x,

  neg: ({ inputs: [x] }) => {
    if ($.isOp(x, 'neg')) return x.inputs[0];
    if ($.isOp(x, 'sub')) return $.sub(x.inputs[1], x.inputs[0]);
    const factor = $.isOp(x, 'mul') ? constantOf(x.inputs[1]) : undefined;
    return factor === undefined ? undefined : $.mul(x.inputs[0], like(x, -factor));
  },

  add: ({ inputs: [a, b] }) => {
    if (isConstant(b, 0)) return a;
    if (constantOf(a) !== undefined) return $.add(b, a);
    if ($.isOp(b, 'neg')) return $.sub(a, b.inputs[0]);
    if ($.isOp(a, 'neg')) return $.sub(b, a.inputs[0]);
    return undefined;
  },

  sub: ({ inputs: [a, b] }) => {
    if (isConstant(b, 0)) return a;
    if (isConstant(a, 0)) return $.neg(b);
    if ($.isOp(b, 'neg')) return $.add(a, b.inputs[0]);
    return undefined;
  },

  mul: (node) => {
    const [a, b] = node.inputs;
    if (constantOf(a) !== undefined) return $.mul(b, a);
    const factor = constantOf(b);
    if (factor === 0) return like(node, 0);
    if (factor === 1) return a;
    if (factor === -1) return $.neg(a);
    if (factor !== undefined) {
      if ($.isOp(a, 'neg')) return $.mul(a.inputs[0], like(a, -factor));
      const inner = $.isOp(a, 'mul') ? constantOf(a.inputs[1]) : undefined;
      return inner === undefined || !isOrdinary(inner * factor)
        ? undefined
        : $.mul(a.inputs[0], like(a, inner * factor));
    }
    if ($.isOp(a, 'neg')) return $.neg($.mul(a.inputs[0], b));
    if ($.isOp(b, 'neg')) return $.neg($.mul(a, b.inputs[0]));
    return undefined;
  },

  div: (node) => {
    const [a, b] = node.inputs;
    if (isConstant(a, 0)) return like(node, 0);
    const divisor = constantOf(b);
    if (divisor === undefined || !isOrdinary(1 / divisor)) return undefined;
    return $.mul(a, like(node, 1 / divisor));
  },

  integerPow: (node) => {
    const { exponent } = node.attributes;
    const [x] = node.inputs;
    if (exponent === 0) return like(node, 1);
    if (exponent === 1) return x;
    if (!$.isOp(x, 'integerPow')) return undefined;
    const product = x.attributes.exponent * exponent;
    return Math.abs(product) <= 64 ? $.integerPow(x.inputs[0], product) : undefined;
  },

  maximum: ({ inputs: [a, b] }) => (a === b ? a : undefined),
  minimum: ({ inputs: [a, b] }) => (a === b ? a : undefined),

  select: ({ inputs: [mask, a, b] }) => {
    const value = constantOf(mask);
    if (a === b) return a;
    return value === undefined ? undefined : value !== 0 ? a : b;
  },
};

/** Applies one identity of elementwise arithmetic to the root, if one fits. */
export function algebra(node: Node): Node | undefined {
  return (rules[node.op] as Rewrite<Primitive> | undefined)?.(node);
}
