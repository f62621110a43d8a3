import { cpus } from 'node:os';
import { checkInteger, checkOptions, type ErrorCode, invalidArgument, ZerothError } from '../errors.ts';
import { checkDirection, type Direction } from '../random/direction.ts';
import { CommandList } from './commands.ts';
import { cpuLimit } from './cpu-limit.ts';
import { loadNative, type NativeDevice, type Traits } from './native.ts';

/** Threads that a device may have. */
export const MAX_THREADS = 1024;

export interface DeviceOptions {
  /** `auto` takes the best device present, which is the CPU in this version. Default `auto`. */
  readonly device?: 'auto' | 'cpu' | 'cuda';
  /** Threads that work at the same time, 1 … `MAX_THREADS`. Default: the processors that this process may use, of which containers often grant less time than they show. */
  readonly threads?: number;
}

export interface DeviceMemory {
  /** Parameters, their state and data. */
  readonly bufferBytes: number;
  /** Working memory of the loaded programs. */
  readonly arenaBytes: number;
}

/** Something that the addon holds under a number. */
abstract class DeviceHandle {
  readonly device: Device;
  readonly #what: string;
  #id: number | undefined;

  /** @param what it is, for an error. */
  constructor(device: Device, id: number, what: string) {
    this.device = device;
    this.#id = id;
    this.#what = what;
  }

