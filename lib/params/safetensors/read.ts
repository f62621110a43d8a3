import { type FileHandle, open } from 'node:fs/promises';
import { invalidArgument, shown, ZerothError } from '../../errors.ts';
import { ARRAYS, readingOf } from './dtype.ts';
import { malformed, parseHeader, type TensorInfo } from './header.ts';
import {
  checkPiece,
  elements,
  MAX_HEADER,
  PREFIX,
  refuseAborted,
  type SafeTensor,
  type TensorArray,
  type TransferOptions,
} from './tensor.ts';

export interface SafetensorsFile {
  /** In the order of the data. BF16 and F16 have become F32, exactly. */
  readonly tensors: Map<string, SafeTensor>;
  readonly metadata: Record<string, string>;
}

export interface LoadOptions extends TransferOptions {
  /** Which tensors to load. Default: all of them. */
  readonly names?: Iterable<string>;
}

/**
 * Reads tensors of a file that nobody vouches for: every length, offset, shape and name is checked before it is used.
 *
 * @throws ERR_ZEROTH_FILE when it cannot be read; ERR_ZEROTH_SAFETENSORS, naming the file, when it is malformed, and when a tensor that is asked
 *   for has a dtype other than F32, F64, I32, BF16 and F16; ERR_ZEROTH_ARGUMENT for a name that is not in it; ERR_ZEROTH_ABORTED.
 */
export async function loadSafetensors(path: string, options: LoadOptions = {}): Promise<SafetensorsFile> {
  const { names } = options;
  checkPiece(options);
  const file = await openSafetensors(path);
  try {
    const wanted = names === undefined ? undefined : new Set(names);
    for (const name of wanted ?? []) file.info(name);
    return { tensors: await file.readSome(wanted, options), metadata: file.metadata };
  } finally {
    await file.close();
  }
}

/**
 * Opens a file to read its tensors one by one, or piece by piece. Close it when done.
 * @throws ERR_ZEROTH_FILE when it cannot be read; ERR_ZEROTH_SAFETENSORS when its header is malformed or does not fit its size.
 */
export async function openSafetensors(path: string): Promise<SafetensorsReader> {
  if (typeof path !== 'string' || path === '') invalidArgument('path', 'the path of a file', path);
  const file = await reading(path, () => open(path, 'r'));
  try {
    const { size } = await reading(path, () => file.stat());
    if (size < PREFIX) malformed(`expected at least ${PREFIX} bytes of header length, received ${size} bytes`);
    const prefix = Buffer.alloc(PREFIX);
    await readAt(path, file, prefix, 0);
    const length = prefix.readBigUInt64LE();
    const most = Math.min(MAX_HEADER, size - PREFIX);
    if (length > most) malformed(`header length: expected at most ${most} bytes, received ${length}`);
    const header = Buffer.alloc(Number(length));
    await readAt(path, file, header, PREFIX);
    const dataStart = PREFIX + header.length;
    const { tensors, metadata } = parseHeader(header, size - dataStart);
    return new SafetensorsReader(path, file, dataStart, tensors, metadata);
  } catch (cause) {
    await file.close();
    throw named(path, cause);
  }
}

/** An open file. */
export class SafetensorsReader implements AsyncDisposable {
  readonly path: string;
  /** What there is, whether it can be read or not, in the order of the data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Record<string, string>;
  readonly #file: FileHandle;
  readonly #dataStart: number;

  /** @internal Use `openSafetensors`. */
  constructor(
    path: string,
    file: FileHandle,
    dataStart: number,
    tensors: ReadonlyMap<string, TensorInfo>,
    metadata: Record<string, string>,
  ) {
    this.path = path;
    this.tensors = tensors;
    this.metadata = metadata;
    this.#file = file;
    this.#dataStart = dataStart;
  }

