import type { Node, Primitive } from '../node.ts';
import { type CompositePrimitive, compositeOps } from './composite.ts';
import { contractionOps } from './contraction.ts';
import { elementwiseOps } from './elementwise.ts';
import { indexingOps } from './indexing.ts';
import { leafOps } from './leaf.ts';
import type { Composite, MultiOp, Op } from './op.ts';
import { recurrenceOps } from './recurrence.ts';
import { reduceOps } from './reduce.ts';
import { multiOps } from './scan.ts';
import { structuralOps } from './structural.ts';

/** Operations with several results, and the one that names a result: the transforms know how the two belong together. */
export type MultiPrimitive = keyof typeof multiOps;
type SinglePrimitive = Exclude<Primitive, MultiPrimitive | CompositePrimitive | 'result'>;

/** The op table. Total by type: an operation without a row, or a row without a rule, does not compile. */
export type OpTable = {
  readonly [P in Exclude<Primitive, 'result'>]: P extends CompositePrimitive
    ? Composite<P>
    : P extends MultiPrimitive
      ? MultiOp<P>
      : Op<P>;
};

export const opTable: OpTable = {
  ...leafOps,
  ...elementwiseOps,
  ...structuralOps,
  ...reduceOps,
  ...contractionOps,
  ...indexingOps,
  ...compositeOps,
  ...recurrenceOps,
  ...multiOps,
};

/** The row of an operation with one result that is no composite. */
export const opOf = (node: Node): Op => opTable[node.op as SinglePrimitive] as Op;

/** The row of a composite; undefined for every other operation. */
export const compositeOf = (node: Node): Composite | undefined =>
  (compositeOps as { readonly [P in Primitive]?: Composite<never> })[node.op] as Composite | undefined;

/** The row of an operation with several results; undefined for every other one. */
export const multiOpOf = (node: Node): MultiOp | undefined =>
  (multiOps as { readonly [P in Primitive]?: unknown })[node.op] as MultiOp | undefined;
