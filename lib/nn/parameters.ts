import { checkF32, checkInteger, checkObject, checkOptions, checkScale, invalidArgument } from '../errors.ts';
import { type HostArray, type NumberArray, typedArray } from '../graph/host-array.ts';
import { type Shape, sizeOf } from '../graph/node.ts';

/** How a parameter starts, as data: `lib/params` draws the values from the run's seed. */
export type Initialiser =
  /** Uniform on (−bound, bound). */
  | { readonly kind: 'uniform'; readonly bound: number }
  /** N(0, std²). */
  | { readonly kind: 'normal'; readonly std: number }
  | { readonly kind: 'constant'; readonly value: number };

/** Declares one named parameter of a model. */
export interface ParameterSpec {
  /** Sizes, each at least 1; [] is one number. */
  readonly shape: Shape;
  /** How it starts: drawn, or as an array says, row by row, flat or nested like the shape. */
  readonly init: Initialiser | Float32Array | NumberArray;
}

/** Whether a parameter starts as an array says. */
export const isArrayInit = (init: ParameterSpec['init']): init is Float32Array | NumberArray =>
  Array.isArray(init) || init instanceof Float32Array;

/** The elements of a start that is given as an array. @throws ERR_ZEROTH_ARGUMENT, ERR_ZEROTH_DATA */
export function initialValues(name: string, { shape, init }: ParameterSpec): Float32Array {
  const array = init instanceof Float32Array ? { shape: [init.length], data: init } : { data: init, shape };
  const { data } = typedArray(`init of parameter '${name}'`, array as HostArray);
  if (data.length !== sizeOf(shape))
    invalidArgument(`init of parameter '${name}'`, `the ${sizeOf(shape)} elements of [${shape.join(', ')}]`, data);
  return data as Float32Array;
}

/** PyTorch's default for weights and biases of linear layers: U(−1/√fanIn, 1/√fanIn). */
export function torchUniform(fanIn: number): Initialiser {
  return { kind: 'uniform', bound: 1 / Math.sqrt(checkInteger('fanIn', fanIn, 1)) };
}

/** N(0, std²). */
export function normal(std: number): Initialiser {
  return { kind: 'normal', std: checkScale('std', std, MAX_STD) };
}

export function constant(value: number): Initialiser {
  checkF32('value', value);
  return { kind: 'constant', value };
}

/** No element of a normal direction is beyond 7, and none of these times that beyond f32. */
const MAX_STD = 4e37;

/** @throws ERR_ZEROTH_ARGUMENT for an initialiser that is none, or whose number f32 does not hold; and for a dtype: parameters are f32. */
export function checkSpec(name: string, spec: ParameterSpec): void {
  const { init } = spec;
  const dtype = (spec as { dtype?: unknown }).dtype ?? 'f32';
  if (dtype !== 'f32')
    invalidArgument(`dtype of parameter '${name}'`, "'f32' (what is not to be trained is among the constants)", dtype);
  checkOptions(`parameter '${name}'`, spec as ParameterSpec & { dtype?: 'f32' }, {
    shape: true,
    init: true,
    dtype: true,
  });
  if (isArrayInit(init)) {
    initialValues(name, spec);
    return;
  }
  checkObject(`init of parameter '${name}'`, init, "an array, or an initialiser such as { kind: 'normal', std: 0.02 }");
  const what = `${init.kind} init of parameter '${name}'`;
  switch (init.kind) {
    case 'uniform':
      checkOptions(what, init, { kind: true, bound: true });
      checkScale(what, init.bound);
      break;
    case 'normal':
      checkOptions(what, init, { kind: true, std: true });
      checkScale(what, init.std, MAX_STD);
      break;
    case 'constant':
      checkOptions(what, init, { kind: true, value: true });
      checkF32(what, init.value);
      break;
    default:
      invalidArgument(
        `init of parameter '${name}'`,
        'kind uniform, normal or constant',
        (init as { kind: unknown }).kind,
      );
  }
}

export const zeros: Initialiser = { kind: 'constant', value: 0 };
