import * as $ from '../build.ts';
import { type Node, type Primitive, sizeOf } from '../node.ts';
import { range } from '../ops/op.ts';
import { sameShape } from '../ops/shape.ts';
import { inversePermutation, partEnds } from '../ops/structural.ts';
import { constantOf, isConstant } from './pattern.ts';

type Rewrite<P extends Primitive> = (node: Node<P>) => Node | undefined;

const like = (node: Node, value: number): Node => $.constant(value, node.shape, node.dtype);
const increasing = (list: readonly number[]): boolean => list.every((n, i) => i === 0 || n > list[i - 1]);

/** Rearranging equal numbers changes nothing. */
function ofConstant(node: Node): Node | undefined {
  const value = constantOf(node.inputs[0]);
  return value === undefined ? undefined : like(node, value);
}

/** Identities of structural operations, reductions and contractions. */
const rules: { readonly [P in Primitive]?: Rewrite<P> } = {
  reshape: (y) => {
    const [x] = y.inputs;
    if (sameShape(x.shape, y.shape)) return x;
    if ($.isOp(x, 'reshape')) return $.reshape(x.inputs[0], y.shape);
    return ofConstant(y);
  },

  transpose: (y) => {
    const [x] = y.inputs;
    const { permutation } = y.attributes;
    if (increasing(permutation)) return x;
    if ($.isOp(x, 'transpose')) {
      const { permutation: inner } = x.attributes;
      return $.transpose(
        x.inputs[0],
        permutation.map((axis) => inner[axis]),
      );
    }
    // Only axes of size 1 move: no element does.
    if (increasing(permutation.filter((axis) => x.shape[axis] !== 1))) return $.reshape(x, y.shape);
    if ($.isOp(x, 'broadcast')) {
      const to = inversePermutation(permutation);
      const axes = x.attributes.axes.map((axis) => to[axis]);
      if (increasing(axes)) return $.broadcast(x.inputs[0], y.shape, axes);
    }
    return ofConstant(y);
  },

  broadcast: (y) => {
    const [x] = y.inputs;
    const { axes } = y.attributes;
    if (sameShape(x.shape, y.shape)) return x;
    if ($.isOp(x, 'broadcast')) {
      return $.broadcast(
        x.inputs[0],
        y.shape,
        x.attributes.axes.map((axis) => axes[axis]),
      );
    }
    if (sizeOf(x.shape) === sizeOf(y.shape)) return $.reshape(x, y.shape);
    if ($.isOp(x, 'iota')) return $.iota(y.shape, axes[x.attributes.axis], y.dtype);
    return ofConstant(y);
  },

  slice: (y) => {
    const [x] = y.inputs;
    if (sameShape(x.shape, y.shape)) return x;
    const { starts, limits, strides } = y.attributes;
    if ($.isOp(x, 'slice')) {
      const inner = x.attributes;
      const outerStarts = starts.map((start, i) => inner.starts[i] + start * inner.strides[i]);
      const outerStrides = strides.map((stride, i) => stride * inner.strides[i]);
      const outerLimits = y.shape.map((n, i) => outerStarts[i] + (n - 1) * outerStrides[i] + 1);
      return $.slice(x.inputs[0], outerStarts, outerLimits, outerStrides);
    }
    if ($.isOp(x, 'broadcast') && x.attributes.axes.every((axis) => x.shape[axis] === y.shape[axis])) {
      return $.broadcast(x.inputs[0], y.shape, x.attributes.axes);
    }
    if ($.isOp(x, 'concat')) return sliceOfConcat(x, starts, limits, strides);
    return ofConstant(y);
  },

  pad: (y) => {
    const [x] = y.inputs;
    if (sameShape(x.shape, y.shape)) return x;
    return isConstant(x, 0) ? like(y, 0) : undefined;
  },

  concat: (y) => {
    const [first] = y.inputs;
    if (y.inputs.length === 1) return first;
    const value = constantOf(first);
    return value !== undefined && y.inputs.every((x) => isConstant(x, value)) ? like(y, value) : undefined;
  },

  gather: ofConstant,
  scatterAdd: (y) => (isConstant(y.inputs[1], 0) ? like(y, 0) : undefined),

  sum: (y) => {
    const [x] = y.inputs;
    const { axes } = y.attributes;
    if (axes.every((axis) => x.shape[axis] === 1)) return $.reshape(x, y.shape);
    const count = sizeOf(axes.map((axis) => x.shape[axis]));
    const value = constantOf(x);
    if (value !== undefined) return like(y, value * count);
    if ($.isOp(x, 'neg')) return $.neg($.sum(x.inputs[0], axes));
    const factor = $.isOp(x, 'mul') ? constantOf(x.inputs[1]) : undefined;
    if (factor !== undefined && mayFollowSum(factor, y)) return $.mul($.sum(x.inputs[0], axes), like(y, factor));
    if ($.isOp(x, 'broadcast')) return sumOfBroadcast(y, x);
    if ($.isOp(x, 'reshape') && y.shape.length === 0) return $.sum(x.inputs[0], range(x.inputs[0].shape.length));
    if ($.isOp(x, 'sum')) {
      const kept = range(x.inputs[0].shape.length).filter((axis) => !x.attributes.axes.includes(axis));
      const all = [...x.attributes.axes, ...axes.map((axis) => kept[axis])].sort((a, b) => a - b);
      return $.sum(x.inputs[0], all);
    }
    if ($.isOp(x, 'transpose')) {
      const { permutation } = x.attributes;
      const source = axes.map((axis) => permutation[axis]).sort((a, b) => a - b);
      const left = permutation.filter((axis) => !source.includes(axis));
      const ranked = [...left].sort((a, b) => a - b);
      return $.transpose(
        $.sum(x.inputs[0], source),
        left.map((axis) => ranked.indexOf(axis)),
      );
    }
    return undefined;
  },

  max: (y) => {
    const [x] = y.inputs;
    if (y.attributes.axes.every((axis) => x.shape[axis] === 1)) return $.reshape(x, y.shape);
    return ofConstant(y);
  },

  matmul: (y) => {
    const [a, b] = y.inputs;
    const { transposeA, transposeB } = y.attributes;
    if (isConstant(a, 0) || isConstant(b, 0)) return like(y, 0);
    if (swapsMatrix(a)) return $.matmul(a.inputs[0], b, !transposeA, transposeB);
    if (swapsMatrix(b)) return $.matmul(a, b.inputs[0], transposeA, !transposeB);
    // A matrix repeated along the batch is one that the batch shares.
    if (repeatsMatrix(a) && b.shape.length > 2) return $.matmul(a.inputs[0], b, transposeA, transposeB);
    if (repeatsMatrix(b) && a.shape.length > 2) return $.matmul(a, b.inputs[0], transposeA, transposeB);
    if (a.shape.length > 2 && b.shape.length === 2 && !transposeA) {
      const rows = $.reshape(a, [sizeOf(a.shape.slice(0, -1)), a.shape.at(-1)!]);
      return $.reshape($.matmul(rows, b, false, transposeB), y.shape);
    }
    return undefined;
  },
};

