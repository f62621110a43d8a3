import { CommandList, type PassOp } from '../device/commands.ts';
import type { Device, DeviceBuffer } from '../device/device.ts';
import { checkNumber, invalidArgument } from '../errors.ts';
import type { DenseGradient, Estimate, Point, RuleStates, StateName, Update } from '../optimizers/optimizer.ts';
import { type HeldPoint, isHeld } from '../optimizers/oracle.ts';
import { checkSpaceOf, type Direction } from '../random/direction.ts';
import { Ahead, AheadVectors } from './ahead.ts';
import { addOp, Changes, moving } from './changes.ts';
import { Held } from './held.ts';
import type { Layout } from './layout.ts';
import { type MeasuredParams, measureVectors } from './measure.ts';
import type { SafeTensor, TransferOptions } from './safetensors/tensor.ts';
import { saveSafetensors } from './safetensors/write.ts';
import { States } from './states.ts';
import { checkDense, checkTerm, checkTerms, checkUpdate, passOp } from './update.ts';
import { checkedTensors, checkedValues, loadWeights, namedTensors, type TensorValues } from './weights.ts';

/** Where displaced parameters go: into a second vector, or into θ's own, to be taken off again. */
export type Displacement = 'copy' | 'in-place';

/** A dense gradient on the device, as `Objective.gradient` makes it. */
export interface DeviceGradient extends DenseGradient {
  readonly buffer: DeviceBuffer;
}

/** Some elements of a vector, from `offset` on. */
export interface VectorPiece {
  readonly offset: number;
  readonly data: Float32Array;
}

/**
 * Named tensors in one flat f32 vector θ on a device.
 *
 * Updates (`add`, `apply`) are lazy: free until the next evaluation, which does everything that waits in one fused pass over memory. An
 * evaluation at a displaced point takes place in one of two ways.
 * - In a copy: θ stays as it is, to the bit, whatever the point. It takes another 4 bytes a parameter.
 * - In place (`moveTo`): θ's own vector is displaced, and the displacement is taken off later by the opposite additions, separately
 *   rounded. Two roundings, so that a weight x comes back within 2⁻²³ (|x| + |coefficient · z|) for each term: exactly, but for changes of
 *   binade, where the displacement is small beside x, and not where x is small beside it. No way to do it in place is better: x + δ holds
 *   fewer bits of a small x than x does. (Adding a summed coefficient −2μ, as is usual, rounds to a different grid point each step:
 *   5.5e-6 relative after 10,000 steps of μ = 1e-3 on weights in ±1/8, instead of 7e-7.)
 *
 * Reading never commits: every read works on a copy with the waiting changes applied.
 */
export class Params {
  readonly device: Device;
  readonly layout: Layout;
  /** What the device holds: θ plus the displacement, without the pending changes. */
  readonly theta: DeviceBuffer;
  /** Where steps hold displaced parameters; null where they displace θ in place. */
  readonly copy: DeviceBuffer | null;
  readonly #states: States;
  readonly #changes = new Changes();
  readonly #held: Held;
  readonly #aheadVectors: AheadVectors;
  #ahead: Ahead | undefined;
  #passes = 0;

  constructor(device: Device, layout: Layout, displacement: Displacement) {
    this.device = device;
    this.layout = layout;
    this.theta = device.allocate(layout.length * 4);
    this.copy = displacement === 'copy' ? device.allocate(layout.length * 4) : null;
    this.#states = new States(device, layout.length);
    this.#aheadVectors = new AheadVectors(device);
    this.#held = new Held(device, layout.length);
  }

  /** How steps displace. */
  get displacement(): Displacement {
    return this.copy ? 'copy' : 'in-place';
  }

  /** Number of parameters d. */
  get length(): number {
    return this.layout.length;
  }

  /** Passes over θ so far (reads and snapshots do not count: they write elsewhere). */
  get passes(): number {
    return this.#passes;
  }

  /** Bytes of θ, its state, the vectors that an estimator holds, the copies for displacements if there are any, and those to go back to. */
  get byteLength(): number {
    const vectors = 1 + this.#states.buffers.size + (this.copy ? 1 : 0) + this.#aheadVectors.count + this.#held.count;
    return this.theta.byteLength * vectors;
  }

  /** θ ← θ + coefficient · z(direction), at the next pass. Equal directions coalesce. */
  add(direction: Direction, coefficient: number): void {
    checkTerm({ direction, coefficient });
    this.#checkSpaces([{ direction }]);
    this.#comeBack();
    this.#changes.add([{ direction, coefficient }]);
  }

