import { checkF32, checkOptions } from '../../errors.ts';
import type { UpdateRule } from '../optimizer.ts';

/**
 * Heavy-ball momentum. The estimate enters with weight 1, not 1 − β: a steady gradient moves θ by η/(1 − β) a step.
 *
 *     m' = β m + ĝ,   θ' = θ − η m',   m_0 = 0
 *
 * @param options.beta momentum 0 ≤ β < 1. Default 0.9.
 * @returns an update rule with one state vector, m.
 * @throws ERR_ZEROTH_ARGUMENT when β is out of range, also after f32, in which the update runs, has rounded it.
 * @example
 * polyakMomentum({ beta: 0.9 }).update(0) // { kind: 'momentum', beta: 0.9 }
 * @see Polyak, Some methods of speeding up the convergence of iteration methods, 1964; Song et al., arXiv 2604.14669, eq. 5.
 */
export function polyakMomentum(options: { beta?: number } = {}): UpdateRule {
  checkOptions('polyakMomentum: options', options, { beta: true });
  const { beta: momentum = 0.9 } = options;
  const beta = checkF32('beta', momentum, { min: 0, below: 1 });
  return {
    name: 'polyak-momentum',
    options: { beta },
    beta,
    gradientWeight: 1,
    preconditioned: false,
    states: ['m'],
    update: () => ({ kind: 'momentum', beta }),
  };
}
