import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { invalidArgument, ZerothError } from '../errors.ts';

/**
 * The safetensors format (github.com/huggingface/safetensors): 8 bytes of header length (little endian), a JSON header
 * `{"name": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {…strings}}`, then the data, offsets counted from its start.
 * As its specification asks, tensors cover the data without overlap and without holes, and names are unique.
 */

/** A named tensor's contents. The array's kind must be the dtype's: F32 Float32Array, F64 Float64Array, I32 Int32Array. */
export type SafeTensor =
  | { readonly dtype: 'F32'; readonly shape: readonly number[]; readonly data: Float32Array }
  | { readonly dtype: 'F64'; readonly shape: readonly number[]; readonly data: Float64Array }
  | { readonly dtype: 'I32'; readonly shape: readonly number[]; readonly data: Int32Array };

export interface SafetensorsFile {
  readonly tensors: Map<string, SafeTensor>;
  readonly metadata: Record<string, string>;
}

const ARRAYS = { F32: Float32Array, F64: Float64Array, I32: Int32Array } as const;
const METADATA = '__metadata__';
const PREFIX = 8;
/** The limit of the reference implementation. */
const MAX_HEADER = 100_000_000;

/**
 * @param tensors in the order in which they are to lie in the file. Shapes are non-negative integers; their product is the data's length.
 * @param metadata free text.
 * @throws ERR_ZEROTH_ARGUMENT for a tensor or metadata that the format cannot hold.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, SafeTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  // An array of entries, not an object: a tensor may be named __proto__ or 7, and the order is the caller's.
  const entries: string[] = [];
  const strings = Object.entries(metadata);
  const notText = strings.find(([, value]) => typeof value !== 'string');
  if (notText) invalidArgument(`metadata.${notText[0]}`, 'a string', notText[1]);
  if (strings.length > 0) entries.push(`"${METADATA}":{${strings.map(([k, v]) => pair(k, v)).join(',')}}`);
  let size = 0;
  for (const [name, tensor] of tensors) {
    checkTensor(name, tensor);
    const { dtype, shape, data } = tensor;
    entries.push(pair(name, { dtype, shape, data_offsets: [size, size + data.byteLength] }));
    size += data.byteLength;
  }
  const json = Buffer.from(`{${entries.join(',')}}`);
  const headerLength = Math.ceil(json.length / 8) * 8;
  const bytes = Buffer.alloc(PREFIX + headerLength + size, ' ');
  bytes.writeBigUInt64LE(BigInt(headerLength));
  json.copy(bytes, PREFIX);
  let offset = PREFIX + headerLength;
  for (const { data } of tensors.values()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return bytes;
}

/**
 * Decodes a file that nobody vouches for: every length, offset, shape and name is checked before it is used.
 *
 * @returns copies of the tensors, in the order of the data, and the metadata.
 * @throws ERR_ZEROTH_SAFETENSORS with what is wrong and where.
 */
