import { checkInteger, checkOptions } from '../../errors.ts';
import type { Estimator, Point } from '../optimizer.ts';
import { checkSmoothing } from './difference.ts';

/** The step of the snapshot, and c of each direction there; null before the first. */
export type SvrgState = { readonly step: number; readonly coefficients: readonly number[] } | null;

const SNAPSHOT = 'snapshot';

/**
 * Variance reduction by a snapshot θ̃ of the parameters: what a mini-batch and a direction say of θ, less what the same two say of θ̃, plus
 * what all examples say of θ̃ along many directions.
 *
 *     c(θ; u) = [L(θ + μu) − L(θ − μu)] / 2μ,   u, u_1 … u_q ~ N(0, I)
 *     ĝ = [c_batch(θ; u) − c_batch(θ̃; u)] u + (1/q) Σ c_all(θ̃; u_i) u_i,   θ̃ = θ every m steps
 *
 * The closer θ is to θ̃, the less noise is left of u and of the mini-batch; that of the u_i stays for m steps. θ̃ is held on the device, one vector; the u_i are made
 * anew in each step from their streams, so that a step takes q more directions to generate, and q more numbers to remember.
 *
 * E[ĝĝᵀ] depends on θ − θ̃, so `moments` is null and nothing is claimed of the edge of stability.
 *
 * @param options.mu smoothing μ > 0, in units of the parameters. Default 1e-3.
 * @param options.every m, steps from one snapshot to the next. Default 20.
 * @param options.queries q, directions of a snapshot: 2q losses over all examples. Default 10.
 * @returns an estimator with one vector, whose `loss` is the mean of L(θ ± μu) over the mini-batch.
 * @throws ERR_ZEROTH_ARGUMENT when a number is out of range.
 * @example
 * zoSvrg({ every: 50 }).options // { mu: 0.001, every: 50, queries: 10 }
 * @see Liu et al., Zeroth-order stochastic variance reduction for nonconvex optimization, arXiv 1805.10367.
 */
export function zoSvrg(options: { mu?: number; every?: number; queries?: number } = {}): Estimator<SvrgState> {
  checkOptions('zoSvrg: options', options, { mu: true, every: true, queries: true });
  const mu = checkSmoothing(options.mu ?? 1e-3);
  const every = checkInteger('every', options.every ?? 20, 1);
  const queries = checkInteger('queries', options.queries ?? 10, 1, 2 ** 15);
  return {
    name: 'zo-svrg',
    options: { mu, every, queries },
    mu,
    cost: { losses: 4 + (2 * queries) / every },
    moments: () => null,
    vectors: [SNAPSHOT],
    init: () => null,
    async estimate({ oracle, step, direction, state, signal }) {
      let snapshot = state;
      if (snapshot === null || step - snapshot.step >= every) {
        const points = Array.from({ length: queries }, (_, i) => pair(direction(1 + i), mu)).flat();
        const losses = await oracle.all.losses(points, signal);
        const coefficients = Array.from({ length: queries }, (_, i) => (losses[2 * i] - losses[2 * i + 1]) / (2 * mu));
        await oracle.hold(SNAPSHOT);
        snapshot = { step, coefficients };
      }
      const u = direction(0);
      const [plus, minus] = pair(u, mu);
      const held = [plus, minus].map((terms) => ({ at: SNAPSHOT, terms }));
      const [up, down, upThere, downThere] = await oracle.losses([plus, minus, ...held], signal);
      const { step: then, coefficients } = snapshot;
      const terms = [
        { direction: u, coefficient: (up - down - (upThere - downThere)) / (2 * mu) },
        ...coefficients.map((c, i) => ({ direction: direction(1 + i, then), coefficient: c / queries })),
      ];
      return { estimate: { kind: 'directions', loss: (up + down) / 2, terms }, state: snapshot };
    },
  };
}

const pair = (direction: Point[number]['direction'], mu: number): readonly [Point, Point] => [
  [{ direction, coefficient: mu }],
  [{ direction, coefficient: -mu }],
];
