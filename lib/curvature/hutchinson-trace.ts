import { checkInteger, checkNumber, checkOptions, type Names } from '../errors.ts';
import { f32Vector, type NumberArray } from '../graph/host-array.ts';
import { hostArray } from '../host-memory.ts';
import { checkIndex, stream } from '../random/direction.ts';
import { PhiloxStream } from '../random/philox.ts';
import { checkSeed, type Seed } from '../random/seed.ts';
import { applyChecked, checkOperator } from './apply.ts';
import type { LinearOperator } from './operator.ts';
import { dot } from './vectors.ts';

export interface HutchinsonOptions {
  /** Number of probes, at least 2. Default 64. */
  readonly probes?: number;
  /** Probes an apply. Default 16. */
  readonly batch?: number;
  /** Seed of the default probes, 0 ≤ seed < 2^64. Default 0. */
  readonly seed?: Seed;
  /** Index of the first default probe's stream; give each measurement of a run its own range. Default 0. */
  readonly firstStream?: number | bigint;
  /** The i-th probe, 0 ≤ i < probes: zero mean, identity covariance, `dimension` long. In place of the default probes. */
  readonly probe?: (i: number) => Float32Array | NumberArray | Promise<Float32Array | NumberArray>;
  readonly signal?: AbortSignal;
}

const OPTIONS: Names<HutchinsonOptions> = {
  probes: true,
  batch: true,
  seed: true,
  firstStream: true,
  probe: true,
  signal: true,
};

export interface TraceEstimate {
  /** Estimate of tr(H). */
  readonly trace: number;
  /** Its standard error, from the spread of the probes. */
  readonly standardError: number;
  /** Products H·v taken. */
  readonly hvps: number;
}

/**
 * The trace of an operator by random probes.
 *
 *     tr(H) ≈ mean of zᵀHz,   z with entries ±1;   variance of one probe 2(‖H‖_F² − Σ h_ii²)
 *
 * Unbiased, and exact for a diagonal operator.
 *
 * @param operator symmetric.
 * @returns the estimate, its standard error, and the cost in products.
 * @throws ERR_ZEROTH_ARGUMENT for options out of range or a probe of the wrong length; ERR_ZEROTH_DIVERGED for products that are not
 *   finite; ERR_ZEROTH_MEMORY; ERR_ZEROTH_ABORTED.
 * @example
 * const { trace, standardError } = await hutchinsonTrace(hessian, { probes: 500, seed: 1n })
 * @see Hutchinson, A stochastic estimator of the trace of the influence matrix, 1989; Avron and Toledo, 2011.
 */
export async function hutchinsonTrace(
  operator: LinearOperator,
  options: HutchinsonOptions = {},
): Promise<TraceEstimate> {
  const dimension = checkOperator(operator);
  checkOptions('options', options, OPTIONS);
  const probes = checkInteger('probes', options.probes ?? 64, 2);
  const batch = checkInteger('batch', options.batch ?? 16, 1);
  const seed = checkSeed(options.seed ?? 0);
  const firstStream = checkIndex('firstStream', options.firstStream ?? 0);
  const probe = options.probe ?? ((i: number) => rademacherProbe(dimension, seed, firstStream + BigInt(i)));

  // Welford's running mean and sum of squared deviations.
  let mean = 0;
  let spread = 0;
  for (let first = 0; first < probes; first += batch) {
    const count = Math.min(batch, probes - first);
    const vectors = hostArray(
      Float32Array,
      count * dimension,
      `a batch of ${count} probes of ${dimension} numbers`,
      'use a smaller batch',
    );
    for (let i = 0; i < count; i++) {
      const expected = { length: dimension, expected: `${dimension} numbers` };
      vectors.set(f32Vector(`probe(${first + i})`, await probe(first + i), expected), i * dimension);
    }
    const products = await applyChecked(operator, vectors, count, options.signal);
    for (let i = 0; i < count; i++) {
      const row = [i * dimension, (i + 1) * dimension] as const;
      const value = checkNumber('probe', dot(vectors.subarray(...row), products.subarray(...row)));
      const deviation = value - mean;
      mean += deviation / (first + i + 1);
      spread += deviation * (value - mean);
    }
  }
  return { trace: mean, standardError: Math.sqrt(spread / (probes - 1) / probes), hvps: probes };
}

/** Signs from the bits of a stream, lowest bit first, 32 elements a word. */
function rademacherProbe(dimension: number, seed: bigint, index: bigint): Float32Array {
  const random = new PhiloxStream(seed, stream('probe', index));
  const z = new Float32Array(dimension);
  for (let first = 0; first < dimension; first += 32) {
    const bits = random.uint32();
    const end = Math.min(32, dimension - first);
    for (let i = 0; i < end; i++) z[first + i] = (bits >>> i) & 1 ? 1 : -1;
  }
  return z;
}
