import { checkInteger, checkNumber, checkOptions, invalidArgument, type Names } from '../errors.ts';
import { f32Vector, type NumberArray } from '../graph/host-array.ts';
import { checkIndex } from '../random/direction.ts';
import { checkSeed, type Seed } from '../random/seed.ts';
import { checkOperator } from './checks.ts';
import { onVectors } from './host-operator.ts';
import { lanczos } from './lanczos.ts';
import type { LinearOperator } from './operator.ts';
import { powerIteration } from './power-iteration.ts';
import { defaultBasisBudget, rayleigh } from './search.ts';
import { StartVectors } from './start-vectors.ts';
import { dot } from './vectors.ts';

export interface TopEigenvaluesOptions {
  /** How many eigenvalues, with multiplicity. Default 1. */
  readonly count?: number;
  /** `lanczos` (default) or `power`, which finds one eigenvalue, slowly, in the memory of a few vectors. */
  readonly method?: 'lanczos' | 'power';
  /** Where to start: up to `count` rows, for example the `vectors` of the last measurement. Noise is always added, so that a new top is noticed. */
  readonly start?: Float32Array | NumberArray;
  /** Stop when every residual is below this times the largest |eigenvalue| seen. Default 1e-3; f32 products allow about 1e-6. */
  readonly tolerance?: number;
  /** Largest number of applies before the result is returned as it is. Default 64 for Lanczos, 500 for power iteration. */
  readonly maxIterations?: number;
  /** Seed of the start vectors, 0 ≤ seed < 2^64. Default 0. */
  readonly seed?: Seed;
  /** Index of the first start vector's stream. Default 0. */
  readonly firstStream?: number | bigint;
  /**
   * Bytes for the Lanczos basis, `count` vectors an iteration; where it would outgrow them, it is restarted from its best half. Default 1 GiB, or
   * a quarter of the machine's memory where that is less; 12 vectors, and 6 an eigenvalue, are the least, whatever the budget.
   */
  readonly basisBudget?: number;
  /** Whether to return the eigenvectors. Default true. Those of a Hessian then leave the device; nothing else of their length does. */
  readonly vectors?: boolean;
  readonly signal?: AbortSignal;
}

const OPTIONS: Names<TopEigenvaluesOptions> = {
  count: true,
  method: true,
  start: true,
  tolerance: true,
  maxIterations: true,
  seed: true,
  firstStream: true,
  basisBudget: true,
  vectors: true,
  signal: true,
};

export interface TopEigenvalues {
  /** The largest algebraic eigenvalues, in descending order: Rayleigh quotients of `vectors`. */
  readonly values: number[];
  /** `count × dimension`, row-major: a unit vector for each value. Empty where they were not wanted. */
  readonly vectors: Float32Array;
  /** ‖Hv − λv‖ / ‖v‖ of each pair, from a product taken for the purpose. H has an eigenvalue this close to λ. */
  readonly residuals: number[];
  /** Products H·v that the measurement took, all told. */
  readonly hvps: number;
}

/**
 * The largest algebraic eigenvalues of a symmetric operator, with honest residuals.
 *
 * Lanczos: block Krylov space of `count` start vectors, so that an eigenvalue of multiplicity up to `count` is found as often as it occurs;
 * full reorthogonalisation, f64 coefficients. It keeps its f32 basis, (maxIterations + 1) · count · dimension · 4 bytes at most, within
 * `basisBudget`, beyond which it is restarted. With `count` equal to the dimension it yields the whole spectrum.
 * Power iteration converges to the largest |λ|; when that is negative, or it does not settle, it goes on with H + |λ| I.
 *
 * The result may not have converged: read `residuals`. It is deterministic in the operator, the seed and the start.
 *
 * @param operator symmetric; its dimension is at least `count`.
 * @returns eigenvalues, eigenvectors, residuals and cost.
 * @throws ERR_ZEROTH_ARGUMENT for options out of range; ERR_ZEROTH_DIVERGED for products that are not finite;
 *   ERR_ZEROTH_MEMORY for a basis that outgrows the machine; ERR_ZEROTH_ABORTED.
 * @example
 * const { values, residuals } = await topEigenvalues(hessian, { count: 2, seed: 1n })
 * @see Golub and Underwood, The block Lanczos method, 1977; Wu and Simon, Thick-restart Lanczos, 2000;
 *   Parlett, The Symmetric Eigenvalue Problem, chapters 11 and 13.
 */
