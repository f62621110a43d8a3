/**
 * The graph: immutable nodes with static shapes. A graph is whatever is reachable from its outputs.
 * Everything else in this folder maps nodes to nodes.
 */

export type DType = 'f32' | 'i32';
export type Shape = readonly number[];
export type Comparison = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge';

/** Every primitive, with its static attributes. Adding a primitive starts by adding a line here; the compiler then lists what is missing. */
export interface Attributes {
  /** A value from outside. `name` is for messages; identity is the node itself. */
  input: { readonly name: string };
  /** One number, of any shape. */
  constant: { readonly value: number };
  /** 0, 1, 2, … along `axis`, constant along the others. */
  iota: { readonly axis: number };

  // Elementwise: all operands have the result's shape.
  neg: object;
  exp: object;
  log: object;
  log1p: object;
  expm1: object;
  tanh: object;
  /** Gauss error function. */
  erf: object;
  sigmoid: object;
  sqrt: object;
  rsqrt: object;
  abs: object;
  sign: object;
  /** Exact (erf) Gaussian error linear unit, x Φ(x). */
  gelu: object;
  integerPow: { readonly exponent: number };
  /** 1 / cosh²(x), the derivative of tanh; by itself, because 1 − tanh²(x) cancels. */
  sech2: object;
  /** Derivatives of erf and gelu, of order 1 to 16: what is made of the functions themselves cancels, or is 0 · ∞ at the ends. */
  erfDerivative: { readonly order: number };
  geluDerivative: { readonly order: number };
  add: object;
  sub: object;
  mul: object;
  div: object;
  maximum: object;
  minimum: object;
  /** 1 where the comparison holds, else 0 (f32). */
  compare: { readonly direction: Comparison };
  /** select(mask, a, b): a where mask ≠ 0, else b. */
  select: object;
  /** The identity; its derivative is zero. */
  stopGradient: object;

  // Structural.
  /** Operand axis i becomes result axis axes[i] (increasing); the remaining result axes are new. No size-1 stretching. */
  broadcast: { readonly axes: readonly number[] };
  reshape: object;
  /** Result axis i is operand axis permutation[i]. */
  transpose: { readonly permutation: readonly number[] };
  slice: {
    readonly starts: readonly number[];
    readonly limits: readonly number[];
    readonly strides: readonly number[];
  };
  /** Zeros: low before, high after, interior between elements, one entry an axis, none negative. */
  pad: { readonly low: readonly number[]; readonly high: readonly number[]; readonly interior: readonly number[] };
  concat: { readonly axis: number };
  /** gather(table [V, …rest], indices i32 [...i]) → [...i, …rest]. */
  gather: object;
  /** scatterAdd(indices i32 [...i], updates [...i, …rest]) → [rows, …rest], zero where nothing is added. */
  scatterAdd: { readonly rows: number };

  // Reductions: the listed axes (increasing, may be empty) disappear.
  sum: { readonly axes: readonly number[] };
  max: { readonly axes: readonly number[] };

  /**
   * [...batch, m, k] × [...batch, k, n] → [...batch, m, n]. Both operands have the same batch shape, or one of them has none
   * (it is then shared by the whole batch). A transposed operand is stored [...batch, k, m] or [...batch, n, k].
   */
  matmul: { readonly transposeA: boolean; readonly transposeB: boolean };

  // Composites: made of the others, and one instruction where a device has it.
  /** x − log Σ exp(x) along an axis. */
  logSoftmax: { readonly axis: number };

  /** linearRecurrence(a [n, …], b [n, …], start […]) → h [n, …] with h_t = a_t h_{t−1} + b_t, elementwise; in reverse the last one comes first. */
  linearRecurrence: { readonly reverse: boolean };
  /** A loop. Its value is no array: `result` nodes name its results. */
  scan: Loop;
  /** One of the results of a scan, by its number. */
  result: { readonly index: number };
}

/**
 * A loop over axis 0 of some arrays. Operands of the scan and inputs of the body are in one order: `constants`, which every step sees whole; the
 * `carries`, of which the first step receives what is given and every other one what the step before has returned; then arrays [length, …], of
 * which each step sees its own row. The body's outputs: the next carries, then rows of stacked results.
 * Results: the carries that the last step returned; the stacked outputs [length, …]; the history of each carry, which is what the steps received
 * [length, …]. Whatever nobody asks for is not kept.
 */
export interface Loop {
  readonly body: Graph;
  readonly length: number;
  /** The last row comes first; rows of results stand where those that they are made of stand. */
  readonly reverse: boolean;
  readonly constants: number;
  readonly carries: number;
}

export type Primitive = keyof Attributes;

export interface Node<P extends Primitive = Primitive> {
  /** Increasing in creation order, so operands always have smaller ids than their users. */
  readonly id: number;
  readonly op: P;
  readonly inputs: readonly Node[];
  readonly attributes: Attributes[P];
  readonly shape: Shape;
  readonly dtype: DType;
  /** The user's source line that made it, for error messages. */
  readonly where?: string;
}

/** A traced function: distinct `input` nodes in the order of its arguments, and its results. */
export interface Graph {
  readonly inputs: readonly Node<'input'>[];
  readonly outputs: readonly Node[];
}

export const sizeOf = (shape: Shape): number => shape.reduce((product, n) => product * n, 1);
