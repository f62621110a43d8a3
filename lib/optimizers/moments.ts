import { checkInteger, invalidArgument } from '../errors.ts';
import type { Estimator, Moments } from './optimizer.ts';

/**
 * The moments of an estimator, checked.
 *
 * @param dimension number of parameters. May be left out when the moments are the same in every dimension.
 * @returns s1 ≥ 0, s2 ≥ 0 with s1 + s2 ≥ 1: the last is E[ĝĝᵀ] ≥ E[ĝ]E[ĝ]ᵀ, true of every unbiased estimator.
 * @throws ERR_ZEROTH_ARGUMENT when the dimension is needed and missing, or the moments are not those of an unbiased estimator.
 */
export function momentsOf(estimator: Pick<Estimator, 'name' | 'moments'>, dimension?: number): Moments {
  if (dimension !== undefined)
    return checkMoments(estimator.name, estimator.moments(checkInteger('dimension', dimension, 1)));
  const one = estimator.moments(1);
  const many = estimator.moments(2 ** 40);
  if (one.s1 !== many.s1 || one.s2 !== many.s2) {
    invalidArgument(
      'dimension',
      `the number of parameters, because the moments of ${estimator.name} depend on it`,
      dimension,
    );
  }
  return checkMoments(estimator.name, one);
}

function checkMoments(name: string, { s1, s2 }: Moments): Moments {
  const finite = Number.isFinite(s1) && Number.isFinite(s2);
  // The slack is rounding: s1 + s2 = 1 exactly for Rademacher directions in one dimension, or q → ∞ queries.
  if (!finite || s1 < 0 || s2 < 0 || s1 + s2 < 1 - 1e-12) {
    invalidArgument(`moments of ${name}`, 's1 ≥ 0, s2 ≥ 0 and s1 + s2 ≥ 1', [s1, s2]);
  }
  return { s1, s2 };
}
