import { CommandList, type InputBinding, type OutputBinding } from '../device/commands.ts';
import type { Device, DeviceBuffer, DeviceProgram } from '../device/device.ts';
import { checkInteger, invalidArgument } from '../errors.ts';
import type { Plan } from '../graph/plan/plan.ts';
import type { LossOracle, Term } from '../optimizers/optimizer.ts';
import { createParams } from '../params/initialise.ts';
import type { DeviceGradient, Params } from '../params/params.ts';
import { Compiler, fitExamples } from './compile.ts';
import { HessianOperator } from './hessian.ts';
import { checkData, type Problem } from './problem.ts';

export interface ObjectiveOptions {
  /** Seed of the initialisation. Default 0. */
  readonly seed?: number | bigint;
  /**
   * Working memory of one program at most, in bytes; larger work is cut into micro-batches of examples that accumulate. Default 256 MiB.
   */
  readonly arenaBudget?: number;
}

/** A run of consecutive examples, and the data buffers that hold them. */
interface Chunk {
  readonly first: number;
  readonly rows: number;
}

/** What a program kind is loaded for. */
type Kind = 'loss' | 'gradient' | `hvp${number}`;

/**
 * A compiled loss over a data set, and the parameters that it is a function of, on one device. It answers in losses, gradients and
 * Hessian-vector products, all over the full batch or over chosen examples.
 */
export class Objective implements LossOracle {
  readonly device: Device;
  readonly params: Params;
  readonly name: string;
  /** Number of examples. */
  readonly examples: number;
  readonly #compiler: Compiler;
  readonly #budget: number;
  readonly #data: readonly DeviceBuffer[];
  readonly #rowBytes: readonly number[];
  readonly #programs = new Map<string, Promise<DeviceProgram>>();
  readonly #plans = new Map<string, Plan>();
  readonly #chunkRows = new Map<string, number>();
  #batchData: readonly DeviceBuffer[] = [];
  #batchRows = 0;
  #gradient: DeviceBuffer | undefined;

  /** @internal Use `compile`. */
  constructor(
    device: Device,
    problem: Problem,
    params: Params,
    data: readonly DeviceBuffer[],
    examples: number,
    budget: number,
  ) {
    this.device = device;
    this.params = params;
    this.name = problem.name ?? 'objective';
    this.examples = examples;
    this.#compiler = new Compiler(problem, params.layout);
    this.#budget = budget;
    this.#data = data;
    this.#rowBytes = data.map((buffer) => buffer.byteLength / examples);
  }

  get dimension(): number {
    return this.params.length;
  }

  /** Bytes of working memory that the loss program of these examples needs, known before the first step. */
  async lossArenaBytes(examples = this.examples): Promise<number> {
    const programs = await this.#chunked('loss', examples);
    return Math.max(...programs.map(({ program }) => program.arenaBytes));
  }

  /** Full-batch losses at θ + coefficient · z(direction), one a point; f64. */
  losses(points: readonly Term[], signal?: AbortSignal): Promise<Float64Array> {
    return this.#losses(points, null, signal);
  }

  /** Full-batch loss and gradient at θ. The gradient's buffer is reused by the next call. */
  gradient(signal?: AbortSignal): Promise<{ loss: number; gradient: DeviceGradient }> {
    return this.#lossAndGradient(null, signal);
  }

  /** The same oracle over the given examples only (their order does not matter, repetition is allowed). */
  batch(rows: Uint32Array): LossOracle {
    for (const row of rows) checkInteger('example', row, 0, this.examples - 1);
    if (rows.length === 0) invalidArgument('batch', 'at least one example', rows);
    return {
      dimension: this.dimension,
      losses: (points, signal) => this.#losses(points, rows, signal),
      gradient: (signal) => this.#lossAndGradient(rows, signal),
    };
  }

