import { checkObject, checkOptions, invalidArgument, type Names, ZerothError } from '../errors.ts';
import { type HostArray, isUntyped, type TypedArray, typedArray } from '../graph/host-array.ts';
import type { DType } from '../graph/node.ts';
import type { Tensor } from '../graph/ops.ts';
import type { WeightedSum } from '../nn/losses.ts';
import type { ParameterSpec } from '../nn/parameters.ts';

/** What a loss returns: a scalar that is the mean over its examples; or a sum and the weight to divide it by, once, over all examples. */
export type LossValue = Tensor | WeightedSum;

/** Named tensors of a traced function. Reading a name that is not there is an error, in types and when it is traced. */
export type Tensors<Name extends string = string> = Readonly<Record<Name, Tensor>>;

/**
 * What is to be minimised: the mean of a loss over examples, as a function of named parameters. The type parameters are the names of
 * parameters, data and constants; they are inferred.
 */
export interface Problem<P extends string = string, D extends string = string, C extends string = string> {
  /** For logs and reports. */
  readonly name?: string;
  readonly parameters: Readonly<Record<P, ParameterSpec>>;
  /** Arrays whose axis 0 counts examples. Absent: the loss is a function of the parameters (and constants) alone. */
  readonly data?: Readonly<Record<D, HostArray>>;
  /** Arrays that are neither trained nor divided: tables, frozen weights, or the whole of a data set whose loss couples its examples. */
  readonly constants?: Readonly<Record<C, HostArray>>;
  /**
   * Pure function of traced tensors. `data` holds some of the examples (a micro-batch), of any number: take it from a shape. The result is
   * the *mean* over exactly these examples, a scalar; or `{ sum, weight }` where what is to be divided by depends on the data, as with a mask.
   */
  loss(parameters: Tensors<P>, data: Tensors<D>, constants: Tensors<C>): LossValue;
}

/** Named arrays in their typed form, in the order of their declaration. */
export type TypedArrays = Readonly<Record<string, TypedArray>>;

const PROBLEM: Names<Problem> = { name: true, parameters: true, data: true, constants: true, loss: true };

/**
 * Checks a problem but for its parameters, and brings its arrays into their typed form.
 * @returns the arrays, and the number of examples, 0 without data.
 * @throws ERR_ZEROTH_ARGUMENT, ERR_ZEROTH_DATA
 */
export function checkProblem(problem: Problem): { data: TypedArrays; constants: TypedArrays; examples: number } {
  checkOptions('problem', problem, PROBLEM);
  const { name, data, constants = {}, loss } = problem;
  if (name !== undefined && typeof name !== 'string') invalidArgument('name', 'a string', name);
  if (typeof loss !== 'function') invalidArgument('loss', 'a function of tensors', loss);
  const examples = data === undefined ? { data: {}, examples: 0 } : checkData(data);
  return { ...examples, constants: typedArrays('constants', constants) };
}

/**
 * Checks arrays of examples: kinds, lengths, equal numbers of examples, elements that the devices can hold. Axes of no elements are refused.
 * @throws ERR_ZEROTH_ARGUMENT, ERR_ZEROTH_DATA
 */
export function checkData(data: Readonly<Record<string, HostArray>>): { data: TypedArrays; examples: number } {
  const typed = typedArrays('data', data);
  const entries = Object.entries(typed);
  if (entries.length === 0) invalidArgument('data', 'at least one named array (without any, leave `data` out)', data);
  const [first, { shape }] = entries[0];
  for (const [name, array] of entries) {
    if (array.shape.length === 0)
      invalidArgument(`data.${name}.shape`, 'at least one axis, which counts the examples', []);
    if (array.shape[0] !== shape[0])
      invalidArgument(`data.${name}.shape[0]`, `${shape[0]} examples, as in data.${first}`, array.shape[0]);
  }
  return { data: typed, examples: shape[0] };
}

/**
 * Arrays of examples in which plain numbers without a dtype are of that of a problem's data of the same name.
 * @throws ERR_ZEROTH_DATA for one that is no integer where integers are due.
 */
export function likeThose(
  known: Readonly<Record<string, { readonly dtype?: DType }>>,
  data: Readonly<Record<string, HostArray>>,
): Readonly<Record<string, HostArray>> {
  checkObject('data', data, ARRAYS);
  const alike = ([name, array]: [string, HostArray]): [string, HostArray] => {
    if (!isUntyped(array) || !Object.hasOwn(known, name) || known[name].dtype !== 'i32') return [name, array];
    const given = 'data' in array ? array : { data: array };
    const bad = (given.data as readonly unknown[])
      .flat(Number.POSITIVE_INFINITY)
      .find((x) => typeof x === 'number' && !Number.isInteger(x));
    if (bad !== undefined)
      throw new ZerothError(
        'ERR_ZEROTH_DATA',
        `data.${name}: expected integers, as the problem's ${name} are, received ${bad}; for real numbers say { data, dtype: 'f32' }.`,
      );
    return [name, { ...given, dtype: 'i32' }];
  };
  return Object.fromEntries(Object.entries(data).map(alike));
}

const ARRAYS = 'an object of named arrays, each nested numbers or { shape, data }';

function typedArrays(what: string, arrays: Readonly<Record<string, HostArray>>): TypedArrays {
  checkObject(what, arrays, ARRAYS);
  return Object.fromEntries(
    Object.entries(arrays).map(([name, array]) => [name, typedArray(`${what}.${name}`, array)]),
  );
}
