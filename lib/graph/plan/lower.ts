import type { Node } from '../node.ts';
import { buildChain, type Target } from './chain.ts';
import { type Context, loweringOf, type Step, type Taken } from './lowerings.ts';
import { type Buffer, bufferFor, locate, type Place, type Stored } from './storage.ts';

export type LowerResult =
  | { readonly steps: Step[]; readonly bufferOf: (node: Node) => Buffer }
  | { readonly store: Node };

/**
 * Turns the stored values that `outputs` need into steps, operands first.
 * @param order every node, operands first.
 * @param inputs where the graph's inputs are.
 * @param mates stored elementwise values that one kernel computes together.
 * @returns the steps, or a value that needs memory of its own before there can be steps.
 */
export function lower(
  order: readonly Node[],
  outputs: readonly Node[],
  stored: Stored,
  inputs: ReadonlyMap<Node, Place>,
  mates: ReadonlyMap<Node, readonly Node[]>,
): LowerResult {
  const buffers = new Map<Node, Buffer>();
  const bufferOf = (node: Node): Buffer => {
    let buffer = buffers.get(node);
    if (!buffer) {
      buffer = bufferFor(node);
      buffers.set(node, buffer);
    }
    return buffer;
  };
  const placeOf = (node: Node): Place => inputs.get(node) ?? { buffer: bufferOf(node), element: 0 };

  const needed = new Set<Node>(outputs);
  const done = new Set<Node>();
  let store: Node | undefined;

  const whole = <T>({ operand, dtype, accept }: Taken<T>) => {
    const found = locate(operand, dtype, stored, accept);
    if (!found || !stored.has(found.base)) {
      store ??= found ? found.base : operand;
      return undefined;
    }
    needed.add(found.base);
    const { buffer, element } = placeOf(found.base);
    return { place: { buffer, element: element + found.element }, access: found.access };
  };

  const chain = (targets: readonly Target[]) => {
    const result = buildChain(targets, stored, placeOf);
    if ('store' in result) {
      store ??= result.store;
      return undefined;
    }
    for (const leaf of result.chain.leaves) needed.add(leaf);
    return result.chain;
  };

  const map = (targets: readonly Target[], after: readonly Step[] = []): Step[] => {
    const made = chain(targets);
    if (!made) return [];
    const { dims, reads, ops, writes } = made;
    const roots = targets.filter(({ own }) => own).map(({ node }) => node);
    return [{ instruction: { kind: 'map', dims, reads, ops, writes }, after, roots }];
  };

  const stepsFor = (node: Node): Step[] => {
    const context: Context = { destination: placeOf(node), whole, chain, map };
    const lowering = loweringOf(node);
    if (lowering) return lowering.steps(node, context);
    const together = mates.get(node) ?? [node];
    for (const mate of together) done.add(mate);
    return map(together.map((mate) => ({ node: mate, place: placeOf(mate), own: true })));
  };

  const blocks: Step[][] = [];
  for (const node of order.toReversed()) {
    if (!needed.has(node) || done.has(node)) continue;
    done.add(node);
    blocks.unshift(stepsFor(node));
    if (store) return { store };
  }
  return { steps: blocks.flat(), bufferOf };
}
