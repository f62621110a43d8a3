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

const join = (): OpTable => ({
  ...leafOps,
  ...elementwiseOps,
  ...structuralOps,
  ...reduceOps,
  ...contractionOps,
  ...indexingOps,
});

let table: OpTable | undefined;

/** Joined on first use: rows and node constructors import each other, so while modules load a row may not be there yet. */
export function opTable(): OpTable {
  table ??= join();
  return table;
}

/** The row of a node's operation. */
export const opOf = (node: Node): Op => opTable()[node.op] as Op;
