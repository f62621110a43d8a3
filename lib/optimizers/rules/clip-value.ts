import { checkF32, checkOptions } from '../../errors.ts';
import { maximum, minimum } from '../../graph/ops.ts';
import type { UpdateRule } from '../optimizer.ts';
import { tracedForm } from './traced-forms.ts';
import { tracedRule } from './traced-rule.ts';

/**
 * Any rule, of an estimate whose elements are held to a range: no parameter takes a longer step for one wild loss.
 *
 *     ĝ_i ← min(max(ĝ_i, −limit), limit)
 *
 * Nothing is claimed about its edge of stability.
 *
 * @param rule the rule without.
 * @param options.limit > 0, in units of the gradient.
 * @returns an update rule with the states of `rule`, called `<rule>-clipped`.
 * @throws ERR_ZEROTH_ARGUMENT when the limit is missing or out of range.
 * @example
 * clipValue(plain(), { limit: 1 }).name // 'plain-clipped'
 * @see Pascanu et al., On the difficulty of training recurrent neural networks, arXiv 1211.5063.
 */
export function clipValue(rule: UpdateRule, options: { limit: number }): UpdateRule {
  checkOptions('clipValue: options', options, { limit: true });
  const limit = checkF32('limit', options.limit, { above: 0 });
  const { states, scalars, update } = tracedForm(rule);
  const fields = { name: `${rule.name}-clipped`, options: { ...rule.options, limit }, states, scalars };
  return tracedRule<string, string>(fields, (of) => {
    const { theta, ...next } = update({ ...of, gradient: minimum(maximum(of.gradient, -limit), limit) });
    return { ...next, theta: theta! };
  });
}
