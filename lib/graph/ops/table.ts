import type { Node, Primitive } from '../node.ts';
import { type CompositePrimitive, compositeOps } from './composite.ts';
import { contractionOps } from './contraction.ts';
import { elementwiseOps } from './elementwise.ts';
import { indexingOps } from './indexing.ts';
import { leafOps } from './leaf.ts';
import type { Composite, Op } from './op.ts';
import { reduceOps } from './reduce.ts';
import { structuralOps } from './structural.ts';

/** The op table. Total by type: an operation without a row, or a row without a rule, does not compile. */
export type OpTable = { readonly [P in Primitive]: P extends CompositePrimitive ? Composite<P> : Op<P> };

export const opTable: OpTable = {
  ...leafOps,
  ...elementwiseOps,
  ...structuralOps,
  ...reduceOps,
  ...contractionOps,
  ...indexingOps,
  ...compositeOps,
};

/** The row of a node's operation. */
export const opOf = (node: Node): Op | Composite => opTable[node.op] as Op | Composite;

export const isComposite = (row: Op | Composite): row is Composite => 'expand' in row;
