import * as $ from '../build.ts';
import type { Node } from '../node.ts';
import { elementwiseRow } from '../ops/map-ops.ts';
import { sameShape } from '../ops/shape.ts';
import { constantOf } from './pattern.ts';

/**
 * Work that is the same for a whole batch is done once, before it is repeated. In a batched HVP the second derivatives are shared by all tangents:
 * these identities gather t · a · b + t · c (a, b, c repeated along the batch) into t · (a b + c), one factor computed once.
 */
export function sharing(node: Node): Node | undefined {
  if (!elementwiseRow(node)) return undefined;
  return pulledOut(node) ?? gathered(node);
}

/** Repeats the same shape along the same axes. */
function alike(x: Node, y: Node): boolean {
  return (
    $.isOp(x, 'broadcast') &&
    $.isOp(y, 'broadcast') &&
    sameShape(x.attributes.axes, y.attributes.axes) &&
    sameShape(x.inputs[0].shape, y.inputs[0].shape)
  );
}

/** f(repeat a, repeat b, constant) → repeat f(a, b, constant). */
function pulledOut(node: Node): Node | undefined {
  const repeated = node.inputs.find((x) => $.isOp(x, 'broadcast'));
  if (!repeated || !$.isOp(repeated, 'broadcast')) return undefined;
  if (!node.inputs.every((x) => alike(x, repeated) || constantOf(x) !== undefined)) return undefined;
  const { shape } = repeated.inputs[0];
  const operands = node.inputs.map((x) => {
    const value = constantOf(x);
    return value === undefined ? x.inputs[0] : $.constant(value, shape, x.dtype);
  });
  return $.broadcast($.remake(node, operands), node.shape, repeated.attributes.axes);
}

/**
 * Whether a constant may go from one factor to another: by that a product leaves the range of f32 at most where a factor is near the end of it.
 */
const isModerate = (value: number | undefined): boolean =>
  value !== undefined && Math.abs(value) >= 2 ** -32 && Math.abs(value) <= 2 ** 32;

/** x · repeat a, as its two factors. */
function product(node: Node): readonly [x: Node, repeated: Node] | undefined {
  return $.isOp(node, 'mul') && $.isOp(node.inputs[1], 'broadcast') ? [node.inputs[0], node.inputs[1]] : undefined;
}

function gathered(node: Node): Node | undefined {
  const [a, b] = node.inputs;
  const left = product(a);
  if (node.op === 'neg') return left && $.mul(left[0], $.neg(left[1]));
  if (node.op === 'mul') {
    // A repeated factor stands on the right.
    if ($.isOp(a, 'broadcast') && !$.isOp(b, 'broadcast') && constantOf(b) === undefined) return $.mul(b, a);
    if (left && (alike(left[1], b) || isModerate(constantOf(b)))) return $.mul(left[0], $.mul(left[1], b));
    const factor = $.isOp(a, 'mul') ? constantOf(a.inputs[1]) : undefined;
    if (isModerate(factor) && $.isOp(b, 'broadcast')) return $.mul(a.inputs[0], $.mul(b, a.inputs[1]));
    return undefined;
  }
  const right = b && product(b);
  if ((node.op === 'add' || node.op === 'sub') && left && right && left[0] === right[0] && alike(left[1], right[1])) {
    return $.mul(left[0], $.remake(node, [left[1], right[1]]));
  }
  return undefined;
}
