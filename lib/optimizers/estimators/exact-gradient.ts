import type { StatelessEstimator } from '../optimizer.ts';

/**
 * The gradient itself, by back-propagation.
 *
 * It makes first-order methods the special case s1 = 1, s2 = 0 of everything else here: same update rules, same law, same monitor.
 *
 *     ĝ = ∇L(θ)
 *
 * @returns an estimator whose `loss` is L(θ).
 * @example
 * exactGradient().moments(100) // { s1: 1, s2: 0 }
 */
export function exactGradient(): StatelessEstimator {
  return {
    name: 'exact-gradient',
    cost: { gradients: 1 },
    moments: () => ({ s1: 1, s2: 0 }),
    async estimate({ oracle, signal }) {
      const { loss, gradient } = await oracle.gradient(signal);
      return { kind: 'dense', loss, gradient };
    },
  };
}
