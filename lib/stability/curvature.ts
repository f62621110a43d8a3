import { checkInteger, checkNumber, invalidArgument, ZerothError } from '../errors.ts';
import { contradictionIn } from './contradiction.ts';

/**
 * What can be measured of a large Hessian; of P^-½ H P^-½ for Adam-type rules.
 *
 * The law is about the positive part of a Hessian, whose trace is tr₊ = trace + Σ max(−λ, 0). Trace and λmax alone never bound it from
 * above: the spectrum (4, 3, 3, −3, −3) has trace 4 and λmax 4, but tr₊ = 10. So say what is known of negative eigenvalues.
 *
 * Numbers without standard errors and residuals are exact, and are refused where no spectrum has them all. Measured ones may contradict one
 * another: of them only the errors are known.
 */
export interface Curvature {
  /** tr(H). */
  readonly trace: number;
  /** Largest eigenvalue. A Hessian whose largest is not above 0 limits no step. */
  readonly lambdaMax: number;
  /** Smallest eigenvalue. 0 or more: there are no negative ones, and tr₊ is the trace. */
  readonly lambdaMin?: number;
  /** Σ max(−λ, 0) ≥ 0, which fixes tr₊ whatever `lambdaMin`. */
  readonly negativeTrace?: number;
  /** Number of parameters; needed by estimators whose moments depend on it, and a bound on the number of eigenvalues. */
  readonly dimension?: number;
  /** Standard error of `trace`. Default 0. */
  readonly traceStdErr?: number;
  /** Standard error of `negativeTrace`. Default 0. */
  readonly negativeTraceStdErr?: number;
  /** ‖Hv − λv‖/‖v‖ of `lambdaMax`. Default 0. */
  readonly lambdaMaxResidual?: number;
}

/** A closed interval; `max` may be Infinity. */
export interface Interval {
  readonly min: number;
  readonly max: number;
}

const ERRORS = ['traceStdErr', 'negativeTraceStdErr', 'lambdaMaxResidual'] as const;

/** @throws ERR_ZEROTH_ARGUMENT for what no Hessian has. */
export function checkCurvature(curvature: Curvature): Curvature {
  const { lambdaMin, negativeTrace, dimension } = curvature;
  checkNumber('trace', curvature.trace);
  const lambdaMax = checkNumber('lambdaMax', curvature.lambdaMax);
  if (lambdaMin !== undefined && checkNumber('lambdaMin', lambdaMin) > lambdaMax) {
    invalidArgument('lambdaMin', `a number ≤ lambdaMax (${lambdaMax})`, lambdaMin);
  }
  if (negativeTrace !== undefined) checkNumber('negativeTrace', negativeTrace, { min: 0 });
  if (dimension !== undefined) checkInteger('dimension', dimension, 1);
  for (const name of ERRORS) {
    if (curvature[name] !== undefined) checkNumber(name, curvature[name], { min: 0 });
  }
  const isMeasured = ERRORS.some((name) => curvature[name] !== undefined);
  const contradiction = isMeasured ? undefined : contradictionIn(curvature);
  if (contradiction !== undefined) {
    throw new ZerothError(
      'ERR_ZEROTH_ARGUMENT',
      `curvature: expected what some Hessian has (or the errors of what was measured, such as traceStdErr), received a contradiction: ${contradiction}.`,
    );
  }
  return curvature;
}

/**
 * Where the trace of the positive part must lie: one point where `negativeTrace` or `lambdaMin` ≥ 0 says so.
 *
 * Otherwise at least max(tr, λmax, tr − λmin), and at most what the number of parameters d allows. With p positive eigenvalues tr₊ ≤ p λmax and
 * tr₊ ≤ tr + (d − p)|λmin|; the two meet at tr₊ = λmax (tr + d|λmin|) / (λmax + |λmin|). Without λmin, some eigenvalue being negative
 * leaves p ≤ d − 1. Without d there is no upper end.
 */
export function positiveTrace({ trace, lambdaMax, lambdaMin, negativeTrace, dimension }: Curvature): Interval {
  if (lambdaMax <= 0) return { min: 0, max: 0 };
  // Noise may put a measured trace below λmax; the trace of the positive part is not.
  const atLeast = (value: number) => Math.max(value, lambdaMax);
  const point = (value: number) => ({ min: atLeast(value), max: atLeast(value) });
  if (negativeTrace !== undefined) return point(trace + negativeTrace);
  if (lambdaMin !== undefined && lambdaMin >= 0) return point(trace);
  const min = atLeast(lambdaMin === undefined ? trace : trace - lambdaMin);
  if (dimension === undefined) return { min, max: Number.POSITIVE_INFINITY };
  const max =
    lambdaMin === undefined
      ? Math.max(trace, (dimension - 1) * lambdaMax)
      : (lambdaMax * (trace - dimension * lambdaMin)) / (lambdaMax - lambdaMin);
  return { min, max: Math.max(min, max) };
}
