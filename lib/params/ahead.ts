import { CommandList, type PassOp, type PassTerm } from '../device/commands.ts';
import type { Device, DeviceBuffer } from '../device/device.ts';
import type { Point, StateName, Term, Update } from '../optimizers/optimizer.ts';
import { addOp, type Changes, moving, type Pending } from './changes.ts';
import type { States } from './states.ts';
import { checkTerms, checkUpdate, passOp } from './update.ts';

/** An update whose coefficients the device will have measured: coefficient × result slot. */
export interface FedUpdate {
  readonly update: Update;
  readonly terms: readonly (PassTerm & { readonly slot: number })[];
  readonly lr: number;
}

/** One of its updates, measured. */
export interface TakenUpdate {
  readonly update: Update;
  readonly terms: readonly Term[];
  readonly lr: number;
}

/** The parameters that a stretch of steps is taken of. */
export interface AheadOf {
  readonly device: Device;
  readonly theta: DeviceBuffer;
  readonly copy: DeviceBuffer;
  readonly states: States;
  readonly changes: Changes;
  readonly pass: (list: CommandList, to: DeviceBuffer, ops: readonly PassOp[]) => void;
}

/** Vectors that stretches need beside θ, its states and its copy; made by the first. */
export class AheadVectors {
  readonly #device: Device;
  readonly #kept = new Map<'theta' | StateName, DeviceBuffer>();
  #second: DeviceBuffer | undefined;

  constructor(device: Device) {
    this.#device = device;
  }

  /** How many there are. */
  get count(): number {
    return this.#kept.size + (this.#second ? 1 : 0);
  }

  /** For a second displaced point. */
  second(bytes: number): DeviceBuffer {
    this.#second ??= this.#device.allocate(bytes);
    return this.#second;
  }

  /** For a copy to go back to. */
  base(name: 'theta' | StateName, bytes: number): DeviceBuffer {
    const copy = this.#kept.get(name) ?? this.#device.allocate(bytes);
    this.#kept.set(name, copy);
    return copy;
  }

  dispose(): void {
    for (const buffer of this.#kept.values()) buffer.dispose();
    this.#kept.clear();
    this.#second?.dispose();
    this.#second = undefined;
  }
}

/**
 * A stretch of steps that the device takes by itself, its coefficients fed from result slots. The device then stands at the stretch's end,
 * while who trains goes through its steps one by one (`took`). Whoever looks at the parameters in between, or changes them, finds them where
 * the steps that were gone through have led: `comeBack` goes back to the copies made at the beginning, does these updates again, and the
 * stretch is over. A pass changes no bit when it is cut in two, so neither does going back.
 */
export class Ahead {
  readonly #of: AheadOf;
  /** Where displaced parameters go. */
  readonly #targets: readonly DeviceBuffer[];
  /** Copies of θ and the states at the beginning, and what waited then. */
  readonly #base = new Map<'theta' | StateName, DeviceBuffer>();
  readonly #before: readonly Pending[];
  /** The update that the next pass does first; all but the last are done by the device. */
  #next: FedUpdate | undefined;
  #planned = 0;
  readonly #taken: TakenUpdate[] = [];
  #over = false;

  /** Copies what is there now. The copies are a job of their own: that of the steps may be refused whole. */
  constructor(of: AheadOf, vectors: AheadVectors) {
    this.#of = of;
    const bytes = of.theta.byteLength;
    this.#targets = [of.copy, vectors.second(bytes)];
    const list = new CommandList();
    for (const [name, buffer] of [['theta', of.theta] as const, ...of.states.buffers]) {
      if (of.states.isFixed(name)) continue;
      const copy = vectors.base(name, bytes);
      this.#base.set(name, copy);
      list.copy(buffer, 0, copy, 0, bytes);
    }
    inOrder(of.device, list);
    this.#before = of.changes.pending;
  }

  /** Whether nothing that it says of the parameters holds any more: its end was reached, or somebody came between. */
  get over(): boolean {
    return this.#over;
  }

  /**
   * Appends the pass of a step: the update of the step before, then θ displaced to one point or two.
   * @returns a vector for each point.
   */
  pass(list: CommandList, points: readonly [Point] | readonly [Point, Point]): DeviceBuffer[] {
    const { theta, states, changes } = this.#of;
    const ops = this.#planned > 0 ? [] : changes.advance(states);
    if (this.#next) ops.push(passOp(this.#next.update, this.#next.terms, this.#next.lr, states));
    this.#next = undefined;
    const targets = points.map(moving);
    const apart = targets.filter((target) => target.length > 0);
    if (apart.length === 0) {
      this.#of.pass(list, theta, ops);
      return points.map(() => theta);
    }
    // The last of them is where the pass goes; the one before it is kept on the way.
    const vectors = this.#targets.slice(0, apart.length).toReversed();
    if (ops.length > 0) ops.push({ kind: 'keep', terms: [], to: theta });
    for (const [i, target] of apart.entries()) {
      if (i > 0) ops.push({ kind: 'keep', terms: [], to: vectors[i - 1] }, { kind: 'resume', terms: [], to: theta });
      ops.push(addOp(target));
    }
    this.#of.pass(list, vectors[apart.length - 1], ops);
    return targets.map((target) => (target.length > 0 ? (vectors.shift() as DeviceBuffer) : theta));
  }

  /** The update that ends the step: the pass of the next one does it. */
  plan(update: FedUpdate): void {
    checkUpdate(update.update, update.lr);
    this.#next = update;
    this.#planned += 1;
  }

  /** One more step is past, with what it measured. @throws ERR_ZEROTH_ARGUMENT as `Params.apply` does, with nothing changed. */
  took({ update, terms, lr }: TakenUpdate): void {
    checkTerms(update, terms, lr);
    this.#taken.push({ update, terms, lr });
    if (this.#taken.length < this.#planned) return;
    // The device has done all but the last.
    this.#over = true;
    this.#of.changes.reset();
    this.#of.changes.queue(update, terms, lr);
  }

  /** Nothing more comes of it. */
  end(): void {
    this.#over = true;
  }

  /** Back to the beginning, and as far on from there as the steps were gone through. */
  comeBack(): void {
    if (this.#over) return;
    this.#over = true;
    const { device, theta, states, changes } = this.#of;
    const list = new CommandList();
    for (const [name, copy] of this.#base)
      list.copy(copy, 0, name === 'theta' ? theta : states.of(name), 0, copy.byteLength);
    inOrder(device, list);
    changes.reset(this.#before);
    for (const { update, terms, lr } of this.#taken) changes.queue(update, terms, lr);
  }
}

/** Submits what comes before all that follows; where it fails (a device that was disposed), so does that. */
function inOrder(device: Device, list: CommandList): void {
  device.submit(list).catch(() => {});
}
