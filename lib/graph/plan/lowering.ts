import type { DType, Graph, Node, Primitive } from '../node.ts';
import type { Chain, Target } from './chain.ts';
import type { AnyInstruction } from './instruction.ts';
import type { StorageType } from './schema.ts';
import { asMatrices, type MatrixAccess, type Place } from './storage.ts';
import { isContiguous, type View } from './views.ts';

/** What the row of a primitive in `lowerings.ts` is, and what it may ask for. */

/** An instruction between buffers, not yet placed in time or memory. */
export interface Step {
  readonly instruction: AnyInstruction<Place>;
  /** Steps that write to the same buffer before. */
  readonly after: readonly Step[];
  /** The stored values that a map computes whole. */
  readonly roots: readonly Node[];
}

/** An operand that an instruction takes whole, with the dtype and layout that it needs. */
export interface Taken<T = unknown> {
  readonly operand: Node;
  readonly dtype: DType | 'any';
  readonly accept: (view: View) => T | undefined;
}

/** What a lowering may ask for. Where the answer is undefined or no steps, some value needs memory first, and what the lowering returns is dropped. */
export interface Context {
  /** The value's own memory. */
  readonly destination: Place;
  readonly whole: <T>(taken: Taken<T>) => { readonly place: Place; readonly access: T } | undefined;
  readonly chain: (targets: readonly Target[]) => Chain | undefined;
  readonly map: (targets: readonly Target[], after?: readonly Step[]) => Step[];
  /** Of a loop: the memory of those of its results that are needed, by their numbers. */
  readonly results: ReadonlyMap<number, Place>;
  /** Says that the steps of another value make this one too. */
  readonly madeWith: (node: Node) => void;
  readonly bodyOf: BodyOf;
}

/** How an input of a loop's body is stored. */
export interface BodyInput {
  readonly dtype: StorageType;
  readonly view: View;
}

/**
 * Plans the body of a loop; `carries` says which of its inputs the trips hand on (`body.ts`).
 * @returns the instructions of one trip. Their places are in a buffer of their own, or in slots: one for each input of the body, then one for each
 *   stacked output.
 */
export type BodyOf = (
  body: Graph,
  inputs: readonly BodyInput[],
  carries: { readonly first: number; readonly count: number },
) => readonly AnyInstruction<Place>[];

/** How a primitive with memory and instructions of its own becomes steps. */
export interface Lowering<P extends Primitive> {
  takes(node: Node<P>): readonly Taken[];
  /** Of one part of it, where it has several. */
  steps(node: Node<P>, context: Context, part: number): Step[];
  /** How many parts are made apart, in any number. Default 1. */
  parts?(node: Node<P>): number;
  /** Of a composite: whether there is an instruction for this one. What has none is expanded. */
  supports?(node: Node<P>): boolean;
}

export const dense = (operand: Node, dtype: Taken['dtype'] = operand.dtype): Taken<true> => ({
  operand,
  dtype,
  accept: (view) => (isContiguous(view) ? true : undefined),
});
export const matrices = (operand: Node): Taken<MatrixAccess> => ({ operand, dtype: 'f32', accept: asMatrices });

export const single = (instruction: AnyInstruction<Place>): Step[] => [{ instruction, after: [], roots: [] }];
