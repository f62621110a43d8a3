import { ZerothError } from '../../errors.ts';
import type { MapOpcode } from '../ops/elementwise.ts';
import { mapOps } from '../ops/map-ops.ts';
import type { Program } from './encode.ts';
import { DTYPE, MAGIC, MAP_OPCODE, MAP_OPERANDS, MAX_LOOP_DEPTH, VERSION } from './format.ts';
import type { Instruction, MapOp, Ref } from './instruction.ts';
import { OPCODE, rowOf } from './instructions.ts';
import type { Field, StorageType, ValueOf } from './schema.ts';

/**
 * Reads a program back from its bytes: the inverse of `encode`. It checks the frame (magic, version, lengths, codes); the native decoder is
 * the one that trusts nothing.
 *
 * @throws ERR_ZEROTH_PROGRAM where the bytes are no program.
 */
export function decode(bytes: Uint8Array): Program {
  const reader = new Reader(bytes);
  reader.expect('magic number', MAGIC);
  reader.expect('version', VERSION);
  reader.expect('total words', bytes.byteLength / 4);
  const arenaBytes = 4 * reader.word();
  const counts = { inputs: reader.word(), outputs: reader.word(), instructions: reader.word() };
  reader.expect('reserved word', 0);
  const inputs = reader.list(counts.inputs, () => ({
    dtype: reader.dtype() as 'f32' | 'i32',
    elements: reader.word(),
  }));
  const outputs = reader.list(counts.outputs, () => ({
    dtype: reader.dtype(),
    elements: reader.word(),
    ref: reader.ref(),
  }));
  const instructions = reader.list(counts.instructions, () => readFramed(reader, 0));
  if (reader.position !== bytes.byteLength / 4) invalid(`the end after ${reader.position} words`, bytes.byteLength / 4);
  return { arenaBytes, inputs, outputs, instructions };
}

function invalid(expected: string, found: unknown): never {
  throw new ZerothError('ERR_ZEROTH_PROGRAM', `program: expected ${expected}, found ${String(found)}.`);
}

class Reader {
  position = 0;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  word(): number {
    if (4 * this.position + 4 > this.#view.byteLength) invalid('more words', 'the end');
    return this.#view.getUint32(4 * this.position++, true);
  }

  expect(what: string, value: number): void {
    const word = this.word();
    if (word !== value) invalid(`${what} ${value}`, word);
  }

  f64(): number {
    const view = new DataView(new ArrayBuffer(8));
    view.setUint32(0, this.word(), true);
    view.setUint32(4, this.word(), true);
    return view.getFloat64(0, true);
  }

  list<T>(count: number, item: () => T): T[] {
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(item());
    return items;
  }

  code<K extends string>(what: string, table: Readonly<Record<K, number>>): K {
    const word = this.word();
    const name = (Object.keys(table) as K[]).find((key) => table[key] === word);
    return name ?? invalid(`a known ${what}`, word);
  }

  dtype(): StorageType {
    return this.code('dtype', DTYPE);
  }

  ref(): Ref {
    return { space: this.word(), offset: this.word() };
  }
}

// Fields are read in the order in which they are written down: evaluation order is the format.
function readBody(reader: Reader) {
  const dims = reader.list(reader.word(), () => reader.word());
  const strides = () => reader.list(dims.length, () => reader.word());
  const reads = reader.list(reader.word(), () => ({ dtype: reader.dtype(), ref: reader.ref(), strides: strides() }));
  const ops = reader.list(reader.word(), (): MapOp => {
    const op = reader.code<MapOpcode>('map opcode', MAP_OPCODE);
    const words = reader.list(MAP_OPERANDS, () => reader.word());
    return { op, operands: words.slice(0, mapOps[op].operands), immediate: reader.f64() };
  });
  return { dims, reads, ops, strides };
}

/** @param depth loops around the instruction. */
function readFramed(reader: Reader, depth: number): Instruction {
  const start = reader.position;
  const kind = reader.code('opcode', OPCODE);
  const words = reader.word();
  const instruction = readInstruction(reader, kind, depth);
  if (reader.position !== start + words) invalid(`an instruction ${kind} of ${words} words`, reader.position - start);
  return instruction;
}

function readInstruction(reader: Reader, kind: keyof typeof OPCODE, depth: number): Instruction {
  const word = () => reader.word();
  switch (kind) {
    case 'map': {
      const { dims, reads, ops, strides } = readBody(reader);
      const writes = reader.list(word(), () => ({
        dtype: reader.dtype(),
        ref: reader.ref(),
        register: word(),
        strides: strides(),
      }));
      return { kind, dims, reads, ops, writes };
    }
    case 'mapSum': {
      const { dims, reads, ops } = readBody(reader);
      return { kind, dims, reads, ops, register: word(), destination: reader.ref() };
    }
    case 'loop': {
      if (depth === MAX_LOOP_DEPTH) invalid(`loops at most ${MAX_LOOP_DEPTH} deep`, 'a deeper one');
      const [trips, reverse] = [word(), word() !== 0];
      const windows = reader.list(word(), () => ({
        ref: reader.ref(),
        step: word(),
        words: word(),
        written: word() !== 0,
      }));
      return { kind, trips, reverse, windows, body: reader.list(word(), () => readFramed(reader, depth + 1)) };
    }
    default: {
      const values: { [name: string]: ValueOf<Field, Ref> } = {};
      for (const [name, field] of Object.entries(rowOf(kind).fields)) values[name] = readField(reader, name, field);
      return { kind, ...values } as unknown as Instruction;
    }
  }
}

function readField(reader: Reader, name: string, field: Field): ValueOf<Field, Ref> {
  switch (field.kind) {
    case 'size':
    case 'stride':
      return reader.word();
    case 'flag':
      return reader.word() !== 0;
    case 'code':
      return reader.code(name, field.codes);
    case 'dtype': {
      const dtype = reader.dtype();
      return field.allowed.includes(dtype) ? dtype : invalid(`${name} of ${field.allowed.join(' or ')}`, dtype);
    }
    case 'read':
    case 'write':
      return reader.ref();
  }
}