export function decodeSafetensors(bytes: Uint8Array): SafetensorsFile {
  if (!(bytes instanceof Uint8Array)) invalidArgument('bytes', 'a Uint8Array', bytes);
  if (bytes.length < PREFIX)
    malformed(`expected at least ${PREFIX} bytes of header length, received ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getBigUint64(0, true);
  const most = Math.min(MAX_HEADER, bytes.length - PREFIX);
  if (length > most) malformed(`header length: expected at most ${most} bytes, received ${length}`);
  const dataStart = PREFIX + Number(length);
  const header = parseHeader(bytes.subarray(PREFIX, dataStart));

  const metadata: Record<string, string> = {};
  const tensors: [string, TensorEntry][] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === METADATA) readMetadata(value, metadata);
    else tensors.push([name, readEntry(name, value)]);
  }
  tensors.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const [name, { begin, end }] of tensors) {
    if (begin !== covered) {
      const fault = begin < covered ? 'overlaps the tensor before it' : 'leaves a hole before it';
      malformed(`tensor ${JSON.stringify(name)}: expected data from byte ${covered}, received ${begin}: it ${fault}`);
    }
    covered = end;
  }
  const available = bytes.length - dataStart;
  if (covered !== available) malformed(`expected ${covered} bytes of data after the header, received ${available}`);
  return {
    tensors: new Map(tensors.map(([name, entry]) => [name, copyTensor(bytes, dataStart, entry)])),
    metadata,
  };
}

/**
 * Writes a file so that whoever opens `path` at any moment, even after a crash, sees the old contents or the new ones, whole.
 *
 * @throws ERR_ZEROTH_ARGUMENT as `encodeSafetensors`; ERR_ZEROTH_FILE when it cannot be written (the old file then stays).
 */
export function saveSafetensors(
  path: string,
  tensors: ReadonlyMap<string, SafeTensor>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const bytes = encodeSafetensors(tensors, metadata);
  // In the same folder, because a rename is atomic only within a file system.
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    withFile(temporary, 'wx', (file) => {
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
      fsyncSync(file);
    });
    renameSync(temporary, path);
    withFile(dirname(path), 'r', fsyncSync);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new ZerothError('ERR_ZEROTH_FILE', `${path}: could not be written: ${(cause as Error).message}.`, { cause });
  }
}

/** @throws ERR_ZEROTH_FILE when it cannot be read; ERR_ZEROTH_SAFETENSORS, naming the file, when it is malformed or has a dtype other than F32, F64 and I32. */
export function loadSafetensors(path: string): SafetensorsFile {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new ZerothError('ERR_ZEROTH_FILE', `${path}: could not be read: ${(cause as Error).message}.`, { cause });
  }
  try {
    return decodeSafetensors(bytes);
  } catch (cause) {
    if (!(cause instanceof ZerothError)) throw cause;
    throw new ZerothError(cause.code, `${path}: ${cause.message}`, { cause });
  }
}

interface TensorEntry {
  readonly dtype: SafeTensor['dtype'];
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

const isOwnDtype = (dtype: unknown): dtype is SafeTensor['dtype'] =>
  typeof dtype === 'string' && Object.hasOwn(ARRAYS, dtype);

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Bytes of a tensor; undefined where a product is beyond exact integers. */
function byteSize(dtype: SafeTensor['dtype'], shape: readonly number[]): number | undefined {
  let size = ARRAYS[dtype].BYTES_PER_ELEMENT as number;
  for (const n of shape) size *= n;
  return Number.isSafeInteger(size) ? size : undefined;
}

function checkTensor(name: string, { dtype, shape, data }: SafeTensor): void {
  const where = `tensor ${JSON.stringify(name)}`;
  if (name === METADATA)
    invalidArgument('tensor name', `anything but ${METADATA}, which the format keeps for itself`, name);
  if (!isOwnDtype(dtype)) invalidArgument(`${where}: dtype`, `one of ${Object.keys(ARRAYS).join(', ')}`, dtype);
  if (!(data instanceof ARRAYS[dtype])) invalidArgument(`${where}: data`, `a ${ARRAYS[dtype].name}`, data);
  if (!Array.isArray(shape) || !shape.every(isSize)) invalidArgument(`${where}: shape`, 'non-negative integers', shape);
  if (byteSize(dtype, shape) !== data.byteLength) {
    invalidArgument(`${where}: shape`, `a product of ${data.length}, the length of its data`, shape);
  }
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (cause) {
    malformed(`header: expected JSON in UTF-8; ${(cause as Error).message}`);
  }
  if (!text.startsWith('{') || !isObject(header)) malformed('header: expected a JSON object that begins at once');
  const twice = duplicateKey(text);
  if (twice !== undefined) malformed(`header: expected unique names, received ${twice} twice`);
  return header;
}

/** The first key that stands twice in one object of a valid JSON text; JSON.parse keeps the last of them without a word. */
function duplicateKey(text: string): string | undefined {
  const scopes: Set<string>[] = [];
  let string = '';
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case '"': {
        const begin = i++;
        while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
        string = text.slice(begin, i + 1);
        break;
      }
      case '{':
      case '[':
        scopes.push(new Set());
        break;
      case '}':
      case ']':
        scopes.pop();
        break;
      case ':': {
        // Two spellings of one name (an escape) are the same name.
        const key = JSON.parse(string) as string;
        const scope = scopes[scopes.length - 1];
        if (scope.has(key)) return JSON.stringify(key);
        scope.add(key);
        break;
      }
    }
  }
  return undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function readMetadata(value: unknown, into: Record<string, string>): void {
  if (!isObject(value)) malformed(`${METADATA}: expected an object of strings`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') malformed(`${METADATA}: expected a string for ${JSON.stringify(key)}`);
    // Not by assignment: the key may be __proto__.
    Object.defineProperty(into, key, { value: text, enumerable: true, writable: true, configurable: true });
  }
}

function readEntry(name: string, value: unknown): TensorEntry {
  const where = `tensor ${JSON.stringify(name)}`;
  if (!isObject(value)) malformed(`${where}: expected an object with dtype, shape and data_offsets`);
  const { dtype, shape, data_offsets: offsets } = value;
  const extra = Object.keys(value).find((key) => !['dtype', 'shape', 'data_offsets'].includes(key));
  if (extra !== undefined) malformed(`${where}: unexpected field ${JSON.stringify(extra)}`);
  if (!isOwnDtype(dtype)) {
    malformed(
      `${where}: expected dtype ${Object.keys(ARRAYS).join(', ')}, received ${JSON.stringify(dtype) ?? 'none'}; convert the file to one of these`,
    );
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) malformed(`${where}: expected a shape of non-negative integers`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    malformed(`${where}: expected data_offsets of two non-negative integers`);
  }
  const [begin, end] = offsets as [number, number];
  const size = byteSize(dtype, shape);
  if (end < begin || end - begin !== size) {
    malformed(`${where}: expected ${size ?? 'too many'} bytes by its shape, received offsets ${begin} to ${end}`);
  }
  return { dtype, shape, begin, end };
}

function copyTensor(bytes: Uint8Array, dataStart: number, { dtype, shape, begin, end }: TensorEntry): SafeTensor {
  // A fresh buffer: a view into the file would need its alignment, and would keep all of it alive.
  const { buffer } = new Uint8Array(bytes.subarray(dataStart + begin, dataStart + end));
  return { dtype, shape, data: new ARRAYS[dtype](buffer as ArrayBuffer) } as SafeTensor;
}

function withFile(path: string, flags: string, use: (file: number) => void): void {
  const file = openSync(path, flags);
  try {
    use(file);
  } finally {
    closeSync(file);
  }
}

const pair = (key: string, value: unknown): string => `${JSON.stringify(key)}:${JSON.stringify(value)}`;

function malformed(what: string): never {
  throw new ZerothError(
    'ERR_ZEROTH_SAFETENSORS',
    `safetensors: ${what}. The file is damaged, truncated or not a safetensors file.`,
  );
}
