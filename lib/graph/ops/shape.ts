import { type Attributes, type DType, type Node, type Primitive, type Shape, sizeOf } from '../node.ts';

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

const increasing = (axes: readonly number[], rank: number): boolean =>
  axes.every((axis, i) => Number.isInteger(axis) && axis >= 0 && axis < rank && (i === 0 || axis > axes[i - 1]));

function checkFloat(inputs: readonly Node[], reject: Reject): void {
  if (inputs.some((x) => x.dtype !== 'f32')) reject('expected f32 operands, received i32');
}

function checkTarget({ shape }: ValueType, reject: Reject): void {
  if (shape.some((n) => !Number.isSafeInteger(n) || n < 1)) {
    reject(`expected a shape of positive integers, received ${shapeText(shape)}`);
  }
  if (!Number.isSafeInteger(sizeOf(shape)))
    reject(`expected fewer than 2^53 elements, received shape ${shapeText(shape)}`);
}

/** Operands of one shape and one dtype. */
function alike(inputs: readonly Node[], reject: Reject): ValueType {
  const [{ shape, dtype }] = inputs;
  if (inputs.some((x) => !sameShape(x.shape, shape))) reject('expected operands of one shape');
  if (inputs.some((x) => x.dtype !== dtype)) reject('expected operands of one dtype');
  return { shape, dtype };
}

/** Elementwise on f32. */
export function floatElementwise(inputs: readonly Node[], _: object, reject: Reject): ValueType {
  checkFloat(inputs, reject);
  return alike(inputs, reject);
}

/** Elementwise on f32 or i32. */
export function elementwise(inputs: readonly Node[], _: object, reject: Reject): ValueType {
  return alike(inputs, reject);
}

export const integerPowShape: ShapeRule<'integerPow'> = (inputs, { exponent }, reject) => {
  if (!Number.isInteger(exponent) || Math.abs(exponent) > 64) {
    reject(`expected an integer exponent from -64 to 64, received ${exponent}`);
  }
  return floatElementwise(inputs, {}, reject);
};

/** Derivatives of higher order than anybody takes; the polynomials in them stay within f32. */
export const MAX_ORDER = 16;

export function derivativeShape(inputs: readonly Node[], { order }: { order: number }, reject: Reject): ValueType {
  if (!Number.isInteger(order) || order < 1 || order > MAX_ORDER) {
    reject(`expected a derivative of order 1 to ${MAX_ORDER}, received order ${order}`);
  }
  return floatElementwise(inputs, {}, reject);
}

export const compareShape: ShapeRule<'compare'> = (inputs, _, reject) => ({
  shape: alike(inputs, reject).shape,
  dtype: 'f32',
});

export const selectShape: ShapeRule<'select'> = ([mask, a, b], _, reject) => {
  if (!sameShape(mask.shape, a.shape)) reject('expected operands of one shape');
  return alike([a, b], reject);
};

export const leafShape: ShapeRule<'input'> = (_, __, reject, target) => {
  checkTarget(target, reject);
  return target;
};

export const constantShape: ShapeRule<'constant'> = (_, { value }, reject, target) => {
  checkTarget(target, reject);
  if (typeof value !== 'number') reject(`expected a number, received ${String(value)}`);
  if (target.dtype === 'i32' && (value | 0) !== value)
    reject(`expected a 32-bit integer for an i32 constant, received ${value}`);
  return target;
};

export const iotaShape: ShapeRule<'iota'> = (_, { axis }, reject, target) => {
  checkTarget(target, reject);
  if (!increasing([axis], target.shape.length)) {
    reject(`expected an axis from 0 to ${target.shape.length - 1}, received ${axis}`);
  }
  return target;
};

export const broadcastShape: ShapeRule<'broadcast'> = ([x], { axes }, reject, target) => {
  checkTarget(target, reject);
  if (axes.length !== x.shape.length || !increasing(axes, target.shape.length)) {
    reject(
      `expected one increasing result axis for each of the ${x.shape.length} operand axes, received ${shapeText(axes)}`,
    );
  }
  if (axes.some((axis, i) => target.shape[axis] !== x.shape[i]))
    reject(`it does not fit into ${shapeText(target.shape)} along axes ${shapeText(axes)}`);
  return { shape: target.shape, dtype: x.dtype };
};

export const reshapeShape: ShapeRule<'reshape'> = ([x], _, reject, target) => {
  checkTarget(target, reject);
  if (sizeOf(target.shape) !== sizeOf(x.shape)) {
    reject(`${sizeOf(x.shape)} elements cannot become ${shapeText(target.shape)}, which has ${sizeOf(target.shape)}`);
  }
  return { shape: target.shape, dtype: x.dtype };
};

export const transposeShape: ShapeRule<'transpose'> = ([x], { permutation }, reject) => {
  if (permutation.length !== x.shape.length || !x.shape.every((_, axis) => permutation.includes(axis))) {
    reject(`expected a permutation of ${x.shape.length} axes, received ${shapeText(permutation)}`);
  }
  return { shape: permutation.map((axis) => x.shape[axis]), dtype: x.dtype };
};

