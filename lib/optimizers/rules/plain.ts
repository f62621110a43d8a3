import type { UpdateRule } from '../optimizer.ts';

/**
 * The step of (stochastic) gradient descent: no state.
 *
 *     θ' = θ − η ĝ
 *
 * @returns an update rule with β = 0.
 * @example
 * plain().update(0) // { kind: 'plain' }
 */
export function plain(): UpdateRule {
  return {
    name: 'plain',
    beta: 0,
    gradientWeight: 1,
    preconditioned: false,
    states: [],
    update: () => ({ kind: 'plain' }),
  };
}
