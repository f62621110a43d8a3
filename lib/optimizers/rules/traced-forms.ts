import { invalidArgument } from '../../errors.ts';
import { sqrt, square } from '../../graph/ops.ts';
import type { Update, UpdateRule } from '../optimizer.ts';
import { checkRule } from '../parts.ts';
import type { TracedUpdate } from '../rule-program.ts';
import { type RuleSource, sourceOf } from './traced-rule.ts';

/**
 * Any rule as a function of tensors, to be wrapped in another one. Of the rules that are built in this is the definition, which their hand-written
 * kernels are held to.
 * @throws ERR_ZEROTH_ARGUMENT for a rule of a kind that is not known.
 */
export function tracedForm(rule: UpdateRule): RuleSource {
  checkRule(rule);
  const source = sourceOf(rule);
  if (source) return source;
  const update = rule.update(0);
  const states = Object.fromEntries(rule.states.map((name) => [name, rule.initial?.[name] ?? 0] as const));
  switch (update.kind) {
    case 'plain':
      return { states, update: ({ theta, gradient, lr }) => ({ theta: theta.sub(lr.mul(gradient)) }) };
    case 'momentum':
      return { states, update: momentum(update) };
    case 'frozenAdam':
      return { states, update: frozenAdam(update) };
    case 'adam':
      return { states, scalars: corrections(update), update: adam(update) };
    case 'traced':
      return invalidArgument('rule', 'one that tracedRule has made, or one of the library', rule.name);
  }
}

type Kind<K extends Update['kind']> = Update & { readonly kind: K };

const momentum =
  ({ beta }: Kind<'momentum'>): TracedUpdate =>
  ({ theta, gradient, m, lr }) => {
    const next = m.mul(beta).add(gradient);
    return { theta: theta.sub(lr.mul(next)), m: next };
  };

const frozenAdam =
  ({ beta1 }: Kind<'frozenAdam'>): TracedUpdate =>
  ({ theta, gradient, m, p, lr }) => {
    const next = m.mul(beta1).add(gradient.mul(1 - beta1));
    return { theta: theta.sub(lr.mul(next).div(p)), m: next };
  };

const adam =
  ({ beta1, beta2, epsilon }: Kind<'adam'>): TracedUpdate =>
  ({ theta, gradient, m, v, lr, unbiasM, unbiasV }) => {
    const mean = m.mul(beta1).add(gradient.mul(1 - beta1));
    const squares = v.mul(beta2).add(square(gradient).mul(1 - beta2));
    const scale = sqrt(squares.mul(unbiasV)).add(epsilon);
    return { theta: theta.sub(lr.mul(unbiasM).mul(mean.div(scale))), m: mean, v: squares };
  };

/** 1 / (1 − β^t), t = 1, 2, … */
const corrections =
  ({ beta1, beta2 }: Kind<'adam'>) =>
  (step: number) => ({ unbiasM: 1 / (1 - beta1 ** (step + 1)), unbiasV: 1 / (1 - beta2 ** (step + 1)) });
