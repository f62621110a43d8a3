import * as $ from '../build.ts';
import { type Graph, type Node, type Shape, sizeOf } from '../node.ts';
import { topological } from './legalize.ts';
import { isElementwise } from './storage.ts';

/**
 * Does once what a broadcast would have done for every copy. In a batched Hessian-vector product the second derivatives of the loss belong to
 * the primal pass and only the tangents have a batch, but the chain rule multiplies them in one at a time:
 * ((t · N₁) · N₂) + (t · N₃) with broadcast N becomes t · broadcast(N₁N₂ + N₃).
 */
export function factor(graph: Graph): Graph {
  const done = new Map<Node, Node>();
  for (const node of topological(graph.outputs)) {
    const inputs = node.inputs.map((x) => done.get(x)!);
    const same = node.inputs.every((x, i) => x === inputs[i]);
    const current = same ? node : $.remake(node, inputs, node.shape);
    done.set(node, rewritten(current) ?? current);
  }
  return { inputs: graph.inputs, outputs: graph.outputs.map((x) => done.get(x)!) };
}

type Narrow = Node<'broadcast'> | Node<'constant'>;

/** Something that has fewer values than elements. */
const isNarrow = (x: Node): x is Narrow =>
  $.isOp(x, 'constant') || ($.isOp(x, 'broadcast') && sizeOf(x.inputs[0].shape) < sizeOf(x.shape));

const sameList = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((n, i) => n === b[i]);

/** An elementwise operation on values that are broadcast in the same way, done before the broadcast. */
function narrowed(node: Node, operands: readonly Node[]): Node | undefined {
  const broadcast = operands.find((x) => $.isOp(x, 'broadcast')) as Node<'broadcast'> | undefined;
  if (!broadcast || !operands.every(isNarrow)) return undefined;
  const { shape } = broadcast.inputs[0];
  const { axes } = broadcast.attributes;
  const inner: Node[] = [];
  for (const x of operands) {
    if ($.isOp(x, 'constant')) inner.push($.constant(x.attributes.value, shape, x.dtype));
    else if ($.isOp(x, 'broadcast') && sameList(x.attributes.axes, axes) && sameList(x.inputs[0].shape, shape)) {
      inner.push(x.inputs[0]);
    } else return undefined;
  }
  const small = $.remake(node, inner, shape);
  return $.broadcast(rewritten(small) ?? small, node.shape, axes);
}

/** x = wide · narrow, if it is such a product. */
function product(x: Node): { wide: Node; narrow: Narrow } | undefined {
  if (!$.isOp(x, 'mul') || x.dtype !== 'f32') return undefined;
  const [a, b] = x.inputs;
  if (isNarrow(b) && !isNarrow(a)) return { wide: a, narrow: b };
  if (isNarrow(a) && !isNarrow(b)) return { wide: b, narrow: a };
  return undefined;
}

function rewritten(node: Node): Node | undefined {
  if (!isElementwise(node)) return undefined;
  const small = narrowed(node, node.inputs);
  if (small) return small;
  if ($.isOp(node, 'mul')) {
    const outer = product(node);
    const inner = outer && product(outer.wide);
    const scale = inner && joined($.mul, inner.narrow, outer.narrow);
    return scale && $.mul(inner.wide, scale);
  }
  if ($.isOp(node, 'neg')) {
    const inner = product(node.inputs[0]);
    const scale = inner && !$.isOp(inner.narrow, 'constant') && narrowed($.neg(inner.narrow), [inner.narrow]);
    return scale ? $.mul(inner.wide, scale) : undefined;
  }
  if ($.isOp(node, 'add'))
    return collected(node.inputs[0], node.inputs[1]) ?? collected(node.inputs[1], node.inputs[0]);
  if ($.isOp(node, 'sub')) {
    const [left, right] = node.inputs.map(product);
    const scale = left && right && left.wide === right.wide && joined($.sub, left.narrow, right.narrow);
    return scale ? $.mul(left.wide, scale) : undefined;
  }
  return undefined;
}

/** t N₁ + t N₂, where t N₁ may be a term of a longer sum. */
function collected(sum: Node, term: Node): Node | undefined {
  const right = product(term);
  if (!right) return undefined;
  const left = product(sum);
  if (left?.wide === right.wide) {
    const scale = joined($.add, left.narrow, right.narrow);
    return scale && $.mul(right.wide, scale);
  }
  if (!$.isOp(sum, 'add')) return undefined;
  const [a, b] = sum.inputs;
  for (const [part, rest] of [
    [b, a],
    [a, b],
  ]) {
    const joint = collected(part, term);
    if (joint) return $.add(rest, joint);
  }
  return undefined;
}

function joined(op: (a: Node, b: Node) => Node, a: Narrow, b: Narrow): Node | undefined {
  return narrowed(op(a, b), [a, b]);
}
