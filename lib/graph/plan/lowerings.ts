import { type Node, type Primitive, sizeOf } from '../node.ts';
import type { CompositePrimitive } from '../ops/composite.ts';
import type { Elementwise } from '../ops/elementwise.ts';
import { stridesOf } from '../ops/strided.ts';
import { partEnds } from '../ops/structural.ts';
import { rectangle } from './chain.ts';
import type { AnyInstruction, MapOp } from './instruction.ts';
import type { ViewPrimitive } from './kinds.ts';
import { loopSteps, takenByLoop } from './loop.ts';
import { type Context, dense, type Lowering, matrices, type Step, single } from './lowering.ts';
import type { MatrixAccess, Place } from './storage.ts';

const reduce = (node: Node<'sum'> | Node<'max'>, { whole, destination }: Context): Step[] => {
  const [x] = node.inputs;
  const { axes } = node.attributes;
  const source = whole(dense(x, 'f32'));
  if (!source) return [];
  return single({
    kind: 'reduce',
    reduction: node.op,
    outer: sizeOf(x.shape.slice(0, axes[0])),
    reduce: sizeOf(axes.map((axis) => x.shape[axis])),
    inner: sizeOf(x.shape.slice(axes[axes.length - 1] + 1)),
    dtype: node.shape.length === 0 ? 'f64' : 'f32',
    destination,
    source: source.place,
  });
};

/** Total by type: every primitive that is neither fused nor a view. Composites are here where they have an instruction. */
export const lowerings: {
  readonly [P in Exclude<Primitive, Elementwise | ViewPrimitive | CompositePrimitive | 'constant'>]: Lowering<P>;
} & { readonly [P in CompositePrimitive]?: Lowering<P> } = {
  input: { takes: () => [], steps: () => [] },

  iota: {
    takes: () => [],
    steps: ({ dtype, shape: [n] }, { destination }) =>
      single({ kind: 'iota', dtype, outer: 1, n, inner: 1, destination }),
  },

  // A sum over everything is fused with what it sums.
  sum: {
    takes: ({ shape, inputs: [x] }) => (shape.length === 0 ? [] : [dense(x)]),
    steps: (node, context) => {
      if (node.shape.length > 0) return reduce(node, context);
      const { destination } = context;
      const made = context.chain([{ node: node.inputs[0], place: destination, own: false }]);
      if (!made) return [];
      const { dims, reads, ops, writes } = made;
      return single({ kind: 'mapSum', dims, reads, ops, register: writes[0].register, destination });
    },
  },

  max: { takes: ({ inputs: [x] }) => [dense(x)], steps: reduce },

  matmul: {
    takes: ({ inputs }) => inputs.map(matrices),
    steps: (node, { whole, destination }) => {
      const [a, b] = node.inputs.map((x) => whole(matrices(x)));
      return a && b ? single(matmul(node, a, b, destination)) : [];
    },
  },

  gather: {
    takes: ({ inputs: [table, indices] }) => [dense(table), dense(indices)],
    steps: ({ inputs: [x, i] }, { whole, destination }) => {
      const table = whole(dense(x, 'f32'));
      const indices = whole(dense(i, 'i32'));
      if (!table || !indices) return [];
      const size = { rows: x.shape[0], width: sizeOf(x.shape.slice(1)), count: sizeOf(i.shape) };
      return single({ kind: 'gather', ...size, table: table.place, indices: indices.place, destination });
    },
  },

  scatterAdd: {
    takes: ({ inputs: [indices, updates] }) => [dense(indices), dense(updates)],
    steps: ({ shape, inputs: [i, x] }, { whole, destination }) => {
      const indices = whole(dense(i, 'i32'));
      const updates = whole(dense(x, 'f32'));
      if (!indices || !updates) return [];
      const size = { rows: shape[0], width: sizeOf(shape.slice(1)), count: sizeOf(i.shape) };
      return single({ kind: 'scatterAdd', ...size, indices: indices.place, updates: updates.place, destination });
    },
  },

  logSoftmax: {
    supports: ({ shape, attributes: { axis } }) => axis === shape.length - 1,
    takes: ({ inputs: [x] }) => [dense(x)],
    steps: ({ shape, inputs: [x] }, { whole, destination }) => {
      const source = whole(dense(x));
      const width = shape[shape.length - 1];
      return source
        ? single({ kind: 'logSoftmax', rows: sizeOf(shape) / width, width, destination, source: source.place })
        : [];
    },
  },

  linearRecurrence: {
    takes: ({ inputs }) => inputs.map((x) => dense(x)),
    steps: (node, { whole, destination }) => {
      const [a, b, start] = node.inputs.map((x) => whole(dense(x)));
      if (!a || !b || !start) return [];
      const [n, ...rest] = node.shape;
      const { reverse } = node.attributes;
      const size = { rows: n, width: sizeOf(rest), reverse };
      return single({ kind: 'recurrence', ...size, a: a.place, b: b.place, start: start.place, destination });
    },
  },

  scan: {
    takes: takenByLoop,
    steps: loopSteps,
  },

  result: {
    takes: () => [],
    steps: ({ inputs: [loop] }, { madeWith }) => {
      madeWith(loop);
      return [];
    },
  },

  concat: {
    takes: () => [],
    parts: ({ inputs }) => inputs.length,
    steps: (y, { map, destination: { buffer } }, part) => {
      const { shape, inputs, attributes } = y;
      const start = part === 0 ? 0 : partEnds(y)[part - 1];
      const place = { buffer, element: start * stridesOf(shape)[attributes.axis] };
      const everywhere = shape.map(() => 1);
      const node = inputs[part];
      return map([{ node, own: false, place, atoms: rectangle(node.shape, shape, everywhere) }]);
    },
  },

  pad: {
    takes: () => [],
    steps: ({ shape, inputs: [x], attributes: { low, interior } }, { map, destination }) => {
      const strides = stridesOf(shape);
      const place = { buffer: destination.buffer, element: low.reduce((sum, n, i) => sum + n * strides[i], 0) };
      const between = interior.map((n) => n + 1);
      const inside = { node: x, own: false, place, atoms: rectangle(x.shape, shape, between) };
      const fill = sizeOf(x.shape) < sizeOf(shape) ? zeros(destination) : [];
      return [...fill, ...map([inside], fill)];
    },
  },
};

