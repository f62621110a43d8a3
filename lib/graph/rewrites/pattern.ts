import { isOp } from '../build.ts';
import type { Node } from '../node.ts';

/** The number that a node is everywhere, if it is a constant. */
export function constantOf(node: Node): number | undefined {
  return isOp(node, 'constant') ? node.attributes.value : undefined;
}

export const isConstant = (node: Node, value: number): boolean => constantOf(node) === value;
