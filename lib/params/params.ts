import { CommandList, type PassOp } from '../device/commands.ts';
import type { Device, DeviceBuffer } from '../device/device.ts';
import { checkNumber, checkObject, invalidArgument, MAX_F32, ZerothError } from '../errors.ts';
import type { DenseGradient, Estimate, Point, Term, Update } from '../optimizers/optimizer.ts';
import { checkDirection, type Direction } from '../random/direction.ts';
import type { Layout } from './layout.ts';

export type StateName = 'm' | 'v' | 'p';

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
  readonly terms: Term[];
}

export type Pending = PendingUpdate | PendingAdd;

/** Of one vector, in f64. `squares` is a finite number if and only if every element is. */
export interface VectorSums {
  readonly sum: number;
  readonly squares: number;
}

/** θ and its state vectors, by name. */
export type MeasuredParams = { readonly theta: VectorSums } & Readonly<Partial<Record<StateName, VectorSums>>>;

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
 * Two lazy mutations, both free until the next evaluation, which does everything that waits in one fused pass over memory:
 * - `add(direction, coefficient)` and `apply(update, …)` change θ;
 * - `moveTo(point)` makes the device hold θ + Σ coefficient · z(direction) in place of θ, for an evaluation there.
 *
 * A displacement is taken off by the opposite, separately rounded additions. That restores the bits of θ, except next to a change of
 * binade, so that in-place perturbation does not drift. (Adding the summed coefficient −2μ, as is usual, rounds to a different grid
 * point each step: 5.5e-6 relative after 10,000 steps of μ = 1e-3 on weights in ±1/8, instead of 7e-7.)
 *
 * Reading never commits: every read works on a copy with the waiting changes applied.
 */
export class Params {
  readonly device: Device;
  readonly layout: Layout;
  /** What the device holds: θ plus the displacement, without the pending changes. */
  readonly theta: DeviceBuffer;
  readonly #states = new Map<StateName, DeviceBuffer>();
  #displacement: Point = [];
  #pending: Pending[] = [];
  #passes = 0;

  constructor(device: Device, layout: Layout) {
    this.device = device;
    this.layout = layout;
    this.theta = device.allocate(layout.length * 4);
  }

  /** Number of parameters d. */
  get length(): number {
    return this.layout.length;
  }

  /** Passes over θ so far (reads and snapshots do not count: they write elsewhere). */
  get passes(): number {
    return this.#passes;
  }

