import { isOp } from '../build.ts';
import { type Node, sizeOf } from '../node.ts';
import { stridesOf } from '../ops/strided.ts';
import { buildChain, type ChainResult, rectangle, type Target } from './chain.ts';
import type { AnyInstruction, MapOp } from './instruction.ts';
import { asMatrices, type Buffer, bufferFor, isElementwise, locate, type Place, type Stored } from './storage.ts';
import { isContiguous, isView, type View } from './views.ts';

/** An instruction between buffers, not yet placed in time or memory. */
export interface Step {
  readonly instruction: AnyInstruction<Place>;
  /** Steps that write to the same buffer before. */
  readonly after: readonly Step[];
  /** The stored values that a map computes whole. */
  readonly roots: readonly Node[];
}

export type LowerResult =
  | { readonly steps: Step[]; readonly bufferOf: (node: Node) => Buffer }
  | { readonly store: Node };

const dense = (view: View) => (isContiguous(view) ? true : undefined);

/**
 * Turns the stored values that `outputs` need into steps, operands first.
 * @param order every node, operands first.
 * @param inputs where the graph's inputs are.
 * @param mates stored elementwise values that one kernel computes together.
 * @returns the steps, or a value that needs memory of its own before there can be steps.
 */
export function lower(
  order: readonly Node[],
  outputs: readonly Node[],
  stored: Stored,
  inputs: ReadonlyMap<Node, Place>,
  mates: ReadonlyMap<Node, readonly Node[]>,
): LowerResult {
  const buffers = new Map<Node, Buffer>();
  const bufferOf = (node: Node): Buffer => {
    let buffer = buffers.get(node);
    if (!buffer) {
      buffer = bufferFor(node);
      buffers.set(node, buffer);
    }
    return buffer;
  };
  const placeOf = (node: Node): Place => inputs.get(node) ?? { buffer: bufferOf(node), element: 0 };

  const needed = new Set<Node>(outputs);
  const done = new Set<Node>();
  let store: Node | undefined;

  const whole = <T>(node: Node, dtype: Node['dtype'], accept: (view: View) => T | undefined) => {
    const found = locate(node, dtype, stored, accept);
    if (!found || !stored.has(found.base)) {
      store ??= found ? found.base : node;
      return undefined;
    }
    needed.add(found.base);
    const { buffer, element } = placeOf(found.base);
    return { place: { buffer, element: element + found.element }, access: found.access };
  };

  const chain = (targets: readonly Target[]) => {
    const result: ChainResult = buildChain(targets, stored, placeOf);
    if ('store' in result) {
      store ??= result.store;
      return undefined;
    }
    for (const leaf of result.chain.leaves) needed.add(leaf);
    return result.chain;
  };

  const map = (targets: readonly Target[], after: readonly Step[] = []): Step[] => {
    const made = chain(targets);
    if (!made) return [];
    const { dims, reads, ops, writes } = made;
    const roots = targets.filter(({ own }) => own).map(({ node }) => node);
    return [{ instruction: { kind: 'map', dims, reads, ops, writes }, after, roots }];
  };

  const stepsFor = (node: Node): Step[] => {
    const destination = placeOf(node);
    const single = (instruction: AnyInstruction<Place>): Step[] => [{ instruction, after: [], roots: [] }];
    if (isOp(node, 'input')) return [];
    if (isElementwise(node) || isView(node) || isOp(node, 'constant')) {
      const together = mates.get(node) ?? [node];
      for (const mate of together) done.add(mate);
      return map(together.map((mate) => ({ node: mate, place: placeOf(mate), own: true })));
    }
    if (isOp(node, 'sum') && node.shape.length === 0) {
      const made = chain([{ node: node.inputs[0], place: destination, own: false }]);
      if (!made) return [];
      const { dims, reads, ops, writes } = made;
      return single({ kind: 'mapSum', dims, reads, ops, register: writes[0].register, destination });
    }
    if (isOp(node, 'sum') || isOp(node, 'max')) {
      const [x] = node.inputs;
      const { axes } = node.attributes;
      const source = whole(x, 'f32', dense);
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
    }
    if (isOp(node, 'matmul')) {
      const a = whole(node.inputs[0], 'f32', asMatrices);
      const b = whole(node.inputs[1], 'f32', asMatrices);
      return a && b ? single(matmul(node, a, b, destination)) : [];
    }
    if (isOp(node, 'gather')) {
      const [x, i] = node.inputs;
      const table = whole(x, 'f32', dense);
      const indices = whole(i, 'i32', dense);
      if (!table || !indices) return [];
      const size = { rows: x.shape[0], width: sizeOf(x.shape.slice(1)), count: sizeOf(i.shape) };
      return single({ kind: 'gather', ...size, table: table.place, indices: indices.place, destination });
    }
    if (isOp(node, 'scatterAdd')) {
      const [i, x] = node.inputs;
      const indices = whole(i, 'i32', dense);
      const updates = whole(x, 'f32', dense);
      if (!indices || !updates) return [];
      const size = { rows: node.shape[0], width: sizeOf(node.shape.slice(1)), count: sizeOf(i.shape) };
      return single({ kind: 'scatterAdd', ...size, indices: indices.place, updates: updates.place, destination });
    }
    if (isOp(node, 'iota')) {
      return single({ kind: 'iota', dtype: node.dtype, outer: 1, n: node.shape[0], inner: 1, destination });
    }
    if (isOp(node, 'concat')) {
      const { axis } = node.attributes;
      const strides = stridesOf(node.shape);
      let start = 0;
      return node.inputs.flatMap((x) => {
        const place = { buffer: destination.buffer, element: start * strides[axis] };
        start += x.shape[axis];
        return map([
          {
            node: x,
            own: false,
            place,
            atoms: rectangle(
              x.shape,
              node.shape,
              x.shape.map(() => 1),
            ),
          },
        ]);
      });
    }
    if (isOp(node, 'pad')) {
      const [x] = node.inputs;
      const { low, interior } = node.attributes;
      const strides = stridesOf(node.shape);
      const place = { buffer: destination.buffer, element: low.reduce((sum, n, i) => sum + n * strides[i], 0) };
      const inside = {
        node: x,
        own: false,
        place,
        atoms: rectangle(
          x.shape,
          node.shape,
          interior.map((n) => n + 1),
        ),
      };
      const fill = sizeOf(x.shape) < sizeOf(node.shape) ? [zeros(destination)] : [];
      return [...fill, ...map([inside], fill)];
    }
    throw new Error(`no instruction computes ${node.op}`);
  };

  const blocks: Step[][] = [];
  for (const node of order.toReversed()) {
    if (!needed.has(node) || done.has(node)) continue;
    done.add(node);
    blocks.unshift(stepsFor(node));
    if (store) return { store };
  }
  return { steps: blocks.flat(), bufferOf };
}

type Operand = {
  readonly place: Place;
  readonly access: { readonly transposed: boolean; readonly batchStride: number };
};

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

function zeros(destination: Place): Step {
  const zero: MapOp = { op: 'constant', a: 0, b: 0, c: 0, immediate: 0 };
  const { dtype, elements } = destination.buffer;
  const write = { dtype, ref: destination, register: 0, strides: [1] };
  return {
    instruction: { kind: 'map', dims: [elements], reads: [], ops: [zero], writes: [write] },
    after: [],
    roots: [],
  };
}
