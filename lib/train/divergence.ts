import { greatest } from '../extremes.ts';

/** The losses that say what is usual in a run: at most this many, from its start. */
const EARLY = 16;

/** Losses in a row that must lie beyond the limit: one batch with an outlier in it is not a divergence. */
const IN_A_ROW = 8;

/** One in so many of the early losses may be an outlier that says nothing of their scale. */
const OUTLIERS = 8;

/** Losses that are this many times smaller than what follows are 0 to rounding: squares of residuals that f32 does not resolve. */
const ROUNDING = 2 ** 32;

/** What a resumed run needs to judge as if it had not been stopped. */
export interface DivergenceState {
  /** The first loss that is not 0; null before there is one. */
  readonly first: number | null;
  readonly early: readonly number[];
  /** The latest losses, where they lie beyond the limit. */
  readonly beyond: readonly number[];
}

/** What a loss is held against. */
export interface EarlyLosses {
  readonly median: number;
  readonly scale: number;
  /** How many there were. */
  readonly losses: number;
}

/**
 * Tells a loss that runs away from one that moves. What counts is the *rise* above the first losses, in units of their own scale:
 *
 *     m = median of the early losses,   s = max(|m|, the largest |L − m| among them),   diverged: L − m > limit · s,  8 times in a row
 *
 * The early losses are the first 16, or the first half of those so far where there are fewer than 32. So nothing depends on the units of
 * the loss, on whether it is negative, and a fall is never a divergence. What lies beyond the limit does not become an early loss unless
 * the loss comes back, and then the highest eighth of them, but never the first, is left out of s: neither a jump nor a spike raises its own
 * limit.
 *
 * A run may begin at a minimum. Where the first losses are all 0 there is no scale yet, and they do not count as early ones. The first few, fewer
 * than 8, may be 0 to rounding next to all that follows; losses alone cannot tell that from a jump.
 */
export class Divergence {
  readonly #limit: number;
  #first: number | null;
  #early: number[];
  #beyond: number[];
  #reference: EarlyLosses | undefined;

  /** @param limit Infinity never finds a divergence. */
  constructor(limit: number, state: DivergenceState = { first: null, early: [], beyond: [] }) {
    this.#limit = limit;
    this.#first = state.first;
    this.#early = [...state.early];
    this.#beyond = [...state.beyond];
    this.#reference = referenceOf(this.#early);
  }

  /**
   * Takes the next loss, a finite number.
   * @returns whether the run has diverged; `perhaps`, unless the first losses were 0 to rounding: who finds that says so by `forgetFirst`.
   */
  look(loss: number): boolean | 'perhaps' {
    if (loss !== 0) this.#first ??= loss;
    if (!this.#isAbove(loss, this.#limit)) {
      this.#remember([...this.#beyond, loss]);
      this.#beyond = [];
      return false;
    }
    this.#beyond = [...this.#beyond, loss].slice(-IN_A_ROW);
    if (this.#beyond.length < IN_A_ROW) return false;
    const few = this.#early.length < IN_A_ROW;
    return few && this.#beyond.every((one) => this.#isAbove(one, ROUNDING)) ? 'perhaps' : true;
  }

  /** The first losses were 0 to rounding: what followed them is what is usual. */
  forgetFirst(): void {
    this.#early = [];
    this.#remember(this.#beyond);
    this.#beyond = [];
  }

  /** The early losses that a last loss lies far above, by their median, or else the first loss; undefined where it does not. */
  usualBelow(loss: number): number | undefined {
    if (this.#beyond.length > 0) return this.#reference?.median;
    return this.hasRisen(loss, this.#limit) ? (this.#first ?? undefined) : undefined;
  }

  /** Whether a loss lies above the first one by this many times its size. */
  hasRisen(loss: number | undefined, times: number): boolean {
    return loss !== undefined && this.#first !== null && loss - this.#first > times * Math.abs(this.#first);
  }

  /** What losses are held against; undefined while all were 0. */
  get reference(): EarlyLosses | undefined {
    return this.#reference;
  }

  get state(): DivergenceState {
    return { first: this.#first, early: [...this.#early], beyond: [...this.#beyond] };
  }

  #isAbove(loss: number, times: number): boolean {
    const reference = this.#reference;
    return reference !== undefined && loss - reference.median > times * reference.scale;
  }

  #remember(losses: readonly number[]): void {
    for (const loss of losses) {
      if (this.#early.length >= 2 * EARLY) return;
      // Zeros have no scale: they are not early losses of anything.
      this.#early = this.#reference ? [...this.#early, loss] : [loss];
      this.#reference = referenceOf(this.#early);
    }
  }
}

function referenceOf(losses: readonly number[]): EarlyLosses | undefined {
  const early = losses.slice(0, Math.min(EARLY, Math.ceil(losses.length / 2)));
  if (early.length === 0) return undefined;
  const median = medianOf(early);
  const [first, ...later] = early;
  const usual = later.toSorted((a, b) => a - b).slice(0, later.length - Math.floor(early.length / OUTLIERS));
  const scale = scaleOf(median, [first, ...usual]) || scaleOf(median, early);
  return scale > 0 ? { median, scale, losses: early.length } : undefined;
}

const scaleOf = (median: number, losses: readonly number[]): number =>
  Math.max(Math.abs(median), greatest(losses.map((loss) => Math.abs(loss - median))));

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : sorted[half - 1] / 2 + sorted[half] / 2;
}
