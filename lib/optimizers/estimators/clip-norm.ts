import { checkF32, checkOptions } from '../../errors.ts';
import { greatest } from '../../extremes.ts';
import { denseNorm } from '../estimate.ts';
import { askEstimator } from '../estimator-state.ts';
import type { Json } from '../json.ts';
import type { Estimate, Estimator } from '../optimizer.ts';
import type { Oracle } from '../oracle.ts';
import { checkEstimator } from '../parts.ts';

/**
 * Any estimator, whose estimate is shortened where it is longer than a limit: no step is longer for one wild loss, and its direction stays what it is.
 *
 *     ĝ ← min(1, limit / ‖ĝ‖) ĝ
 *
 * ‖ĝ‖ is that of the whole estimate, in f64: |c| ‖z‖ along one direction; along several that of their sum as f32 holds it, which the device makes once more;
 * of a gradient that of the device's sum of squares. In a space it is the norm before the space's scales. What is not finite stays as it is: that
 * is for the run to say.
 *
 * A clipped estimate is biased, and no linear function of losses: `moments` is null, nothing is claimed of the edge of stability, and each step is
 * a submission of its own.
 *
 * @param estimator the estimator without; it may keep a state.
 * @param options.limit > 0, in units of the gradient. A Gaussian direction of d parameters is about √d long, so that ‖ĝ‖ is about √d |c|.
 * @returns an estimator with the state and the vectors of `estimator`.
 * @throws ERR_ZEROTH_ARGUMENT when the limit is missing or out of range.
 * @example
 * clipNorm(gaussianTwoPoint(), { limit: 1 }).moments(100) // null
 * @see Pascanu et al., On the difficulty of training recurrent neural networks, arXiv 1211.5063, algorithm 1.
 */
export function clipNorm<S extends Json>(estimator: Estimator<S>, options: { limit: number }): Estimator<S> {
  checkOptions('clipNorm: options', options, { limit: true });
  const limit = checkF32('limit', options.limit, { above: 0 });
  const inner = estimator as Estimator;
  checkEstimator(inner);
  const { init, vectors, mu, space, cost } = inner;
  const fields: Omit<Estimator, 'estimate'> = {
    name: 'clip-norm',
    options: { limit, of: { name: inner.name, ...inner.options } },
    ...(cost && { cost }),
    ...(mu !== undefined && { mu }),
    ...(space && { space }),
    ...(vectors && { vectors }),
    moments: () => null,
  };
  const estimate = async (request: Parameters<Estimator['estimate']>[0]) => {
    const { estimate, state } = await askEstimator(inner, request);
    const shorter = await clipped(estimate, limit, request.oracle, request.signal);
    return init ? { estimate: shorter, state } : shorter;
  };
  const whole: Estimator = { ...fields, ...(init && { init: (d: number) => inner.init!(d) }), estimate };
  return whole as Estimator<S>;
}

async function clipped(
  estimate: Estimate,
  limit: number,
  oracle: Pick<Oracle, 'norms'>,
  signal?: AbortSignal,
): Promise<Estimate> {
  if (estimate.kind === 'dense') {
    const { coefficient = 1 } = estimate;
    const norm = denseNorm(estimate);
    // Also where it is not a number.
    return norm > limit && Number.isFinite(norm)
      ? { ...estimate, coefficient: coefficient * (limit / norm) }
      : estimate;
  }
  const { terms } = estimate;
  // In units of the largest: a coefficient that f32 does not hold is what clipping is for.
  const unit = greatest(terms.map(({ coefficient }) => Math.abs(coefficient)));
  if (!(unit > 0 && Number.isFinite(unit))) return estimate;
  const inUnits = terms.map((term) => ({ ...term, coefficient: term.coefficient / unit }));
  const [norm] = await oracle.norms([inUnits], signal);
  if (!(unit * norm > limit)) return estimate;
  const scale = limit / norm;
  return { ...estimate, terms: inUnits.map((term) => ({ ...term, coefficient: term.coefficient * scale })) };
}
