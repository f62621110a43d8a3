import type { StatelessEstimator } from '../optimizer.ts';

/**
 * The exact derivative along one Gaussian direction, by forward-mode differentiation.
 *
 * What central differences come to as μ → 0, without their rounding: no smoothing to choose, and no memory of back-propagation. It needs
 * to see the loss, which a difference does not.
 *
 *     u ~ N(0, I),   ĝ = ⟨∇L(θ), u⟩ u
 *
 * E[ĝĝᵀ] = 2A + tr(A) I, so s1 = 2, s2 = 1.
 *
 * @returns an estimator whose `loss` is L(θ), and whose coefficient is ⟨∇L, u⟩.
 * @example
 * forwardGradient().moments(100) // { s1: 2, s2: 1 }
 * @see Baydin et al., Gradients without backpropagation, arXiv 2202.08587.
 */
export function forwardGradient(): StatelessEstimator {
  return {
    name: 'forward-gradient',
    cost: { derivatives: 1 },
    moments: () => ({ s1: 2, s2: 1 }),
    async estimate({ oracle, direction, signal }) {
      const u = direction(0);
      const { loss, derivatives } = await oracle.derivatives([u], signal);
      const [coefficient] = derivatives;
      return { kind: 'directions', loss, terms: [{ direction: u, coefficient }] };
    },
  };
}
