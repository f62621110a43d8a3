import { ZerothError } from '../../errors.ts';
import { DTYPE, MAGIC, MAP_OPCODE, MAP_OPERANDS, MAX_LOOP_DEPTH, VERSION } from './format.ts';
import { type Instruction, type LoopInstruction, type MapOp, type MapRead, type Ref, valuesOf } from './instruction.ts';
import { OPCODE, rowOf } from './instructions.ts';
import type { Field, StorageType, ValueOf } from './schema.ts';

/** A finished program, readable: exactly what the bytes say. */
export interface Program {
  readonly arenaBytes: number;
  readonly inputs: readonly { readonly dtype: 'f32' | 'i32'; readonly elements: number }[];
  readonly outputs: readonly { readonly dtype: StorageType; readonly elements: number; readonly ref: Ref }[];
  readonly instructions: readonly Instruction[];
}

/**
 * The binary form of a program; `format.ts` describes it.
 * @throws ERR_ZEROTH_PROGRAM where a size or an offset does not fit into a word, or loops nest too deep.
 */
export function encode(program: Program): Uint8Array<ArrayBuffer> {
  const { inputs, outputs, instructions } = program;
  const words: number[] = [
    MAGIC,
    VERSION,
    0,
    program.arenaBytes / 4,
    inputs.length,
    outputs.length,
    instructions.length,
    0,
  ];
  for (const { dtype, elements } of inputs) words.push(DTYPE[dtype], elements);
  for (const { dtype, elements, ref } of outputs) words.push(DTYPE[dtype], elements, ...place(ref));
  append(words, instructions, 0);
  words[2] = words.length;
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => {
    if (!Number.isInteger(word) || word < 0 || word > 0xffffffff) {
      throw new ZerothError(
        'ERR_ZEROTH_PROGRAM',
        `program: expected sizes and offsets below 2^32 words (16 GiB), received ${word} as word ${i} of a program with ${program.arenaBytes} bytes of working memory. Evaluate fewer examples at once, or split the largest tensor.`,
      );
    }
    view.setUint32(4 * i, word, true);
  });
  return bytes;
}

const place = ({ space, offset }: Ref): [number, number] => [space, offset];

function f64Words(value: number): [number, number] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value, true);
  return [view.getUint32(0, true), view.getUint32(4, true)];
}

function mapOpWords({ op, operands, immediate }: MapOp): number[] {
  const unused = new Array<number>(MAP_OPERANDS - operands.length).fill(0);
  return [MAP_OPCODE[op], ...operands, ...unused, ...f64Words(immediate)];
}

/** Every list is preceded by its length. */
function mapWords(dims: readonly number[], reads: readonly MapRead<Ref>[], ops: readonly MapOp[]): number[] {
  return [
    ...[dims.length, ...dims],
    ...[reads.length, ...reads.flatMap((read) => [DTYPE[read.dtype], ...place(read.ref), ...read.strides])],
    ...[ops.length, ...ops.flatMap(mapOpWords)],
  ];
}

/** @param depth loops around the instructions. */
function append(words: number[], instructions: readonly Instruction[], depth: number): void {
  for (const x of instructions) {
    const start = words.length;
    words.push(OPCODE[x.kind], 0);
    if (x.kind === 'loop') appendLoop(words, x, depth + 1);
    else words.push(...payload(x));
    words[start + 1] = words.length - start;
  }
}

/** A body may be long: it is appended, and not spread into arguments. */
function appendLoop(words: number[], { trips, reverse, windows, body }: LoopInstruction<Ref>, depth: number): void {
  if (depth > MAX_LOOP_DEPTH) {
    throw new ZerothError(
      'ERR_ZEROTH_PROGRAM',
      `program: expected loops at most ${MAX_LOOP_DEPTH} deep, received a deeper one. Nest fewer scans.`,
    );
  }
  words.push(trips, Number(reverse), windows.length);
  for (const { ref, step, words: length, written } of windows) words.push(...place(ref), step, length, Number(written));
  words.push(body.length);
  append(words, body, depth);
}

function payload(x: Exclude<Instruction, { readonly kind: 'loop' }>): number[] {
  switch (x.kind) {
    case 'map':
      return [
        ...mapWords(x.dims, x.reads, x.ops),
        x.writes.length,
        ...x.writes.flatMap((write) => [DTYPE[write.dtype], ...place(write.ref), write.register, ...write.strides]),
      ];
    case 'mapSum':
      return [...mapWords(x.dims, x.reads, x.ops), x.register, ...place(x.destination)];
    default: {
      const values = valuesOf(x);
      return Object.entries(rowOf(x.kind).fields).flatMap(([name, field]) => fieldWords(field, values[name]));
    }
  }
}

function fieldWords(field: Field, value: ValueOf<Field, Ref>): number[] {
  switch (field.kind) {
    case 'size':
    case 'stride':
    case 'flag':
      return [Number(value)];
    case 'code':
      return [field.codes[value as string]];
    case 'dtype':
      return [DTYPE[value as StorageType]];
    case 'read':
    case 'write':
      return place(value as Ref);
  }
}
