import { invalidArgument } from '../errors.ts';

/** A 64-bit key of random numbers: an integer from 0 to 2^64 − 1. A plain number may be used up to 2^53 − 1. */
export type Seed = number | bigint;

/** A seed as the 64-bit key that it is. @throws ERR_ZEROTH_ARGUMENT */
export function checkSeed(seed: Seed): bigint {
  if (typeof seed === 'number' && Number.isSafeInteger(seed) && seed >= 0) return BigInt(seed);
  if (typeof seed === 'bigint' && seed >= 0n && seed < 1n << 64n) return seed;
  return invalidArgument('seed', 'an integer from 0 to 2^64 − 1 (a bigint above 2^53 − 1)', seed);
}
