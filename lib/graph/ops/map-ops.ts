import type { Node, Primitive } from '../node.ts';
import { type ElementwiseOp, elementwiseOps, type MapOpcode } from './elementwise.ts';
import { cheap, type Scalar } from './scalar.ts';

/** What kernels can compute of one element, read off the rows of the op table. */

export interface MapOpFacts extends Scalar {
  readonly operands: number;
}

function factsOf([name, row]: [string, ElementwiseOp]): [string, MapOpFacts][] {
  const { scalars, operands } = row;
  if (scalars === 'operand') return [];
  const named = 'code' in scalars ? { [name]: scalars as Scalar } : scalars;
  return Object.entries(named).map(([opcode, scalar]) => [opcode, { ...scalar, operands }]);
}

export const mapOps = Object.fromEntries([
  ...(Object.entries(elementwiseOps) as [string, ElementwiseOp][]).flatMap(factsOf),
  ['constant', { ...cheap(56, (_a, _b, _c, immediate) => immediate), operands: 0 }],
]) as { readonly [K in MapOpcode]: MapOpFacts };

/** The row of an elementwise operation; undefined for every other one. */
export function elementwiseRow(node: Node): ElementwiseOp | undefined {
  return (elementwiseOps as { readonly [P in Primitive]?: ElementwiseOp })[node.op];
}
