import { withInputs } from '../build.ts';
import type { Node } from '../node.ts';

/** `outputs` where nodes are replaced, and what is made of them made again. */
export function substituted(outputs: readonly Node[], order: readonly Node[], replaced: Map<Node, Node>): Node[] {
  const done = replaced;
  for (const node of order) {
    if (done.has(node)) continue;
    const made = withInputs(
      node,
      node.inputs.map((x) => done.get(x) ?? x),
    );
    if (made !== node) done.set(node, made);
  }
  return outputs.map((node) => done.get(node) ?? node);
}