/** The row of a node that is neither fused nor a view. */
export const loweringOf = (node: Node): Lowering<Primitive> | undefined =>
  (lowerings as { readonly [P in Primitive]?: Lowering<Primitive> })[node.op];

type Operand = { readonly place: Place; readonly access: MatrixAccess };

function matmul(node: Node<'matmul'>, a: Operand, b: Operand, destination: Place): AnyInstruction<Place> {
  const [m, n] = node.shape.slice(-2);
  const batch = sizeOf(node.shape.slice(0, -2));
  const transposeA = node.attributes.transposeA !== a.access.transposed;
  const transposeB = node.attributes.transposeB !== b.access.transposed;
  const k = node.inputs[0].shape.at(node.attributes.transposeA ? -2 : -1)!;
  // Rows of a batch that meet one shared matrix are the rows of one tall matrix.
  const tall = batch > 1 && b.access.batchStride === 0 && !transposeA && a.access.batchStride === m * k;
  return {
    kind: 'matmul',
    batch: tall ? 1 : batch,
    m: tall ? batch * m : m,
    n,
    k,
    transposeA,
    transposeB,
    a: a.place,
    aBatchStride: tall ? 0 : a.access.batchStride,
    b: b.place,
    bBatchStride: tall ? 0 : b.access.batchStride,
    destination,
  };
}

function zeros(destination: Place): Step[] {
  const zero: MapOp = { op: 'constant', operands: [], immediate: 0 };
  const { dtype, elements } = destination.buffer;
  const write = { dtype, ref: destination, register: 0, strides: [1] };
  return single({ kind: 'map', dims: [elements], reads: [], ops: [zero], writes: [write] });
}
