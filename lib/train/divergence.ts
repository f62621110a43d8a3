/** The losses that say what is usual in a run: at most this many, from its start. */
const EARLY = 16;

/** Losses in a row that must lie beyond the limit: one batch with an outlier in it is not a divergence. */
const IN_A_ROW = 8;

/** What a resumed run needs to judge as if it had not been stopped. */
export interface DivergenceState {
  readonly early: readonly number[];
  readonly beyond: number;
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
 * the loss, on whether it is negative, and a fall is never a divergence; where the first losses are all 0 there is no scale yet, and they do
 * not count as early ones.
 */
export class Divergence {
  readonly #limit: number;
  #early: number[];
  #beyond: number;
  #reference: EarlyLosses | undefined;

  /** @param limit Infinity never finds a divergence. */
  constructor(limit: number, state: DivergenceState = { early: [], beyond: 0 }) {
    this.#limit = limit;
    this.#early = [...state.early];
    this.#beyond = state.beyond;
    this.#reference = referenceOf(this.#early);
  }

  /** Takes the next loss, a finite number. @returns whether the run has diverged. */
  look(loss: number): boolean {
    this.#beyond = this.#isBeyond(loss) ? this.#beyond + 1 : 0;
    if (this.#early.length < 2 * EARLY) {
      // Zeros have no scale: they are not early losses of anything.
      this.#early = this.#reference ? [...this.#early, loss] : [loss];
      this.#reference = referenceOf(this.#early);
    }
    return this.#beyond >= IN_A_ROW;
  }

  /** Whether the last loss was beyond the limit. */
  get beyond(): boolean {
    return this.#beyond > 0;
  }

  /** What losses are held against; undefined while all were 0. */
  get reference(): EarlyLosses | undefined {
    return this.#reference;
  }

  get state(): DivergenceState {
    return { early: [...this.#early], beyond: this.#beyond };
  }

  #isBeyond(loss: number): boolean {
    const reference = this.#reference;
    return reference !== undefined && loss - reference.median > this.#limit * reference.scale;
  }
}

function referenceOf(losses: readonly number[]): EarlyLosses | undefined {
  const early = losses.slice(0, Math.min(EARLY, Math.ceil(losses.length / 2)));
  if (early.length === 0) return undefined;
  const median = medianOf(early);
  const scale = Math.max(Math.abs(median), ...early.map((loss) => Math.abs(loss - median)));
  return scale > 0 ? { median, scale, losses: early.length } : undefined;
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : sorted[half - 1] / 2 + sorted[half] / 2;
}