export const sliceShape: ShapeRule<'slice'> = ([x], { starts, limits, strides }, reject) => {
  const rank = x.shape.length;
  if (starts.length !== rank || limits.length !== rank || strides.length !== rank) {
    reject(
      `expected ${rank} starts, limits and strides, received ${starts.length}, ${limits.length} and ${strides.length}`,
    );
  }
  const shape = x.shape.map((n, i) => {
    const ok = [starts[i], limits[i], strides[i]].every(Number.isInteger);
    if (!ok || starts[i] < 0 || limits[i] > n || starts[i] >= limits[i] || strides[i] < 1) {
      reject(`axis ${i} has ${n} elements, received start ${starts[i]}, limit ${limits[i]}, stride ${strides[i]}`);
    }
    return Math.ceil((limits[i] - starts[i]) / strides[i]);
  });
  return { shape, dtype: x.dtype };
};

export const padShape: ShapeRule<'pad'> = ([x], { low, high, interior }, reject) => {
  if (
    [low, high, interior].some(
      (list) => list.length !== x.shape.length || list.some((n) => !Number.isInteger(n) || n < 0),
    )
  ) {
    reject(
      `expected ${x.shape.length} non-negative integers each for low, high and interior, received ${[low, high, interior].map(shapeText).join(', ')}`,
    );
  }
  return { shape: x.shape.map((n, i) => low[i] + n + (n - 1) * interior[i] + high[i]), dtype: x.dtype };
};

export const concatShape: ShapeRule<'concat'> = (inputs, { axis }, reject) => {
  if (inputs.length === 0) reject('expected at least one operand');
  const [{ shape, dtype }] = inputs;
  if (!increasing([axis], shape.length)) reject(`expected an axis from 0 to ${shape.length - 1}, received ${axis}`);
  const fits = (x: Node) => x.shape.length === shape.length && x.shape.every((n, i) => i === axis || n === shape[i]);
  if (!inputs.every(fits)) reject(`expected operands that agree on every axis except ${axis}`);
  if (inputs.some((x) => x.dtype !== dtype)) reject('expected operands of one dtype');
  return {
    shape: shape.map((n, i) => (i === axis ? inputs.reduce((total, x) => total + x.shape[axis], 0) : n)),
    dtype,
  };
};

export const gatherShape: ShapeRule<'gather'> = ([table, indices], _, reject) => {
  if (indices.dtype !== 'i32') reject('expected i32 indices');
  if (table.shape.length < 1) reject('expected a table of rank ≥ 1');
  return { shape: [...indices.shape, ...table.shape.slice(1)], dtype: table.dtype };
};

export const scatterAddShape: ShapeRule<'scatterAdd'> = ([indices, updates], { rows }, reject) => {
  if (indices.dtype !== 'i32') reject('expected i32 indices');
  checkFloat([updates], reject);
  if (!Number.isSafeInteger(rows) || rows < 1) reject(`expected a positive number of rows, received ${rows}`);
  const rank = indices.shape.length;
  if (!sameShape(updates.shape.slice(0, rank), indices.shape))
    reject(`expected updates of shape [...indices, ...rest]`);
  return { shape: [rows, ...updates.shape.slice(rank)], dtype: 'f32' };
};

/** sum, max: the listed axes disappear. */
export function reduceShape([x]: readonly Node[], { axes }: Attributes['sum'], reject: Reject): ValueType {
  checkFloat([x], reject);
  if (!increasing(axes, x.shape.length))
    reject(`expected increasing axes below ${x.shape.length}, received ${shapeText(axes)}`);
  return { shape: x.shape.filter((_, i) => !axes.includes(i)), dtype: 'f32' };
}

export const matmulShape: ShapeRule<'matmul'> = ([a, b], { transposeA, transposeB }, reject) => {
  checkFloat([a, b], reject);
  if (a.shape.length < 2 || b.shape.length < 2) reject('expected operands of rank ≥ 2');
  const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  if (batchA.length > 0 && batchB.length > 0 && !sameShape(batchA, batchB))
    reject('expected equal batch shapes, or none on one side');
  const matrix = (x: Node, transposed: boolean) =>
    transposed ? [x.shape.at(-1)!, x.shape.at(-2)!] : [x.shape.at(-2)!, x.shape.at(-1)!];
  const [m, kA] = matrix(a, transposeA);
  const [kB, n] = matrix(b, transposeB);
  if (kA !== kB)
    reject(
      `inner dimensions ${kA} and ${kB} differ${transposeA || transposeB ? ` (transposeA ${transposeA}, transposeB ${transposeB})` : ''}`,
    );
  return { shape: [...(batchA.length > 0 ? batchA : batchB), m, n], dtype: 'f32' };
};