  /**
   * One optimizer update. An estimate made of directions waits for the next pass; a dense one is committed at once, since its
   * gradient buffer is about to be reused.
   * @throws ERR_ZEROTH_ARGUMENT, with nothing changed, for numbers that f32 does not hold.
   */
  async apply(update: Update, estimate: Estimate, lr: number): Promise<void> {
    checkUpdate(update, lr);
    if (update.kind === 'traced') this.#states.programsOf(update.program);
    if (estimate.kind === 'dense') checkDense(update, estimate, lr);
    this.#comeBack();
    if (estimate.kind === 'directions') {
      checkTerms(update, estimate.terms, lr);
      this.#checkSpaces(estimate.terms);
      this.#changes.queue(update, estimate.terms, lr);
      return;
    }
    const { coefficient = 1, gradient } = estimate;
    const list = new CommandList();
    const op = passOp(update, [], lr, this.#states, { buffer: (gradient as DeviceGradient).buffer, coefficient });
    this.#pass(list, this.theta, this.#changes.advance(this.#states, [], [op]));
    await this.device.submit(list);
  }

  /** @internal Begins a stretch of steps that the device takes by itself. Only where displaced parameters have vectors of their own. */
  beginAhead(): Ahead {
    const { device, theta, copy } = this;
    if (!copy) throw new Error('params.beginAhead: displaced in place');
    this.#comeBack();
    const pass = this.#pass.bind(this);
    const parameters = { device, theta, copy, states: this.#states, changes: this.#changes, pass };
    this.#ahead = new Ahead(parameters, this.#aheadVectors);
    return this.#ahead;
  }

  /**
   * Appends the pass, if one is needed, after which `theta`, which is returned, holds θ displaced to `point`.
   * @throws ERR_ZEROTH_ARGUMENT for a coefficient that could take a parameter out of f32, from where it would not come back.
   */
  moveTo(list: CommandList, point: Point): DeviceBuffer {
    this.#comeBack();
    checkInPlace(point);
    this.#pass(list, this.theta, this.#changes.advance(this.#states, moving(point)));
    return this.theta;
  }

  /**
   * Appends the pass, if one is needed, after which the returned vector holds θ displaced to `point`: `into`, or `theta` where the point
   * is θ itself. What waits is done in the same pass, and `theta` holds θ, whatever the point.
   */
  displace(list: CommandList, point: Point, into: DeviceBuffer): DeviceBuffer {
    this.#comeBack();
    const target = moving(point);
    const ops = this.#changes.advance(this.#states);
    if (target.length === 0) {
      this.#pass(list, this.theta, ops);
      return this.theta;
    }
    if (ops.length > 0) ops.push({ kind: 'keep', terms: [], to: this.theta });
    this.#pass(list, into, [...ops, addOp(target)]);
    return into;
  }

  /** Begins anew with the vectors that an estimator holds beside θ, all zero. */
  useHeld(names: readonly string[]): void {
    this.#held.use(names);
  }

  /** @internal Appends what copies θ as it is now into a held vector. @throws ERR_ZEROTH_ARGUMENT where there is no such vector. */
  hold(list: CommandList, name: string): void {
    const to = this.#held.of(name);
    this.moveTo(list, []);
    list.copy(this.theta, 0, to, 0, to.byteLength);
  }

  /** @internal Refuses a point at which nothing can be evaluated, before anything is changed. @throws ERR_ZEROTH_ARGUMENT */
  checkReachable(point: Point | HeldPoint, inPlace: boolean): void {
    if (isHeld(point)) this.#held.of(point.at);
    else if (inPlace) checkInPlace(point);
    this.#checkSpaces(isHeld(point) ? point.terms : point);
  }

  /** @internal Appends what is needed for the returned vector to hold a held one, displaced. */
  displaceHeld(list: CommandList, name: string, terms: Point): DeviceBuffer {
    const from = this.#held.of(name);
    const target = moving(terms);
    if (target.length === 0) return from;
    const into = this.copy ?? this.#held.scratch();
    list.pass(from, into, this.length, [addOp(target)]);
    return into;
  }

  /** Does what waits, and leaves θ itself on the device. */
  async commit(): Promise<void> {
    const list = new CommandList();
    this.moveTo(list, []);
    await this.device.submit(list);
  }

  /** A copy of θ in a device buffer of its own. */
  async snapshot(): Promise<DeviceBuffer> {
    const { theta, states } = await this.#materialise();
    for (const copy of states.values()) copy.dispose();
    return theta;
  }

  /** Sums over θ and each state vector as of now. Takes no copy: what waits is done first, which moves nothing by one bit. */
  async measure(): Promise<MeasuredParams> {
    await this.commit();
    return this.measureHeld();
  }

  /** Sums over what the device holds: a displacement is in it, what waits is not. Takes no copy and no pass over memory but its own. */
  async measureHeld(): Promise<MeasuredParams> {
    this.#comeBack();
    return (await measureVectors(this.device, this.#vectors(), this.length)) as MeasuredParams;
  }

  /** θ, all of it or one tensor by name: in a run, as it is after the last step whose event was handed out. */
  async read(name?: string): Promise<Float32Array> {
    const { offset, size } = name === undefined ? { offset: 0, size: this.length } : this.layout.tensor(name);
    const copy = await this.snapshot();
    try {
      return await copy.readF32(offset, size);
    } finally {
      copy.dispose();
    }
  }

  /** A state vector (momentum, second moment) as of now. */
  async readState(name: StateName): Promise<Float32Array> {
    const { theta, states } = await this.#materialise();
    try {
      return await (states.get(name) ?? this.#states.of(name)).readF32();
    } finally {
      for (const copy of [theta, ...states.values()]) copy.dispose();
    }
  }

  /**
   * State vectors as of now, some elements of all of them at a time: in JavaScript's memory there is never more than a piece of each. No update
   * may be done before the last.
   */
  async *statePieces<Name extends StateName>(
    names: readonly Name[],
    length = STATE_PIECE,
  ): AsyncGenerator<{ offset: number; states: Record<Name, Float32Array> }> {
    const { theta, states } = await this.#materialise();
    theta.dispose();
    try {
      const buffers = names.map((name) => [name, states.get(name) ?? this.#states.of(name)] as const);
      for (let offset = 0; offset < this.length; offset += length) {
        const count = Math.min(length, this.length - offset);
        const read = buffers.map(async ([name, buffer]) => [name, await buffer.readF32(offset, count)] as const);
        yield { offset, states: Object.fromEntries(await Promise.all(read)) as Record<Name, Float32Array> };
      }
    } finally {
      for (const copy of states.values()) copy.dispose();
    }
  }

  /**
   * Replaces θ: all of it, one tensor by name, or those of a `Map` as `loadSafetensors` reads it; after the updates that wait: what they do to the
   * states holds.
   * @param values of so many numbers, finite in f32; a Float32Array must not change until the promise settles.
   * @throws ERR_ZEROTH_ARGUMENT, with nothing changed, for an unknown name, another shape or count, or a number that is not finite.
   */
  async write(values: TensorValues): Promise<void>;
  async write(name: string, values: TensorValues): Promise<void>;
  async write(tensors: ReadonlyMap<string, SafeTensor>): Promise<void>;
  async write(what: TensorValues | string | ReadonlyMap<string, SafeTensor>, values?: TensorValues): Promise<void> {
    const { layout } = this;
    if (typeof what !== 'string' && values !== undefined)
      invalidArgument('name', 'the name of a tensor before its values: write(name, values)', what);
    const parts =
      what instanceof Map
        ? checkedTensors(layout, what)
        : [
            typeof what === 'string'
              ? checkedValues(layout, what, values as TensorValues)
              : checkedValues(layout, undefined, what as TensorValues),
          ];
    await this.commit();
    await Promise.all(parts.map(({ offset, values }) => this.theta.write(values, offset * 4)));
  }

  /**
   * Writes θ as it is now to a safetensors file, one F32 tensor a parameter, from the device piece by piece. Whoever opens the file at any moment, even after
   * a crash, finds the old one or the new one, whole. For the time of the call it takes another 4 bytes a parameter on the device, so that a run may go
   * on meanwhile.
   *
   *     await params.save('model.safetensors');
   *     await params.load('model.safetensors');
   *
   * @param metadata free text beside the tensors.
   * @throws ERR_ZEROTH_FILE when it cannot be written; ERR_ZEROTH_ARGUMENT for bad metadata; ERR_ZEROTH_ABORTED. The old file then stays.
   */
  async save(path: string, metadata?: Readonly<Record<string, string>>, options?: TransferOptions): Promise<void> {
    const theta = await this.snapshot();
    try {
      await saveSafetensors(path, namedTensors(this.layout, theta), metadata, options);
    } finally {
      theta.dispose();
    }
  }

  /**
   * Replaces θ by the tensors of a safetensors file, as `save` and checkpoints (`checkpoint.safetensors`) write it: of the same names and
   * shapes, F32, or BF16 or F16, which become F32 exactly. After the updates that wait, as `write` does; all of it or nothing. For the time of the call it
   * takes another 4 bytes a parameter on the device.
   *
   * @throws ERR_ZEROTH_SAFETENSORS, with nothing changed, for a file that is none, or of other tensors, or with a number that is not finite;
   *   ERR_ZEROTH_FILE when it cannot be read; ERR_ZEROTH_ABORTED.
   */
  async load(path: string, options: TransferOptions = {}): Promise<void> {
    const loaded = await loadWeights(path, this.layout, this.device, options);
    try {
      await this.commit();
      await this.device.submit(new CommandList().copy(loaded, 0, this.theta, 0, loaded.byteLength));
    } finally {
      loaded.dispose();
    }
  }

  /**
   * Begins anew with what a rule needs: its states, as `initial` says, else zero, and its program. What earlier updates left in others is
   * dropped, after the updates that still wait for a pass have used it.
   * @throws ERR_ZEROTH_ARGUMENT, with nothing changed, for initial values that do not fit.
   */
  async useRule(rule: RuleStates): Promise<void> {
    this.#states.check(rule);
    if (this.#states.buffers.size > 0 || this.#changes.touchStates) await this.commit();
    this.#comeBack();
    await this.#states.use(rule);
  }

  /**
   * Does what waits, which moves nothing by one bit, and returns the vectors that now hold θ, its states and what an estimator holds
   * (`held.` before its name): for who reads them piece by piece before anything is changed.
   */
  async settle(): Promise<ReadonlyMap<string, DeviceBuffer>> {
    await this.commit();
    return this.#allVectors();
  }

  /**
   * Replaces all vectors of `settle` by ones that come piece by piece.
   *
   * @param lengths of the vectors, by name: those that there are.
   * @throws ERR_ZEROTH_ARGUMENT, with nothing changed, for vectors that do not fit.
   */
  async replace(
    lengths: ReadonlyMap<string, number>,
    pieces: (name: string) => AsyncIterable<VectorPiece>,
  ): Promise<void> {
    const vectors = this.#allVectors();
    const names = [...lengths.keys()];
    if (names.length !== vectors.size || names.some((name) => !vectors.has(name)))
      invalidArgument('stored vectors', `the vectors ${[...vectors.keys()].join(', ')}`, names);
    for (const [name, length] of lengths)
      if (length !== this.length) invalidArgument(`stored vector '${name}'`, `${this.length} numbers`, length);
    this.#comeBack();
    this.#changes.reset();
    for (const [name, buffer] of vectors)
      for await (const { offset, data } of pieces(name)) await buffer.write(data, offset * 4);
  }

  dispose(): void {
    this.theta.dispose();
    this.copy?.dispose();
    this.#states.dispose();
    this.#held.dispose();
    this.#aheadVectors.dispose();
    this.#ahead?.end();
    this.#ahead = undefined;
  }

  /** @throws ERR_ZEROTH_ARGUMENT for a space of other parameters. */
  #checkSpaces(terms: readonly { readonly direction: Direction }[]): void {
    for (const { direction } of terms) checkSpaceOf(direction, this.length);
  }

  #comeBack(): void {
    this.#ahead?.comeBack();
    this.#ahead = undefined;
  }

  #vectors(): Map<'theta' | StateName, DeviceBuffer> {
    return new Map<'theta' | StateName, DeviceBuffer>([['theta', this.theta], ...this.#states.buffers]);
  }

  #allVectors(): ReadonlyMap<string, DeviceBuffer> {
    return new Map<string, DeviceBuffer>([...this.#vectors(), ...this.#held.named()]);
  }

  #pass(list: CommandList, to: DeviceBuffer, ops: readonly PassOp[]): void {
    if (ops.length === 0) return;
    list.pass(this.theta, to, this.length, ops);
    this.#passes += 1;
  }

  async #materialise(): Promise<{ theta: DeviceBuffer; states: Map<StateName, DeviceBuffer> }> {
    this.#comeBack();
    const list = new CommandList();
    const theta = this.device.allocate(this.theta.byteLength);
    const states = new Map<StateName, DeviceBuffer>();
    if (this.#changes.touchStates) {
      for (const [name, buffer] of this.#states.buffers) {
        const copy = this.device.allocate(buffer.byteLength);
        list.copy(buffer, 0, copy, 0, buffer.byteLength);
        states.set(name, copy);
      }
    }
    const ops = this.#changes.restoring({
      of: (name) => states.get(name) ?? this.#states.of(name),
      programsOf: (program) => this.#states.programsOf(program),
    });
    if (ops.length === 0) list.copy(this.theta, 0, theta, 0, this.theta.byteLength);
    else list.pass(this.theta, theta, this.length, ops);
    await this.device.submit(list);
    return { theta, states };
  }
}

/** 4 MiB. */
const STATE_PIECE = 2 ** 20;

/** A displacement in place must leave room for z, of which no element is beyond 7, and for the parameter itself. */
const IN_PLACE = { min: -1e30, max: 1e30 } as const;

function checkInPlace(point: Point): void {
  for (const { coefficient } of point) checkNumber('coefficient of a displacement in place', coefficient, IN_PLACE);
}
