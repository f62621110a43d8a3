import { sign } from '../../graph/ops.ts';
import type { UpdateRule } from '../optimizer.ts';
import { tracedRule } from './traced-rule.ts';

/**
 * Steps of the same length in every parameter, by the sign of the estimate alone. With signs for directions every step is ±η.
 *
 *     θ' = θ − η sign(ĝ)
 *
 * Its step does not shrink with the gradient, so the law of stability is not about it.
 *
 * @returns an update rule without state. η is in units of the parameters.
 * @example
 * signDescent().states // []
 * @see Bernstein et al., signSGD, arXiv 1802.04434; Liu et al., signSGD via zeroth-order oracle, 2019.
 */
export function signDescent(): UpdateRule {
  return tracedRule({ name: 'sign-descent' }, ({ theta, gradient, lr }) => ({
    theta: theta.sub(lr.mul(sign(gradient))),
  }));
}
