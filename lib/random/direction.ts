/** A pseudo-random vector that is never stored: element e is a pure function of (distribution, seed, stream, e). */
export interface Direction {
  /** `normal`: N(0,1). `rademacher`: ±1 with equal probability. `uniform`: on (−1, 1). */
  readonly distribution: Distribution;
  /** 0 ≤ seed < 2^64: the run's key. */
  readonly seed: bigint;
  /** 0 ≤ stream < 2^64: which vector of the run. */
  readonly stream: bigint;
}

export type Distribution = 'normal' | 'rademacher' | 'uniform';

/** What a run's streams are for. Purposes never share a stream, so that a monitor cannot disturb a trajectory. */
export const PURPOSE = { step: 0n, probe: 1n, initialisation: 2n, batch: 3n, data: 4n, lanczos: 5n } as const;

export type Purpose = keyof typeof PURPOSE;

/** The stream of the `index`-th vector (0 ≤ index < 2^56) of a purpose. */
export function stream(purpose: Purpose, index: number | bigint): bigint {
  return (PURPOSE[purpose] << 56n) | BigInt(index);
}