/**
 * Whether terms may be summed before they are multiplied. In f32 a sum may be beyond what its terms times a small factor add up to, never beyond
 * what they make times a large one; in f64, as numbers of rank 0 are, it is not beyond anything.
 */
function mayFollowSum(factor: number, { shape }: Node): boolean {
  return shape.length === 0 || (Math.abs(factor) >= 1 && Number.isFinite(factor));
}

/** The sum over axes that a broadcast made is a factor; the other axes are summed before it. */
function sumOfBroadcast(y: Node<'sum'>, x: Node<'broadcast'>): Node | undefined {
  const { axes } = y.attributes;
  const { axes: kept } = x.attributes;
  const repeated = axes.filter((axis) => !kept.includes(axis));
  const inner = range(kept.length).filter((i) => axes.includes(kept[i]));
  const summed = $.sum(x.inputs[0], inner);
  const left = range(x.shape.length).filter((axis) => !axes.includes(axis));
  const spread = $.broadcast(
    summed,
    y.shape,
    kept.filter((axis) => !axes.includes(axis)).map((axis) => left.indexOf(axis)),
  );
  return $.mul(spread, like(y, sizeOf(repeated.map((axis) => x.shape[axis]))));
}

/** A slice that lies within one part of a concatenation, which may be one itself. */
function sliceOfConcat(
  x: Node<'concat'>,
  starts: readonly number[],
  limits: readonly number[],
  strides: readonly number[],
): Node | undefined {
  const { axis } = x.attributes;
  let whole: Node = x;
  let [start, limit] = [starts[axis], limits[axis]];
  while ($.isOp(whole, 'concat') && whole.attributes.axis === axis) {
    const ends = partEnds(whole);
    const part = firstBeyond(ends, start);
    if (limit > ends[part]) break;
    const offset = part > 0 ? ends[part - 1] : 0;
    start -= offset;
    limit -= offset;
    whole = whole.inputs[part];
  }
  if (whole === x) return undefined;
  const along = (list: readonly number[], n: number) => list.map((m, i) => (i === axis ? n : m));
  return $.slice(whole, along(starts, start), along(limits, limit), strides);
}

/** The number of the first of some increasing numbers that is greater than n. */
function firstBeyond(increasing: readonly number[], n: number): number {
  let [low, high] = [0, increasing.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (increasing[middle] > n) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Transposes the last two axes and nothing else. */
function swapsMatrix(x: Node): x is Node<'transpose'> {
  const rank = x.shape.length;
  const swap = [...range(rank - 2), rank - 1, rank - 2];
  return $.isOp(x, 'transpose') && sameShape(x.attributes.permutation, swap);
}

/** Repeats one matrix along the whole batch. */
function repeatsMatrix(x: Node): x is Node<'broadcast'> {
  const rank = x.shape.length;
  return rank > 2 && $.isOp(x, 'broadcast') && sameShape(x.attributes.axes, [rank - 2, rank - 1]);
}

/** Applies one structural identity to the root, if one fits. */
export function structure(node: Node): Node | undefined {
  return (rules[node.op] as Rewrite<Primitive> | undefined)?.(node);
}
