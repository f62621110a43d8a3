import { createHash } from 'node:crypto';
import type { VectorSums } from '../params/measure.ts';
import type { Params } from '../params/params.ts';

/**
 * Updates in a row that move nothing before it is said: so many that momentum has had the time to gather. A run that ends sooner is judged at
 * its end.
 */
const PATIENCE = 64;

/** Elements that are read at a time. */
const CHUNK = 1 << 20;

/** What a resumed run needs to know of whether θ has ever moved. */
export interface MotionState {
  /** θ at the start of the run. */
  readonly start: VectorSums;
  /** Whether θ was ever seen to be another. */
  readonly moved: boolean;
  /** Updates so far that were not zero, until θ moved. */
  readonly pushes: number;
  /** The bits of θ after the first of them, where that did not move its sums. */
  readonly seen: { readonly step: number; readonly digest: string } | null;
}

/** Steps between which not one bit of θ changed, although there were updates that are not zero. */
interface Standstill {
  readonly from: number;
  readonly to: number;
}

/**
 * Tells a run whose updates are all lost next to its weights. θ is held against the *start* of the run, after every update until it has moved:
 * a run that stands still later, converged or annealed, has moved, and one whose steps undo each other has, too. A run that trains is looked
 * at once.
 *
 * The sums of θ prove that it moved and not that it did not (a small weight is lost in the sum of large ones), so that a standstill is told
 * from θ's bits. They are read only where the sums did not change.
 */
export class Motion {
  #state: MotionState = { start: { sum: Number.NaN, squares: Number.NaN }, moved: false, pushes: 0, seen: null };

  get state(): MotionState {
    return this.#state;
  }

  restore(state: MotionState): void {
    this.#state = state;
  }

  begin(start: VectorSums): void {
    this.#state = { start, moved: false, pushes: 0, seen: null };
  }

  /** Takes note of an update that is not zero. @returns whether θ is to be looked at after it. */
  push(): boolean {
    const { moved, pushes } = this.#state;
    if (moved || pushes >= PATIENCE) return false;
    this.#state = { ...this.#state, pushes: pushes + 1 };
    return true;
  }

  /** Looks at θ. @param step steps that have been taken. @param last whether there will be no other. @returns what is to be said. */
  async look(params: Params, step: number, last: boolean): Promise<Standstill | undefined> {
    const { start, moved, pushes, seen } = this.#state;
    if (moved || pushes === 0) return undefined;
    const { theta } = await params.measure();
    if (theta.sum !== start.sum || theta.squares !== start.squares) {
      this.#state = { ...this.#state, moved: true, seen: null };
    } else if (!seen) {
      this.#state = { ...this.#state, seen: { step, digest: await digestOf(params) } };
    } else if ((last || pushes >= PATIENCE) && step > seen.step) {
      if ((await digestOf(params)) === seen.digest) return { from: seen.step, to: step };
      this.#state = { ...this.#state, moved: true, seen: null };
    }
    return undefined;
  }
}

/** Of the bits of θ. */
async function digestOf(params: Params): Promise<string> {
  await params.commit();
  const hash = createHash('sha256');
  for (let offset = 0; offset < params.length; offset += CHUNK) {
    const piece = await params.theta.readF32(offset, Math.min(CHUNK, params.length - offset));
    hash.update(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
  }
  return hash.digest('hex');
}
