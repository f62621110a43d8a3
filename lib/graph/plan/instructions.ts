import { ZerothError } from '../../errors.ts';
import { batched, code, dtype, flag, type Row, read, row, size, stride, write } from './schema.ts';

/** Row `index` of a table, which has to have it. */
function rowAt(table: Float64Array, index: number, width: number): Float64Array {
  if (index >= 0 && (index + 1) * width <= table.length) return table.subarray(index * width, (index + 1) * width);
  throw new ZerothError(
    'ERR_ZEROTH_PROGRAM',
    `program: index ${index} is outside a table of ${table.length / width} rows.`,
  );
}

/** Every instruction that takes its operands whole. (MAP and MAP_SUM, whose operands are strided views, and LOOP are in `instruction.ts`.) */
export const instructions = {
  /** destination[o, i] = Σ or max over r of source[o, r, i]; sums accumulate in f64. */
  reduce: row({
    opcode: 2,
    fields: {
      reduction: code({ sum: 1, max: 2 }),
      outer: size,
      reduce: size,
      inner: size,
      dtype: dtype('f32', 'f64'),
      destination: write('dtype', 'outer', 'inner'),
      source: read('f32', 'outer', 'reduce', 'inner'),
    },
    run: ({ reduction, outer, reduce, inner }, { destination, source }) => {
      destination.fill(reduction === 'sum' ? 0 : Number.NEGATIVE_INFINITY);
      for (let i = 0; i < outer * reduce * inner; i++) {
        const to = Math.floor(i / (reduce * inner)) * inner + (i % inner);
        destination[to] = reduction === 'sum' ? destination[to] + source[i] : Math.max(destination[to], source[i]);
      }
    },
  }),

  /** destination[g] = a[g] · b[g], each operand transposed where its flag says that its matrices lie the other way round in memory. */
  matmul: row({
    opcode: 4,
    fields: {
      batch: size,
      m: size,
      n: size,
      k: size,
      transposeA: flag,
      transposeB: flag,
      a: batched(read('f32', 'm', 'k'), 'batch', 'aBatchStride'),
      aBatchStride: stride,
      b: batched(read('f32', 'k', 'n'), 'batch', 'bBatchStride'),
      bBatchStride: stride,
      destination: write('f32', 'batch', 'm', 'n'),
    },
    run: ({ m, n, k, transposeA, transposeB, aBatchStride, bBatchStride }, { a, b, destination }) => {
      const [rowA, columnA] = transposeA ? [1, m] : [k, 1];
      const [rowB, columnB] = transposeB ? [1, k] : [n, 1];
      for (let i = 0; i < destination.length; i++) {
        const batch = Math.floor(i / (m * n));
        const left = batch * aBatchStride + (Math.floor(i / n) % m) * rowA;
        const right = batch * bBatchStride + (i % n) * columnB;
        destination[i] = 0;
        for (let l = 0; l < k; l++) destination[i] += a[left + l * columnA] * b[right + l * rowB];
      }
    },
  }),

  /** destination[i, :] = table[indices[i], :] */
  gather: row({
    opcode: 5,
    fields: {
      rows: size,
      width: size,
      count: size,
      table: read('f32', 'rows', 'width'),
      indices: read('i32', 'count'),
      destination: write('f32', 'count', 'width'),
    },
    run: ({ width }, { table, indices, destination }) => {
      indices.forEach((index, i) => {
        destination.set(rowAt(table, index, width), i * width);
      });
    },
  }),

  /** destination = 0, then destination[indices[i], :] += updates[i, :] in order of i. */
  scatterAdd: row({
    opcode: 6,
    fields: {
      rows: size,
      width: size,
      count: size,
      indices: read('i32', 'count'),
      updates: read('f32', 'count', 'width'),
      destination: write('f32', 'rows', 'width'),
    },
    run: ({ width }, { indices, updates, destination }) => {
      destination.fill(0);
      indices.forEach((index, i) => {
        const to = rowAt(destination, index, width);
        for (let j = 0; j < width; j++) to[j] += updates[i * width + j];
      });
    },
  }),

  /** destination[i, :] = source[i, :] − max − log Σ exp(source[i, :] − max), the largest and the sum of each row. */
  logSoftmax: row({
    opcode: 8,
    fields: {
      rows: size,
      width: size,
      destination: write('f32', 'rows', 'width'),
      source: read('f32', 'rows', 'width'),
    },
    run: ({ rows, width }, { destination, source }) => {
      for (let i = 0; i < rows; i++) {
        const x = source.subarray(i * width, (i + 1) * width);
        const most = x.reduce((a, b) => Math.max(a, b));
        const total = x.reduce((sum, value) => sum + Math.exp(value - most), 0);
        destination.set(
          x.map((value) => value - most - Math.log(total)),
          i * width,
        );
      }
    },
  }),

  /** destination[i] = a[i] ⊙ destination[i − 1] + b[i], row by row from `start` on; in reverse from the last row to the first. */
  recurrence: row({
    opcode: 10,
    fields: {
      rows: size,
      width: size,
      reverse: flag,
      a: read('f32', 'rows', 'width'),
      b: read('f32', 'rows', 'width'),
      start: read('f32', 'width'),
      destination: write('f32', 'rows', 'width'),
    },
    run: ({ rows, width, reverse }, { a, b, start, destination }) => {
      let state = start;
      for (let i = 0; i < rows; i++) {
        const at = width * (reverse ? rows - 1 - i : i);
        const row = destination.subarray(at, at + width);
        for (let j = 0; j < width; j++) row[j] = a[at + j] * state[j] + b[at + j];
        state = row;
      }
    },
  }),

  /** destination[o, i, j] = i */
  iota: row({
    opcode: 7,
    fields: {
      dtype: dtype('f32', 'i32'),
      outer: size,
      n: size,
      inner: size,
      destination: write('dtype', 'outer', 'n', 'inner'),
    },
    run: ({ n, inner }, { destination }) => {
      destination.forEach((_, i) => {
        destination[i] = Math.floor(i / inner) % n;
      });
    },
  }),
};

export type Whole = keyof typeof instructions;

/** The row of an instruction, for whoever does not care which. */
export const rowOf = (kind: Whole): Row => instructions[kind] as unknown as Row;

export const OPCODE: { readonly [K in Whole | 'map' | 'mapSum' | 'loop']: number } = {
  map: 1,
  mapSum: 3,
  loop: 9,
  ...(Object.fromEntries(Object.entries(instructions).map(([kind, { opcode }]) => [kind, opcode])) as {
    readonly [K in Whole]: number;
  }),
};
