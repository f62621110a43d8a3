/**
 * What an instruction is made of: fields, in the order of its words. Encoding, decoding, bounds, what it reads and writes and the types of
 * TypeScript are read off them (`instructions.ts` has the rows); `native/program/instructions.h` says the same to native code.
 */

export type StorageType = 'f32' | 'i32' | 'f64';

/** A number of something: at least 1. */
export interface Size {
  readonly kind: 'size';
}
/** Elements from one matrix of a batch to the next: at least a matrix, or 0 where all are the same. */
export interface Stride {
  readonly kind: 'stride';
}
export interface Flag {
  readonly kind: 'flag';
}
export interface Code<Name extends string = string> {
  readonly kind: 'code';
  readonly codes: { readonly [N in Name]: number };
}
export interface DTypeField<D extends StorageType = StorageType> {
  readonly kind: 'dtype';
  readonly allowed: readonly D[];
}

/** A place in memory, two words: dense elements in row-major order. What is written lies in the arena and overlaps nothing that is read. */
export interface Operand<Name extends string = string> {
  readonly kind: 'read' | 'write';
  /** Of its elements, or the field that says it. An f64 operand is one number. */
  readonly dtype: Name;
  /** The sizes whose product is the number of its elements. */
  readonly sizes: readonly Name[];
  /** It is so many of these, `stride` elements apart. */
  readonly batch?: { readonly size: Name; readonly stride: Name };
}

export type Field = Size | Stride | Flag | Code | DTypeField | Operand;
export type Fields = { readonly [name: string]: Field };

export const size: Size = { kind: 'size' };
export const stride: Stride = { kind: 'stride' };
export const flag: Flag = { kind: 'flag' };
export const code = <Name extends string>(codes: { readonly [N in Name]: number }): Code<Name> => ({
  kind: 'code',
  codes,
});
export const dtype = <D extends StorageType>(...allowed: readonly D[]): DTypeField<D> => ({ kind: 'dtype', allowed });
export const read = <Name extends string>(dtype: Name, ...sizes: readonly Name[]): Operand<Name> => ({
  kind: 'read',
  dtype,
  sizes,
});
export const write = <Name extends string>(dtype: Name, ...sizes: readonly Name[]): Operand<Name> => ({
  kind: 'write',
  dtype,
  sizes,
});
export const batched = <Name extends string>(of: Operand<Name>, size: Name, stride: Name): Operand<Name> => ({
  ...of,
  batch: { size, stride },
});

/** The value of a field; `R` is how an operand is found. */
export type ValueOf<F extends Field, R> = F extends Size | Stride
  ? number
  : F extends Flag
    ? boolean
    : F extends Code<infer Name>
      ? Name
      : F extends DTypeField<infer D>
        ? D
        : R;

export type Values<F extends Fields, R> = { readonly [N in keyof F]: ValueOf<F[N], R> };

/** The operands of an instruction, by name. */
export type Operands<F extends Fields, T> = {
  readonly [N in keyof F as F[N] extends Operand ? N : never]: T;
};

/** Fields whose operands name nothing that is not there. */
type Closed<F extends Fields> = {
  readonly [N in keyof F]: F[N] extends Operand<infer Name>
    ? [Exclude<Name, StorageType>] extends [keyof F]
      ? F[N]
      : never
    : F[N];
};

/** Everything there is to know about one instruction, but how a device makes it fast. */
export interface Row<F extends Fields = Fields> {
  /** Its number in programs; it never changes its meaning. */
  readonly opcode: number;
  readonly fields: F;
  /** What it does, in f64. The elements of each operand are those of its extent. */
  readonly run: (x: Values<F, unknown>, memory: Operands<F, Float64Array>) => void;
}

export const row = <F extends Fields>({ opcode, fields, run }: Row<F> & { readonly fields: Closed<F> }): Row<F> => ({
  opcode,
  fields,
  run,
});

export const isOperand = (field: Field): field is Operand => field.kind === 'read' || field.kind === 'write';

/** Elements from the first to the last of an operand, given the values of the sizes and strides. */
export function extentOf({ sizes, batch }: Operand, numberOf: (name: string) => number): number {
  const one = sizes.reduce((product, name) => product * numberOf(name), 1);
  return batch ? (numberOf(batch.size) - 1) * numberOf(batch.stride) + one : one;
}
