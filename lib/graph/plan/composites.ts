import { expanded, expansionOf } from '../expand.ts';
import type { Graph, Node } from '../node.ts';
import { shapeText } from '../ops/shape.ts';
import { simplify } from '../simplify.ts';
import { topological } from './legalize.ts';
import { loweringOf } from './lowerings.ts';

/**
 * Leaves those composites whole that `fused` names and that an instruction can do at once. Where the graph holds parts of what a composite is
 * made of, as derivatives do, the whole is made of them: to compute it beside them would be to do their work again.
 */
export function expandComposites(graph: Graph, fused: readonly string[]): Graph {
  const nodes = topological(graph.outputs);
  if (!nodes.some(expansionOf)) return graph;
  const present = new Set(nodes);
  const isWhole = (node: Node): boolean =>
    fused.includes(node.op) &&
    loweringOf(node)?.supports?.(node) === true &&
    !partsOf(expansionOf(node)!, node.inputs).some((part) => present.has(part));
  const whole = new Set(nodes.filter(isWhole));
  for (const node of madeTwice(graph, nodes, [...whole])) whole.delete(node);
  return expanded(graph, (node) => whole.has(node));
}

/** The nodes between a value and what it is made of. */
function partsOf(value: Node, operands: readonly Node[]): Node[] {
  const below = new Set(operands);
  const parts = new Set<Node>();
  const add = (node: Node) => {
    if (!below.has(node)) parts.add(node);
  };
  add(value);
  for (const part of parts) part.inputs.forEach(add);
  return [...parts].filter(({ op }) => op !== 'constant' && op !== 'iota');
}

/** Composites whose parts the graph holds under other nodes: a function that was traced once for its value and once for its derivatives. */
function madeTwice(graph: Graph, nodes: readonly Node[], composites: readonly Node[]): readonly Node[] {
  if (composites.length === 0) return [];
  const typeOf = ({ op, shape }: Node) => op + shapeText(shape);
  const types = new Set(nodes.map(typeOf));
  const suspects = composites.filter((node) =>
    partsOf(expansionOf(node)!, node.inputs).some((part) => types.has(typeOf(part))),
  );
  if (suspects.length === 0) return [];
  // Equal values are one node in a simplified graph.
  const asked = suspects.flatMap((node) => [expansionOf(node)!, ...node.inputs]);
  const { outputs } = simplify({ inputs: graph.inputs, outputs: [...graph.outputs, ...asked] });
  const canonical = new Map(asked.map((node, i) => [node, outputs[graph.outputs.length + i]]));
  const present = new Set(topological(outputs.slice(0, graph.outputs.length)));
  return suspects.filter((node) => {
    const operands = node.inputs.map((x) => canonical.get(x)!);
    return partsOf(canonical.get(expansionOf(node)!)!, operands).some((part) => present.has(part));
  });
}
