import { ZerothError } from '../errors.ts';
import * as arrange from './arrange.ts';
import type { Operand } from './broadcasting.ts';
import * as contract from './contract.ts';
import type { DType, Node, Shape } from './node.ts';
import { shapeText } from './ops/shape.ts';
import * as pointwise from './pointwise.ts';
import { currentLocation } from './where.ts';

/**
 * A value of a traced function: a static shape and dtype, and a node of the graph that is being recorded. It holds no numbers.
 * Tensors exist only inside the function that received them; nothing needs to be disposed.
 *
 * Every method is the free function of the same name with this tensor as its first argument. JavaScript's operators throw on a tensor, all
 * but those that nobody can overload: `x === y` compares handles, and `if (x)`, `!x` and `x ? a : b` take every tensor for true.
 */
export class Tensor {
  readonly node: Node;

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

  add(other: Operand): Tensor {
    return pointwise.add(this, other);
  }

  sub(other: Operand): Tensor {
    return pointwise.sub(this, other);
  }

  mul(other: Operand): Tensor {
    return pointwise.mul(this, other);
  }

  div(other: Operand): Tensor {
    return pointwise.div(this, other);
  }

  neg(): Tensor {
    return pointwise.neg(this);
  }

  exp(): Tensor {
    return pointwise.exp(this);
  }

  log(): Tensor {
    return pointwise.log(this);
  }

  tanh(): Tensor {
    return pointwise.tanh(this);
  }

  sigmoid(): Tensor {
    return pointwise.sigmoid(this);
  }

  sqrt(): Tensor {
    return pointwise.sqrt(this);
  }

  square(): Tensor {
    return pointwise.square(this);
  }

  relu(): Tensor {
    return pointwise.relu(this);
  }

  gelu(): Tensor {
    return pointwise.gelu(this);
  }

  reshape(shape: Shape): Tensor {
    return arrange.reshape(this, shape);
  }

  transpose(permutation?: readonly number[]): Tensor {
    return arrange.transpose(this, permutation);
  }

  slice(starts: readonly number[], limits?: readonly (number | undefined)[], strides?: readonly number[]): Tensor {
    return arrange.slice(this, starts, limits, strides);
  }

  sum(axes?: contract.Axes, options?: contract.ReductionOptions): Tensor {
    return contract.sum(this, axes, options);
  }

  mean(axes?: contract.Axes, options?: contract.ReductionOptions): Tensor {
    return contract.mean(this, axes, options);
  }

  max(axes?: contract.Axes, options?: contract.ReductionOptions): Tensor {
    return contract.max(this, axes, options);
  }

  matmul(other: Tensor): Tensor {
    return contract.matmul(this, other);
  }
}

// This file is the layer's face: whoever writes a loss imports from here.
export * from './arrange.ts';
export type { Operand } from './broadcasting.ts';
export * from './contract.ts';
export * from './derive.ts';
export * from './pointwise.ts';
export { type TensorSpec, trace } from './trace.ts';
