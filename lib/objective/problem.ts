import { checkObject, invalidArgument, ZerothError } from '../errors.ts';
import { type DType, type Shape, sizeOf } from '../graph/node.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { ParameterSpec } from '../nn/parameters.ts';

/** One array of a data set: axis 0 counts examples. */
export interface DataArray {
  readonly shape: Shape;
  /** Float32Array → f32, Int32Array → i32 (labels, tokens; magnitudes below 2^24). */
  readonly data: Float32Array | Int32Array;
}

/** What is to be minimised: the mean of a loss over examples, as a function of named parameters. */
export interface Problem {
  /** For logs and reports. */
  readonly name?: string;
  readonly parameters: Readonly<Record<string, ParameterSpec>>;
  readonly data: Readonly<Record<string, DataArray>>;
  /**
   * Pure function of traced tensors. `data` holds some of the examples (a micro-batch); the result is a scalar, the *mean* over exactly
   * these examples: micro-batches are combined by their sizes.
   */
  readonly loss: (parameters: Record<string, Tensor>, data: Record<string, Tensor>) => Tensor;
}

export const dtypeOf = (data: Float32Array | Int32Array): DType => (data instanceof Float32Array ? 'f32' : 'i32');

/**
 * Checks the data: kinds, lengths, equal numbers of examples, and no NaN or infinity.
 * @returns the number of examples.
 * @throws ERR_ZEROTH_ARGUMENT, ERR_ZEROTH_DATA
 */
export function checkData(data: Problem['data']): number {
  checkObject('data', data, 'an object of named { shape, data }');
  const entries = Object.entries(data);
  if (entries.length === 0) invalidArgument('data', 'at least one named array', data);
  for (const [name, array] of entries) {
    checkObject(`data.${name}`, array, '{ shape, data }');
    if (!Array.isArray(array.shape)) invalidArgument(`data.${name}.shape`, 'an array of sizes', array.shape);
  }
  const examples = entries[0][1].shape[0];
  for (const [name, array] of entries) {
    const kind = array.data instanceof Float32Array || array.data instanceof Int32Array;
    if (!kind) invalidArgument(`data.${name}.data`, 'a Float32Array or an Int32Array', array.data);
    const { shape } = array;
    if (
      shape.length === 0 ||
      shape.some((n) => !Number.isSafeInteger(n) || n < 1) ||
      sizeOf(shape) !== array.data.length
    ) {
      invalidArgument(
        `data.${name}.shape`,
        `positive integers whose product is the ${array.data.length} elements of its data`,
        shape,
      );
    }
    if (shape[0] !== examples)
      invalidArgument(`data.${name}.shape[0]`, `${examples} examples, as in data.${entries[0][0]}`, shape[0]);
    checkValues(name, array);
  }
  return examples;
}

function checkValues(name: string, { data, shape }: DataArray): void {
  const limit = 2 ** 24;
  for (let i = 0; i < data.length; i++) {
    const value = data[i];
    const bad = data instanceof Float32Array ? !Number.isFinite(value) : Math.abs(value) >= limit;
    if (!bad) continue;
    const row = Math.floor(i / (data.length / shape[0]));
    const expected = data instanceof Float32Array ? 'finite numbers' : `integers below ${limit} in magnitude`;
    throw new ZerothError(
      'ERR_ZEROTH_DATA',
      `data.${name}: expected ${expected}, received ${value} at element ${i} (example ${row}); remove or repair that example.`,
    );
  }
}
