import { broadcast, constant, mul, transpose } from '../build.ts';
import type { Graph, Node, Primitive } from '../node.ts';

/** What there is to know about an operation that is made of simpler ones: its derivatives, its batching and its value are theirs. */
export interface Composite<P extends Primitive = Primitive> {
  /** The value in other operations on the operands; other composites may be among them. */
  expand(node: Node<P>): Node;
}

/** A symbolic zero is `undefined`: it costs nothing, and no rule ever sees only zeros. */
export type MaybeZero = Node | undefined;

/** What there is to know about one operation beside the shape of its result (`shape-rules.ts`). */
export interface Op<P extends Primitive = Primitive> {
  /** Tangent of the result, given those of the operands. */
  jvp(node: Node<P>, tangents: readonly MaybeZero[]): MaybeZero;
  /** Cotangents of the operands, given that of the result; only the `wanted` ones are read. */
  vjp(node: Node<P>, cotangent: Node, wanted: readonly boolean[]): readonly MaybeZero[];
  /** The operation on `size` problems at once. A batched operand has the batch as axis 0, as has the result; at least one operand is batched. */
  batch(node: Node<P>, operands: readonly Node[], batched: readonly boolean[], size: number): Node;
  /** The value in f64, dense and row-major; integers are f64 too. */
  reference(node: Node<P>, inputs: readonly Float64Array[]): Float64Array;
}

/** What a transform says of a value for a whole batch: a node, and whether it has the batch as axis 0. */
export interface Batched {
  readonly node: Node;
  readonly batched: boolean;
}

/** The transforms of `transforms.ts`, for the rows of operations that hold graphs. */
export interface Transforms {
  pushForward(outputs: readonly Node[], from: readonly Node[], tangents: readonly MaybeZero[]): MaybeZero[];
  pullBack(outputs: readonly Node[], from: readonly Node[], cotangents: readonly MaybeZero[]): MaybeZero[];
  batched(outputs: readonly Node[], from: readonly Node[], batch: readonly Node[], size: number): Batched[];
}

/** An operation with several results, which `result` nodes name. Its rules speak of all of them, in their order. */
export interface MultiOp<P extends Primitive = Primitive> {
  jvp(node: Node<P>, tangents: readonly MaybeZero[], transforms: Transforms): readonly MaybeZero[];
  vjp(
    node: Node<P>,
    cotangents: readonly MaybeZero[],
    wanted: readonly boolean[],
    transforms: Transforms,
  ): readonly MaybeZero[];
  batch(
    node: Node<P>,
    operands: readonly Node[],
    batched: readonly boolean[],
    size: number,
    transforms: Transforms,
  ): readonly Batched[];
  /** `evaluate` gives the outputs of a graph in f64. */
  reference(
    node: Node<P>,
    inputs: readonly Float64Array[],
    evaluate: (graph: Graph, inputs: readonly Float64Array[]) => readonly Float64Array[],
  ): readonly Float64Array[];
}

export const scale = (x: Node, factor: number): Node => mul(x, constant(factor, x.shape, x.dtype));

/** [0, 1, …, n − 1]. */
export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The operand with the batch as axis 0, repeated where it has none. */
export function withBatch(x: Node, batched: boolean, size: number): Node {
  return batched
    ? x
    : broadcast(
        x,
        [size, ...x.shape],
        range(x.shape.length).map((axis) => axis + 1),
      );
}

/** [size, n, …] → [n, size, …] and back. */
export const swapFirst = (x: Node): Node => transpose(x, [1, 0, ...range(x.shape.length).slice(2)]);
