import { checkInteger, checkOptions } from '../errors.ts';
import { hostArray } from '../host-memory.ts';
import { stream } from '../random/direction.ts';
import { PhiloxStream } from '../random/philox.ts';
import { checkSeed, type Seed } from '../random/seed.ts';
import type { Dataset } from './dataset.ts';

/** Number of symbols V and sequence length L of the sorting task (Karpathy 2020). */
export const SORTING_SYMBOLS = 4;
export const SORTING_LENGTH = 8;

export interface SortingOptions {
  /** Examples. Default 1000. */
  readonly n?: number;
  /** Number of the first example. Example i depends on the seed and on i only; for a test set, start where the training set ends. Default 0. */
  readonly first?: number;
  /** 0 ≤ seed < 2^64. */
  readonly seed: Seed;
}

/**
 * Sequences of 8 symbols, uniform on 0 … 3, and the same sequences sorted: no files, only a seed.
 *
 * @returns x [n, 32]: the 8 symbols one-hot, less 1/4, the mean of each feature; y [n, 8]: the sorted symbols.
 * @throws ERR_ZEROTH_ARGUMENT; ERR_ZEROTH_MEMORY
 */
export function sortingMlpData(options: SortingOptions): Dataset {
  checkOptions('options', options, { n: true, first: true, seed: true });
  const { n = 1000, first = 0 } = options;
  const seed = checkSeed(options.seed);
  checkInteger('n', n, 1, 2 ** 24);
  checkInteger('first', first, 0);
  const [symbols, length] = [SORTING_SYMBOLS, SORTING_LENGTH];
  const smaller = 'use a smaller n';
  const x = hostArray(Float32Array, n * length * symbols, `x of ${n} examples`, smaller).fill(-1 / symbols);
  const y = hostArray(Int32Array, n * length, `y of ${n} examples`, smaller);
  for (let i = 0; i < n; i++) {
    const random = new PhiloxStream(seed, stream('data', first + i));
    const sequence = y.subarray(i * length, (i + 1) * length);
    for (let position = 0; position < length; position++) {
      const symbol = random.below(symbols);
      sequence[position] = symbol;
      x[(i * length + position) * symbols + symbol] += 1;
    }
    sequence.sort();
  }
  return { x: { shape: [n, length * symbols], data: x }, y: { shape: [n, length], data: y } };
}
