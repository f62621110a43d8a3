import type { MapOpcode } from '../ops/elementwise.ts';
import { type instructions, rowOf, type Whole } from './instructions.ts';
import { type Field, isOperand, type StorageType, type ValueOf, type Values } from './schema.ts';

/** Readable instructions. `R` is how an operand is found: a buffer while planning, a place in memory in the finished plan. */

/**
 * A place in memory: space 0 is the arena, space 1 + i is program input i, and in the body of a loop the windows of the loops around follow,
 * outermost loop first; `offset` in 4-byte words.
 */
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

/** Memory that moves with the trips of a loop, and is a space of its own in the body. */
export interface Window<R> {
  /** Where it begins at row 0: in the arena, an input, or a window of a loop around. */
  readonly ref: R;
  /** Words from one row to the next. */
  readonly step: number;
  readonly words: number;
  /** Whether the body writes to it; then it lies in the arena, and a window around it is written, too. */
  readonly written: boolean;
}

/** The body, once a row: rows 0 … trips − 1, in reverse from the last. What one trip leaves in the arena, the next one finds there. */
export interface LoopInstruction<R> {
  readonly kind: 'loop';
  readonly trips: number;
  readonly reverse: boolean;
  readonly windows: readonly Window<R>[];
  readonly body: readonly AnyInstruction<R>[];
}

/** An instruction of the table, by the fields of its row. */
export type WholeInstruction<K extends Whole, R> = { readonly kind: K } & Values<(typeof instructions)[K]['fields'], R>;

export type AnyInstruction<R> =
  | MapInstruction<R>
  | MapSumInstruction<R>
  | LoopInstruction<R>
  | { [K in Whole]: WholeInstruction<K, R> }[Whole];

export type Instruction = AnyInstruction<Ref>;

/** The same by name: for whoever goes by the row. */
export const valuesOf = <R>(instruction: AnyInstruction<R>) =>
  instruction as unknown as { readonly [name: string]: ValueOf<Field, R> };

/** The operands of an instruction of the table whose fields are of one kind, in the order of its payload. */
function operandsOf<R>(instruction: AnyInstruction<R> & { readonly kind: Whole }, kind: 'read' | 'write'): R[] {
  const { fields } = rowOf(instruction.kind);
  const values = valuesOf<R>(instruction);
  return Object.keys(fields)
    .filter((name) => fields[name].kind === kind)
    .map((name) => values[name] as R);
}

/** What an instruction reads, in the order of its payload: of a loop, the places of windows that are only read, and all that its body reads. */
export function sourcesOf<R>(instruction: AnyInstruction<R>): R[] {
  if (instruction.kind === 'map' || instruction.kind === 'mapSum') return instruction.reads.map((read) => read.ref);
  if (instruction.kind === 'loop') return [...windowRefs(instruction, false), ...instruction.body.flatMap(sourcesOf)];
  return operandsOf(instruction, 'read');
}

/** What an instruction writes: of a loop, the places of windows that are written, and all that its body writes. */
export function destinationsOf<R>(instruction: AnyInstruction<R>): R[] {
  if (instruction.kind === 'map') return instruction.writes.map((write) => write.ref);
  if (instruction.kind === 'mapSum') return [instruction.destination];
  if (instruction.kind === 'loop')
    return [...windowRefs(instruction, true), ...instruction.body.flatMap(destinationsOf)];
  return operandsOf(instruction, 'write');
}

const windowRefs = <R>({ windows }: LoopInstruction<R>, written: boolean): R[] =>
  windows.filter((window) => window.written === written).map(({ ref }) => ref);

/** The same instruction with every operand found another way. */
export function mapRefs<A, B>(instruction: AnyInstruction<A>, place: (ref: A) => B): AnyInstruction<B> {
  const moved = <T extends { readonly ref: A }>(list: readonly T[]) =>
    list.map((view) => ({ ...view, ref: place(view.ref) }));
  if (instruction.kind === 'map')
    return { ...instruction, reads: moved(instruction.reads), writes: moved(instruction.writes) };
  if (instruction.kind === 'mapSum')
    return { ...instruction, reads: moved(instruction.reads), destination: place(instruction.destination) };
  if (instruction.kind === 'loop') {
    const body = instruction.body.map((inner) => mapRefs(inner, place));
    return { ...instruction, windows: moved(instruction.windows), body };
  }
  const { fields } = rowOf(instruction.kind);
  const result: { [name: string]: unknown } = { ...instruction };
  for (const name of Object.keys(fields)) if (isOperand(fields[name])) result[name] = place(result[name] as A);
  return result as unknown as AnyInstruction<B>;
}