  /** The addon's number for it. @throws ERR_ZEROTH_DISPOSED */
  get id(): number {
    if (this.#id !== undefined) return this.#id;
    throw new ZerothError(
      'ERR_ZEROTH_DISPOSED',
      `expected ${this.#what} in use, received a disposed one: its objective, snapshot or Hessian was disposed before its last use.`,
    );
  }

  /** Frees it, after the work that was submitted before. Disposing twice is harmless. */
  dispose(): void {
    if (this.#id !== undefined) this.device.forget(this);
    this.#id = undefined;
  }
}

/** Device memory, by handle. Freed by `dispose`, with its device, or on garbage collection. */
export class DeviceBuffer extends DeviceHandle {
  readonly byteLength: number;

  /** @internal */
  constructor(device: Device, id: number, byteLength: number) {
    super(device, id, 'device memory');
    this.byteLength = byteLength;
  }

  /**
   * Copies `data` in, in order with everything else that was submitted. An array of less than a MiB may be changed at once. A larger one
   * is read where it is, on the device's own thread, which neither blocks the event loop nor takes memory: do not change, transfer or
   * resize it before the promise settles.
   */
  write(data: ArrayBufferView, byteOffset = 0): Promise<void> {
    return this.device.native((native) => native.write(this.id, byteOffset, data, isLent(data)));
  }

  /**
   * A copy of `bytes` bytes from `byteOffset` on, made on the device's own thread.
   * @throws ERR_ZEROTH_ARGUMENT beyond the buffer's end; ERR_ZEROTH_DEVICE where there is no memory for the copy.
   */
  async read(byteOffset = 0, bytes?: number): Promise<ArrayBuffer> {
    checkInteger('byteOffset', byteOffset, 0, this.byteLength);
    const left = this.byteLength - byteOffset;
    const into = hostMemory(checkInteger('bytes', bytes ?? left, 0, left));
    await this.device.native((native) => native.read(this.id, byteOffset, into));
    return into;
  }

  /** Elements [offset, offset + count) as f32. @throws as `read` */
  async readF32(offset = 0, count = this.byteLength / 4 - offset): Promise<Float32Array> {
    return new Float32Array(await this.read(offset * 4, count * 4));
  }
}

/** A program that a device has checked and prepared. */
export class DeviceProgram extends DeviceHandle {
  readonly arenaBytes: number;

  /** @internal */
  constructor(device: Device, id: number, arenaBytes: number) {
    super(device, id, 'a program');
    this.arenaBytes = arenaBytes;
  }
}

/**
 * A device with its own worker thread and queue. Work runs in the order of submission and never blocks the event loop.
 * Dispose it (`await device.dispose()`, or `await using` where the language has it) to free its memory at once.
 */
export class Device implements AsyncDisposable {
  readonly kind = 'cpu' as const;
  /** The processor's own name. */
  readonly description = cpus()[0]?.model.trim() || process.arch;
  readonly threads: number;
  readonly isa: string;
  /** @internal What it likes: objectives plan by it. */
  readonly traits: Traits;
  #native: NativeDevice | undefined;
  #closing: Promise<void> | undefined;
  #jobs = 0;
  #collected = new FinalizationRegistry<{ id: number; program: boolean }>(({ id, program }) => this.#free(id, program));

  /** @internal Use `openDevice`. */
  constructor(threads: number) {
    const addon = loadNative();
    this.threads = threads;
    this.isa = addon.activeIsa();
    this.#native = new addon.Device(threads);
    this.traits = this.#native.traits();
  }

  /** Bytes held on the device now. */
  memory(): DeviceMemory {
    return this.#open().memory();
  }

  /** Zero-filled memory. */
  allocate(bytes: number): DeviceBuffer {
    checkInteger('bytes', bytes, 0);
    const buffer = new DeviceBuffer(
      this,
      rethrow(() => this.#open().allocate(bytes)),
      bytes,
    );
    this.#collected.register(buffer, { id: buffer.id, program: false }, buffer);
    return buffer;
  }

  /** Memory that holds a copy of `data`. Of large arrays see `write`. */
  async upload(data: ArrayBufferView): Promise<DeviceBuffer> {
    const buffer = this.allocate(data.byteLength);
    await buffer.write(data);
    return buffer;
  }

  /**
   * Validates and prepares a planned program.
   * @param threads of each of its kernels; 1 for programs that run at the same time. Default: all of the device's.
   * @throws ERR_ZEROTH_PROGRAM
   */
  async load(bytes: Uint8Array, threads = this.threads): Promise<DeviceProgram> {
    const { id, arenaBytes } = await this.native((native) => native.load(bytes, threads));
    const program = new DeviceProgram(this, id, arenaBytes);
    this.#collected.register(program, { id, program: true }, program);
    return program;
  }

  /**
   * Runs commands in order. Resolves to their result slots.
   * @throws ERR_ZEROTH_ABORTED when `signal` fires first; passes over parameters still happen, so that `Params` stays right.
   */
  async submit(commands: CommandList, signal?: AbortSignal): Promise<Float64Array> {
    const job = this.#jobs++ >>> 0;
    const onAbort = () => this.#native?.abort(job);
    const result = this.native((native) => {
      const { words, values } = commands.encode();
      return native.submit(words, values, job, signal?.aborted ?? false);
    });
    if (!signal) return result;
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await result;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Elements [first, first + count) of a direction, for those who want to see one. */
  async direction(direction: Direction, count: number, first = 0): Promise<Float32Array> {
    checkDirection(direction);
    checkInteger('count', count, 0);
    checkInteger('first', first, 0);
    const buffer = this.allocate(count * 4);
    try {
      const filled = this.submit(new CommandList().fill(buffer, 0, direction, first, count));
      // Both are waited for: what fails alone and unheard ends the process.
      const [values] = await Promise.all([buffer.readF32(), filled]);
      return values;
    } finally {
      buffer.dispose();
    }
  }

  /** @internal Calls the addon, with its errors as ZerothErrors. */
  async native<T>(call: (native: NativeDevice) => Promise<T>): Promise<T> {
    try {
      return await call(this.#open());
    } catch (error) {
      throw asZerothError(error);
    }
  }

  /** @internal */
  forget(handle: DeviceHandle): void {
    this.#collected.unregister(handle);
    this.#free(handle.id, handle instanceof DeviceProgram);
  }

  /**
   * Frees everything; settles when the device's threads and memory are gone, and never blocks the event loop. Work that is under way
   * stops between kernels, queued work does not begin: both reject with ERR_ZEROTH_ABORTED.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#native?.dispose();
    this.#native = undefined;
    await this.#closing;
  }

  async dispose(): Promise<void> {
    await this[Symbol.asyncDispose]();
  }

  #free(id: number, program: boolean): void {
    if (program) this.#native?.unload(id);
    else this.#native?.release(id);
  }

  #open(): NativeDevice {
    if (this.#native) return this.#native;
    throw new ZerothError(
      'ERR_ZEROTH_DISPOSED',
      'device: expected an open device, received a disposed one; open a new one with openDevice().',
    );
  }
}

/**
 * Opens a device.
 * @throws ERR_ZEROTH_DEVICE when the device asked for is not there; nothing is substituted silently. ERR_ZEROTH_NATIVE when the addon does
 *   not load, with the commands that mend it. ERR_ZEROTH_ARGUMENT.
 */
export function openDevice(options: DeviceOptions = {}): Device {
  checkOptions('options', options, { device: true, threads: true });
  const { device = 'auto', threads } = options;
  if (device !== 'auto' && device !== 'cpu' && device !== 'cuda')
    invalidArgument('device', "'auto', 'cpu' or 'cuda'", device);
  if (device === 'cuda') {
    throw new ZerothError(
      'ERR_ZEROTH_DEVICE',
      "device: 'cuda' is not available in this version, which runs on the CPU; use 'cpu' or 'auto'.",
    );
  }
  const available = Math.min(loadNative().processors(), cpuLimit());
  return new Device(checkInteger('threads', threads ?? available, 1, MAX_THREADS));
}

/** Arrays of so many bytes take longer to copy than to be kept. */
const LENT_BYTES = 1 << 20;

/** Whether the device may read an array where it is. Where that can shrink, its pages may go while they are read. */
function isLent({ byteLength, buffer }: ArrayBufferView): boolean {
  return byteLength >= LENT_BYTES && (buffer as { resizable?: boolean }).resizable !== true;
}

/** Memory of the host, without the process ending where there is none. */
function hostMemory(bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch (cause) {
    throw new ZerothError('ERR_ZEROTH_DEVICE', `device: cannot allocate ${bytes} bytes on the host to read into.`, {
      cause,
    });
  }
}

function rethrow<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw asZerothError(error);
  }
}

function asZerothError(error: unknown): unknown {
  if (error instanceof ZerothError || !(error instanceof Error)) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (!code?.startsWith('ERR_ZEROTH_')) return error;
  return new ZerothError(code as ErrorCode, error.message, { cause: error });
}
