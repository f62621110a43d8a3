import { ZerothError } from '../errors.ts';
import type { Attributes, Comparison, DType, Loop, Node, Primitive, Shape } from './node.ts';
import { type ShapeRule, shapeText, type ValueType } from './ops/shape.ts';
import { shapeRules } from './ops/shape-rules.ts';
import { currentLocation, currentOrigin, type Origin, withOrigin } from './where.ts';

/**
 * Node constructors, one a primitive. Each runs its operation's shape rule; a refusal names the operation, the shapes and the user's source line.
 * Axes are canonical here (increasing, non-negative) and nothing broadcasts by itself; `ops.ts` is the convenient front end.
 */

let nextId = 0;

class MadeNode<P extends Primitive> implements Node<P> {
  readonly id = nextId++;
  readonly op: P;
  readonly inputs: readonly Node[];
  readonly attributes: Attributes[P];
  readonly shape: Shape;
  readonly dtype: DType;
  readonly origin = currentOrigin();

  constructor(op: P, inputs: readonly Node[], attributes: Attributes[P], shape: Shape, dtype: DType) {
    this.op = op;
    this.inputs = inputs;
    this.attributes = attributes;
    this.shape = shape;
    this.dtype = dtype;
  }

  get where(): string | undefined {
    return this.origin.location;
  }
}

/** The place in the user's program that nodes derived from this one inherit. */
export function originOf(node: Node): Origin | undefined {
  return node instanceof MadeNode ? node.origin : undefined;
}

/** Makes any node. `target` is the result's type where operands and attributes do not determine it. */
export function make<P extends Primitive>(
  op: P,
  inputs: readonly Node[],
  attributes: Attributes[P],
  target: ValueType = { shape: [], dtype: 'f32' },
): Node<P> {
  const reject = (reason: string): never => {
    const where = currentLocation();
    const operands = inputs.map((x) => `${x.dtype}${shapeText(x.shape)}`).join(', ');
    throw new ZerothError('ERR_ZEROTH_SHAPE', `${op}(${operands}): ${reason}.${where ? ` At ${where}` : ''}`);
  };
  const rule: ShapeRule<P> = shapeRules[op];
  const { shape, dtype } = rule(inputs, attributes, reject, target);
  return new MadeNode(op, inputs, attributes, shape, dtype);
}

/** The same operation on other operands; `shape` where it changes and the operation does not determine it. */
export function remake(node: Node, inputs: readonly Node[], shape: Shape = node.shape): Node {
  return make(node.op, inputs, node.attributes, { shape, dtype: node.dtype });
}

/** A node on other operands, made where the user made it; itself where they are its own. */
export function withInputs(node: Node, inputs: readonly Node[]): Node {
  if (inputs.every((x, i) => x === node.inputs[i])) return node;
  return withOrigin(originOf(node), () => remake(node, inputs));
}

export function isOp<P extends Primitive>(node: Node, op: P): node is Node<P> {
  return node.op === op;
}

export function input(name: string, shape: Shape, dtype: DType = 'f32'): Node<'input'> {
  return make('input', [], { name }, { shape, dtype });
}
/** One number, of any shape. */
export function constant(value: number, shape: Shape = [], dtype: DType = 'f32'): Node {
  return make('constant', [], { value }, { shape, dtype });
}
/** 0, 1, 2, … along `axis`. */
export function iota(shape: Shape, axis: number, dtype: DType = 'f32'): Node {
  return make('iota', [], { axis }, { shape, dtype });
}

export function neg(x: Node): Node {
  return make('neg', [x], {});
}
export function exp(x: Node): Node {
  return make('exp', [x], {});
}
export function log(x: Node): Node {
  return make('log', [x], {});
}
export function log1p(x: Node): Node {
  return make('log1p', [x], {});
}
export function expm1(x: Node): Node {
  return make('expm1', [x], {});
}
export function tanh(x: Node): Node {
  return make('tanh', [x], {});
}
export function erf(x: Node): Node {
  return make('erf', [x], {});
}
export function sigmoid(x: Node): Node {
  return make('sigmoid', [x], {});
}
export function sqrt(x: Node): Node {
  return make('sqrt', [x], {});
}
export function rsqrt(x: Node): Node {
  return make('rsqrt', [x], {});
}
export function abs(x: Node): Node {
  return make('abs', [x], {});
}
export function sign(x: Node): Node {
  return make('sign', [x], {});
}
export function gelu(x: Node): Node {
  return make('gelu', [x], {});
}
export function integerPow(x: Node, exponent: number): Node {
  return make('integerPow', [x], { exponent });
}
export function sech2(x: Node): Node {
  return make('sech2', [x], {});
}
export function erfDerivative(x: Node, order: number): Node {
  return make('erfDerivative', [x], { order });
}
export function geluDerivative(x: Node, order: number): Node {
  return make('geluDerivative', [x], { order });
}
export function stopGradient(x: Node): Node {
  return make('stopGradient', [x], {});
}

