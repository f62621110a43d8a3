import { CommandList, type InputBinding, type OutputBinding } from '../device/commands.ts';
import { Device, type DeviceBuffer } from '../device/device.ts';
import { checkInteger, checkObject, invalidArgument, ZerothError } from '../errors.ts';
import type { LossOracle, Point } from '../optimizers/optimizer.ts';
import { createParams } from '../params/initialise.ts';
import { Layout } from '../params/layout.ts';
import { checkPoint, type DeviceGradient, type Params } from '../params/params.ts';
import { checkSeed, type Seed } from '../random/seed.ts';
import { Compiler } from './compile.ts';
import { HessianOperator } from './hessian.ts';
import { checkData, type Problem } from './problem.ts';
import { type Piece, Programs } from './programs.ts';

export interface ObjectiveOptions {
  /** Seed of the initialisation. Default 0. */
  readonly seed?: Seed;
  /**
   * Working memory of all that runs at the same time, in bytes; larger work is cut into micro-batches of examples that accumulate. One
   * example at a time is the least, whatever the budget. Default 256 MiB.
   */
  readonly arenaBudget?: number;
}

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
  readonly #programs: Programs;
  readonly #data: readonly DeviceBuffer[];
  readonly #rowBytes: readonly number[];
  #batchData: readonly DeviceBuffer[] = [];
  #batchRows = 0;
  #gradient: DeviceBuffer | undefined;

  /** @internal Use `compile`. */
  constructor(
    device: Device,
    problem: Problem,
    compiler: Compiler,
    params: Params,
    data: readonly DeviceBuffer[],
    examples: number,
    budget: number,
  ) {
    this.device = device;
    this.params = params;
    this.name = problem.name ?? 'objective';
    this.examples = examples;
    this.#programs = new Programs(device, compiler, budget);
    this.#data = data;
    this.#rowBytes = data.map((buffer) => buffer.byteLength / examples);
  }

  get dimension(): number {
    return this.params.length;
  }

  /** Bytes of working memory that the loss programs of this many examples need, known before the first step. */
  async lossArenaBytes(examples = this.examples): Promise<number> {
    const pieces = await this.#programs.pieces('loss', examples);
    return [...new Set(pieces.map(({ program }) => program))].reduce((sum, { arenaBytes }) => sum + arenaBytes, 0);
  }

  /**
   * Full-batch losses at θ + Σ coefficient · z(direction), one a point; f64. `losses([[]])` is L(θ). θ itself does not change.
   * @throws ERR_ZEROTH_ABORTED; ERR_ZEROTH_NATIVE where the loss reads a row that is not there (`ops.gather`).
   */
  losses(points: readonly Point[], signal?: AbortSignal): Promise<Float64Array> {
    return this.#losses(points, null, signal);
  }

  /** Full-batch loss and gradient at θ. The gradient's buffer is reused by the next call. */
  gradient(signal?: AbortSignal): Promise<{ loss: number; gradient: DeviceGradient }> {
    return this.#lossAndGradient(null, signal);
  }

  /** The same oracle over the given examples only (their order does not matter, repetition is allowed). */
  batch(rows: Uint32Array): LossOracle {
    if (!(rows instanceof Uint32Array)) invalidArgument('batch', 'a Uint32Array of example numbers', rows);
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
    const pieces = await this.#programs.pieces('loss', this.examples);
    this.#call(list, pieces, theta, this.#data, (weight) => [{ mode: 'addToSlot', slot: 0, weight }]);
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
    const pieces = await this.#programs.pieces(`hvp${count}`, this.examples);
    const rows = (weight: number, i: number) => this.#vectorOutputs(out, weight, i > 0);
    this.#call(list, pieces, theta, this.#data, rows, [{ buffer: vectors, byteOffset: 0 }]);
  }

  /** Frees the programs, the data and the parameters. */
  async dispose(): Promise<void> {
    await this.#programs.dispose();
    for (const buffer of [...this.#data, ...this.#batchData]) buffer.dispose();
    this.#gradient?.dispose();
    this.params.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #losses(points: readonly Point[], rows: Uint32Array | null, signal?: AbortSignal): Promise<Float64Array> {
    if (!Array.isArray(points))
      invalidArgument('points', 'an array of points, each an array of { direction, coefficient }', points);
    points.forEach(checkPoint);
    const examples = rows?.length ?? this.examples;
    const pieces = await this.#programs.pieces('loss', examples);
    refuseAborted(signal);
    const list = new CommandList(points.length);
    const data = this.#select(list, rows);
    for (const [slot, point] of points.entries()) {
      this.params.moveTo(list, point);
      this.#call(list, pieces, this.params.theta, data, (weight) => [{ mode: 'addToSlot', slot, weight }]);
    }
    return this.device.submit(list, signal);
  }

  async #lossAndGradient(
    rows: Uint32Array | null,
    signal?: AbortSignal,
  ): Promise<{ loss: number; gradient: DeviceGradient }> {
    const examples = rows?.length ?? this.examples;
    const pieces = await this.#programs.pieces('gradient', examples);
    refuseAborted(signal);
    this.#gradient ??= this.device.allocate(this.dimension * 4);
    const gradient = this.#gradient;
    const list = new CommandList(3);
    const data = this.#select(list, rows);
    this.params.moveTo(list, []);
    this.#call(list, pieces, this.params.theta, data, (weight, i) => [
      { mode: 'addToSlot', slot: 0, weight },
      ...this.#vectorOutputs(gradient, weight, i > 0),
    ]);
    list.sums(gradient, 0, this.dimension, 1);
    const [loss, , squaredNorm] = await this.device.submit(list, signal);
    return { loss, gradient: { byteLength: gradient.byteLength, squaredNorm, buffer: gradient } };
  }

  /** Appends one call a piece. `outputs` gets the piece's share of the mean, and its number. */
  #call(
    list: CommandList,
    pieces: readonly Piece[],
    theta: DeviceBuffer,
    data: readonly DeviceBuffer[],
    outputs: (weight: number, i: number) => OutputBinding[],
    more: readonly InputBinding[] = [],
  ): void {
    const examples = pieces.reduce((sum, { rows }) => sum + rows, 0);
    for (const [i, { program, first, rows, concurrent }] of pieces.entries()) {
      const examplesOf = (buffer: DeviceBuffer, k: number) => ({ buffer, byteOffset: first * this.#rowBytes[k] });
      const inputs = [{ buffer: theta, byteOffset: 0 }, ...data.map(examplesOf), ...more];
      list.call(program, inputs, outputs(rows / examples, i), concurrent);
    }
  }

  /** Outputs, one a parameter tensor, that make up rows of flat vectors. */
  #vectorOutputs(buffer: DeviceBuffer, weight: number, accumulate: boolean): OutputBinding[] {
    return this.params.layout.tensors.map(({ offset, size }) => ({
      mode: accumulate ? 'accumulate' : 'store',
      buffer,
      offset,
      rowLength: size,
      rowStride: this.dimension,
      weight,
    }));
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
}

/**
 * Puts a problem on a device: checks its data and its loss, uploads the data, initialises the parameters from `seed`.
 * Programs are planned when they are first needed; one that the device then refuses is ERR_ZEROTH_PROGRAM.
 *
 * @throws ERR_ZEROTH_DATA, ERR_ZEROTH_ARGUMENT for bad data; ERR_ZEROTH_SHAPE, ERR_ZEROTH_TRACE for a loss that does not fit together.
 */
export async function compile(device: Device, problem: Problem, options: ObjectiveOptions = {}): Promise<Objective> {
  if (!(device instanceof Device)) invalidArgument('device', 'a device of openDevice()', device);
  checkObject('problem', problem, '{ parameters, data, loss }');
  checkObject('options', options, '{ seed?, arenaBudget? }');
  const { seed = 0, arenaBudget = 256 * 2 ** 20 } = options;
  checkInteger('arenaBudget', arenaBudget, 1);
  const examples = checkData(problem.data);
  if (typeof problem.loss !== 'function') invalidArgument('loss', 'a function of tensors', problem.loss);
  const compiler = new Compiler(problem, new Layout(problem.parameters));
  compiler.trace(examples);
  const params = await createParams(device, problem.parameters, checkSeed(seed));
  const data = await Promise.all(Object.values(problem.data).map((array) => device.upload(array.data)));
  return new Objective(device, problem, compiler, params, data, examples, arenaBudget);
}

/** Before anything is changed: an evaluation that will not take place moves no parameters. */
function refuseAborted(signal?: AbortSignal): void {
  if (signal?.aborted)
    throw new ZerothError('ERR_ZEROTH_ABORTED', 'The operation was aborted.', { cause: signal.reason });
}
