import { checkInteger, invalidArgument, isWithin } from '../errors.ts';
import type { Estimator, Moments, UpdateRule } from './optimizer.ts';

/**
 * The moments of an estimator, checked.
 *
 * @param dimension number of parameters. May be left out when the moments are the same in every dimension.
 * @returns s1 ≥ 0, s2 ≥ 0 with s1 + s2 ≥ 1: the last is E[ĝĝᵀ] ≥ E[ĝ]E[ĝ]ᵀ, true of every unbiased estimator. Null where the estimator
 *   does not know them.
 * @throws ERR_ZEROTH_ARGUMENT when the dimension is needed and missing, or the moments are not those of an unbiased estimator.
 */
export function momentsOf(estimator: Pick<Estimator, 'name' | 'moments'>, dimension?: number): Moments | null {
  const at = (d: number) => checkMoments(estimator.name, estimator.moments?.(d) ?? null);
  if (dimension !== undefined) return at(checkInteger('dimension', dimension, 1));
  const [one, many] = [at(1), at(2 ** 40)];
  if (one?.s1 !== many?.s1 || one?.s2 !== many?.s2) {
    invalidArgument(
      'dimension',
      `the number of parameters, because the moments of ${estimator.name} depend on it`,
      dimension,
    );
  }
  return one;
}

/** Those that the law is about: null where the estimator does not know them, or the update rule is none of the law's. */
export function momentsOfOptimizer(
  {
    estimator,
    rule,
  }: { readonly estimator: Pick<Estimator, 'name' | 'moments'>; readonly rule: Pick<UpdateRule, 'lawful'> },
  dimension?: number,
): Moments | null {
  return rule.lawful === false ? null : momentsOf(estimator, dimension);
}

function checkMoments(name: string, moments: unknown): Moments | null {
  if (moments === null) return null;
  const { s1, s2 } = moments as Partial<Moments>;
  const valid = isWithin(s1, { min: 0 }) && isWithin(s2, { min: 0 });
  // The slack is rounding: s1 + s2 = 1 exactly for Rademacher directions in one dimension, or q → ∞ queries.
  if (!valid || s1 + s2 < 1 - 1e-12) {
    invalidArgument(`moments of ${name}`, 's1 ≥ 0, s2 ≥ 0 and s1 + s2 ≥ 1, or null where they are not known', [s1, s2]);
  }
  return { s1, s2 };
}