  /** Bytes of θ and its state. */
  get byteLength(): number {
    return this.theta.byteLength * (1 + this.#states.size);
  }

  /** θ ← θ + coefficient · z(direction), at the next pass. Equal directions coalesce. */
  add(direction: Direction, coefficient: number): void {
    checkTerm({ direction, coefficient });
    const last = this.#pending.at(-1);
    if (last?.update.kind !== 'plain') {
      this.#pending.push({ update: { kind: 'plain' }, terms: [{ direction, coefficient }] });
      return;
    }
    const terms = last.terms as Term[];
    const i = terms.findIndex((term) => sameDirection(term.direction, direction));
    if (i < 0) terms.push({ direction, coefficient });
    else terms[i] = { direction, coefficient: terms[i].coefficient + coefficient };
  }

  /**
   * One optimizer update. An estimate made of directions waits for the next pass; a dense one is committed at once, since its
   * gradient buffer is about to be reused.
   */
  async apply(update: Update, estimate: Estimate, lr: number): Promise<void> {
    if (estimate.kind === 'dense') {
      const list = new CommandList();
      const dense = (estimate.gradient as DeviceGradient).buffer;
      this.#pass(list, [], [this.#passOp(update, [], lr, undefined, dense)]);
      await this.device.submit(list);
    } else if (update.kind === 'plain') {
      for (const { direction, coefficient } of estimate.terms) this.add(direction, -lr * coefficient);
    } else {
      estimate.terms.forEach(checkTerm);
      this.#pending.push({ update, terms: estimate.terms, lr });
    }
  }

  /** Appends the pass, if one is needed, after which the device holds θ displaced to `point`. */
  moveTo(list: CommandList, point: Point): void {
    this.#pass(list, point, []);
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

  /** Sums over θ and each state vector as of now. Takes no copy where nothing waits and nothing is displaced. */
  async measure(): Promise<MeasuredParams> {
    if (this.#restoring(this.#states).length === 0) return this.measureHeld();
    const { theta, states } = await this.#materialise();
    try {
      return await this.#sums(theta, new Map([...this.#states, ...states]));
    } finally {
      for (const copy of [theta, ...states.values()]) copy.dispose();
    }
  }

  /** Sums over what the device holds: a displacement is in it, what waits is not. Takes no copy and no pass over memory but its own. */
  measureHeld(): Promise<MeasuredParams> {
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

  /** Replaces θ, all of it or one tensor by name. Drops what waits for the parameters it replaces as a whole. */
  async write(values: Float32Array, name?: string): Promise<void> {
    const { offset, size } = name === undefined ? { offset: 0, size: this.length } : this.layout.tensor(name);
    if (!(values instanceof Float32Array) || values.length !== size)
      invalidArgument(name ?? 'values', `a Float32Array of ${size} numbers`, values);
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) invalidArgument(`${name ?? 'values'}[${bad}]`, 'a finite number', values[bad]);
    if (name === undefined) {
      this.#pending = [];
      this.#displacement = [];
    } else {
      await this.commit();
    }
    await this.theta.write(values, offset * 4);
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
      if (values.length !== this.length) invalidArgument(`initial state '${name}'`, `${this.length} numbers`, values);
    }
    if (this.#states.size > 0) await this.commit();
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
    await this.theta.write(stored.theta);
    for (const [name, values] of Object.entries(stored.states) as [StateName, Float32Array][]) {
      await this.#state(name).write(values);
    }
    this.#displacement = stored.displacement;
    this.#pending = structuredClone(stored.pending) as Pending[];
  }

  dispose(): void {
    this.theta.dispose();
    for (const buffer of this.#states.values()) buffer.dispose();
    this.#states.clear();
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

  #pass(list: CommandList, point: Point, then: readonly PassOp[]): void {
    const target = point.filter((term) => term.coefficient !== 0);
    const there = then.length === 0 && this.#pending.length === 0 && samePoint(this.#displacement, target);
    if (there) return;
    const ops = [...this.#restoring(this.#states), ...then];
    if (target.length > 0) ops.push(addOp(target));
    this.#pending = [];
    this.#displacement = target;
    if (ops.length === 0) return;
    list.pass(this.theta, this.theta, this.length, ops);
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
    states: ReadonlyMap<StateName, DeviceBuffer> = this.#states,
    dense?: DeviceBuffer,
  ): PassOp {
    const gradient = { terms, dense, denseCoefficient: dense ? 1 : 0 };
    const state = (name: StateName) => states.get(name) ?? this.#state(name);
    switch (update.kind) {
      case 'plain':
        return { kind: 'add', terms, dense, denseCoefficient: -lr };
      case 'momentum':
        return { kind: 'momentum', ...gradient, lr, beta1: update.beta, m: state('m') };
      case 'adam':
        return { ...gradient, ...update, lr, m: state('m'), v: state('v') };
      case 'frozenAdam':
        return { kind: 'frozenAdam', ...gradient, lr, beta1: update.beta1, m: state('m'), v: state('p') };
    }
  }
}

/** @throws ERR_ZEROTH_ARGUMENT unless this is a direction with a coefficient that f32 holds: what is queued must be possible to do. */
export function checkTerm(term: Term): void {
  checkObject('term', term, '{ direction, coefficient }');
  checkDirection(term.direction);
  checkNumber('coefficient', term.coefficient, { min: -MAX_F32, max: MAX_F32 });
}

/** @throws ERR_ZEROTH_ARGUMENT unless this is a list of terms. */
export function checkPoint(point: Point): void {
  if (!Array.isArray(point))
    invalidArgument('point', 'an array of { direction, coefficient }, empty for θ itself', point);
  point.forEach(checkTerm);
}

const addOp = (terms: readonly Term[]): PassOp => ({ kind: 'add', terms });

const negated = ({ direction, coefficient }: Term): Term => ({ direction, coefficient: -coefficient });

const sameDirection = (a: Direction, b: Direction): boolean =>
  a.stream === b.stream && a.seed === b.seed && a.distribution === b.distribution;

const samePoint = (a: Point, b: Point): boolean =>
  a.length === b.length &&
  a.every((term, i) => term.coefficient === b[i].coefficient && sameDirection(term.direction, b[i].direction));
