import { checkOptions, invalidArgument, MAX_F32, ZerothError } from '../errors.ts';
import { type DType, type Shape, sizeOf } from './node.ts';

/** Numbers as plain JavaScript writes them: a list, or a list of equally long lists, to any depth that a tensor may have. */
export type NumberArray = readonly number[] | readonly NumberArray[];

/** An array of the user's, in any of its forms. Its elements are copied. */
export type HostArray =
  | TypedArray
  /** `[[1, 2], [3, 4]]`: f32, its shape the nesting. */
  | NumberArray
  /** Plain numbers with a dtype (default f32; i32 for labels and tokens), and with a shape where they are one flat list. */
  | { readonly data: NumberArray; readonly shape?: Shape; readonly dtype?: DType };

/** Row-major elements and their shape. Float32Array → f32, Int32Array → i32 (labels, tokens; magnitudes below 2^24). */
export interface TypedArray {
  readonly shape: Shape;
  readonly data: Float32Array | Int32Array;
}

/** Whether an array is one of plain numbers that do not say what they are: f32, unless somebody knows better. */
export function isUntyped(
  array: HostArray,
): array is NumberArray | { readonly data: NumberArray; readonly shape?: Shape } {
  if (Array.isArray(array)) return true;
  const { data, dtype } = (array ?? {}) as { data?: unknown; dtype?: unknown };
  return Array.isArray(data) && dtype === undefined;
}

export const dtypeOf = ({ data }: TypedArray): DType => (data instanceof Float32Array ? 'f32' : 'i32');

/** Integers of smaller magnitude are exact in f32, in which the devices compute. */
const INTEGER_LIMIT = 2 ** 24;
const MAX_AXES = 8;

/**
 * The typed form of an array: elements that the devices can hold, as many as its shape says.
 *
 * @param name of the argument, for errors.
 * @throws ERR_ZEROTH_ARGUMENT for what is no array, or has another shape than it says; ERR_ZEROTH_DATA for an element that is not finite,
 *   beyond f32, or, where integers are due, none below 2^24 in magnitude.
 */
export function typedArray(name: string, array: HostArray): TypedArray {
  if (isList(array)) return fromNumbers(name, array, 'f32');
  if (ArrayBuffer.isView(array)) invalidArgument(name, '{ shape, data }, for it does not say its shape', array);
  const fields = array as { readonly shape?: Shape; readonly data: unknown; readonly dtype?: DType };
  checkOptions(name, fields, { shape: true, data: true, dtype: true });
  const { shape, data, dtype } = fields;
  if (dtype !== undefined && dtype !== 'f32' && dtype !== 'i32')
    invalidArgument(`${name}.dtype`, "'f32' or 'i32'", dtype);
  if (isList(data)) {
    const numbers = fromNumbers(`${name}.data`, data, dtype ?? 'f32');
    return shape === undefined ? numbers : reshaped(name, numbers, shape);
  }
  if (!(data instanceof Float32Array || data instanceof Int32Array))
    invalidArgument(`${name}.data`, 'a Float32Array, an Int32Array or an array of numbers', data);
  const typed = { shape: shape as Shape, data };
  if (dtype !== undefined && dtype !== dtypeOf(typed))
    invalidArgument(`${name}.dtype`, `'${dtypeOf(typed)}', that of its ${data.constructor.name}`, dtype);
  checkShape(name, shape, data.length);
  const isGood = goodElements[dtypeOf(typed)];
  for (let i = 0; i < data.length; i++) if (!isGood(data[i])) refuseElement(name, typed, dtypeOf(typed), data[i], i);
  return typed;
}

/**
 * Numbers as one f32 vector, in row-major order: a Float32Array as it is; plain numbers, flat or nested, copied.
 *
 * @param expected what it is, for errors: `16 numbers`.
 * @throws ERR_ZEROTH_ARGUMENT for what is neither, or has another length; ERR_ZEROTH_DATA for plain numbers that f32 does not hold.
 */
