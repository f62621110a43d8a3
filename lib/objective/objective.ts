import type { CommandList, DeviceVector } from '../device/commands.ts';
import { Device, type DeviceBuffer } from '../device/device.ts';
import { checkInteger, checkOptions, invalidArgument } from '../errors.ts';
import { dtypeOf, type HostArray } from '../graph/host-array.ts';
import type { Estimator, Point } from '../optimizers/optimizer.ts';
import type { HeldPoint, Oracle, StepOracle } from '../optimizers/oracle.ts';
import type { SpaceSpec } from '../optimizers/space-spec.ts';
import { createParams } from '../params/initialise.ts';
import { Layout } from '../params/layout.ts';
import type { DeviceGradient, Displacement, Params } from '../params/params.ts';
import { bindSpace } from '../params/space.ts';
import type { Direction } from '../random/direction.ts';
import { checkSeed, type Seed } from '../random/seed.ts';
import type { Space } from '../random/space.ts';
import { checkMean } from './check-mean.ts';
import { Compiler, type Specs } from './compile.ts';
import { DeviceData } from './device-data.ts';
import { type Evaluated, Evaluation, evaluateFunction } from './evaluate.ts';
import { HessianOperator } from './hessian.ts';
import { Mean, type Rows } from './mean.ts';
import { type ObjectiveOracle, Oracles } from './oracle.ts';
import { checkData, checkProblem, likeThose, type Problem, type Tensors, type TypedArrays } from './problem.ts';
import { type PlannedStep, type Stretch, takeStretch } from './stretch.ts';

export interface ObjectiveOptions {
  /** Seed of the initialisation. Default 0. */
  readonly seed?: Seed;
  /**
   * Working memory of all that runs at the same time, in bytes; larger work is cut into micro-batches of examples that accumulate. One
   * example at a time is the least, whatever the budget. Default 256 MiB.
   */
  readonly arenaBudget?: number;
  /**
   * Where the steps of a run hold their displaced parameters.
   * - `'copy'`: in a second vector, 4 bytes a parameter. θ keeps its bits, whatever the size of weights and displacements.
   * - `'in-place'`: in θ itself, and take them off again. No memory, but two roundings a displacement, each within 2⁻²⁴ of the larger of
   *   a weight and its displacement: a step with η = 0 moves weights that are small beside μ.
   *
   * Default: `'copy'` up to 2²⁰ parameters (4 MiB), `'in-place'` above. `losses` outside of a run never moves θ.
   */
  readonly displacement?: Displacement;
}

/** Up to this many parameters a copy of them is nothing beside the process that holds it. */
const COPIED = 2 ** 20;

/** What `compile` puts together. */
interface Parts {
  readonly device: Device;
  readonly name: string;
  readonly compiler: Compiler;
  readonly params: Params;
  readonly data: DeviceData;
  readonly examples: number;
  readonly budget: number;
}

/**
 * A compiled loss over a data set, and the parameters that it is a function of, on one device. It answers in losses, gradients and
 * Hessian-vector products, all over the full batch or over chosen examples. Each is that of one mean over all these examples, however they
 * are cut into micro-batches and spread over threads.
 */
