import { iota, isOp, make, remake, reshape } from '../build.ts';
import { type DType, type Graph, type Node, type Shape, sizeOf } from '../node.ts';
import { elementwiseRow } from '../ops/map-ops.ts';

/**
 * Rewrites a graph into the part of the language that instructions have: a reduction removes one run of neighbouring axes, an iota has
 * rank 1, gathers are f32 with at least one index, and identities are gone.
 * A reshape whose dtype differs from its operand's is a conversion.
 * @param isStrided whether an input is not dense where it lies: who needs it dense may then give memory to the value that stands for it.
 */
export function legalize(graph: Graph, isStrided: (input: Node) => boolean): Graph {
  const done = new Map<Node, Node>();
  const iotas = new Map<string, Node>();
  for (const node of topological(graph.outputs)) {
    const inputs = node.inputs.map((x) => done.get(x)!);
    done.set(node, isStrided(node) ? reshape(node, node.shape) : legal(node, inputs, iotas));
  }
  return { inputs: graph.inputs, outputs: graph.outputs.map((x) => done.get(x)!) };
}

/** Every node that the outputs need, operands first, in an order that depends on the graph alone. */
export function topological(outputs: readonly Node[]): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  const stack: { node: Node; next: number }[] = [];
  for (const output of outputs) {
    if (!seen.has(output)) stack.push({ node: output, next: 0 });
    seen.add(output);
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      if (top.next === top.node.inputs.length) {
        order.push(top.node);
        stack.pop();
      } else {
        const operand = top.node.inputs[top.next++];
        if (!seen.has(operand)) {
          seen.add(operand);
          stack.push({ node: operand, next: 0 });
        }
      }
    }
  }
  return order;
}

function legal(node: Node, inputs: readonly Node[], iotas: Map<string, Node>): Node {
  const [first] = inputs;
  if (elementwiseRow(node)?.scalars === 'operand' || (isOp(node, 'concat') && inputs.length === 1)) return first;
  if (isOp(node, 'iota')) {
    const { axis } = node.attributes;
    const key = `${node.dtype} ${node.shape[axis]}`;
    const line = iotas.get(key) ?? iota([node.shape[axis]], 0, node.dtype);
    iotas.set(key, line);
    if (node.shape.length === 1) return line;
    return make('broadcast', [line], { axes: [axis] }, { shape: node.shape, dtype: node.dtype });
  }
  if (isOp(node, 'sum')) return reduction('sum', node.attributes.axes, first);
  if (isOp(node, 'max')) return reduction('max', node.attributes.axes, first);
  if (isOp(node, 'gather')) {
    const table = converted(first, 'f32');
    const indices = atLeastOneAxis(inputs[1]);
    const rows = make('gather', [table, indices], {});
    return converted(shaped(rows, node.shape), node.dtype);
  }
  if (isOp(node, 'scatterAdd')) {
    const [indices, updates] = inputs;
    if (indices.shape.length > 0) return remake(node, inputs);
    return remake(node, [reshape(indices, [1]), reshape(updates, [1, ...updates.shape])]);
  }
  if (isOp(node, 'linearRecurrence') && inputs[2].shape.length === 0) {
    const [a, b, start] = inputs;
    const columns = remake(node, [reshape(a, [...a.shape, 1]), reshape(b, [...b.shape, 1]), reshape(start, [1])]);
    return reshape(columns, node.shape);
  }
  if (node.inputs.every((x, i) => x === inputs[i])) return node;
  return remake(node, inputs, node.shape);
}

/** Every run of neighbouring axes by itself, the last run first: what is left is small after the first. */
function reduction(op: 'sum' | 'max', axes: readonly number[], operand: Node): Node {
  let result = operand;
  let end = axes.length;
  while (end > 0) {
    let start = end - 1;
    while (start > 0 && axes[start - 1] === axes[start] - 1) start--;
    result = make(op, [result], { axes: axes.slice(start, end) });
    end = start;
  }
  return result;
}

const atLeastOneAxis = (x: Node): Node => (x.shape.length > 0 ? x : reshape(x, [1]));
const shaped = (x: Node, shape: Shape): Node =>
  x.shape.length === shape.length && sizeOf(x.shape) === sizeOf(shape) ? x : reshape(x, shape);

/** The same values in another dtype. `make` would keep the dtype, so the node is written out. */
function converted(x: Node, dtype: DType): Node {
  return x.dtype === dtype ? x : { ...reshape(x, x.shape), dtype };
}
