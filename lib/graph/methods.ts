import { reshape, slice, transpose } from './arrange.ts';
import { matmul, max, mean, sum } from './contract.ts';
import { add, div, exp, gelu, log, mul, neg, relu, sigmoid, sqrt, square, sub, tanh } from './pointwise.ts';
import { Tensor } from './tensor.ts';

/** Puts the methods on tensors. Whoever makes tensors for a user imports this file: the functions are made of tensors, so tensors cannot import them. */

type Methods = {
  readonly [K in keyof Tensor & string as Tensor[K] extends (...rest: never[]) => Tensor
    ? K
    : never]: Tensor[K] extends (...rest: infer Rest) => Tensor ? (x: Tensor, ...rest: Rest) => Tensor : never;
};

/** Total by type. */
const methods: Methods = {
  add,
  sub,
  mul,
  div,
  neg,
  exp,
  log,
  tanh,
  sigmoid,
  sqrt,
  square,
  relu,
  gelu,
  reshape,
  transpose,
  slice,
  sum,
  mean,
  max,
  matmul,
};

for (const [name, apply] of Object.entries(methods) as [string, (x: Tensor, ...rest: unknown[]) => Tensor][]) {
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: unknown[]) {
      return apply(this, ...rest);
    },
    writable: true,
    configurable: true,
  });
}