  /** Full-batch loss of the parameters in `theta` (a snapshot): changes nothing. */
  async lossAt(theta: DeviceBuffer, signal?: AbortSignal): Promise<number> {
    const list = new CommandList(1);
    for (const { program, chunk } of await this.#chunked('loss', this.examples)) {
      list.call(program, this.#bindings(theta, this.#data, chunk), [
        { mode: 'addToSlot', slot: 0, weight: chunk.rows / this.examples },
      ]);
    }
    return (await this.device.submit(list, signal))[0];
  }

  /** The full-batch Hessian at the current parameters, which are copied: later steps do not move it. Dispose it when done. */
  async hessian(): Promise<HessianOperator> {
    return new HessianOperator(this, await this.params.snapshot());
  }

  /** @internal Appends out[i, :] = H(theta) · vectors[i, :] for `count` rows. */
  async appendHessianVector(
    list: CommandList,
    theta: DeviceBuffer,
    vectors: DeviceBuffer,
    out: DeviceBuffer,
    count: number,
  ): Promise<void> {
    const programs = await this.#chunked(`hvp${count}`, this.examples);
    for (const [i, { program, chunk }] of programs.entries()) {
      const inputs = [...this.#bindings(theta, this.#data, chunk), { buffer: vectors, byteOffset: 0 }];
      list.call(program, inputs, this.#vectorOutputs(out, i > 0, chunk.rows / this.examples, this.dimension));
    }
  }

  /** Frees the programs, the data and the parameters. */
  async dispose(): Promise<void> {
    for (const program of await Promise.all(this.#programs.values())) program.dispose();
    this.#programs.clear();
    for (const buffer of [...this.#data, ...this.#batchData]) buffer.dispose();
    this.#gradient?.dispose();
    this.params.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #losses(points: readonly Term[], rows: Uint32Array | null, signal?: AbortSignal): Promise<Float64Array> {
    const examples = rows?.length ?? this.examples;
    const programs = await this.#chunked('loss', examples);
    signal?.throwIfAborted();
    const list = new CommandList(points.length);
    const data = this.#select(list, rows);
    for (const [slot, point] of points.entries()) {
      this.params.moveTo(list, point);
      for (const { program, chunk } of programs) {
        list.call(program, this.#bindings(this.params.theta, data, chunk), [
          { mode: 'addToSlot', slot, weight: chunk.rows / examples },
        ]);
      }
    }
    return this.device.submit(list, signal);
  }

  async #lossAndGradient(
    rows: Uint32Array | null,
    signal?: AbortSignal,
  ): Promise<{ loss: number; gradient: DeviceGradient }> {
    const examples = rows?.length ?? this.examples;
    const programs = await this.#chunked('gradient', examples);
    signal?.throwIfAborted();
    this.#gradient ??= this.device.allocate(this.dimension * 4);
    const list = new CommandList(1);
    const data = this.#select(list, rows);
    this.params.moveTo(list, null);
    for (const [i, { program, chunk }] of programs.entries()) {
      const weight = chunk.rows / examples;
      const outputs: OutputBinding[] = [
        { mode: 'addToSlot', slot: 0, weight },
        ...this.#vectorOutputs(this.#gradient, i > 0, weight, this.dimension),
      ];
      list.call(program, this.#bindings(this.params.theta, data, chunk), outputs);
    }
    const [loss] = await this.device.submit(list, signal);
    return { loss, gradient: { byteLength: this.#gradient.byteLength, buffer: this.#gradient } };
  }

  /** Outputs, one a parameter tensor, that make up rows of flat vectors of `stride` elements. */
  #vectorOutputs(buffer: DeviceBuffer, accumulate: boolean, weight: number, stride: number): OutputBinding[] {
    return this.params.layout.tensors.map(({ offset, size }) => ({
      mode: accumulate ? 'accumulate' : 'store',
      buffer,
      offset,
      rowLength: size,
      rowStride: stride,
      weight,
    }));
  }

  #bindings(theta: DeviceBuffer, data: readonly DeviceBuffer[], chunk: Chunk): InputBinding[] {
    return [
      { buffer: theta, byteOffset: 0 },
      ...data.map((buffer, i) => ({ buffer, byteOffset: chunk.first * this.#rowBytes[i] })),
    ];
  }

  /** The buffers that hold the chosen examples: the data itself, or a gathered copy. */
  #select(list: CommandList, rows: Uint32Array | null): readonly DeviceBuffer[] {
    if (rows === null) return this.#data;
    if (rows.length !== this.#batchRows) {
      for (const buffer of this.#batchData) buffer.dispose();
      this.#batchData = this.#rowBytes.map((bytes) => this.device.allocate(bytes * rows.length));
      this.#batchRows = rows.length;
    }
    for (const [i, buffer] of this.#data.entries())
      list.gatherRows(buffer, this.#batchData[i], this.#rowBytes[i], rows);
    return this.#batchData;
  }

  /** The programs that cover `examples` examples, micro-batch by micro-batch. */
  async #chunked(kind: Kind, examples: number): Promise<{ program: DeviceProgram; chunk: Chunk }[]> {
    const key = `${kind}/${examples}`;
    let rows = this.#chunkRows.get(key);
    if (rows === undefined) {
      rows = fitExamples((n) => this.#plan(kind, n), examples, this.#budget);
      this.#chunkRows.set(key, rows);
    }
    const chunks: { program: DeviceProgram; chunk: Chunk }[] = [];
    for (let first = 0; first < examples; first += rows) {
      const chunk = { first, rows: Math.min(rows, examples - first) };
      chunks.push({ program: await this.#program(kind, chunk.rows), chunk });
    }
    return chunks;
  }

  #program(kind: Kind, rows: number): Promise<DeviceProgram> {
    const key = `${kind}/${rows}`;
    let program = this.#programs.get(key);
    if (!program) {
      program = this.device.load(this.#plan(kind, rows).bytes);
      this.#programs.set(key, program);
      this.#plans.delete(key);
    }
    return program;
  }

  #plan(kind: Kind, rows: number): Plan {
    const key = `${kind}/${rows}`;
    const plan = this.#plans.get(key) ?? this.#build(kind, rows);
    this.#plans.set(key, plan);
    return plan;
  }

  #build(kind: Kind, rows: number): Plan {
    if (kind === 'loss') return this.#compiler.loss(rows);
    if (kind === 'gradient') return this.#compiler.gradient(rows);
    return this.#compiler.hessianVector(rows, Number(kind.slice(3)));
  }
}

/**
 * Puts a problem on a device: checks its data, uploads it, initialises the parameters from `seed`.
 * Programs are compiled when they are first needed.
 *
 * @throws ERR_ZEROTH_DATA, ERR_ZEROTH_ARGUMENT for bad data; ERR_ZEROTH_SHAPE, ERR_ZEROTH_TRACE for a loss that does not fit together.
 */
export async function compile(device: Device, problem: Problem, options: ObjectiveOptions = {}): Promise<Objective> {
  const { seed = 0, arenaBudget = 256 * 2 ** 20 } = options;
  checkInteger('arenaBudget', arenaBudget, 1);
  const examples = checkData(problem.data);
  const params = await createParams(device, problem.parameters, checkSeed(seed));
  const data = await Promise.all(Object.values(problem.data).map((array) => device.upload(array.data)));
  return new Objective(device, problem, params, data, examples, arenaBudget);
}

/** A seed as the 64-bit key that it is. @throws ERR_ZEROTH_ARGUMENT */
export function checkSeed(seed: number | bigint): bigint {
  if (typeof seed === 'number' && Number.isSafeInteger(seed) && seed >= 0) return BigInt(seed);
  if (typeof seed === 'bigint' && seed >= 0n && seed < 1n << 64n) return seed;
  return invalidArgument('seed', 'an integer from 0 to 2^64 − 1', seed);
}
