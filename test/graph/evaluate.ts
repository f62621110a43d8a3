import type { Graph } from '../../lib/graph/node.ts';
import { sizeOf } from '../../lib/graph/node.ts';
import { type Tensor, type TensorSpec, trace } from '../../lib/graph/ops.ts';
import { evaluateReference } from '../../lib/graph/reference.ts';
import { simplify } from '../../lib/graph/simplify.ts';

export type Values = Float64Array | Int32Array;
export type TensorFunction = (...args: Tensor[]) => Tensor | Tensor[];

/** A small generator of its own (mulberry32), so that test data do not depend on the code under test. */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function uniform(next: () => number, length: number, low = -1, high = 1): Float64Array {
  return Float64Array.from({ length }, () => low + (high - low) * next());
}

export const traceOf = (f: TensorFunction, specs: readonly TensorSpec[]): Graph => trace(f, ...specs);

/** f, traced once, as a function of values; the simplified graph has to agree with the plain one. */
export function prepare(
  f: TensorFunction,
  specs: readonly TensorSpec[],
): (inputs: readonly Values[]) => Float64Array[] {
  const graph = traceOf(f, specs);
  const simplified = simplify(graph);
  return (inputs) => {
    const plain = evaluateReference(graph, inputs);
    evaluateReference(simplified, inputs).forEach((values, i) => {
      expectClose(values, plain[i], 1e-10);
    });
    return plain;
  };
}

/** All outputs of f. */
export const run = (f: TensorFunction, specs: readonly TensorSpec[], inputs: readonly Values[]): Float64Array[] =>
  prepare(f, specs)(inputs);

/** |actual − expected| ≤ tolerance · (1 + |expected|), elementwise. */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  if (actual.length !== expected.length) throw new Error(`${actual.length} values instead of ${expected.length}`);
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i], expected[i]];
    if (Object.is(a, e) || a === e) continue;
    if (!(Math.abs(a - e) <= tolerance * (1 + Math.abs(e)))) {
      throw new Error(`element ${i} of ${expected.length}: expected ${e}, received ${a}`);
    }
  }
}

export const moved = (x: Values, v: Float64Array, h: number): Values =>
  x instanceof Int32Array ? x : x.map((value, i) => value + h * v[i]);

/** Fourth-order central difference of f along `directions` (null: fixed). */
export function directionalDifference(
  f: (inputs: Values[]) => Float64Array,
  inputs: readonly Values[],
  directions: readonly (Float64Array | null)[],
  h = 1e-3,
): Float64Array {
  const at = (step: number) => f(inputs.map((x, i) => (directions[i] ? moved(x, directions[i], step) : x)));
  const [a, b, c, d] = [at(-2 * h), at(-h), at(h), at(2 * h)];
  return a.map((_, i) => (a[i] - 8 * b[i] + 8 * c[i] - d[i]) / (12 * h));
}

export const dot = (a: Float64Array, b: Float64Array): number => a.reduce((total, x, i) => total + x * b[i], 0);
export const count = (spec: TensorSpec): number => sizeOf(spec.shape);

/** The first output of a prepared function. */
export const first =
  (f: (inputs: readonly Values[]) => Float64Array[]) =>
  (inputs: readonly Values[]): Float64Array =>
    f(inputs)[0];
