import { checkF32, checkOptions } from '../../errors.ts';
import { sign } from '../../graph/ops.ts';
import type { UpdateRule } from '../optimizer.ts';
import { tracedRule } from './traced-rule.ts';

/**
 * Lion: the sign of a momentum in which the newest estimate weighs more than it will later.
 *
 *     θ' = θ − η [ sign(β1 m + (1 − β1) ĝ) + λ θ ],   m' = β2 m + (1 − β2) ĝ,   m_0 = 0
 *
 * The law of stability is not about it, as about no rule that takes a sign.
 *
 * @param options.beta1 0 ≤ β1 < 1. Default 0.9.
 * @param options.beta2 memory 0 ≤ β2 < 1. Default 0.99.
 * @param options.weightDecay λ ≥ 0, decoupled: in units of 1/η. Default 0.
 * @returns an update rule with one state vector, m. η is in units of the parameters: three to ten times smaller than Adam's, as a rule.
 * @throws ERR_ZEROTH_ARGUMENT when a number is out of range, also after f32, in which the update runs, has rounded it.
 * @example
 * lion({ beta1: 0.9 }).states // ['m']
 * @see Chen et al., Symbolic discovery of optimization algorithms, arXiv 2302.06675, algorithm 2.
 */
export function lion(options: { beta1?: number; beta2?: number; weightDecay?: number } = {}): UpdateRule {
  checkOptions('lion: options', options, { beta1: true, beta2: true, weightDecay: true });
  const { beta1: newest = 0.9, beta2: memory = 0.99, weightDecay: decay = 0 } = options;
  const beta1 = checkF32('beta1', newest, { min: 0, below: 1 });
  const beta2 = checkF32('beta2', memory, { min: 0, below: 1 });
  const weightDecay = checkF32('weightDecay', decay, { min: 0 });
  return tracedRule(
    { name: 'lion', options: { beta1, beta2, weightDecay }, states: { m: 0 } },
    ({ theta, gradient, m, lr }) => {
      const step = sign(m.mul(beta1).add(gradient.mul(1 - beta1)));
      const decayed = weightDecay === 0 ? step : step.add(theta.mul(weightDecay));
      return { theta: theta.sub(lr.mul(decayed)), m: m.mul(beta2).add(gradient.mul(1 - beta2)) };
    },
  );
}
