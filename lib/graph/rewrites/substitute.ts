import * as $ from '../build.ts';
import type { Node } from '../node.ts';
import { withOrigin } from '../where.ts';

/** `outputs` where nodes are replaced, and what is made of them made again. */
export function substituted(outputs: readonly Node[], order: readonly Node[], replaced: Map<Node, Node>): Node[] {
  const done = replaced;
  for (const node of order) {
    if (done.has(node)) continue;
    const inputs = node.inputs.map((x) => done.get(x) ?? x);
    const same = inputs.every((x, i) => x === node.inputs[i]);
    if (!same)
      done.set(
        node,
        withOrigin($.originOf(node), () => $.remake(node, inputs)),
      );
  }
  return outputs.map((node) => done.get(node) ?? node);
}