export async function topEigenvalues(
  operator: LinearOperator,
  options: TopEigenvaluesOptions = {},
): Promise<TopEigenvalues> {
  const dimension = checkOperator(operator);
  checkOptions('options', options, OPTIONS);
  const method = options.method ?? 'lanczos';
  if (method !== 'lanczos' && method !== 'power') invalidArgument('method', "'lanczos' or 'power'", method);
  const count = checkInteger('count', options.count ?? 1, 1, dimension);
  if (method === 'power' && count !== 1) invalidArgument('count', "1 with method 'power', or method 'lanczos'", count);
  const tolerance = checkNumber('tolerance', options.tolerance ?? 1e-3, { above: 0 });
  const maxIterations = checkInteger('maxIterations', options.maxIterations ?? (method === 'power' ? 500 : 64), 1);
  const starts = new StartVectors({
    seed: checkSeed(options.seed ?? 0),
    firstStream: checkIndex('firstStream', options.firstStream ?? 0),
    given: checkStart(options.start, count, dimension),
  });
  const basisBudget = checkInteger('basisBudget', options.basisBudget ?? defaultBasisBudget(), 1);
  if (options.vectors !== undefined && typeof options.vectors !== 'boolean')
    invalidArgument('vectors', 'true or false', options.vectors);
  const minIterations = options.start === undefined ? 1 : iterationsToNotice(dimension, method);
  const { signal } = options;

  const within = onVectors(operator);
  const search = method === 'power' ? powerIteration : lanczos;
  const found = await search(within, starts, {
    count,
    tolerance,
    minIterations,
    maxIterations,
    basisBudget,
    signal,
  });
  try {
    const pairs = await rayleigh(within, found, signal);
    const vectors = new Float32Array(options.vectors === false ? 0 : count * dimension);
    if (vectors.length > 0) {
      for (const [i, { vector }] of pairs.entries()) vectors.set(await within.space.read([vector]), i * dimension);
    }
    return {
      values: pairs.map(({ value }) => value),
      vectors,
      residuals: pairs.map(({ residual }) => residual),
      hvps: found.hvps + count,
    };
  } finally {
    found.dispose();
  }
}

/**
 * From an old eigenvector the residual is small at once, also when another eigenvalue has overtaken it. That one shows only through its
 * share of the noise, of order 1/√d, which Krylov spaces amplify by e^(2m√g) in m products when it exceeds the rest by g of the
 * spectrum's width, and power iteration by (1 + g)^m. This m brings it to order 1 for g = 0.1.
 */
function iterationsToNotice(dimension: number, method: 'lanczos' | 'power'): number {
  const gap = 0.1;
  return Math.ceil(Math.log(dimension) / 2 / (method === 'power' ? Math.log1p(gap) : 2 * Math.sqrt(gap))) + 1;
}

function checkStart(start: TopEigenvaluesOptions['start'], count: number, dimension: number): Float32Array | undefined {
  if (start === undefined) return undefined;
  const expected = `1 to ${count} rows of ${dimension} values`;
  const vectors = f32Vector('start', start, { expected });
  const rows = vectors.length / dimension;
  if (!Number.isInteger(rows) || rows < 1 || rows > count) invalidArgument('start', expected, start);
  if (!Number.isFinite(dot(vectors, vectors))) invalidArgument('start', 'finite values', start);
  return vectors;
}
