import { broadcast, input, isOp, originOf, withInputs } from './build.ts';
import type { Graph, Node } from './node.ts';
import { dependents } from './transforms.ts';
import { withOrigin } from './where.ts';

/**
 * A graph of its own out of a part of another one: what `outputs` are made of and depends on `parameters`. Everything else that they need is
 * captured, as large a part of it as possible: an input of the new graph stands for it, before those of the parameters. Numbers stay numbers,
 * and what is repeated is captured once.
 */
export function capture(
  outputs: readonly Node[],
  parameters: readonly Node<'input'>[],
): { body: Graph; captured: readonly Node[] } {
  const inside = new Map<Node, Node>(parameters.map((node) => [node, node]));
  const captured = new Map<Node, Node<'input'>>();
  const outside = (node: Node): Node => {
    if (isOp(node, 'constant')) return node;
    if (isOp(node, 'broadcast')) {
      const { axes } = node.attributes;
      const repeated = withOrigin(originOf(node), () => broadcast(within(node.inputs[0]), node.shape, axes));
      inside.set(node, repeated);
      return repeated;
    }
    const known = captured.get(node);
    if (known) return known;
    const stand = isOp(node, 'input')
      ? node
      : input(`a value (${node.op}) that a step of scan closes over`, node.shape, node.dtype);
    captured.set(node, stand);
    return stand;
  };
  const within = (node: Node): Node => inside.get(node) ?? outside(node);
  for (const node of dependents(outputs, parameters)) {
    if (inside.has(node)) continue;
    inside.set(node, withInputs(node, node.inputs.map(within)));
  }
  // An output may be captured whole.
  const made = outputs.map(within);
  return {
    body: { inputs: [...captured.values(), ...parameters], outputs: made },
    captured: [...captured.keys()],
  };
}
