import { invalidArgument } from '../errors.ts';
import { Space } from './space.ts';

/** A pseudo-random vector that is never stored: element e is a pure function of (distribution, seed, stream, e). */
export interface Direction {
  /** `normal`: N(0,1). `rademacher`: ±1 with equal probability. `uniform`: on (−1, 1). */
  readonly distribution: Distribution;
  /** 0 ≤ seed < 2^64: the run's key. */
  readonly seed: bigint;
  /** 0 ≤ stream < 2^64: which vector of the run. */
  readonly stream: bigint;
  /** Which elements it has, and how they are scaled. Default: all, as they are. */
  readonly space?: Space;
}

const DISTRIBUTIONS = ['normal', 'rademacher', 'uniform'] as const;

export type Distribution = (typeof DISTRIBUTIONS)[number];

/** What a run's streams are for. Purposes never share a stream, so that a monitor cannot disturb a trajectory. */
const PURPOSE = { step: 0n, probe: 1n, initialisation: 2n, batch: 3n, data: 4n, lanczos: 5n, mask: 6n } as const;

export type Purpose = keyof typeof PURPOSE;

/** The stream of the `index`-th vector (0 ≤ index < 2^56) of a purpose. @throws ERR_ZEROTH_ARGUMENT */
export function stream(purpose: Purpose, index: number | bigint): bigint {
  const base = Object.hasOwn(PURPOSE, purpose) ? PURPOSE[purpose] : undefined;
  if (base === undefined) invalidArgument('purpose', `one of ${Object.keys(PURPOSE).join(', ')}`, purpose);
  return (base << 56n) | checkIndex('index', index);
}

/** The index of a stream among those of its purpose. @throws ERR_ZEROTH_ARGUMENT: one beyond would be a stream of another purpose. */
export function checkIndex(name: string, index: number | bigint): bigint {
  const valid =
    typeof index === 'bigint' ? index >= 0n && index < 1n << 56n : Number.isSafeInteger(index) && index >= 0;
  if (!valid) invalidArgument(name, 'an integer from 0 to 2^56 − 1', index);
  return BigInt(index);
}

const isWord64 = (value: unknown): boolean => typeof value === 'bigint' && value >= 0n && value < 1n << 64n;

/** @throws ERR_ZEROTH_ARGUMENT unless the value is a direction. */
export function checkDirection(direction: Direction): void {
  const { distribution, seed, stream, space } = direction ?? {};
  const placed = space === undefined || space instanceof Space;
  if (DISTRIBUTIONS.includes(distribution) && isWord64(seed) && isWord64(stream) && placed) return;
  const expected = `{ distribution: ${DISTRIBUTIONS.join(' | ')}, seed, stream }, both bigints from 0 to 2^64 − 1, and no space but one of objective.space()`;
  invalidArgument('direction', expected, direction && [distribution, seed, stream]);
}

/** @throws ERR_ZEROTH_ARGUMENT for a direction in a space of vectors of another length. */
export function checkSpaceOf({ space }: Direction, length: number): void {
  if (space && space.length !== length)
    invalidArgument('space of a direction', `one of ${length} parameters`, `one of ${space.length}`);
}

export const sameDirection = (a: Direction, b: Direction): boolean =>
  a.stream === b.stream && a.seed === b.seed && a.distribution === b.distribution && a.space === b.space;