export class Objective<P extends string = string, D extends string = string, C extends string = string>
  implements Oracle
{
  readonly device: Device;
  readonly params: Params;
  readonly name: string;
  /** Number of examples; 0 without data. */
  readonly examples: number;
  readonly #compiler: Compiler;
  readonly #mean: Mean;
  #hasHessian = false;
  readonly #budget: number;
  readonly #oracles: Oracles;
  readonly #spaces = new WeakMap<SpaceSpec, Space>();
  readonly #oracle: ObjectiveOracle;

  /** @internal Use `compile`. */
  constructor({ device, name, compiler, params, data, examples, budget }: Parts) {
    this.device = device;
    this.params = params;
    this.name = name;
    this.examples = examples;
    this.#compiler = compiler;
    this.#mean = new Mean(device, compiler, params.layout, { data, examples }, budget);
    this.#budget = budget;
    this.#oracles = new Oracles(device, params, this.#mean);
    this.#oracle = this.#oracles.of(null, true);
  }

  get dimension(): number {
    return this.params.length;
  }

  /** Bytes of working memory that the loss programs of this many examples need, known before the first step. */
  async lossArenaBytes(examples = this.examples): Promise<number> {
    const pieces = await this.#mean.pieces('loss', examples);
    return [...new Set(pieces.map(({ program }) => program))].reduce((sum, { arenaBytes }) => sum + arenaBytes, 0);
  }

  /**
   * Full-batch losses at θ + Σ coefficient · z(direction), one a point; f64. `losses([[]])` is L(θ). θ does not change by one bit, for
   * the points are built in a copy: for the time of the call that is another 4 bytes a parameter, where steps do without (`displacement`).
   * @throws ERR_ZEROTH_ABORTED; ERR_ZEROTH_DATA where the weights of a `{ sum, weight }` add up to nothing; ERR_ZEROTH_NATIVE where the loss
   *   reads a row that is not there (`ops.gather`).
   */
  losses(points: readonly (Point | HeldPoint)[], signal?: AbortSignal): Promise<Float64Array> {
    return this.#oracle.losses(points, signal);
  }

  /** ‖Σ coefficient · z(direction)‖ of each displacement, in f64, of the sum as f32 holds it. */
  norms(displacements: readonly Point[], signal?: AbortSignal): Promise<Float64Array> {
    return this.#oracle.norms(displacements, signal);
  }

  /** Full-batch L(θ) and ⟨∇L(θ), z⟩ of each direction, by forward-mode differentiation. @throws as `losses` does. */
  derivatives(
    directions: readonly Direction[],
    signal?: AbortSignal,
  ): Promise<{ loss: number; derivatives: Float64Array }> {
    return this.#oracle.derivatives(directions, signal);
  }

  /**
   * Full-batch loss and gradient at θ. The gradient's buffer is reused by the next call.
   *
   *     const { gradient } = await objective.gradient();
   *     const numbers = await gradient.buffer.readF32(); // those of tensor w begin at params.layout.tensor('w').offset
   *
   * @throws as `losses` does.
   */
  gradient(signal?: AbortSignal): Promise<{ loss: number; gradient: DeviceGradient }> {
    return this.#oracle.gradient(signal);
  }

  /**
   * The same oracle over the given examples only (their order does not matter, repetition is allowed).
   * @throws ERR_ZEROTH_ARGUMENT for an example that is not there, for none at all, and without data.
   */
  batch(rows: Uint32Array | readonly number[]): Oracle {
    return this.#oracles.of(this.#checkedRows(rows), true);
  }

  /**
   * What a specification means for the tensors of this problem: a space, for directions of one's own (`{ …, space }`). The same
   * specification always gives the same space.
   * @throws ERR_ZEROTH_ARGUMENT for a name that matches no tensor, or a space that leaves all of them out.
   */
  space(spec: SpaceSpec): Space {
    const known = this.#spaces.get(spec);
    if (known) return known;
    const space = bindSpace(spec, this.params.layout);
    this.#spaces.set(spec, space);
    return space;
  }

  /** @internal The space of an estimator's directions; undefined where that is all parameters, as they are. */
  spaceOf({ space: spec }: Pick<Estimator, 'space'>): Space | undefined {
    const space = spec && this.space(spec);
    return space?.isWhole ? undefined : space;
  }

  /** @internal Numbers that the directions of an estimator have. */
  dimensionOf(estimator: Pick<Estimator, 'space'>): number {
    return this.spaceOf(estimator)?.dimension ?? this.dimension;
  }

  /** @internal What the steps of a run ask, of all examples or some: displaced in place where `displacement` says so. */
  oracleOfSteps(rows: Rows, dimension?: number): StepOracle {
    return this.#oracles.ofStep(rows && this.#checkedRows(rows), dimension);
  }

  /** @internal Whether steps can be taken several at a time: where displaced parameters have vectors of their own. */
  get takesSteps(): boolean {
    return this.params.copy !== null;
  }

  /** @internal Steps of a run in one submission: see `Stretch`. */
  takeSteps(steps: readonly PlannedStep[]): Promise<Stretch> {
    return takeStretch(this.#mean, this.params, steps);
  }

  /**
   * Any traced function of (parameters, data, constants) at θ: predictions, scores, errors an example.
   *
   *     const { data, shape } = await objective.evaluate((p, { x }) => model.apply(p, x), { x: [[0, 1]] });
   *
   * @param f returns a tensor, or arrays and records of tensors, all f32. Where it does not fit the arena budget, it is evaluated in pieces of
   *   examples, if axis 0 of every result counts them and no example bears on another's row; else whole, whatever memory that takes.
   * @param data arrays of any names, axis 0 of each counts examples. Default: the data of the problem. Plain numbers without a dtype are what the
   *   problem's data of that name are (labels i32, say), and f32 where it has none.
   * @returns the same tree, of `{ shape, data }`: f32, or one f64 number where the shape is []. θ does not change, not by a bit.
   * @throws ERR_ZEROTH_ARGUMENT, ERR_ZEROTH_DATA for bad data, ERR_ZEROTH_SHAPE, ERR_ZEROTH_TRACE for a function that does not fit together.
   */
  async evaluate<Result, E extends string = D>(
    f: (parameters: Tensors<P>, data: Tensors<E>, constants: Tensors<C>) => Result,
    data?: Readonly<Record<E, HostArray>>,
    signal?: AbortSignal,
  ): Promise<Evaluated<Result>> {
    const given = data === undefined ? undefined : checkData(likeThose(this.#compiler.data, data));
    const theta = await this.params.snapshot();
    let brought: DeviceData | undefined;
    try {
      if (given) brought = await this.#mean.data.with(given.data, given.examples);
      const context = {
        device: this.device,
        compiler: this.#compiler,
        data: brought ?? this.#mean.data,
        specs: given ? specsOf(given.data) : this.#compiler.data,
        examples: given?.examples ?? this.examples,
        budget: this.#budget,
      };
      return await evaluateFunction(f as (p: Tensors, d: Tensors, c: Tensors) => Result, context, theta, signal);
    } finally {
      theta.dispose();
      brought?.disposeData();
    }
  }

  /** @internal A function that is evaluated again and again over the data of the problem: traced here, planned and loaded once. Dispose it. */
  evaluation<Result>(f: (parameters: Tensors, data: Tensors, constants: Tensors) => Result): Evaluation<Result> {
    return new Evaluation(f, {
      device: this.device,
      compiler: this.#compiler,
      data: this.#mean.data,
      specs: this.#compiler.data,
      examples: this.examples,
      budget: this.#budget,
    });
  }

  /** Full-batch loss of the parameters in `theta`, a snapshot, or numbers of one's own by `device.upload(Float32Array)`: changes nothing. */
  async lossAt(theta: DeviceBuffer, signal?: AbortSignal): Promise<number> {
    const pieces = await this.#mean.pieces('loss');
    const list = this.#mean.lossList(1);
    this.#mean.addLoss(list, pieces, theta, this.#mean.data.select(list, null), 0);
    return this.#mean.lossesIn(await this.device.submit(list, signal), null)[0];
  }

  /** @internal Traces the Hessian-vector products once. @throws ERR_ZEROTH_TRACE, ERR_ZEROTH_SHAPE for a loss that has none. */
  checkHessian(): void {
    if (this.#hasHessian) return;
    this.#compiler.hessianVectorGraph(Math.max(1, this.examples), 2);
    this.#hasHessian = true;
  }

  /** The full-batch Hessian at the current parameters, which are copied: later steps do not move it. Dispose it when done. */
  async hessian(): Promise<HessianOperator> {
    return new HessianOperator(this, await this.params.snapshot());
  }

  /** @internal Appends H(theta) times `count` vectors that follow one another from the first on, to where the first product goes. */
  async appendHessianVector(
    list: CommandList,
    theta: DeviceBuffer,
    vectors: DeviceVector,
    products: DeviceVector,
    count: number,
  ): Promise<void> {
    const pieces = await this.#mean.pieces(`hvp${count}`);
    const scale = await this.#mean.scale(theta, null);
    const data = this.#mean.data.select(list, null);
    const { buffer, byteOffset } = products;
    const rows = (share: number, i: number) => this.#mean.vectorOutputs(buffer, scale ?? share, i, byteOffset);
    this.#mean.call(list, pieces, theta, data, rows, [vectors]);
  }

  /** Frees the programs, the data and the parameters. */
  async dispose(): Promise<void> {
    await this.#mean.dispose();
    this.#oracles.dispose();
    this.params.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #checkedRows(rows: Uint32Array | readonly number[]): Uint32Array {
    if (this.examples === 0) invalidArgument('batch', 'a problem with data: this one has no examples to choose', rows);
    if (!(rows instanceof Uint32Array) && !Array.isArray(rows)) invalidArgument('batch', 'numbers of examples', rows);
    for (const row of rows) checkInteger('example', row, 0, this.examples - 1);
    if (rows.length === 0) invalidArgument('batch', 'at least one example', rows);
    return rows instanceof Uint32Array ? rows : Uint32Array.from(rows);
  }
}

/**
 * Puts a problem on a device: checks its data and its loss, uploads the data, initialises the parameters from `seed`.
 * Programs are planned when they are first needed; one that the device then refuses is ERR_ZEROTH_PROGRAM.
 *
 * @throws ERR_ZEROTH_DATA, ERR_ZEROTH_ARGUMENT for bad data; ERR_ZEROTH_SHAPE, ERR_ZEROTH_TRACE for a loss that does not fit together;
 *   ERR_ZEROTH_LOSS for one that, on the first two examples, is no mean over examples (a sum, say).
 */
export async function compile<P extends string, D extends string = never, C extends string = never>(
  device: Device,
  problem: Problem<P, D, C>,
  options: ObjectiveOptions = {},
): Promise<Objective<P, D, C>> {
  if (!(device instanceof Device)) invalidArgument('device', 'a device of openDevice()', device);
  checkOptions('options', options, { seed: true, arenaBudget: true, displacement: true });
  const { seed = 0, arenaBudget: budget = 256 * 2 ** 20 } = options;
  checkInteger('arenaBudget', budget, 1);
  checkSeed(seed);
  const { data, constants, examples } = checkProblem(problem);
  const layout = new Layout(problem.parameters);
  const { displacement = layout.length <= COPIED ? 'copy' : 'in-place' } = options;
  if (displacement !== 'copy' && displacement !== 'in-place')
    invalidArgument('displacement', "'copy' or 'in-place'", displacement);
  const compiler = new Compiler(
    problem,
    layout,
    specsOf(data),
    specsOf(constants),
    Math.max(1, examples),
    device.traits,
  );
  const params = await createParams(device, problem.parameters, checkSeed(seed), displacement);
  let uploaded: DeviceData | undefined;
  try {
    uploaded = await DeviceData.upload(device, data, constants, examples);
    await checkMean(device, compiler, params, uploaded, examples);
    const name = problem.name ?? 'objective';
    return new Objective({ device, name, compiler, params, data: uploaded, examples, budget });
  } catch (error) {
    uploaded?.dispose();
    params.dispose();
    throw error;
  }
}

const specsOf = (arrays: TypedArrays): Specs =>
  Object.fromEntries(
    Object.entries(arrays).map(([name, array]) => [name, { shape: array.shape, dtype: dtypeOf(array) }]),
  );
