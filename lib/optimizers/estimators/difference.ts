import { checkNumber } from '../../errors.ts';
import type { Direction } from '../../random/direction.ts';
import type { LinearEstimate } from '../linear-estimate.ts';

/** The smoothing μ of a finite difference, checked: one that is 0 or infinite in f32, in which devices add it, moves nothing, or everything away. */
export function checkSmoothing(mu: number): number {
  return checkNumber('mu', mu, { min: 1e-30, max: 1e30 });
}

/** c = [L(θ + μu) − L(θ − μu)] / 2μ, ĝ = c u, for u = scale · z. Its loss is the mean of the two. */
export function centralDifference(z: Direction, mu: number, scale = 1): LinearEstimate {
  return {
    points: [[{ direction: z, coefficient: mu * scale }], [{ direction: z, coefficient: -mu * scale }]],
    loss: { weights: [1, 1], divisor: 2 },
    terms: [{ direction: z, coefficient: { weights: [scale, -scale], divisor: 2 * mu } }],
  };
}
