import { ZerothError } from '../../errors.ts';
import * as $ from '../build.ts';
import { type Node, sizeOf } from '../node.ts';
import { type Op, range, withBatch } from './op.ts';

/** f32 lanes compute index arithmetic, and are exact up to here. */
const EXACT_INTEGERS = 2 ** 24;

/** Batched indices into `rows` rows a problem → indices into size · rows rows. */
function flattened(indices: Node, rows: number): Node {
  const [size] = indices.shape;
  if (size * rows > EXACT_INTEGERS) {
    throw new ZerothError(
      'ERR_ZEROTH_TRACE',
      `vmap over both a table and its indices: ${size} × ${rows} rows exceed 2^24, the largest exact index. Batch one of them only, or use a smaller batch.`,
    );
  }
  const offset = $.mul($.iota(indices.shape, 0, 'i32'), $.constant(rows, indices.shape, 'i32'));
  return $.add(indices, offset);
}

/** Moves axis `from` to `to`. */
function moveAxis(x: Node, from: number, to: number): Node {
  const permutation = range(x.shape.length).filter((axis) => axis !== from);
  permutation.splice(to, 0, from);
  return $.transpose(x, permutation);
}

function checkIndex(index: number, rows: number, node: Node): void {
  if (!(index >= 0 && index < rows)) {
    throw new ZerothError(
      'ERR_ZEROTH_DATA',
      `${node.op}: index ${index} is outside a table of ${rows} rows. At ${node.where ?? 'an unknown line'}`,
    );
  }
}

const gather: Op<'gather'> = {
  jvp: ({ inputs: [, indices] }, [t]) => t && $.gather(t, indices),
  vjp: ({ inputs: [table, indices] }, g) => [$.scatterAdd(indices, g, table.shape[0]), undefined],
  batch: (y, [table, indices], [batchedTable, batchedIndices], size) => {
    if (!batchedTable) return $.gather(table, indices);
    // Lookups into `size` tables at the same places are lookups of rows that are `size` times as wide.
    if (!batchedIndices) return moveAxis($.gather(moveAxis(table, 0, 1), indices), indices.shape.length, 0);
    const [rows, ...rest] = y.inputs[0].shape;
    return $.gather($.reshape(table, [size * rows, ...rest]), flattened(indices, rows));
  },
  reference: (y, [table, indices]) => {
    const [rows, ...rest] = y.inputs[0].shape;
    const width = sizeOf(rest);
    const result = new Float64Array(sizeOf(y.shape));
    indices.forEach((index, i) => {
      checkIndex(index, rows, y);
      result.set(table.subarray(index * width, (index + 1) * width), i * width);
    });
    return result;
  },
};

const scatterAdd: Op<'scatterAdd'> = {
  jvp: ({ inputs: [indices], attributes: { rows } }, [, t]) => t && $.scatterAdd(indices, t, rows),
  vjp: ({ inputs: [indices] }, g) => [undefined, $.gather(g, indices)],
  batch: (y, [indices, updates], [batchedIndices, batchedUpdates], size) => {
    const { rows } = y.attributes;
    if (!batchedIndices) return moveAxis($.scatterAdd(indices, moveAxis(updates, 0, indices.shape.length), rows), 1, 0);
    const all = $.scatterAdd(flattened(indices, rows), withBatch(updates, batchedUpdates, size), size * rows);
    return $.reshape(all, [size, ...y.shape]);
  },
  reference: (y, [indices, updates]) => {
    const width = sizeOf(y.shape.slice(1));
    const result = new Float64Array(sizeOf(y.shape));
    indices.forEach((index, i) => {
      checkIndex(index, y.attributes.rows, y);
      for (let j = 0; j < width; j++) result[index * width + j] += updates[i * width + j];
    });
    return result;
  },
};

export const indexingOps = { gather, scatterAdd };
