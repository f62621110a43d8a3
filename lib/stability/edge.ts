import { checkOptions } from '../errors.ts';
import { momentsOfOptimizer } from '../optimizers/moments.ts';
import type { LearningRate } from '../optimizers/optimizer.ts';
import { learningRateAt } from '../optimizers/schedules.ts';
import { type Band, bandOf, limitAtUnitRate, type Sampling, type StabilityOptimizer } from './bounds.ts';
import { type Curvature, checkCurvature } from './curvature.ts';

/**
 * Where a step size stands against the edge of stability.
 *   below      what was measured stays under the limit
 *   close      outside the band, and surely by no more than 15 % of the limit, on either side
 *   at         the limit lies in the band, widened by two standard errors
 *   beyond     what was measured exceeds the limit
 *   undecided  what is known allows more than one of these
 */
export type EdgeVerdict = 'below' | 'close' | 'at' | 'beyond' | 'undecided';

/** A curvature against its own limit. Lengths are in the units of an eigenvalue. */
export interface EdgeOfStability {
  /** Which curvature meets the limit: `trace`, of the positive part (s2 > 0), or `lambdaMax` (s2 = 0); null where the moments are unknown. */
  readonly governs: 'trace' | 'lambdaMax' | null;
  /** What it must not exceed: `stabilityLimit`. Infinity where η is 0. */
  readonly limit: number;
  /** `stabilityBounds`: lower ≤ limit ≤ upper at the edge. */
  readonly lower: number;
  readonly upper: number;
  /** Curvature ÷ limit; 1 is the edge. Where `ratioMax` is there, the least that it can be. */
  readonly ratio: number;
  readonly ratioStdErr: number;
  /** The greatest that it can be, where it is not known: with mini-batches, or without knowledge of negative eigenvalues (Infinity). */
  readonly ratioMax?: number;
  readonly verdict: EdgeVerdict;
}

/** How far outside the band is still close to it, as a part of the limit. */
const CLOSE = 0.15;

/** Where the band is a point (λmax of exact gradients), limits this near are at it: nothing that is measured hits a point. */
const POINT = 0.05;

/**
 * Holds a measured curvature against the limit of a step size.
 *
 * @param curvature trace, λmax, what is known of negative eigenvalues, and the errors of all that; measured on all examples.
 * @param optimizer its estimator, rule and step size.
 * @param options.step the step whose η is meant. Default 0.
 * @param options.batch mini-batch, if there is one; the verdict is then `undecided` between the bounds that hold for every data set.
 * @param options.examples the number of all examples, beside a mini-batch.
 * @returns the limit, the band, the ratio (1 = the edge) with its standard error, and a verdict. Where the estimator's moments are
 *   unknown, `governs` is null, the numbers are NaN and the verdict is `undecided`.
 * @throws as `stabilityBounds` and `stabilityLimit`, unknown moments excepted.
 * @example
 * edgeOfStability({ trace: 38, lambdaMax: 4, lambdaMin: 0 }, zoGD({ lr: 0.05 })).verdict // 'at'
 * edgeOfStability({ trace: 38, lambdaMax: 4 }, gd({ lr: 0.05 })).ratio // 0.1
 */
export function edgeOfStability(
  curvature: Curvature,
  optimizer: StabilityOptimizer & { readonly lr: LearningRate },
  options: Sampling & { readonly step?: number } = {},
): EdgeOfStability {
  checkOptions('options', options, { step: true, batch: true, examples: true });
  checkCurvature(curvature);
  const lr = learningRateAt(optimizer, options.step ?? 0);
  const moments = momentsOfOptimizer(optimizer, curvature.dimension);
  if (moments === null) return UNKNOWN;

  const band = bandOf(curvature, optimizer, moments, options);
  const limit = limitAtUnitRate(optimizer, moments) / lr;
  const { traceStdErr = 0, negativeTraceStdErr = 0, lambdaMaxResidual = 0 } = curvature;
  const byTrace = moments.s2 > 0;
  const error = byTrace ? Math.hypot(traceStdErr, negativeTraceStdErr) : lambdaMaxResidual;
  // A residual bounds an error, where a standard error is half of what is allowed for.
  const reach = {
    down: byTrace ? 2 * error : error,
    up: 2 * error * band.upperPerTrace + band.upperPerLambda * lambdaMaxResidual,
  };
  const { min, max } = band.curvature;
  return {
    governs: byTrace ? 'trace' : 'lambdaMax',
    limit,
    lower: band.lower,
    upper: band.upper,
    ratio: min / limit,
    ratioStdErr: error / limit,
    ...(max > min && { ratioMax: max / limit }),
    verdict: verdictOf(limit, band, reach),
  };
}

const UNKNOWN: EdgeOfStability = {
  governs: null,
  limit: Number.NaN,
  lower: Number.NaN,
  upper: Number.NaN,
  ratio: Number.NaN,
  ratioStdErr: Number.NaN,
  verdict: 'undecided',
};

function verdictOf(limit: number, { lower, upper, core }: Band, reach: { down: number; up: number }): EdgeVerdict {
  if (limit === Number.POSITIVE_INFINITY || upper <= 0) return 'below';
  const least = lower === upper ? POINT * limit : 0;
  const [down, up] = [Math.max(reach.down, least), Math.max(reach.up, least)];
  // Close is what lies close whatever the curvature may be.
  if (limit > upper + up) return core.upper >= (1 - CLOSE) * limit ? 'close' : 'below';
  if (limit < lower - down) return core.lower <= (1 + CLOSE) * limit ? 'close' : 'beyond';
  const isIn = limit >= core.lower - down && limit <= core.upper + up;
  // Errors that reach beyond what is close tell nothing about the edge.
  return isIn && Math.max(down, up) <= CLOSE * limit ? 'at' : 'undecided';
}
