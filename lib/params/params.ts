import { CommandList, type PassOp } from '../device/commands.ts';
import type { Device, DeviceBuffer } from '../device/device.ts';
import { checkF32, checkNumber, invalidArgument, ZerothError } from '../errors.ts';
import { f32Vector, type NumberArray } from '../graph/host-array.ts';
import type { DenseGradient, Estimate, Point, StateName, Term, Update } from '../optimizers/optimizer.ts';
import type { Direction } from '../random/direction.ts';
import { Ahead, type FedUpdate, type TakenUpdate } from './ahead.ts';
import type { Layout } from './layout.ts';
import { checkTerm, checkUpdate, passOp } from './update.ts';

/** Where displaced parameters go: into a second vector, or into θ's own, to be taken off again. */
export type Displacement = 'copy' | 'in-place';

/** A dense gradient on the device, as `Objective.gradient` makes it. */
export interface DeviceGradient extends DenseGradient {
  readonly buffer: DeviceBuffer;
}

/** A stateful update that waits for the next pass. */
interface PendingUpdate {
  readonly update: Exclude<Update, { kind: 'plain' }>;
  readonly terms: readonly Term[];
  readonly lr: number;
}

/** Adds that wait for the next pass, at most one term a direction. */
interface PendingAdd {
  readonly update: { readonly kind: 'plain' };
  readonly terms: readonly Term[];
}

export type Pending = PendingUpdate | PendingAdd;

/** Of one vector, in f64. `squares` is a finite number if and only if every element is. */
export interface VectorSums {
  readonly sum: number;
  readonly squares: number;
}

/** θ and its state vectors, by name. */
export type MeasuredParams = { readonly theta: VectorSums } & Readonly<Partial<Record<StateName, VectorSums>>>;

/** Some elements of a vector, from `offset` on. */
export interface VectorPiece {
  readonly offset: number;
  readonly data: Float32Array;
}

/** All that the device holds, bit for bit, and what is still to be done to it: enough to go on exactly as if nothing had happened. */
export interface StoredParams {
  readonly theta: Float32Array;
  readonly states: Readonly<Partial<Record<StateName, Float32Array>>>;
  readonly displacement: Point;
  readonly pending: readonly Pending[];
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
  readonly #states = new Map<StateName, DeviceBuffer>();
  #displacement: Point = [];
  #pending: Pending[] = [];
  #passes = 0;
  #ahead: Ahead | undefined;
  /** Of `ahead`: copies to go back to, and a second vector of displaced parameters. */
  readonly #kept = new Map<'theta' | StateName, DeviceBuffer>();
  #second: DeviceBuffer | undefined;

