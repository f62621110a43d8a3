import { checkF32, checkOptions } from '../../errors.ts';
import type { UpdateRule } from '../optimizer.ts';
import { tracedForm } from './traced-forms.ts';
import { tracedRule } from './traced-rule.ts';

/**
 * Any rule with decoupled weight decay: parameters shrink by a share of themselves at every step, whatever the estimate and its preconditioner.
 * With Adam it is AdamW, with plain descent or momentum SGDW.
 *
 *     θ' = rule(θ, ĝ) − η λ θ
 *
 * Nothing is claimed about its edge of stability.
 *
 * @param rule the rule without.
 * @param options.weightDecay λ ≥ 0, in units of 1/η. Default 0.01.
 * @returns an update rule with the states of `rule`, called `<rule>-decayed`. Not for estimators in a space, whose other parameters it would move.
 * @throws ERR_ZEROTH_ARGUMENT when λ is out of range.
 * @example
 * weightDecay(adamRule(), { weightDecay: 0.1 }).name // 'adam-decayed'
 * @see Loshchilov and Hutter, Decoupled weight decay regularization, arXiv 1711.05101.
 */
export function weightDecay(rule: UpdateRule, options: { weightDecay?: number } = {}): UpdateRule {
  checkOptions('weightDecay: options', options, { weightDecay: true });
  const lambda = checkF32('weightDecay', options.weightDecay ?? 0.01, { min: 0 });
  const { states, scalars, update } = tracedForm(rule);
  const fields = { name: `${rule.name}-decayed`, options: { ...rule.options, weightDecay: lambda }, states, scalars };
  return tracedRule<string, string>(fields, (of) => {
    const { theta, ...next } = update(of);
    return { ...next, theta: theta!.sub(of.lr.mul(of.theta.mul(lambda))) };
  });
}
