import { checkInteger, checkNumber, checkOptions, type Names } from '../errors.ts';
import { least } from '../extremes.ts';
import { checkIndex } from '../random/direction.ts';
import { checkSeed, type Seed } from '../random/seed.ts';
import { checkOperator } from './checks.ts';
import { onVectors } from './host-operator.ts';
import { lanczos } from './lanczos.ts';
import { type LanczosMatrix, negativePartBounds } from './negative-part.ts';
import type { LinearOperator } from './operator.ts';
import { defaultBasisBudget, rayleigh } from './search.ts';
import { StartVectors } from './start-vectors.ts';
import { gaussQuadrature } from './symmetric-eigen.ts';

export interface LanczosQuadratureOptions {
  /** Iterations that are made in any case, as far as dimension and budget allow: they narrow the bounds on the negative trace. Default 20. */
  readonly iterations?: number;
  /** Go on until the residual of the largest eigenvalue is below this times the largest |eigenvalue| seen. Default 1e-3. */
  readonly tolerance?: number;
  /** Largest number of iterations. Default 64. */
  readonly maxIterations?: number;
  /** Seed of the start vector, 0 ≤ seed < 2^64. Default 0. */
  readonly seed?: Seed;
  /** Index of the start vector's stream. Default 0. */
  readonly firstStream?: number | bigint;
  /**
   * Bytes for the Lanczos basis, a vector an iteration. Beyond, the search for the largest eigenvalue is restarted, and the bounds on the negative
   * trace and the smallest eigenvalue are those of the iterations before. Default 1 GiB, or a quarter of the machine's memory where that is less; 12
   * vectors are the least, whatever the budget.
   */
  readonly basisBudget?: number;
  readonly signal?: AbortSignal;
}

const OPTIONS: Names<LanczosQuadratureOptions> = {
  iterations: true,
  tolerance: true,
  maxIterations: true,
  seed: true,
  firstStream: true,
  basisBudget: true,
  signal: true,
};

/** Both ends of a spectrum, and what lies below 0. */
export interface SpectrumEstimate {
  /** Largest eigenvalue: a Rayleigh quotient, so never above the true one but for rounding. */
  readonly lambdaMax: number;
  /** ‖Hv − λv‖/‖v‖ of it, from a product taken for the purpose. */
  readonly lambdaMaxResidual: number;
  /** Smallest Ritz value: never below the smallest eigenvalue, and at most the residual away from some eigenvalue. */
  readonly lambdaMin: number;
  readonly lambdaMinResidual: number;
  /** Estimate of Σ max(−λ, 0). */
  readonly negativeTrace: number;
  /** Its standard error: of the random start, and of the quadrature, whose bounds are taken as a uniform distribution. */
  readonly negativeTraceStdErr: number;
  /** Products H·v taken. */
  readonly hvps: number;
}

/**
 * Both ends of the spectrum of a symmetric operator and the sum of its negative eigenvalues, from one Lanczos run.
 *
 * For a random start vector q of unit length, d qᵀf(H)q has mean tr f(H), here with f(λ) = max(−λ, 0), and a variance
 * of at most 2‖f(H)‖_F²: small, where the negative eigenvalues are small and many. The coefficients of a Lanczos run fix qᵀf(H)q up
 * to an interval. Its ends are found by letting the next, unknown coefficient take every value; the estimate is its middle.
 *
 * @param operator symmetric.
 * @throws ERR_ZEROTH_ARGUMENT for options out of range; ERR_ZEROTH_DIVERGED for products that are not finite; ERR_ZEROTH_MEMORY;
 *   ERR_ZEROTH_ABORTED.
 * @example
 * const { lambdaMax, lambdaMin, negativeTrace } = await lanczosQuadrature(hessian, { seed: 1n })
 * @see Golub and Meurant, Matrices, Moments and Quadrature, 2010, chapter 6; Ubaru, Chen and Saad, Fast estimation of tr(f(A)) via
 *   stochastic Lanczos quadrature, 2017.
 */
export async function lanczosQuadrature(
  operator: LinearOperator,
  options: LanczosQuadratureOptions = {},
): Promise<SpectrumEstimate> {
  const dimension = checkOperator(operator);
  checkOptions('options', options, OPTIONS);
  const maxIterations = checkInteger('maxIterations', options.maxIterations ?? 64, 1);
  const krylovIterations = checkInteger(
    'iterations',
    options.iterations ?? Math.min(20, maxIterations),
    1,
    maxIterations,
  );
  const starts = new StartVectors({
    seed: checkSeed(options.seed ?? 0),
    firstStream: checkIndex('firstStream', options.firstStream ?? 0),
  });
  const { signal } = options;
  const tolerance = checkNumber('tolerance', options.tolerance ?? 1e-3, { above: 0 });
  const basisBudget = checkInteger('basisBudget', options.basisBudget ?? defaultBasisBudget(), 1);
  const within = onVectors(operator);
  const search = { count: 1, tolerance, minIterations: 1, krylovIterations, maxIterations, basisBudget, signal };
  const found = await lanczos(within, starts, search);
  const [top] = await rayleigh(within, found, signal).finally(() => found.dispose());
  const krylov = lanczosMatrix(found.krylov);
  const lowest = smallestRitz(krylov);
  const part = negativePartBounds(krylov);
  return {
    lambdaMax: top.value,
    lambdaMaxResidual: top.residual,
    lambdaMin: Math.min(lowest.value, top.value),
    lambdaMinResidual: lowest.residual,
    negativeTrace: (dimension * (part.least + part.most)) / 2,
    negativeTraceStdErr: Math.hypot(
      Math.sqrt(2 * dimension * part.square),
      (dimension * (part.most - part.least)) / Math.sqrt(12),
    ),
    hvps: found.hvps + 1,
  };
}

function lanczosMatrix(columns: readonly (readonly number[])[]): LanczosMatrix {
  const size = columns.length;
  const below = (j: number) => columns[j][j + 1] ?? 0;
  return {
    diagonal: columns.map((column, j) => column[j]),
    coupling: Array.from({ length: size - 1 }, (_, j) => below(j)),
    rest: below(size - 1),
  };
}

/** The residual of a Ritz pair is `rest` times the last component of its eigenvector: the first one of the matrix turned around. */
function smallestRitz({ diagonal, coupling, rest }: LanczosMatrix): { value: number; residual: number } {
  const { nodes, weights } = gaussQuadrature(diagonal.toReversed(), coupling.toReversed());
  const at = nodes.indexOf(least(nodes));
  return { value: nodes[at], residual: rest * Math.sqrt(weights[at]) };
}