export function add(a: Node, b: Node): Node {
  return make('add', [a, b], {});
}
export function sub(a: Node, b: Node): Node {
  return make('sub', [a, b], {});
}
export function mul(a: Node, b: Node): Node {
  return make('mul', [a, b], {});
}
export function div(a: Node, b: Node): Node {
  return make('div', [a, b], {});
}
export function maximum(a: Node, b: Node): Node {
  return make('maximum', [a, b], {});
}
export function minimum(a: Node, b: Node): Node {
  return make('minimum', [a, b], {});
}
/** 1 where the comparison holds, else 0 (f32). */
export function compare(direction: Comparison, a: Node, b: Node): Node {
  return make('compare', [a, b], { direction });
}
/** a where mask ≠ 0, else b. */
export function select(mask: Node, a: Node, b: Node): Node {
  return make('select', [mask, a, b], {});
}

/** Operand axis i becomes result axis axes[i]; the other result axes are new. */
export function broadcast(x: Node, shape: Shape, axes: readonly number[]): Node {
  return make('broadcast', [x], { axes }, { shape, dtype: x.dtype });
}
export function reshape(x: Node, shape: Shape): Node {
  return make('reshape', [x], {}, { shape, dtype: x.dtype });
}
/** Result axis i is operand axis permutation[i]. */
export function transpose(x: Node, permutation: readonly number[]): Node {
  return make('transpose', [x], { permutation });
}
export function slice(
  x: Node,
  starts: readonly number[],
  limits: readonly number[],
  strides: readonly number[] = starts.map(() => 1),
): Node {
  return make('slice', [x], { starts, limits, strides });
}
export function pad(
  x: Node,
  low: readonly number[],
  high: readonly number[],
  interior: readonly number[] = low.map(() => 0),
): Node {
  return make('pad', [x], { low, high, interior });
}
export function concat(parts: readonly Node[], axis: number): Node {
  return make('concat', parts, { axis });
}
/** table [V, …rest], indices i32 [...i] → [...i, …rest]. */
export function gather(table: Node, indices: Node): Node {
  return make('gather', [table, indices], {});
}
/** indices i32 [...i], updates [...i, …rest] → [rows, …rest]. */
export function scatterAdd(indices: Node, updates: Node, rows: number): Node {
  return make('scatterAdd', [indices, updates], { rows });
}

export function sum(x: Node, axes: readonly number[]): Node {
  return make('sum', [x], { axes });
}
export function max(x: Node, axes: readonly number[]): Node {
  return make('max', [x], { axes });
}
/** [...batch, m, k] × [...batch, k, n] → [...batch, m, n]; one operand may lack the batch. */
export function matmul(a: Node, b: Node, transposeA = false, transposeB = false): Node {
  return make('matmul', [a, b], { transposeA, transposeB });
}

/** x − log Σ exp(x) along an axis. */
export function logSoftmax(x: Node, axis: number): Node {
  return make('logSoftmax', [x], { axis });
}

/** a [n, …], b [n, …], start […] → h [n, …], h_t = a_t h_{t−1} + b_t. */
export function linearRecurrence(a: Node, b: Node, start: Node, reverse = false): Node {
  return make('linearRecurrence', [a, b, start], { reverse });
}
/** A loop; `result` gives its results. */
export function scan(operands: readonly Node[], loop: Loop): Node<'scan'> {
  return make('scan', operands, loop);
}
/** A result of a loop: a carry after the last step, a stacked output, or the history of a carry, in this order. */
export function result(loop: Node<'scan'>, index: number): Node<'result'> {
  return make('result', [loop], { index });
}
