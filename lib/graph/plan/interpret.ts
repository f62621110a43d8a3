import { ZerothError } from '../../errors.ts';
import { mapOps } from '../ops/map-ops.ts';
import { decode } from './decode.ts';
import type { Instruction, MapOp, Ref } from './instruction.ts';

/**
 * The reference executor of plans: runs the bytes of a program in f64, a few lines an opcode. One f64 number stands for each 4-byte word of
 * the arena, so a value that is read where none was written is NaN and shows.
 *
 * @param inputs one array a program input.
 * @returns one array an output.
 */
export function runProgramReference(
  bytes: Uint8Array,
  inputs: readonly (Float64Array | Float32Array | Int32Array)[],
): Float64Array[] {
  const program = decode(bytes);
  program.inputs.forEach(({ elements }, i) => {
    if (!(inputs[i]?.length >= elements)) {
      throw new ZerothError(
        'ERR_ZEROTH_ARGUMENT',
        `inputs[${i}]: expected at least ${elements} values, received ${inputs[i]?.length}.`,
      );
    }
  });
  const arena = new Float64Array(program.arenaBytes / 4).fill(Number.NaN);
  const memory = [
    arena,
    ...program.inputs.map(({ elements }, i) => Float64Array.from(inputs[i].subarray(0, elements))),
  ];
  for (const instruction of program.instructions) run(instruction, memory);
  return program.outputs.map(({ elements, ref }) => memory[ref.space].slice(ref.offset, ref.offset + elements));
}

function at(memory: readonly Float64Array[], { space, offset }: Ref, elements: number): Float64Array {
  if (offset + elements > memory[space].length) {
    throw new ZerothError(
      'ERR_ZEROTH_PROGRAM',
      `program: ${elements} elements at ${space}:${offset} are out of bounds.`,
    );
  }
  return memory[space].subarray(offset, offset + elements);
}

/** Calls `visit` with the multi-index of every element, in row-major order. */
function forEachIndex(dims: readonly number[], visit: (index: readonly number[]) => void): void {
  const index = dims.map(() => 0);
  const elements = dims.reduce((product, n) => product * n, 1);
  for (let i = 0; i < elements; i++) {
    visit(index);
    for (let d = dims.length - 1; d >= 0 && ++index[d] === dims[d]; d--) index[d] = 0;
  }
}

const position = (index: readonly number[], strides: readonly number[]): number =>
  strides.reduce((sum, stride, d) => sum + stride * index[d], 0);

function registersOf(reads: number, ops: readonly MapOp[]): (registers: Float64Array) => void {
  return (registers) => {
    ops.forEach(({ op, operands: [a, b, c], immediate }, i) => {
      registers[reads + i] = mapOps[op].value(registers[a], registers[b], registers[c], immediate);
    });
  };
}

function run(x: Instruction, memory: readonly Float64Array[]): void {
  switch (x.kind) {
    case 'map':
    case 'mapSum': {
      const registers = new Float64Array(x.reads.length + x.ops.length);
      const compute = registersOf(x.reads.length, x.ops);
      let total = 0;
      forEachIndex(x.dims, (index) => {
        x.reads.forEach(({ ref, strides }, i) => {
          registers[i] = at(memory, { ...ref, offset: ref.offset + position(index, strides) }, 1)[0];
        });
        compute(registers);
        if (x.kind === 'mapSum') {
          total += registers[x.register];
          return;
        }
        for (const { ref, register, strides, dtype } of x.writes) {
          const value = dtype === 'i32' ? Math.trunc(registers[register]) : registers[register];
          at(memory, { ...ref, offset: ref.offset + position(index, strides) }, 1)[0] = value;
        }
      });
      if (x.kind === 'mapSum') at(memory, x.destination, 1)[0] = total;
      return;
    }
    case 'reduce': {
      const source = at(memory, x.source, x.outer * x.reduce * x.inner);
      const result = at(memory, x.destination, x.outer * x.inner);
      result.fill(x.reduction === 'sum' ? 0 : Number.NEGATIVE_INFINITY);
      forEachIndex([x.outer, x.reduce, x.inner], ([o, r, i]) => {
        const value = source[(o * x.reduce + r) * x.inner + i];
        const to = o * x.inner + i;
        result[to] = x.reduction === 'sum' ? result[to] + value : Math.max(result[to], value);
      });
      return;
    }
    case 'matmul': {
      const { batch, m, n, k } = x;
      const a = at(memory, x.a, (batch - 1) * x.aBatchStride + m * k);
      const b = at(memory, x.b, (batch - 1) * x.bBatchStride + k * n);
      const result = at(memory, x.destination, batch * m * n);
      forEachIndex([batch, m, n], ([g, i, j]) => {
        let total = 0;
        for (let l = 0; l < k; l++) {
          const left = a[g * x.aBatchStride + (x.transposeA ? l * m + i : i * k + l)];
          const right = b[g * x.bBatchStride + (x.transposeB ? j * k + l : l * n + j)];
          total += left * right;
        }
        result[(g * m + i) * n + j] = total;
      });
      return;
    }
    case 'gather': {
      const table = at(memory, x.table, x.rows * x.width);
      const indices = at(memory, x.indices, x.count);
      const result = at(memory, x.destination, x.count * x.width);
      indices.forEach((row, i) => {
        result.set(at([table], { space: 0, offset: row * x.width }, x.width), i * x.width);
      });
      return;
    }
    case 'scatterAdd': {
      const indices = at(memory, x.indices, x.count);
      const updates = at(memory, x.updates, x.count * x.width);
      const result = at(memory, x.destination, x.rows * x.width).fill(0);
      indices.forEach((row, i) => {
        const target = at([result], { space: 0, offset: row * x.width }, x.width);
        for (let j = 0; j < x.width; j++) target[j] += updates[i * x.width + j];
      });
      return;
    }
    case 'iota': {
      const result = at(memory, x.destination, x.outer * x.n * x.inner);
      result.forEach((_, i) => {
        result[i] = Math.floor(i / x.inner) % x.n;
      });
    }
  }
}
