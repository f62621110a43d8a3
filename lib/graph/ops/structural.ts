import * as $ from '../build.ts';
import { type Attributes, type Node, type Shape, sizeOf } from '../node.ts';
import { type Op, range, withBatch } from './op.ts';
import { forEachStrided, stridesOf } from './strided.ts';

// Every row here is linear and has one differentiable operand kind: the tangent goes through the operation itself, the cotangent through its transpose.

const shifted = (axes: readonly number[]): number[] => axes.map((axis) => axis + 1);

function read(x: Float64Array, shape: Shape, strides: readonly number[], start = 0): Float64Array {
  const y = new Float64Array(sizeOf(shape));
  forEachStrided(shape, strides, start, (i, j) => {
    y[i] = x[j];
  });
  return y;
}

function write(
  y: Float64Array,
  x: Float64Array,
  shape: Shape,
  strides: readonly number[],
  start: number,
): Float64Array {
  forEachStrided(shape, strides, start, (i, j) => {
    y[j] = x[i];
  });
  return y;
}

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((total, n, i) => total + n * b[i], 0);

export const broadcast: Op<'broadcast'> = {
  jvp: (y, [t]) => t && $.broadcast(t, y.shape, axesOf(y)),
  vjp: (y, g) => [
    $.sum(
      g,
      range(y.shape.length).filter((axis) => !axesOf(y).includes(axis)),
    ),
  ],
  batch: (y, [x], _, size) => $.broadcast(x, [size, ...y.shape], [0, ...shifted(axesOf(y))]),
  reference: (y, [x]) => {
    const strides = stridesOf(y.inputs[0].shape);
    return read(
      x,
      y.shape,
      y.shape.map((_, axis) => strides[axesOf(y).indexOf(axis)] ?? 0),
    );
  },
};
const axesOf = (y: Node<'broadcast'>): readonly number[] => y.attributes.axes;

export const reshape: Op<'reshape'> = {
  jvp: (y, [t]) => t && $.reshape(t, y.shape),
  vjp: (y, g) => [$.reshape(g, y.inputs[0].shape)],
  batch: (y, [x], _, size) => $.reshape(x, [size, ...y.shape]),
  reference: (_, [x]) => x.slice(),
};

export const transpose: Op<'transpose'> = {
  jvp: (y, [t]) => t && $.transpose(t, y.attributes.permutation),
  vjp: ({ attributes: { permutation } }, g) => [$.transpose(g, inversePermutation(permutation))],
  batch: (y, [x]) => $.transpose(x, [0, ...shifted(y.attributes.permutation)]),
  reference: (y, [x]) => {
    const strides = stridesOf(y.inputs[0].shape);
    return read(
      x,
      y.shape,
      y.attributes.permutation.map((axis) => strides[axis]),
    );
  },
};

export function inversePermutation(permutation: readonly number[]): number[] {
  return range(permutation.length).map((axis) => permutation.indexOf(axis));
}

export const slice: Op<'slice'> = {
  jvp: (y, [t]) => t && $.remake(y, [t]),
  vjp: (y, g) => {
    const { starts, strides } = y.attributes;
    const used = y.shape.map((n, i) => starts[i] + (n - 1) * strides[i] + 1);
    const high = y.inputs[0].shape.map((n, i) => n - used[i]);
    return [
      $.pad(
        g,
        starts,
        high,
        strides.map((s) => s - 1),
      ),
    ];
  },
  batch: (y, [x], _, size) => {
    const { starts, limits, strides } = y.attributes;
    return $.slice(x, [0, ...starts], [size, ...limits], [1, ...strides]);
  },
  reference: (y, [x]) => {
    const { starts, strides } = y.attributes;
    const dense = stridesOf(y.inputs[0].shape);
    return read(
      x,
      y.shape,
      dense.map((s, i) => s * strides[i]),
      dot(dense, starts),
    );
  },
};

/** The slice that undoes a pad. */
function unpad(g: Node, shape: Shape, { low, interior }: Attributes['pad']): Node {
  return $.slice(
    g,
    low,
    shape.map((n, i) => low[i] + (n - 1) * (interior[i] + 1) + 1),
    interior.map((n) => n + 1),
  );
}

export const pad: Op<'pad'> = {
  jvp: (y, [t]) => t && $.remake(y, [t]),
  vjp: (y, g) => [unpad(g, y.inputs[0].shape, y.attributes)],
  batch: ({ attributes: { low, high, interior } }, [x]) => $.pad(x, [0, ...low], [0, ...high], [0, ...interior]),
  reference: (y, [x]) => {
    const { low, interior } = y.attributes;
    const dense = stridesOf(y.shape);
    const strides = dense.map((s, i) => s * (interior[i] + 1));
    return write(new Float64Array(sizeOf(y.shape)), x, y.inputs[0].shape, strides, dot(dense, low));
  },
};

/** Where the parts of a concatenation end along its axis; remembered, for a recurrence may have thousands and ask for each. */
export function partEnds(y: Node<'concat'>): readonly number[] {
  let ends = endsOf.get(y);
  if (!ends) {
    let end = 0;
    ends = y.inputs.map((x) => {
      end += x.shape[y.attributes.axis];
      return end;
    });
    endsOf.set(y, ends);
  }
  return ends;
}
const endsOf = new WeakMap<Node, readonly number[]>();
const partStarts = (y: Node<'concat'>): number[] => [0, ...partEnds(y).slice(0, -1)];

export const concat: Op<'concat'> = {
  jvp: (y, tangents) =>
    $.concat(
      tangents.map((t, i) => t ?? $.constant(0, y.inputs[i].shape)),
      y.attributes.axis,
    ),
  vjp: (y, g, wanted) => {
    const starts = partStarts(y);
    return y.inputs.map(({ shape }, i) => {
      if (!wanted[i]) return undefined;
      const from = shape.map((_, axis) => (axis === y.attributes.axis ? starts[i] : 0));
      return $.slice(
        g,
        from,
        shape.map((n, axis) => from[axis] + n),
      );
    });
  },
  batch: (y, operands, batched, size) =>
    $.concat(
      operands.map((x, i) => withBatch(x, batched[i], size)),
      y.attributes.axis + 1,
    ),
  reference: (y, parts) => {
    const strides = stridesOf(y.shape);
    const starts = partStarts(y);
    const result = new Float64Array(sizeOf(y.shape));
    parts.forEach((x, i) => {
      write(result, x, y.inputs[i].shape, strides, starts[i] * strides[y.attributes.axis]);
    });
    return result;
  },
};

export const structuralOps = { broadcast, reshape, transpose, slice, pad, concat };
