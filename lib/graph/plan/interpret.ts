import { ZerothError } from '../../errors.ts';
import { mapOps } from '../ops/map-ops.ts';
import { decode } from './decode.ts';
import {
  type Instruction,
  type LoopInstruction,
  type MapInstruction,
  type MapOp,
  type MapSumInstruction,
  type Ref,
  valuesOf,
} from './instruction.ts';
import { rowOf, type Whole } from './instructions.ts';
import { extentOf, isOperand } from './schema.ts';

/**
 * The reference executor of plans: runs the bytes of a program in f64. One f64 number stands for each 4-byte word of
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
  return program.outputs.map(({ elements, ref }) => at(memory, ref, elements).slice());
}

function at(memory: readonly Float64Array[], { space, offset }: Ref, elements: number): Float64Array {
  if (!(offset + elements <= memory[space]?.length)) {
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
  if (x.kind === 'map' || x.kind === 'mapSum') runMap(x, memory);
  else if (x.kind === 'loop') runLoop(x, memory);
  else runWhole(x, memory);
}

function runLoop({ trips, reverse, windows, body }: LoopInstruction<Ref>, memory: readonly Float64Array[]): void {
  for (let trip = 0; trip < trips; trip++) {
    const row = reverse ? trips - 1 - trip : trip;
    const moved = windows.map(({ ref, step, words }) => at(memory, { ...ref, offset: ref.offset + row * step }, words));
    const inside = [...memory, ...moved];
    for (const instruction of body) run(instruction, inside);
  }
}

function runWhole(x: Instruction & { readonly kind: Whole }, memory: readonly Float64Array[]): void {
  const { fields, run } = rowOf(x.kind);
  const values = valuesOf(x);
  const operands: { [name: string]: Float64Array } = {};
  for (const [name, field] of Object.entries(fields)) {
    if (!isOperand(field)) continue;
    operands[name] = at(
      memory,
      values[name] as Ref,
      extentOf(field, (size) => values[size] as number),
    );
  }
  run(values, operands);
}

function runMap(x: MapInstruction<Ref> | MapSumInstruction<Ref>, memory: readonly Float64Array[]): void {
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
}
