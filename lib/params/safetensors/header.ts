import { isUtf8 } from 'node:buffer';
import { ZerothError } from '../../errors.ts';
import { DTYPE_BITS } from './dtype.ts';

/**
 * The header of the safetensors format (github.com/huggingface/safetensors): JSON, `{"name": {"dtype", "shape", "data_offsets": [begin, end]},
 * "__metadata__": {…strings}}`, offsets counted from the end of the header. As its specification asks, tensors cover the data without overlap
 * and without holes, and names are unique.
 *
 * Read byte by byte, and not by JSON.parse, which keeps the last of two equal names without a word and takes longer: a header has up to
 * 100 MB, a million tensors.
 */

export const METADATA = '__metadata__';

/** What a header says of one tensor. Offsets in bytes from the start of the data. */
export interface TensorInfo {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** In the order of the data. */
  readonly tensors: Map<string, TensorInfo>;
  readonly metadata: Record<string, string>;
}

/**
 * @param bytes the JSON alone.
 * @param dataBytes how many bytes follow it.
 * @throws ERR_ZEROTH_SAFETENSORS with what is wrong and where.
 */
export function parseHeader(bytes: Uint8Array, dataBytes: number): Header {
  if (!isUtf8(bytes)) malformed('header: expected JSON in UTF-8');
  const header = new HeaderReader(bytes).read();
  let tensors = header.tensors;
  if (!isCovering(tensors)) {
    const sorted = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
    tensors = new Map(sorted);
    let covered = 0;
    for (const [name, { begin, end }] of sorted) {
      if (begin !== covered) {
        const fault = begin < covered ? 'overlaps the tensor before it' : 'leaves a hole before it';
        malformed(`tensor ${JSON.stringify(name)}: expected data from byte ${covered}, received ${begin}: it ${fault}`);
      }
      covered = end;
    }
  }
  let covered = 0;
  for (const { end } of tensors.values()) covered = end;
  if (covered !== dataBytes) malformed(`expected ${covered} bytes of data after the header, received ${dataBytes}`);
  return { tensors, metadata: header.metadata };
}

