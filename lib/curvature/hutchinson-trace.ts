import { checkInteger, checkOptions, type Names } from '../errors.ts';
import { f32Vector, type NumberArray } from '../graph/host-array.ts';
import { checkIndex, stream } from '../random/direction.ts';
import { checkSeed, type Seed } from '../random/seed.ts';
import { checkFinite, checkOperator } from './checks.ts';
import { onVectors } from './host-operator.ts';
import type { LinearOperator } from './operator.ts';

export interface HutchinsonOptions {
  /** Number of probes, at least 2. Default 64. */
  readonly probes?: number;
  /** Probes an apply, in the memory of as many vectors and their products. Default 16; of Hessians fewer where 32 vectors exceed 256 MiB. */
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
  const within = onVectors(operator);
  const { space } = within;
  const batch = Math.min(probes, checkInteger('batch', options.batch ?? within.batch, 1));
  const seed = checkSeed(options.seed ?? 0);
  const firstStream = checkIndex('firstStream', options.firstStream ?? 0);
  const { probe } = options;
  const purpose = { what: `a batch of ${batch} probes of ${dimension} numbers`, remedy: 'use a smaller batch' };
  space.require(2 * batch, purpose);
  // The probes, then their products.
  const { vectors, dispose } = space.allocate(2 * batch, purpose);

  // Welford's running mean and sum of squared deviations.
  let mean = 0;
  let spread = 0;
  try {
    for (let first = 0; first < probes; first += batch) {
      const count = Math.min(batch, probes - first);
      const [from, to] = [vectors.slice(0, count), vectors.slice(batch, batch + count)];
      const work = space.work();
      for (const [i, vector] of from.entries()) {
        if (!probe) {
          const index = firstStream + BigInt(first + i);
          work.fill(vector, { distribution: 'rademacher', seed, stream: stream('probe', index) });
          continue;
        }
        const expected = { length: dimension, expected: `${dimension} numbers` };
        await space.write([vector], f32Vector(`probe(${first + i})`, await probe(first + i), expected));
      }
      await within.append(work, from, to);
      for (const [i, vector] of from.entries()) work.combine({ terms: [[vector, 1]], with: [to[i]] });
      for (const [i, sum] of (await work.run(options.signal)).entries()) {
        const value = checkFinite(sum);
        const deviation = value - mean;
        mean += deviation / (first + i + 1);
        spread += deviation * (value - mean);
      }
    }
  } finally {
    dispose();
  }
  return { trace: mean, standardError: Math.sqrt(spread / (probes - 1) / probes), hvps: probes };
}
