/** Bits of an element of each dtype of the safetensors format. */
export const DTYPE_BITS: Readonly<Record<string, number>> = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  I64: 64,
  U64: 64,
  F64: 64,
  C64: 64,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
};

/** The arrays of the dtypes that are written, and read as they are. */
export const ARRAYS = { F32: Float32Array, F64: Float64Array, I32: Int32Array } as const satisfies Record<
  WrittenDType,
  unknown
>;

export type WrittenDType = 'F32' | 'F64' | 'I32';

export const isWrittenDType = (dtype: unknown): dtype is WrittenDType =>
  typeof dtype === 'string' && Object.hasOwn(ARRAYS, dtype);

/** How a dtype is read: the array it becomes, and where its bits are not that array's, their exact conversion. */
export interface Reading {
  readonly becomes: WrittenDType;
  /** Bytes of an element in the file. */
  readonly bytes: number;
  /** Halves of `from`, as bits, to f32 bits in `to`. */
  readonly convert?: (from: Uint16Array, to: Uint32Array) => void;
}

const READINGS: ReadonlyMap<string, Reading> = new Map<string, Reading>([
  ['F32', { becomes: 'F32', bytes: 4 }],
  ['F64', { becomes: 'F64', bytes: 8 }],
  ['I32', { becomes: 'I32', bytes: 4 }],
  ['BF16', { becomes: 'F32', bytes: 2, convert: fromBrainHalves }],
  ['F16', { becomes: 'F32', bytes: 2, convert: fromHalves }],
]);

/** undefined for a dtype that is not read. */
export const readingOf = (dtype: string): Reading | undefined => READINGS.get(dtype);

/** bf16 is the upper half of f32. */
function fromBrainHalves(from: Uint16Array, to: Uint32Array): void {
  for (let i = 0; i < from.length; i++) to[i] = from[i] << 16;
}

let table: Uint32Array | undefined;

function fromHalves(from: Uint16Array, to: Uint32Array): void {
  table ??= Uint32Array.from({ length: 2 ** 16 }, (_, bits) => f32OfHalf(bits));
  for (let i = 0; i < from.length; i++) to[i] = table[from[i]];
}

/** The f32 bits of an IEEE half: 1 sign, 5 exponent (bias 15), 10 fraction. Every half is an f32. */
function f32OfHalf(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // A subnormal half, fraction · 2⁻²⁴, is a normal f32: its leading bit becomes the implicit one.
  const leading = 31 - Math.clz32(fraction);
  return sign | ((leading + 103) << 23) | ((fraction << (23 - leading)) & 0x7fffff);
}
