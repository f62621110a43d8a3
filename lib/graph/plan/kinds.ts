import type { Node, Primitive } from '../node.ts';
import type { CompositePrimitive } from '../ops/composite.ts';
import type { Elementwise, ScalarCall } from '../ops/elementwise.ts';
import { elementwiseRow } from '../ops/map-ops.ts';

/**
 * What a value is to the planner. Total by type: the planner knows every primitive or does not compile.
 *   elementwise  computed inside the kernels that use it, unless it is given memory
 *   constant     a number inside an instruction
 *   view         another value's memory, with other strides
 *   source       memory of its own type, whatever its rank
 *   result       memory; of rank 0 it is f64. A scan has none itself: its results have
 */
type Kind = 'elementwise' | 'constant' | 'view' | 'source' | 'result';

export type ViewPrimitive = 'reshape' | 'broadcast' | 'transpose' | 'slice';
export type ViewNode = { [P in ViewPrimitive]: Node<P> }[ViewPrimitive];

const KINDS: {
  readonly [P in Exclude<Primitive, Elementwise | CompositePrimitive>]: P extends ViewPrimitive ? 'view' : Kind;
} = {
  input: 'source',
  constant: 'constant',
  iota: 'source',
  broadcast: 'view',
  reshape: 'view',
  transpose: 'view',
  slice: 'view',
  pad: 'result',
  concat: 'result',
  gather: 'source',
  scatterAdd: 'source',
  sum: 'result',
  max: 'result',
  matmul: 'result',
  linearRecurrence: 'result',
  scan: 'result',
  result: 'result',
};

export function kindOf(node: Node): Kind {
  if (elementwiseRow(node)) return 'elementwise';
  // A composite that is still one has an instruction.
  return KINDS[node.op as keyof typeof KINDS] ?? 'result';
}

export const isElementwise = (node: Node): boolean => kindOf(node) === 'elementwise';
export const isView = (node: Node): node is ViewNode => kindOf(node) === 'view';

/** How a kernel computes an element of the value; undefined where it is not elementwise. */
export function scalarCall(node: Node): ScalarCall | undefined {
  const call = elementwiseRow(node)?.lower(node);
  if (call === 'operand') throw new Error(`${node.op} is its operand, and is gone when a graph is legal`);
  return call;
}
