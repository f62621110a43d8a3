import type { PassOp } from '../device/commands.ts';
import { checkF32 } from '../errors.ts';
import type { Point, Term, Update } from '../optimizers/optimizer.ts';
import { sameDirection } from '../random/direction.ts';
import { passOp, type RuleMemory } from './update.ts';

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

/** How θ's vector on the device differs from θ: a displacement that is in it, and changes that wait for the next pass over it. */
export class Changes {
  #displacement: Point = [];
  #pending: readonly Pending[] = [];

  get pending(): readonly Pending[] {
    return this.#pending;
  }

  /** Whether something waits that also changes states. */
  get touchStates(): boolean {
    return this.#pending.some(({ update }) => update.kind !== 'plain');
  }

  /** From now on the vector is θ itself, but for what waits. */
  reset(pending: readonly Pending[] = []): void {
    this.#displacement = [];
    this.#pending = pending;
  }

  /** This update waits from now on, too. */
  queue(update: Update, terms: readonly Term[], lr: number): void {
    if (update.kind === 'plain') this.add(terms.map((term) => ({ ...term, coefficient: -lr * term.coefficient })));
    else this.#pending = [...this.#pending, { update, terms, lr }];
  }

  /** All of them wait from now on or, where a sum leaves f32, none. Equal directions coalesce. */
  add(adds: readonly Term[]): void {
    const last = this.#pending.at(-1);
    const coalesce = last?.update.kind === 'plain';
    const terms = coalesce ? [...last.terms] : [];
    for (const { direction, coefficient } of adds) {
      const i = terms.findIndex((term) => sameDirection(term.direction, direction));
      const sum = { direction, coefficient: (terms[i]?.coefficient ?? 0) + coefficient };
      checkF32('coefficient', sum.coefficient);
      if (i < 0) terms.push(sum);
      else terms[i] = sum;
    }
    this.#pending = [...this.#pending.slice(0, coalesce ? -1 : undefined), { update: { kind: 'plain' }, terms }];
  }

  /** The ops that turn what the vector holds into θ. */
  restoring(memory: RuleMemory): PassOp[] {
    const ops: PassOp[] = [];
    if (this.#displacement.length > 0) ops.push(addOp(this.#displacement.toReversed().map(negated)));
    for (const pending of this.#pending) {
      if (isUpdate(pending)) {
        ops.push(passOp(pending.update, pending.terms, pending.lr, memory));
      } else {
        const terms = moving(pending.terms);
        if (terms.length > 0) ops.push(addOp(terms));
      }
    }
    return ops;
  }

  /** The ops that bring the vector from what it holds to θ at `target`, with `then` done to θ before: from now on it counts as being there. */
  advance(memory: RuleMemory, target: Point = [], then: readonly PassOp[] = []): PassOp[] {
    if (then.length === 0 && this.#pending.length === 0 && samePoint(this.#displacement, target)) return [];
    const ops = [...this.restoring(memory), ...then];
    if (target.length > 0) ops.push(addOp(target));
    this.#pending = [];
    this.#displacement = target;
    return ops;
  }
}

/** The terms that move something. */
export const moving = (point: Point): Point => point.filter((term) => term.coefficient !== 0);

export const addOp = (terms: readonly Term[]): PassOp => ({ kind: 'add', terms });

const negated = ({ direction, coefficient }: Term): Term => ({ direction, coefficient: -coefficient });

const isUpdate = (pending: Pending): pending is PendingUpdate => pending.update.kind !== 'plain';

const samePoint = (a: Point, b: Point): boolean =>
  a.length === b.length &&
  a.every((term, i) => term.coefficient === b[i].coefficient && sameDirection(term.direction, b[i].direction));
