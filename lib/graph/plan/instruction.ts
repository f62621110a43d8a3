import type { MapOpcode } from '../ops/elementwise.ts';

/** Readable instructions. `R` is how an operand is found: a buffer while planning, a place in memory in the finished plan. */

export type StorageType = 'f32' | 'i32' | 'f64';

/** A place in memory: space 0 is the arena, space 1 + i is program input i; `offset` in 4-byte words. */
export interface Ref {
  readonly space: number;
  readonly offset: number;
}

export interface MapRead<R> {
  readonly dtype: StorageType;
  readonly ref: R;
  /** In elements, one a dimension; 0 repeats. */
  readonly strides: readonly number[];
}

export interface MapOp {
  readonly op: MapOpcode;
  /** Registers (reads first, then one an op), as many as the op has operands. */
  readonly operands: readonly number[];
  readonly immediate: number;
}

export interface MapWrite<R> {
  readonly dtype: StorageType;
  readonly ref: R;
  readonly register: number;
  readonly strides: readonly number[];
}

export interface MapInstruction<R> {
  readonly kind: 'map';
  readonly dims: readonly number[];
  readonly reads: readonly MapRead<R>[];
  readonly ops: readonly MapOp[];
  readonly writes: readonly MapWrite<R>[];
}

export interface MapSumInstruction<R> {
  readonly kind: 'mapSum';
  readonly dims: readonly number[];
  readonly reads: readonly MapRead<R>[];
  readonly ops: readonly MapOp[];
  readonly register: number;
  readonly destination: R;
}

export interface ReduceInstruction<R> {
  readonly kind: 'reduce';
  readonly reduction: 'sum' | 'max';
  readonly outer: number;
  readonly reduce: number;
  readonly inner: number;
  readonly dtype: 'f32' | 'f64';
  readonly destination: R;
  readonly source: R;
}

export interface MatmulInstruction<R> {
  readonly kind: 'matmul';
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly a: R;
  readonly aBatchStride: number;
  readonly b: R;
  readonly bBatchStride: number;
  readonly destination: R;
}

export interface GatherInstruction<R> {
  readonly kind: 'gather';
  readonly rows: number;
  readonly width: number;
  readonly count: number;
  readonly table: R;
  readonly indices: R;
  readonly destination: R;
}

export interface ScatterAddInstruction<R> {
  readonly kind: 'scatterAdd';
  readonly rows: number;
  readonly width: number;
  readonly count: number;
  readonly indices: R;
  readonly updates: R;
  readonly destination: R;
}

export interface IotaInstruction<R> {
  readonly kind: 'iota';
  readonly dtype: 'f32' | 'i32';
  readonly outer: number;
  readonly n: number;
  readonly inner: number;
  readonly destination: R;
}

export type AnyInstruction<R> =
  | MapInstruction<R>
  | MapSumInstruction<R>
  | ReduceInstruction<R>
  | MatmulInstruction<R>
  | GatherInstruction<R>
  | ScatterAddInstruction<R>
  | IotaInstruction<R>;

export type Instruction = AnyInstruction<Ref>;

/** What an instruction reads, in the order of its payload. */
export function sourcesOf<R>(instruction: AnyInstruction<R>): R[] {
  switch (instruction.kind) {
    case 'map':
    case 'mapSum':
      return instruction.reads.map((read) => read.ref);
    case 'reduce':
      return [instruction.source];
    case 'matmul':
      return [instruction.a, instruction.b];
    case 'gather':
      return [instruction.table, instruction.indices];
    case 'scatterAdd':
      return [instruction.indices, instruction.updates];
    case 'iota':
      return [];
  }
}

/** What an instruction writes. */
export function destinationsOf<R>(instruction: AnyInstruction<R>): R[] {
  return instruction.kind === 'map' ? instruction.writes.map((write) => write.ref) : [instruction.destination];
}

/** The same instruction with every operand found another way. */
export function mapRefs<A, B>(instruction: AnyInstruction<A>, place: (ref: A) => B): AnyInstruction<B> {
  const reads = (list: readonly MapRead<A>[]) => list.map((read) => ({ ...read, ref: place(read.ref) }));
  switch (instruction.kind) {
    case 'map':
      return {
        ...instruction,
        reads: reads(instruction.reads),
        writes: instruction.writes.map((write) => ({ ...write, ref: place(write.ref) })),
      };
    case 'mapSum':
      return { ...instruction, reads: reads(instruction.reads), destination: place(instruction.destination) };
    case 'reduce':
      return { ...instruction, destination: place(instruction.destination), source: place(instruction.source) };
    case 'matmul':
      return {
        ...instruction,
        a: place(instruction.a),
        b: place(instruction.b),
        destination: place(instruction.destination),
      };
    case 'gather':
      return {
        ...instruction,
        table: place(instruction.table),
        indices: place(instruction.indices),
        destination: place(instruction.destination),
      };
    case 'scatterAdd':
      return {
        ...instruction,
        indices: place(instruction.indices),
        updates: place(instruction.updates),
        destination: place(instruction.destination),
      };
    case 'iota':
      return { ...instruction, destination: place(instruction.destination) };
  }
}