  constructor(device: Device, layout: Layout, displacement: Displacement) {
    this.device = device;
    this.layout = layout;
    this.theta = device.allocate(layout.length * 4);
    this.copy = displacement === 'copy' ? device.allocate(layout.length * 4) : null;
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

  /** Bytes of θ, its state, the copies for displacements if there are any, and those to go back to. */
  get byteLength(): number {
    const vectors = 1 + this.#states.size + (this.copy ? 1 : 0) + (this.#second ? 1 : 0) + this.#kept.size;
    return this.theta.byteLength * vectors;
  }

  /** θ ← θ + coefficient · z(direction), at the next pass. Equal directions coalesce. */
  add(direction: Direction, coefficient: number): void {
    checkTerm({ direction, coefficient });
    this.#comeBack();
    this.#queueAdds([{ direction, coefficient }]);
  }

  /**
   * One optimizer update. An estimate made of directions waits for the next pass; a dense one is committed at once, since its
   * gradient buffer is about to be reused.
   * @throws ERR_ZEROTH_ARGUMENT, with nothing changed, for numbers that f32 does not hold.
   */
  async apply(update: Update, estimate: Estimate, lr: number): Promise<void> {
    checkUpdate(update, lr);
    this.#comeBack();
    if (estimate.kind === 'dense') {
      const list = new CommandList();
      const dense = (estimate.gradient as DeviceGradient).buffer;
      this.#pass(list, this.theta, this.#advance([], [this.#passOp(update, [], lr, this.#states, dense)]));
      await this.device.submit(list);
      return;
    }
    checkTerms(update, estimate.terms, lr);
    this.#queue(update, estimate.terms, lr);
  }

  /**
   * @internal Begins a stretch of steps that the device takes by itself: copies what is there now, so that one can go back. Only where displaced
   * parameters have vectors of their own. The copies are a job of their own: that of the steps may be refused whole.
   */
  beginAhead(): Ahead {
    if (!this.copy) throw new Error('params.beginAhead: displaced in place');
    this.#comeBack();
    this.#second ??= this.device.allocate(this.theta.byteLength);
    const list = new CommandList();
    const base = new Map<'theta' | StateName, DeviceBuffer>();
    for (const [name, buffer] of [['theta', this.theta] as const, ...this.#states]) {
      // What no update changes.
      if (name === 'p') continue;
      const copy = this.#kept.get(name) ?? this.device.allocate(buffer.byteLength);
      this.#kept.set(name, copy);
      base.set(name, copy);
      list.copy(buffer, 0, copy, 0, buffer.byteLength);
    }
    this.#inOrder(list);
    this.#ahead = new Ahead(base, this.#pending);
    return this.#ahead;
  }

  /**
   * @internal Appends the pass of a step of the stretch: the update of the step before, then θ displaced to one point or two.
   * @returns a vector for each point.
   */
  passAhead(list: CommandList, ahead: Ahead, points: readonly [Point] | readonly [Point, Point]): DeviceBuffer[] {
    const ops = ahead.planned > 0 ? [] : this.#advance([]);
    if (ahead.next) ops.push(this.#passOp(ahead.next.update, ahead.next.terms, ahead.next.lr, this.#states));
    ahead.next = undefined;
    const targets = points.map(moving);
    const apart = targets.filter((target) => target.length > 0);
    const vectors = [this.copy, this.#second].slice(0, apart.length) as DeviceBuffer[];
    if (apart.length === 0) {
      this.#pass(list, this.theta, ops);
    } else {
      if (ops.length > 0) ops.push({ kind: 'keep', terms: [], to: this.theta });
      for (const [i, target] of apart.entries()) {
        if (i > 0) ops.push({ kind: 'keep', terms: [], to: vectors[i] }, { kind: 'resume', terms: [], to: this.theta });
        ops.push(addOp(target));
      }
      this.#pass(list, vectors[0], ops);
      vectors.reverse();
    }
    return targets.map((target) => (target.length > 0 ? (vectors.shift() as DeviceBuffer) : this.theta));
  }

  /** @internal The update that ends the step: the pass of the next one does it. */
  planAhead(ahead: Ahead, update: FedUpdate): void {
    checkUpdate(update.update, update.lr);
    ahead.next = update;
    ahead.planned += 1;
  }

  /** @internal One more step of the stretch is past, with what it measured. @throws ERR_ZEROTH_ARGUMENT as `apply` does, with nothing changed. */
  tookAhead(ahead: Ahead, { update, terms, lr }: TakenUpdate): void {
    checkTerms(update, terms, lr);
    ahead.taken.push({ update, terms, lr });
    if (ahead.taken.length < ahead.planned) return;
    // The device has done all but the last.
    ahead.end();
    this.#ahead = undefined;
    this.#pending = [];
    this.#queue(update, terms, lr);
  }

  /**
   * Appends the pass, if one is needed, after which `theta`, which is returned, holds θ displaced to `point`.
   * @throws ERR_ZEROTH_ARGUMENT for a coefficient that could take a parameter out of f32, from where it would not come back.
   */
  moveTo(list: CommandList, point: Point): DeviceBuffer {
    this.#comeBack();
    for (const { coefficient } of point) checkNumber('coefficient of a displacement in place', coefficient, IN_PLACE);
    this.#pass(list, this.theta, this.#advance(moving(point)));
    return this.theta;
  }

  /**
   * Appends the pass, if one is needed, after which the returned vector holds θ displaced to `point`: `into`, or `theta` where the point
   * is θ itself. What waits is done in the same pass, and `theta` holds θ, whatever the point.
   */
  displace(list: CommandList, point: Point, into: DeviceBuffer): DeviceBuffer {
    this.#comeBack();
    const target = moving(point);
    const ops = this.#advance([]);
    if (target.length === 0) {
      this.#pass(list, this.theta, ops);
      return this.theta;
    }
    if (ops.length > 0) ops.push({ kind: 'keep', terms: [], to: this.theta });
    this.#pass(list, into, [...ops, addOp(target)]);
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
  measureHeld(): Promise<MeasuredParams> {
    this.#comeBack();
    return this.#sums(this.theta, this.#states);
  }

  /** θ, all of it or one tensor by name. */
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
      return await (states.get(name) ?? this.#state(name)).readF32();
    } finally {
      for (const copy of [theta, ...states.values()]) copy.dispose();
    }
  }

  /**
   * Replaces θ, all of it or one tensor by name, after the updates that wait: what they do to the states holds.
   * @param values of so many numbers, finite; a Float32Array must not change until the promise settles.
   */
  async write(values: Float32Array | NumberArray, name?: string): Promise<void> {
    const { offset, size } = name === undefined ? { offset: 0, size: this.length } : this.layout.tensor(name);
    const vector = f32Vector(name ?? 'values', values, { length: size, expected: `${size} numbers` });
    const bad = vector.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) invalidArgument(`${name ?? 'values'}[${bad}]`, 'a finite number', vector[bad]);
    await this.commit();
    await this.theta.write(vector, offset * 4);
  }

  /**
   * Begins anew with the state vectors that a rule needs: as `initial` says, else zero. What earlier updates left in others is dropped,
   * after the updates that still wait for a pass have used it.
   */
  async useStates(
    names: readonly StateName[],
    initial: Readonly<Partial<Record<StateName, Float32Array>>> = {},
  ): Promise<void> {
    for (const [name, values] of Object.entries(initial)) {
      if (!(values instanceof Float32Array) || values.length !== this.length)
        invalidArgument(`initial state '${name}'`, `a Float32Array of ${this.length} numbers`, values);
      const bad = values.findIndex((value) => !Number.isFinite(value) || (name === 'p' && value === 0));
      if (bad >= 0)
        invalidArgument(`initial state '${name}'[${bad}]`, 'a finite number, of a divisor not 0', values[bad]);
    }
    if (this.#states.size > 0) await this.commit();
    this.#comeBack();
    for (const buffer of this.#states.values()) buffer.dispose();
    this.#states.clear();
    for (const name of names) {
      const values = initial[name];
      const buffer = this.device.allocate(this.length * 4);
      this.#states.set(name, buffer);
      if (values) await buffer.write(values);
    }
  }

  /** Everything a checkpoint needs, without changing anything. */
  async stored(): Promise<StoredParams> {
    this.#comeBack();
    // All of it is asked for before anything is awaited, so that a step in between cannot mix two moments.
    const names = [...this.#states.keys()];
    const reads = [this.theta, ...this.#states.values()].map((buffer) => buffer.readF32());
    const [displacement, pending] = [this.#displacement, structuredClone(this.#pending)];
    const [theta, ...states] = await Promise.all(reads);
    return { theta, states: Object.fromEntries(names.map((name, i) => [name, states[i]])), displacement, pending };
  }

  /** Goes back to what `stored` returned. @throws ERR_ZEROTH_ARGUMENT, with nothing changed, for vectors that do not fit. */
  async restore(stored: StoredParams): Promise<void> {
    if (stored.theta.length !== this.length)
      invalidArgument('stored parameters', `${this.length} numbers`, stored.theta);
    const names = Object.keys(stored.states);
    if (names.length !== this.#states.size || names.some((name) => !this.#states.has(name as StateName)))
      invalidArgument('stored states', `the states ${[...this.#states.keys()].join(', ') || '(none)'}`, names);
    for (const [name, values] of Object.entries(stored.states)) {
      if (values.length !== this.length) invalidArgument(`stored state '${name}'`, `${this.length} numbers`, values);
    }
    this.#comeBack();
    await this.theta.write(stored.theta);
    for (const [name, values] of Object.entries(stored.states) as [StateName, Float32Array][]) {
      await this.#state(name).write(values);
    }
    this.#displacement = stored.displacement;
    this.#pending = structuredClone(stored.pending) as Pending[];
  }

  /**
   * Does what waits, which moves nothing by one bit, and returns the vectors that now hold θ and its states: for who reads them piece by
   * piece before anything is changed.
   */
  async settle(): Promise<ReadonlyMap<'theta' | StateName, DeviceBuffer>> {
    await this.commit();
    return new Map<'theta' | StateName, DeviceBuffer>([['theta', this.theta], ...this.#states]);
  }

  /**
   * Replaces θ and every state by vectors that come piece by piece.
   *
   * @param lengths of the vectors, by name: `theta` and the states that there are.
   * @throws ERR_ZEROTH_ARGUMENT, with nothing changed, for vectors that do not fit.
   */
  async replace(
    lengths: ReadonlyMap<string, number>,
    pieces: (name: string) => AsyncIterable<VectorPiece>,
  ): Promise<void> {
    const vectors = new Map<string, DeviceBuffer>([['theta', this.theta], ...this.#states]);
    const names = [...lengths.keys()];
    if (names.length !== vectors.size || names.some((name) => !vectors.has(name)))
      invalidArgument('stored vectors', `the vectors ${[...vectors.keys()].join(', ')}`, names);
    for (const [name, length] of lengths)
      if (length !== this.length) invalidArgument(`stored vector '${name}'`, `${this.length} numbers`, length);
    this.#comeBack();
    this.#pending = [];
    this.#displacement = [];
    for (const [name, buffer] of vectors)
      for await (const { offset, data } of pieces(name)) await buffer.write(data, offset * 4);
  }

  dispose(): void {
    this.theta.dispose();
    this.copy?.dispose();
    for (const buffer of [...this.#states.values(), ...this.#kept.values()]) buffer.dispose();
    this.#second?.dispose();
    this.#states.clear();
    this.#kept.clear();
    this.#ahead?.end();
    this.#ahead = undefined;
  }

  /** Back to the beginning of a stretch of steps, and as far on from there as they were gone through. */
  #comeBack(): void {
    const ahead = this.#ahead;
    if (!ahead) return;
    ahead.end();
    this.#ahead = undefined;
    const list = new CommandList();
    for (const [name, copy] of ahead.base)
      list.copy(copy, 0, name === 'theta' ? this.theta : this.#state(name), 0, copy.byteLength);
    this.#inOrder(list);
    this.#pending = [...ahead.before];
    for (const { update, terms, lr } of ahead.taken) this.#queue(update, terms, lr);
  }

  /** Submits what comes before all that follows; where it fails (a device that was disposed), so does that. */
  #inOrder(list: CommandList): void {
    this.device.submit(list).catch(() => {});
  }

  #state(name: StateName): DeviceBuffer {
    const state = this.#states.get(name);
    if (!state)
      throw new ZerothError(
        'ERR_ZEROTH_ARGUMENT',
        `state '${name}': expected one that the update rule keeps; call useStates first.`,
      );
    return state;
  }

  /** The ops that turn what the device holds into θ. */
  #restoring(states: ReadonlyMap<StateName, DeviceBuffer>): PassOp[] {
    const ops: PassOp[] = [];
    if (this.#displacement.length > 0) ops.push(addOp(this.#displacement.toReversed().map(negated)));
    for (const pending of this.#pending) {
      if (pending.update.kind === 'plain') {
        const terms = pending.terms.filter((term) => term.coefficient !== 0);
        if (terms.length > 0) ops.push(addOp(terms));
      } else {
        ops.push(this.#passOp(pending.update, pending.terms, (pending as PendingUpdate).lr, states));
      }
    }
    return ops;
  }

  /** The ops that bring the device from what it holds to θ at `target`, with `then` done to θ before: from now on it counts as being there. */
  #advance(target: Point, then: readonly PassOp[] = []): PassOp[] {
    if (then.length === 0 && this.#pending.length === 0 && samePoint(this.#displacement, target)) return [];
    const ops = [...this.#restoring(this.#states), ...then];
    if (target.length > 0) ops.push(addOp(target));
    this.#pending = [];
    this.#displacement = target;
    return ops;
  }

  /** What waits from now on, too. */
  #queue(update: Update, terms: readonly Term[], lr: number): void {
    if (update.kind !== 'plain') {
      this.#pending.push({ update, terms, lr });
      return;
    }
    this.#queueAdds(terms.map(({ direction, coefficient }) => ({ direction, coefficient: -lr * coefficient })));
  }

  /** All of them or, where a sum leaves f32, none. */
  #queueAdds(adds: readonly Term[]): void {
    const last = this.#pending.at(-1);
    const waiting = last?.update.kind === 'plain' ? last.terms : [];
    const terms = [...waiting];
    for (const { direction, coefficient } of adds) {
      const i = terms.findIndex((term) => sameDirection(term.direction, direction));
      const sum = { direction, coefficient: (terms[i]?.coefficient ?? 0) + coefficient };
      checkF32('coefficient', sum.coefficient);
      if (i < 0) terms.push(sum);
      else terms[i] = sum;
    }
    if (last?.update.kind === 'plain') this.#pending.pop();
    this.#pending.push({ update: { kind: 'plain' }, terms });
  }

  #pass(list: CommandList, to: DeviceBuffer, ops: readonly PassOp[]): void {
    if (ops.length === 0) return;
    list.pass(this.theta, to, this.length, ops);
    this.#passes += 1;
  }

  async #sums(theta: DeviceBuffer, states: ReadonlyMap<StateName, DeviceBuffer>): Promise<MeasuredParams> {
    const vectors: [string, DeviceBuffer][] = [['theta', theta], ...states];
    const list = new CommandList(2 * vectors.length);
    for (const [i, [, buffer]] of vectors.entries()) list.sums(buffer, 0, this.length, 2 * i);
    const slots = await this.device.submit(list);
    const sums = vectors.map(([name], i) => [name, { sum: slots[2 * i], squares: slots[2 * i + 1] }]);
    return Object.fromEntries(sums) as MeasuredParams;
  }

  async #materialise(): Promise<{ theta: DeviceBuffer; states: Map<StateName, DeviceBuffer> }> {
    this.#comeBack();
    const list = new CommandList();
    const theta = this.device.allocate(this.theta.byteLength);
    const states = new Map<StateName, DeviceBuffer>();
    if (this.#pending.some(({ update }) => update.kind !== 'plain')) {
      for (const [name, buffer] of this.#states) {
        const copy = this.device.allocate(buffer.byteLength);
        list.copy(buffer, 0, copy, 0, buffer.byteLength);
        states.set(name, copy);
      }
    }
    const ops = this.#restoring(states);
    if (ops.length === 0) list.copy(this.theta, 0, theta, 0, this.theta.byteLength);
    else list.pass(this.theta, theta, this.length, ops);
    await this.device.submit(list);
    return { theta, states };
  }

  #passOp(
    update: Update,
    terms: readonly Term[],
    lr: number,
    states: ReadonlyMap<StateName, DeviceBuffer>,
    dense?: DeviceBuffer,
  ): PassOp {
    return passOp(update, terms, lr, (name) => states.get(name) ?? this.#state(name), dense);
  }
}

/** A displacement in place must leave room for z, of which no element is beyond 7, and for the parameter itself. */
const IN_PLACE = { min: -1e30, max: 1e30 } as const;

const moving = (point: Point): Point => point.filter((term) => term.coefficient !== 0);

const addOp = (terms: readonly Term[]): PassOp => ({ kind: 'add', terms });

const negated = ({ direction, coefficient }: Term): Term => ({ direction, coefficient: -coefficient });

const sameDirection = (a: Direction, b: Direction): boolean =>
  a.stream === b.stream && a.seed === b.seed && a.distribution === b.distribution;

const samePoint = (a: Point, b: Point): boolean =>
  a.length === b.length &&
  a.every((term, i) => term.coefficient === b[i].coefficient && sameDirection(term.direction, b[i].direction));

/** Checks what an update is made of. @throws ERR_ZEROTH_ARGUMENT */
function checkTerms(update: Update, terms: readonly Term[], lr: number): void {
  terms.forEach(checkTerm);
  if (update.kind !== 'plain') return;
  for (const { direction, coefficient } of terms) checkTerm({ direction, coefficient: -lr * coefficient });
}
