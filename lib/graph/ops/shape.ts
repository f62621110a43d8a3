import type { Attributes, DType, Node, Primitive, Shape } from '../node.ts';

/** Ends a shape rule: says in a few words what is wrong. The caller adds the operation, the shapes and the source line. */
export type Reject = (reason: string) => never;

export interface ValueType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/**
 * The shape and dtype of a result, or a refusal.
 * @param target the requested type, for the operations whose attributes do not determine it (input, constant, iota, broadcast, reshape).
 */
export type ShapeRule<P extends Primitive> = (
  inputs: readonly Node[],
  attributes: Attributes[P],
  reject: Reject,
  target: ValueType,
) => ValueType;

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((n, i) => n === b[i]);
export const shapeText = (shape: Shape): string => `[${shape.join(', ')}]`;
