import { ZerothError } from '../../errors.ts';
import { DTYPE, MAGIC, MAP_OPCODE, MAP_OPERANDS, OPCODE, REDUCE_KIND, VERSION } from './format.ts';
import type { Instruction, MapOp, MapRead, Ref, StorageType } from './instruction.ts';

/** A finished program, readable: exactly what the bytes say. */
export interface Program {
  readonly arenaBytes: number;
  readonly inputs: readonly { readonly dtype: 'f32' | 'i32'; readonly elements: number }[];
  readonly outputs: readonly { readonly dtype: StorageType; readonly elements: number; readonly ref: Ref }[];
  readonly instructions: readonly Instruction[];
}

/**
 * The binary form of a program; `format.ts` describes it.
 * @throws ERR_ZEROTH_PROGRAM where a size or an offset does not fit into a word.
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
  for (const instruction of instructions) {
    const body = payload(instruction);
    words.push(OPCODE[instruction.kind], body.length + 2, ...body);
  }
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

function payload(x: Instruction): number[] {
  switch (x.kind) {
    case 'map':
      return [
        ...mapWords(x.dims, x.reads, x.ops),
        x.writes.length,
        ...x.writes.flatMap((write) => [DTYPE[write.dtype], ...place(write.ref), write.register, ...write.strides]),
      ];
    case 'mapSum':
      return [...mapWords(x.dims, x.reads, x.ops), x.register, ...place(x.destination)];
    case 'reduce':
      return [
        REDUCE_KIND[x.reduction],
        x.outer,
        x.reduce,
        x.inner,
        DTYPE[x.dtype],
        ...place(x.destination),
        ...place(x.source),
      ];
    case 'matmul':
      return [
        ...[x.batch, x.m, x.n, x.k, Number(x.transposeA), Number(x.transposeB)],
        ...[...place(x.a), x.aBatchStride, ...place(x.b), x.bBatchStride, ...place(x.destination)],
      ];
    case 'gather':
      return [x.rows, x.width, x.count, ...place(x.table), ...place(x.indices), ...place(x.destination)];
    case 'scatterAdd':
      return [x.rows, x.width, x.count, ...place(x.indices), ...place(x.updates), ...place(x.destination)];
    case 'iota':
      return [DTYPE[x.dtype], x.outer, x.n, x.inner, ...place(x.destination)];
  }
}
