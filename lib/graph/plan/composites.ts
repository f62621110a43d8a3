import { expanded, expansionOf } from '../expand.ts';
import type { Graph, Node } from '../node.ts';
import type { CompositePrimitive } from '../ops/composite.ts';
import { topological } from './legalize.ts';
import { loweringOf } from './lowerings.ts';

/**
 * Leaves those composites whole that `fused` names and that an instruction can do at once. Where the graph holds parts of what a composite is
 * made of, as derivatives do, the whole is made of them: to compute it beside them would be to do their work again.
 */
export function expandComposites(graph: Graph, fused: readonly CompositePrimitive[]): Graph {
  const nodes = topological(graph.outputs);
  if (!nodes.some(expansionOf)) return graph;
  const present = new Set(nodes);
  return expanded(
    graph,
    (node) =>
      (fused as readonly string[]).includes(node.op) &&
      loweringOf(node)?.supports?.(node) === true &&
      !partsOf(node).some((part) => present.has(part)),
  );
}

/** The nodes between a composite's operands and its value. */
function partsOf(node: Node): Node[] {
  const operands = new Set(node.inputs);
  const parts = new Set([expansionOf(node)!]);
  for (const part of parts) for (const x of part.inputs) if (!operands.has(x)) parts.add(x);
  return [...parts];
}
