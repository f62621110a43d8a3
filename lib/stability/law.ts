import type { Moments } from '../optimizers/optimizer.ts';

/**
 * The law, on plain numbers. θ ← θ − η m, m ← β m + ĝ on a quadratic with positive eigenvalues λ: the second moments of (θ − θ*, m)
 * neither grow nor decay when
 *
 *     F(η) = Σ_i  s2 η λ_i (1+β) / ( 2 [ 1 − β² − κ η λ_i ] ) = 1,     κ = (s1/2)(1+β) − β,     κ η λmax < 1 − β².
 *
 * F increases with η, from 0. Where s2 = 0 the end of the bracket is the answer.
 */

/** κ: how much of the curvature along one direction acts on that direction itself. Negative for few-valued directions with momentum. */
function selfCoupling({ s1 }: Moments, beta: number): number {
  return (s1 / 2) * (1 + beta) - beta;
}

/**
 * The η > 0 at which F(η) = 1, to the last bit or two.
 *
 * @param lambdas positive eigenvalues, at least one.
 */
export function solveLaw(lambdas: readonly number[], moments: Moments, beta: number): number {
  const lambdaMax = lambdas.reduce((a, b) => Math.max(a, b));
  // In units of λmax nothing overflows, and scaling the spectrum scales η* exactly.
  const relative = lambdas.map((lambda) => lambda / lambdaMax);
  const kappa = selfCoupling(moments, beta);
  const damping = 1 - beta * beta;
  if (moments.s2 === 0) return damping / (kappa * lambdaMax);

  const excess = (eta: number): number => {
    let sum = 0;
    for (const lambda of relative) {
      const room = damping - kappa * eta * lambda;
      if (room <= 0) return Number.POSITIVE_INFINITY;
      sum += (moments.s2 * eta * lambda * (1 + beta)) / (2 * room);
    }
    return sum - 1;
  };

  const trace = relative.reduce((a, b) => a + b, 0);
  const byTrace = (2 * (1 - beta)) / (moments.s2 * trace);
  let low = 0;
  let high = byTrace;
  // κ > 0: F(byTrace) ≥ 1 already. κ < 0: the root lies above; s1 + s2 ≥ 1 makes F(∞) > 1, so doubling ends.
  while (excess(high) < 0) {
    low = high;
    high *= 2;
  }
  for (;;) {
    const middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return high / lambdaMax;
    if (excess(middle) < 0) low = middle;
    else high = middle;
  }
}