  /** @throws ERR_ZEROTH_ARGUMENT for an unknown name, with some of those that are known. */
  info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (info) return info;
    const known = [...this.tensors.keys()].slice(0, 10).map((one) => JSON.stringify(one));
    const more = this.tensors.size > known.length ? `, … (${this.tensors.size} in all)` : '';
    throw new ZerothError(
      'ERR_ZEROTH_ARGUMENT',
      `${this.path}: tensor ${shown(name)}: expected one of ${known.join(', ') || '(none)'}${more}; received an unknown name.`,
    );
  }

  /** @throws ERR_ZEROTH_SAFETENSORS, naming those that cannot be read. */
  #checkReadable(names: readonly string[], infos: readonly TensorInfo[]): void {
    if (infos.every(({ dtype }) => readingOf(dtype))) return;
    const bad = names.filter((_, i) => !readingOf(infos[i].dtype));
    const list = bad.slice(0, 10).map((name) => `${JSON.stringify(name)} (${shown(this.info(name).dtype)})`);
    throw new ZerothError(
      'ERR_ZEROTH_SAFETENSORS',
      `${this.path}: expected tensors of dtype F32, F64, I32, BF16 or F16, received ${list.join(', ')}${bad.length > list.length ? ', …' : ''}. ` +
        'Load the others by name, or convert the file.',
    );
  }

  /** @internal Several tensors, in the order of the data; neighbours that are small are read together. */
  async readSome(wanted: ReadonlySet<string> | undefined, options: TransferOptions): Promise<Map<string, SafeTensor>> {
    const { onProgress, signal } = options;
    const most = checkPiece(options);
    // Two lists, and no list of pairs: there may be a million of them.
    const names: string[] = [];
    const chosen: TensorInfo[] = [];
    for (const [name, info] of this.tensors) {
      if (wanted && !wanted.has(name)) continue;
      names.push(name);
      chosen.push(info);
    }
    this.#checkReadable(names, chosen);
    const total = chosen.reduce((sum, { begin, end }) => sum + end - begin, 0);
    const tensors = new Map<string, SafeTensor>();
    let before = 0;
    for (let i = 0; i < chosen.length; ) {
      const { begin, end } = chosen[i];
      if (end - begin > most) {
        const progress = onProgress && ((done: number) => onProgress(before + done, total));
        tensors.set(names[i], await this.read(names[i], { ...options, onProgress: progress }));
        before += end - begin;
        i += 1;
        continue;
      }
      const first = i;
      let stop = begin;
      for (; i < chosen.length && chosen[i].begin === stop && chosen[i].end - begin <= most; i++) stop = chosen[i].end;
      refuseAborted(this.path, signal);
      // As far from a multiple of 8 as in the data, so that elements are aligned as writers align them.
      const pad = begin % 8;
      const bytes = new Uint8Array(new ArrayBuffer(pad + stop - begin), pad);
      await readAt(this.path, this.#file, bytes, this.#dataStart + begin);
      for (let k = first; k < i; k++)
        tensors.set(names[k], tensorOf(chosen[k], bytes.buffer, pad + chosen[k].begin - begin));
      before += stop - begin;
      onProgress?.(before, total);
    }
    return tensors;
  }

  /** A tensor, whole. BF16 and F16 become F32, exactly. @throws as `loadSafetensors` does. */
  async read(name: string, options: TransferOptions = {}): Promise<SafeTensor> {
    const { shape, dtype } = this.info(name);
    const { becomes } = this.#reading(name);
    let data: TensorArray;
    try {
      data = new ARRAYS[becomes](elements(shape));
    } catch (cause) {
      throw new ZerothError(
        'ERR_ZEROTH_FILE',
        `${this.path}: tensor ${JSON.stringify(name)} of ${elements(shape)} ${dtype}: expected what one array holds; read it in pieces. ${(cause as Error).message}.`,
        { cause },
      );
    }
    for await (const _ of this.#pieces(name, data, options));
    return { dtype: becomes, shape, data } as SafeTensor;
  }

  /**
   * A tensor in pieces, from its first element on: arrays of up to `pieceBytes` of the file, each with where it begins, in elements. An
   * array is used again for the next piece.
   * @throws as `loadSafetensors` does.
   */
  pieces(name: string, options: TransferOptions = {}): AsyncGenerator<{ offset: number; data: TensorArray }, void> {
    this.info(name);
    this.#reading(name);
    return this.#pieces(name, undefined, options);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #reading(name: string) {
    const info = this.info(name);
    this.#checkReadable([name], [info]);
    return readingOf(info.dtype)!;
  }

  /** Into `whole` where there is one, else into one array again and again. */
  async *#pieces(
    name: string,
    whole: TensorArray | undefined,
    options: TransferOptions,
  ): AsyncGenerator<{ offset: number; data: TensorArray }, void> {
    const { begin, end, shape } = this.info(name);
    const { becomes, bytes, convert } = this.#reading(name);
    const { onProgress, signal } = options;
    const count = elements(shape);
    const most = Math.min(count, Math.floor(checkPiece(options) / bytes));
    const halves = convert && new Uint16Array(most);
    const piece = whole ?? new ARRAYS[becomes](most);
    for (let offset = 0; offset < count; offset += most) {
      refuseAborted(this.path, signal);
      const size = Math.min(most, count - offset);
      const data = whole ? piece.subarray(offset, offset + size) : piece.subarray(0, size);
      const raw = halves ? halves.subarray(0, size) : data;
      await readAt(this.path, this.#file, raw, this.#dataStart + begin + offset * bytes);
      if (halves && convert) convert(halves.subarray(0, size), new Uint32Array(data.buffer, data.byteOffset, size));
      onProgress?.((offset + size) * bytes, end - begin);
      yield { offset, data };
    }
  }
}

/** A copy of a tensor that lies among others: a view would keep all of them alive. */
function tensorOf({ dtype, shape, begin, end }: TensorInfo, among: ArrayBuffer, at: number): SafeTensor {
  const { becomes, bytes, convert } = readingOf(dtype)!;
  const count = (end - begin) / bytes;
  const [buffer, from] = at % bytes === 0 ? [among, at] : [among.slice(at, at + end - begin), 0];
  if (!convert) {
    const data = new ARRAYS[becomes](count);
    data.set(new ARRAYS[becomes](buffer, from, count));
    return { dtype: becomes, shape, data } as SafeTensor;
  }
  const data = new Float32Array(count);
  convert(new Uint16Array(buffer, from, count), new Uint32Array(data.buffer));
  return { dtype: 'F32', shape, data };
}

/** Fills `into`. */
async function readAt(path: string, file: FileHandle, into: ArrayBufferView, position: number): Promise<void> {
  const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await reading(path, () => file.read(bytes, done, bytes.length - done, position + done));
    if (bytesRead === 0) {
      throw named(path, new ZerothError('ERR_ZEROTH_SAFETENSORS', `safetensors: it became shorter while it was read.`));
    }
    done += bytesRead;
  }
}

async function reading<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new ZerothError('ERR_ZEROTH_FILE', `${path}: could not be read: ${(cause as Error).message}.`, { cause });
  }
}

/** The same error with the file's name in front. */
function named(path: string, cause: unknown): unknown {
  if (!(cause instanceof ZerothError) || cause.message.startsWith(path)) return cause;
  return new ZerothError(cause.code, `${path}: ${cause.message}`, { cause });
}
