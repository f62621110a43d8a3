import { originOf, withInputs } from './build.ts';
import type { Graph, Node } from './node.ts';
import { compositeOf } from './ops/table.ts';
import { withOrigin } from './where.ts';

/** Composite operations as what they are made of. */

const expansions = new WeakMap<Node, Node>();

/** A composite in simpler operations, the same nodes whenever it is asked for; undefined for every other node. */
export function expansionOf(node: Node): Node | undefined {
  const row = compositeOf(node);
  if (!row) return undefined;
  let expansion = expansions.get(node);
  if (!expansion) {
    expansion = withOrigin(originOf(node), () => row.expand(node));
    expansions.set(node, expansion);
  }
  return expansion;
}

/** An equal graph in which every composite is expanded, and every one in its expansion, save those that are kept. */
export function expanded(graph: Graph, keep: (node: Node) => boolean = () => false): Graph {
  const done = new Map<Node, Node>();
  // An explicit stack: graphs of unrolled recurrences are deeper than the call stack.
  const stack = [...graph.outputs];
  while (stack.length > 0) {
    const node = stack[stack.length - 1];
    const expansion = done.has(node) || keep(node) ? undefined : expansionOf(node);
    const needed = expansion ? [expansion] : node.inputs;
    const pending = done.has(node) ? [] : needed.filter((x) => !done.has(x));
    if (pending.length > 0) {
      for (const x of pending) stack.push(x);
      continue;
    }
    stack.pop();
    if (!done.has(node))
      done.set(
        node,
        expansion
          ? done.get(expansion)!
          : withInputs(
              node,
              needed.map((x) => done.get(x)!),
            ),
      );
  }
  return { inputs: graph.inputs, outputs: graph.outputs.map((node) => done.get(node)!) };
}
