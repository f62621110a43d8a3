import type { Node, Primitive } from '../node.ts';
import { contractionOps } from './contraction.ts';
import { elementwiseOps } from './elementwise.ts';
import { indexingOps } from './indexing.ts';
import { leafOps } from './leaf.ts';
import type { Op } from './op.ts';
import { reduceOps } from './reduce.ts';
import { structuralOps } from './structural.ts';

/** The op table. Total by type: an operation without a row, or a row without a rule, does not compile. */
export type OpTable = { readonly [P in Primitive]: Op<P> };

export const opTable: OpTable = {
  ...leafOps,
  ...elementwiseOps,
  ...structuralOps,
  ...reduceOps,
  ...contractionOps,
  ...indexingOps,
};

/** The row of a node's operation. */
export const opOf = (node: Node): Op => opTable[node.op] as Op;
