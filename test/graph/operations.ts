import type { Graph, Node } from '../../lib/graph/node.ts';
import type { MapOpcode } from '../../lib/graph/ops/elementwise.ts';
import { topological } from '../../lib/graph/plan/legalize.ts';

/** Every elementwise operation, each comparison by its direction. */
export type Operation = Exclude<MapOpcode, 'constant'> | 'stopGradient';

/**
 * Which cases of a table of functions hold each operation to something, in their values or derivatives. Total: an operation that no case
 * uses does not compile, and `unused` finds a case that is named here and does not use it.
 */
export type Coverage = { readonly [O in Operation]: readonly string[] };

const isOf = (node: Node, operation: string): boolean =>
  node.op === operation || (node.op === 'compare' && (node as Node<'compare'>).attributes.direction === operation);

/** Claims of a coverage that are not true, for example 'erf: sin x'; an operation without a case is one. */
export function unused(coverage: Coverage, graphOf: (name: string) => Graph | undefined): string[] {
  return Object.entries(coverage).flatMap(([operation, names]) => {
    const untrue = names.filter((name) => {
      const graph = graphOf(name);
      return !graph || !topological(graph.outputs).some((node) => isOf(node, operation));
    });
    return [...untrue.map((name) => `${operation}: ${name}`), ...(names.length === 0 ? [`${operation}: no case`] : [])];
  });
}
