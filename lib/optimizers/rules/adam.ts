import { checkF32, checkInteger, checkOptions, invalidArgument } from '../../errors.ts';
import type { UpdateRule } from '../optimizer.ts';

/**
 * Adam: momentum as a moving average, divided by the root of a moving average of squares.
 *
 *     m' = β1 m + (1 − β1) ĝ,   ν' = β2 ν + (1 − β2) ĝ⊙ĝ,   θ' = θ − η P'⁻¹ m'
 *     P_t = diag[ (1 − β1^t) ( √(ν_t / (1 − β2^t)) + ε ) ],   t = 1, 2, … counts the updates
 *
 * Both bias corrections live in P, so that stability is the law on the eigenvalues of P⁻¹H with weight 1 − β1 on ĝ.
 * (The paper counts from 0 and writes P_{t+1} for the same matrix.)
 *
 * @param options.beta1 momentum 0 ≤ β1 < 1. Default 0.9.
 * @param options.beta2 memory of the squares 0 ≤ β2 < 1. Default 0.999.
 * @param options.epsilon ε > 0, in units of the gradient. Default 1e-8.
 * @returns an update rule with two state vectors, m and v (the ν above). Its `preconditioner` throws before the first update, where P is not defined.
 * @throws ERR_ZEROTH_ARGUMENT when a number is out of range, also after f32, in which the update runs, has rounded it.
 * @example
 * adamRule().update(0) // { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, t: 1 }
 * @see Kingma and Ba, Adam, arXiv 1412.6980, algorithm 1; Song et al., arXiv 2604.14669, eqs 6–9.
 */
export function adamRule(options: { beta1?: number; beta2?: number; epsilon?: number } = {}): UpdateRule {
  checkOptions('adamRule: options', options, { beta1: true, beta2: true, epsilon: true });
  const { beta1: momentum = 0.9, beta2: memory = 0.999, epsilon: added = 1e-8 } = options;
  const beta1 = checkF32('beta1', momentum, { min: 0, below: 1 });
  const beta2 = checkF32('beta2', memory, { min: 0, below: 1 });
  const epsilon = checkF32('epsilon', added, { above: 0 });
  return {
    name: 'adam',
    options: { beta1, beta2, epsilon },
    beta: beta1,
    beta2,
    epsilon,
    gradientWeight: 1 - beta1,
    preconditioned: true,
    states: ['m', 'v'],
    update: (step) => ({ kind: 'adam', beta1, beta2, epsilon, t: step + 1 }),
    preconditioner({ v }, steps) {
      if (v === undefined) invalidArgument('state.v', 'the second-moment vector of Adam', v);
      checkInteger('steps', steps, 1);
      const momentumCorrection = 1 - beta1 ** steps;
      const squaresCorrection = 1 - beta2 ** steps;
      return Float64Array.from(v, (square) => momentumCorrection * (Math.sqrt(square / squaresCorrection) + epsilon));
    },
  };
}