export function f32Vector(
  name: string,
  values: Float32Array | NumberArray,
  { length, expected }: { readonly length?: number; readonly expected: string },
): Float32Array {
  const fits = (vector: Float32Array): boolean => length === undefined || vector.length === length;
  if (values instanceof Float32Array && fits(values)) return values;
  if (isList(values) && values.length > 0) {
    const { data } = typedArray(name, values);
    if (fits(data as Float32Array)) return data as Float32Array;
  }
  return invalidArgument(name, `a Float32Array, or an array, of ${expected}`, values);
}

const isList = (value: unknown): value is NumberArray => Array.isArray(value);

function checkShape(name: string, shape: unknown, elements: number): asserts shape is Shape {
  if (!Array.isArray(shape)) invalidArgument(`${name}.shape`, 'an array of sizes', shape);
  if (shape.some((n) => !Number.isSafeInteger(n) || n < 1) || sizeOf(shape) !== elements) {
    invalidArgument(`${name}.shape`, `positive integers whose product is the ${elements} elements of its data`, shape);
  }
}

/** Numbers that lie flat take any shape of as many elements; nested ones have theirs. */
function reshaped(name: string, { shape: nesting, data }: TypedArray, shape: Shape): TypedArray {
  checkShape(name, shape, data.length);
  if (nesting.length > 1 && (nesting.length !== shape.length || nesting.some((n, axis) => n !== shape[axis])))
    invalidArgument(`${name}.shape`, `[${nesting.join(', ')}], as its data is nested`, shape);
  return { shape, data };
}

function fromNumbers(name: string, numbers: NumberArray, dtype: DType): TypedArray {
  const shape: number[] = [];
  for (let level: unknown = numbers; Array.isArray(level); level = level[0]) {
    if (level.length === 0) invalidArgument(name + '[0]'.repeat(shape.length), 'at least one element', level);
    shape.push(level.length);
    if (shape.length > MAX_AXES) invalidArgument(name, `at most ${MAX_AXES} levels of nesting`, numbers);
  }
  // Lengths first: the product of those along the first branch may be far from the number of elements that there are.
  checkNesting(name, numbers, shape, 0);
  const typed = { shape, data: dtype === 'f32' ? new Float32Array(sizeOf(shape)) : new Int32Array(sizeOf(shape)) };
  const isGood = goodElements[dtype];
  let next = 0;
  const fill = (level: NumberArray, axis: number): void => {
    for (const child of level) {
      if (typeof child !== 'number') {
        fill(child, axis + 1);
        continue;
      }
      if (!isGood(child)) refuseElement(name, typed, dtype, child, next);
      typed.data[next++] = child;
    }
  };
  fill(numbers, 0);
  return typed;
}

/** Numbers at the depth of the first one, and lists of equal lengths above. */
function checkNesting(path: string, level: NumberArray, shape: Shape, axis: number): void {
  const length = shape[axis + 1];
  for (let i = 0; i < level.length; i++) {
    const child: unknown = level[i];
    if (length === undefined) {
      if (typeof child !== 'number') invalidArgument(`${path}[${i}]`, 'a number', child);
    } else {
      if (!Array.isArray(child) || child.length !== length)
        invalidArgument(`${path}[${i}]`, `an array of ${length} elements, like ${path}[0]`, child);
      checkNesting(`${path}[${i}]`, child, shape, axis + 1);
    }
  }
}

const goodElements: Readonly<Record<DType, (value: number) => boolean>> = {
  f32: (value) => Math.abs(value) <= MAX_F32,
  i32: (value) => Number.isInteger(value) && Math.abs(value) < INTEGER_LIMIT,
};

function refuseElement(name: string, { shape }: TypedArray, dtype: DType, value: number, i: number): never {
  const expected =
    dtype === 'f32' ? 'finite numbers in the range of f32' : `integers below ${INTEGER_LIMIT} in magnitude`;
  const row = shape.length === 0 ? '' : ` (row ${Math.floor(i / (sizeOf(shape) / shape[0]))})`;
  throw new ZerothError(
    'ERR_ZEROTH_DATA',
    `${name}: expected ${expected}, received ${value} at element ${i}${row}; remove or repair it.`,
  );
}
