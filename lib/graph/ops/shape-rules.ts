import { type Attributes, type Node, type Primitive, sizeOf } from '../node.ts';
import { linearRecurrence, result, scan } from './loop-shapes.ts';
import { type Reject, type ShapeRule, sameShape, shapeText, type ValueType } from './shape.ts';

/**
 * What each operation's result is. These rules make no nodes, so that whoever makes nodes may ask them: the rest of an operation's row is
 * written in nodes.
 */

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

function count(inputs: readonly Node[], operands: number, reject: Reject): void {
  if (inputs.length !== operands) reject(`expected ${operands} operands, received ${inputs.length}`);
}

/** Operands of one shape and one dtype. */
function alike(inputs: readonly Node[], reject: Reject): ValueType {
  const [{ shape, dtype }] = inputs;
  if (inputs.some((x) => !sameShape(x.shape, shape))) reject('expected operands of one shape');
  if (inputs.some((x) => x.dtype !== dtype)) reject('expected operands of one dtype');
  return { shape, dtype };
}

/** Elementwise: `operands` of one shape and one dtype. */
const elementwise =
  (operands: number) =>
  (inputs: readonly Node[], _: object, reject: Reject): ValueType => {
    count(inputs, operands, reject);
    return alike(inputs, reject);
  };

/** Elementwise on f32. */
const float = (operands: number) => {
  const rule = elementwise(operands);
  return (inputs: readonly Node[], _: object, reject: Reject): ValueType => {
    checkFloat(inputs, reject);
    return rule(inputs, _, reject);
  };
};

const oneFloat = float(1);

const integerPow: ShapeRule<'integerPow'> = (inputs, { exponent }, reject) => {
  if (!Number.isInteger(exponent) || Math.abs(exponent) > 64) {
    reject(`expected an integer exponent from -64 to 64, received ${exponent}`);
  }
  return oneFloat(inputs, {}, reject);
};

/** Derivatives of higher order than anybody takes; the polynomials in them stay within f32. */
const MAX_ORDER = 16;

const derivative = (inputs: readonly Node[], { order }: { readonly order: number }, reject: Reject): ValueType => {
  if (!Number.isInteger(order) || order < 1 || order > MAX_ORDER) {
    reject(`expected a derivative of order 1 to ${MAX_ORDER}, received order ${order}`);
  }
  return oneFloat(inputs, {}, reject);
};

const compare: ShapeRule<'compare'> = (inputs, _, reject) => {
  count(inputs, 2, reject);
  return { shape: alike(inputs, reject).shape, dtype: 'f32' };
};

const select: ShapeRule<'select'> = (inputs, _, reject) => {
  count(inputs, 3, reject);
  const [mask, a, b] = inputs;
  if (!sameShape(mask.shape, a.shape)) reject('expected operands of one shape');
  return alike([a, b], reject);
};

const input: ShapeRule<'input'> = (_, __, reject, target) => {
  checkTarget(target, reject);
  return target;
};

const constant: ShapeRule<'constant'> = (_, { value }, reject, target) => {
  checkTarget(target, reject);
  if (typeof value !== 'number') reject(`expected a number, received ${String(value)}`);
  if (target.dtype === 'i32' && (value | 0) !== value)
    reject(`expected a 32-bit integer for an i32 constant, received ${value}`);
  return target;
};

const iota: ShapeRule<'iota'> = (_, { axis }, reject, target) => {
  checkTarget(target, reject);
  if (!increasing([axis], target.shape.length)) {
    reject(`expected an axis from 0 to ${target.shape.length - 1}, received ${axis}`);
  }
  return target;
};

const broadcast: ShapeRule<'broadcast'> = ([x], { axes }, reject, target) => {
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

const reshape: ShapeRule<'reshape'> = ([x], _, reject, target) => {
  checkTarget(target, reject);
  if (sizeOf(target.shape) !== sizeOf(x.shape)) {
    reject(`${sizeOf(x.shape)} elements cannot become ${shapeText(target.shape)}, which has ${sizeOf(target.shape)}`);
  }
  return { shape: target.shape, dtype: x.dtype };
};

const transpose: ShapeRule<'transpose'> = ([x], { permutation }, reject) => {
  if (permutation.length !== x.shape.length || !x.shape.every((_, axis) => permutation.includes(axis))) {
    reject(`expected a permutation of ${x.shape.length} axes, received ${shapeText(permutation)}`);
  }
  return { shape: permutation.map((axis) => x.shape[axis]), dtype: x.dtype };
};

const slice: ShapeRule<'slice'> = ([x], { starts, limits, strides }, reject) => {
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

const pad: ShapeRule<'pad'> = ([x], { low, high, interior }, reject) => {
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

const concat: ShapeRule<'concat'> = (inputs, { axis }, reject) => {
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

const gather: ShapeRule<'gather'> = ([table, indices], _, reject) => {
  if (indices.dtype !== 'i32') reject('expected i32 indices');
  if (table.shape.length < 1) reject('expected a table of rank ≥ 1');
  return { shape: [...indices.shape, ...table.shape.slice(1)], dtype: table.dtype };
};

const scatterAdd: ShapeRule<'scatterAdd'> = ([indices, updates], { rows }, reject) => {
  if (indices.dtype !== 'i32') reject('expected i32 indices');
  checkFloat([updates], reject);
  if (!Number.isSafeInteger(rows) || rows < 1) reject(`expected a positive number of rows, received ${rows}`);
  const rank = indices.shape.length;
  if (!sameShape(updates.shape.slice(0, rank), indices.shape))
    reject(`expected updates of shape [...indices, ...rest]`);
  return { shape: [rows, ...updates.shape.slice(rank)], dtype: 'f32' };
};

/** sum, max: the listed axes disappear. */
function reduction([x]: readonly Node[], { axes }: Attributes['sum'], reject: Reject): ValueType {
  checkFloat([x], reject);
  if (!increasing(axes, x.shape.length))
    reject(`expected increasing axes below ${x.shape.length}, received ${shapeText(axes)}`);
  return { shape: x.shape.filter((_, i) => !axes.includes(i)), dtype: 'f32' };
}

const matmul: ShapeRule<'matmul'> = ([a, b], { transposeA, transposeB }, reject) => {
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

const logSoftmax: ShapeRule<'logSoftmax'> = ([x], { axis }, reject) => {
  checkFloat([x], reject);
  if (!increasing([axis], x.shape.length)) reject(`expected an axis below ${x.shape.length}, received ${axis}`);
  return { shape: x.shape, dtype: 'f32' };
};

/** Total by type: an operation whose result has no shape does not compile. */
export const shapeRules: { readonly [P in Primitive]: ShapeRule<P> } = {
  input,
  constant,
  iota,
  neg: elementwise(1),
  exp: float(1),
  log: float(1),
  log1p: float(1),
  expm1: float(1),
  tanh: float(1),
  erf: float(1),
  sigmoid: float(1),
  sqrt: float(1),
  rsqrt: float(1),
  abs: elementwise(1),
  sign: elementwise(1),
  gelu: float(1),
  integerPow,
  sech2: float(1),
  erfDerivative: derivative,
  geluDerivative: derivative,
  add: elementwise(2),
  sub: elementwise(2),
  mul: elementwise(2),
  div: float(2),
  maximum: elementwise(2),
  minimum: elementwise(2),
  compare,
  select,
  stopGradient: elementwise(1),
  broadcast,
  reshape,
  transpose,
  slice,
  pad,
  concat,
  gather,
  scatterAdd,
  sum: reduction,
  max: reduction,
  matmul,
  logSoftmax,
  linearRecurrence,
  scan,
  result,
};