/** Whether each tensor begins where the one before it ends, as writers leave them. */
function isCovering(tensors: ReadonlyMap<string, TensorInfo>): boolean {
  let covered = 0;
  for (const { begin, end } of tensors.values()) {
    if (begin !== covered) return false;
    covered = end;
  }
  return true;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const ZERO = 0x30;
const NINE = 0x39;

class HeaderReader {
  readonly #bytes: Buffer;
  #at = 0;
  /** Short strings by a hash of their bytes: names of fields and dtypes come again with every tensor. */
  readonly #known: string[] = new Array(64).fill('');

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  read(): Header {
    const tensors = new Map<string, TensorInfo>();
    const metadata: Record<string, string> = {};
    let described = false;
    if (this.#bytes[0] !== OPEN) malformed('header: expected a JSON object that begins at once');
    this.#fields((name) => {
      if (name === METADATA) {
        if (described) this.#twice(name);
        described = true;
        this.#metadata(metadata);
        return;
      }
      const { size } = tensors;
      tensors.set(name, this.#tensor(name));
      if (tensors.size === size) this.#twice(name);
    });
    this.#space();
    if (this.#at < this.#bytes.length) this.#unexpected('nothing after the object');
    return { tensors, metadata };
  }

  #metadata(into: Record<string, string>): void {
    if (this.#peek() !== OPEN) malformed(`${METADATA}: expected an object of strings`);
    this.#fields((key) => {
      if (Object.hasOwn(into, key)) this.#twice(key);
      if (this.#peek() !== QUOTE) malformed(`${METADATA}: expected a string for ${JSON.stringify(key)}`);
      // Not by assignment: the key may be __proto__.
      Object.defineProperty(into, key, { value: this.#string(), enumerable: true, writable: true, configurable: true });
    });
  }

  #tensor(name: string): TensorInfo {
    const where = () => `tensor ${JSON.stringify(name)}`;
    if (this.#peek() !== OPEN) malformed(`${where()}: expected an object with dtype, shape and data_offsets`);
    let dtype: string | undefined;
    let shape: number[] | undefined;
    let offsets: number[] | undefined;
    this.#fields((field) => {
      switch (field) {
        case 'dtype':
          if (dtype !== undefined) this.#twice(field);
          if (this.#peek() !== QUOTE) malformed(`${where()}: expected a dtype that is a string`);
          dtype = this.#string();
          break;
        case 'shape':
          if (shape) this.#twice(field);
          shape = this.#sizes() ?? malformed(`${where()}: expected a shape of non-negative integers`);
          break;
        case 'data_offsets':
          if (offsets) this.#twice(field);
          offsets = this.#sizes();
          if (offsets?.length !== 2) malformed(`${where()}: expected data_offsets of two non-negative integers`);
          break;
        default:
          malformed(`${where()}: unexpected field ${JSON.stringify(field)}`);
      }
    });
    if (dtype === undefined || !shape || !offsets)
      malformed(
        `${where()}: expected dtype, shape and data_offsets, received no ${missing({ dtype, shape, offsets })}`,
      );
    const [begin, end] = offsets;
    const size = byteSize(dtype, shape);
    if (end < begin || (size !== undefined && end - begin !== size)) {
      const bytes = size === undefined || Number.isFinite(size) ? `${size} bytes` : 'too many bytes';
      malformed(`${where()}: expected ${bytes} by its shape, received offsets ${begin} to ${end}`);
    }
    return { dtype, shape, begin, end };
  }

  /** An object: `field` is called after each key and its colon, and reads the value. */
  #fields(field: (key: string) => void): void {
    this.#at += 1;
    if (this.#peek() === CLOSE) {
      this.#at += 1;
      return;
    }
    for (;;) {
      if (this.#peek() !== QUOTE) this.#unexpected('a name in quotes');
      const key = this.#string();
      if (this.#peek() !== COLON) this.#unexpected("':'");
      this.#at += 1;
      this.#space();
      field(key);
      const next = this.#peek();
      this.#at += 1;
      if (next === CLOSE) return;
      if (next !== COMMA) {
        this.#at -= 1;
        this.#unexpected("',' or '}'");
      }
    }
  }

  /** A list of integers from 0 to 2⁵³ − 1; undefined where it is none. */
  #sizes(): number[] | undefined {
    const bytes = this.#bytes;
    const sizes: number[] = [];
    if (this.#peek() !== OPEN_LIST) return undefined;
    this.#at += 1;
    if (this.#peek() === CLOSE_LIST) {
      this.#at += 1;
      return sizes;
    }
    for (;;) {
      this.#space();
      const start = this.#at;
      let value = 0;
      for (let digit = bytes[this.#at]; digit >= ZERO && digit <= NINE; digit = bytes[++this.#at])
        value = value * 10 + (digit - ZERO);
      const digits = this.#at - start;
      if (digits === 0 || (digits > 1 && bytes[start] === ZERO) || !Number.isSafeInteger(value)) return undefined;
      sizes.push(value);
      const next = this.#peek();
      this.#at += 1;
      if (next === CLOSE_LIST) return sizes;
      if (next !== COMMA) return undefined;
    }
  }

  #string(): string {
    const bytes = this.#bytes;
    const start = ++this.#at;
    let plain = true;
    let escaped = false;
    let hash = 0;
    for (;;) {
      const byte = bytes[this.#at];
      if (byte === QUOTE) break;
      if (byte === undefined) malformed('header: expected JSON, received a string without an end');
      if (byte < 0x20) this.#unexpected('no control character in a string');
      if (byte >= 0x80) plain = false;
      hash = (hash * 31 + byte) | 0;
      if (byte === BACKSLASH) {
        escaped = true;
        this.#at += 1;
      }
      this.#at += 1;
    }
    const end = this.#at++;
    if (escaped) return this.#unescaped(start, end);
    if (!plain) return bytes.toString('utf8', start, end);
    const known = this.#known[hash & 63];
    if (this.#stands(known, start, end)) return known;
    const string = bytes.toString('latin1', start, end);
    if (string.length <= 16) this.#known[hash & 63] = string;
    return string;
  }

  /** Whether these bytes are those of a string of ASCII. */
  #stands(string: string, start: number, end: number): boolean {
    if (string.length !== end - start) return false;
    for (let i = 0; i < string.length; i++) if (string.charCodeAt(i) !== this.#bytes[start + i]) return false;
    return true;
  }

  #unescaped(start: number, end: number): string {
    try {
      return JSON.parse(this.#bytes.toString('utf8', start - 1, end + 1)) as string;
    } catch (cause) {
      malformed(`header: expected JSON; ${(cause as Error).message}`);
    }
  }

  /** The next byte that is not white space; undefined at the end. */
  #peek(): number | undefined {
    this.#space();
    return this.#bytes[this.#at];
  }

  #space(): void {
    const bytes = this.#bytes;
    for (let byte = bytes[this.#at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; )
      byte = bytes[++this.#at];
  }

  #twice(name: string): never {
    malformed(`header: expected unique names, received ${JSON.stringify(name)} twice`);
  }

  #unexpected(expected: string): never {
    const { length } = this.#bytes;
    const found = this.#at < length ? `byte 0x${this.#bytes[this.#at].toString(16)}` : 'its end';
    malformed(`header: expected JSON, here ${expected}, received ${found} at byte ${this.#at}`);
  }
}

const missing = (fields: Record<string, unknown>): string =>
  Object.keys(fields)
    .filter((field) => fields[field] === undefined)
    .join(', ')
    .replace('offsets', 'data_offsets');

/** Bytes by dtype and shape: infinite beyond exact integers, undefined where the dtype is unknown. */
function byteSize(dtype: string, shape: readonly number[]): number | undefined {
  const bits = Object.hasOwn(DTYPE_BITS, dtype) ? DTYPE_BITS[dtype] : undefined;
  if (bits === undefined) return undefined;
  let elements = 1;
  for (const n of shape) elements *= n;
  const size = (elements * bits) / 8;
  return elements <= Number.MAX_SAFE_INTEGER && Number.isSafeInteger(size) ? size : Number.POSITIVE_INFINITY;
}

export function malformed(what: string): never {
  throw new ZerothError(
    'ERR_ZEROTH_SAFETENSORS',
    `safetensors: ${what}. The file is damaged, truncated or not a safetensors file.`,
  );
}
