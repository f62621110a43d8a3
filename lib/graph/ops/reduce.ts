import * as $ from '../build.ts';
import { type Node, sizeOf } from '../node.ts';
import { type Op, range } from './op.ts';
import { forEachStrided, stridesOf } from './strided.ts';

type Reduction = Node<'sum'> | Node<'max'>;

const shifted = (axes: readonly number[]): number[] => axes.map((axis) => axis + 1);
const keptAxes = (y: Reduction): number[] =>
  range(y.inputs[0].shape.length).filter((axis) => !y.attributes.axes.includes(axis));

/** A value of the result's shape, repeated along the reduced axes. */
const spread = (y: Reduction, value: Node): Node => $.broadcast(value, y.inputs[0].shape, keptAxes(y));

function reduce(y: Reduction, x: Float64Array, start: number, combine: (a: number, b: number) => number): Float64Array {
  const result = new Float64Array(sizeOf(y.shape)).fill(start);
  const kept = keptAxes(y);
  const dense = stridesOf(y.shape);
  const strides = y.inputs[0].shape.map((_, axis) => dense[kept.indexOf(axis)] ?? 0);
  forEachStrided(y.inputs[0].shape, strides, 0, (i, j) => {
    result[j] = combine(result[j], x[i]);
  });
  return result;
}

const sum: Op<'sum'> = {
  jvp: (y, [t]) => t && $.sum(t, y.attributes.axes),
  vjp: (y, g) => [spread(y, g)],
  batch: (y, [x]) => $.sum(x, shifted(y.attributes.axes)),
  reference: (y, [x]) => reduce(y, x, 0, (a, b) => a + b),
};

/** Where x attains the maximum (1, else 0), and how often it does: the derivative is shared equally by ties. */
function maxima(y: Node<'max'>): { mask: Node; count: Node } {
  const mask = $.compare('eq', y.inputs[0], spread(y, y));
  return { mask, count: $.sum(mask, y.attributes.axes) };
}

const max: Op<'max'> = {
  jvp: (y, [t]) => {
    const { mask, count } = maxima(y);
    return t && $.div($.sum($.mul(t, mask), y.attributes.axes), count);
  },
  vjp: (y, g) => {
    const { mask, count } = maxima(y);
    return [$.mul(mask, spread(y, $.div(g, count)))];
  },
  batch: (y, [x]) => $.max(x, shifted(y.attributes.axes)),
  reference: (y, [x]) => reduce(y, x, Number.NEGATIVE_INFINITY, Math.max),
};

export const reduceOps = { sum, max };
