import { ZerothError } from '../errors.ts';
import type { DType, Node, Shape } from './node.ts';
import { shapeText } from './ops/shape.ts';
import { currentLocation } from './where.ts';

/** What an operation takes: a tensor, or a number that becomes a constant of the shape and dtype it meets. */
export type Operand = Tensor | number;

export type Axes = number | readonly number[];

export interface ReductionOptions {
  /** Keep the reduced axes, with size 1. Default false. */
  readonly keepDims?: boolean;
}

/**
 * A value of a traced function: a static shape and dtype, and a node of the graph that is being recorded. It holds no numbers.
 * Tensors exist only inside the function that received them; nothing needs to be disposed.
 *
 * Every method is the free function of the same name with this tensor as its first argument. JavaScript's operators throw on a tensor, all
 * but those that nobody can overload: `x === y` compares handles, and `if (x)`, `!x` and `x ? a : b` take every tensor for true.
 */
export class Tensor {
  readonly node: Node;

  // Methods, which `methods.ts` puts here: what they do is made of tensors.
  declare readonly add: (other: Operand) => Tensor;
  declare readonly sub: (other: Operand) => Tensor;
  declare readonly mul: (other: Operand) => Tensor;
  declare readonly div: (other: Operand) => Tensor;
  declare readonly neg: () => Tensor;
  declare readonly exp: () => Tensor;
  declare readonly log: () => Tensor;
  declare readonly tanh: () => Tensor;
  declare readonly sigmoid: () => Tensor;
  declare readonly sqrt: () => Tensor;
  declare readonly square: () => Tensor;
  declare readonly relu: () => Tensor;
  declare readonly gelu: () => Tensor;
  declare readonly reshape: (shape: Shape) => Tensor;
  declare readonly transpose: (permutation?: readonly number[]) => Tensor;
  declare readonly slice: (
    starts: readonly number[],
    limits?: readonly (number | undefined)[],
    strides?: readonly number[],
  ) => Tensor;
  declare readonly sum: (axes?: Axes, options?: ReductionOptions) => Tensor;
  declare readonly mean: (axes?: Axes, options?: ReductionOptions) => Tensor;
  declare readonly max: (axes?: Axes, options?: ReductionOptions) => Tensor;
  declare readonly matmul: (other: Tensor) => Tensor;

  constructor(node: Node) {
    this.node = node;
  }

  get shape(): Shape {
    return this.node.shape;
  }

  get dtype(): DType {
    return this.node.dtype;
  }

  get rank(): number {
    return this.node.shape.length;
  }

  /** Called by JavaScript's own operators, which would go on with NaN: `x * 2`, `x > 0 ? …`, `x == 0`, `Math.exp(x)`, `${x}`. */
  [Symbol.toPrimitive](hint: 'number' | 'string' | 'default'): never {
    const where = currentLocation();
    throw new ZerothError(
      'ERR_ZEROTH_TRACE',
      `a tensor cannot be used ${hint === 'string' ? 'as text' : "with JavaScript's operators or Math"}: it stands for values that do not exist yet, while the function is traced. ` +
        `Use add, sub, mul, div, neg, exp … for arithmetic, eq, ne, lt, le, gt, ge with select(condition, a, b) for a choice, and x.shape for its sizes.${where ? ` At ${where}` : ''}`,
    );
  }

  /** Called by `JSON.stringify`, of loggers for example: what it is, not the graph below it. */
  toJSON(): string {
    return `Tensor ${this.dtype}${shapeText(this.shape)}`;
  }
}
