import { invalidArgument } from '../errors.ts';
import type { Json } from './json.ts';
import type { Estimator } from './optimizer.ts';
import { asPlain, checkEstimator } from './parts.ts';
import { type SpaceSpec, spaceRules } from './space-spec.ts';

/**
 * An estimator whose directions live in a space: all that it draws moves the tensors that the space has, as far as it says, and leaves the
 * others as they are, to the bit.
 *
 *     E[ĝ] = S² ∇L,   S the diagonal of the space's scales, 0 where it leaves out
 *
 * It is the same estimator on L(Sφ), θ = Sφ. So its moments are those of a problem with as many parameters as the space has, and the limits hold for the
 * curvature S H S, which is what a run then measures.
 *
 * @param estimator any whose estimate is made of directions.
 * @param space what to do with which tensors: see `SpaceSpec`.
 * @returns the estimator with `space` among its options, so that a run is resumed with the same.
 * @throws ERR_ZEROTH_ARGUMENT for a specification that is none. What it matches is seen when it meets a problem.
 * @example
 * inSpace(gaussianTwoPoint(), { 'b*': 'skip', w: { scale: 2 } }).name // 'gaussian-two-point'
 */
export function inSpace<E extends Estimator>(estimator: E, space: SpaceSpec): E {
  checkEstimator(estimator);
  const rules = spaceRules(space);
  if (estimator.space) invalidArgument('estimator', 'one that is in no space yet', estimator.name);
  // In order, for the first that matches holds.
  const said = rules.map(({ pattern, skip, ...rest }): Json => (skip ? [pattern, 'skip'] : [pattern, rest]));
  return { ...asPlain(estimator), space, options: { ...estimator.options, space: said } };
}
