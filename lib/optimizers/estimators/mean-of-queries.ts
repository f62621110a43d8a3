import { checkInteger, invalidArgument } from '../../errors.ts';
import type { Direction } from '../../random/direction.ts';
import { askEstimator } from '../estimator-state.ts';
import { type Linear, type LinearEstimate, linearEstimator, linearOf } from '../linear-estimate.ts';
import { momentsOf } from '../moments.ts';
import type {
  Directions,
  Estimate,
  EstimateRequest,
  Estimator,
  Point,
  StatelessEstimator,
  Term,
} from '../optimizer.ts';
import { checkEstimator } from '../parts.ts';

/**
 * The mean of q independent estimates: q times the work, and the noise of one divided by q.
 *
 *     ĝ = (1/q) Σ_j ĝ_j
 *
 * On the quadratic model E[ĝĝᵀ] = (E[ĝ_1ĝ_1ᵀ] + (q − 1) A)/q, so s1 and s2 of one become (s1 + q − 1)/q and s2/q. Losses at θ itself are evaluated
 * once, whatever q.
 *
 * @param estimator one that remembers nothing, and whose estimate is made of directions.
 * @param queries q ≥ 1.
 * @returns an estimator whose `loss` is the mean of theirs. Where theirs is linear, so is this one (up to 1024 queries): small models take
 *   several steps in one submission.
 * @throws ERR_ZEROTH_ARGUMENT when q is out of range, or the estimator keeps a state.
 * @example
 * meanOfQueries(gaussianTwoPoint(), 4).moments(100) // { s1: 1.25, s2: 0.25 }
 * @see Nesterov and Spokoiny, 2017; Spall, 1992, section III (averaging gradient approximations).
 */
export function meanOfQueries(estimator: Estimator, queries: number): StatelessEstimator {
  checkEstimator(estimator);
  const q = checkInteger('queries', queries, 1, 2 ** 16);
  if (estimator.init || estimator.vectors)
    invalidArgument('estimator', 'one that remembers nothing: the mean of several has one state', estimator.name);
  const plan = linearOf(estimator);
  const mean = plan && q <= TOGETHER ? linearMean(plan.linear, q) : undefined;
  const { losses = 0, derivatives = 0, gradients = 0 } = estimator.cost ?? { losses: 1 };
  const fields = {
    name: 'mean-of-queries',
    options: { queries: q, of: { name: estimator.name, ...estimator.options } },
    ...(estimator.mu !== undefined && { mu: estimator.mu }),
    ...(estimator.space && { space: estimator.space }),
    cost: {
      losses: mean ? mean(anyDirection, () => 1, 1).points.length : q * losses,
      derivatives: q * derivatives,
      gradients: q * gradients,
    },
    moments(dimension: number) {
      const one = momentsOf(estimator, dimension);
      return one && { s1: (one.s1 + q - 1) / q, s2: one.s2 / q };
    },
  };
  if (plan && mean) return linearEstimator(fields, mean, { norms: plan.norms * q });
  return { ...fields, estimate: (request) => measuredMean(estimator, request, q) };
}

/** Queries in one call to the device: the weights of q of them are q² numbers. */
const TOGETHER = 1024;

const anyDirection = (i: number): Direction => ({ distribution: 'normal', seed: 0n, stream: BigInt(i) });

/** The i-th direction of the j-th of q queries: whatever number a query asks for, no other query gets the same. */
const ofQuery =
  (direction: Directions, j: number, q: number): Directions =>
  (i, step) =>
    direction(i * q + j, step);

function linearMean(linear: Linear, q: number): Linear {
  return (direction, norm, dimension) => {
    const all = Array.from({ length: q }, (_, j) =>
      linear(ofQuery(direction, j, q), (i) => norm(i * q + j), dimension),
    );
    const { points, placeOf } = together(all);
    /** Adds the weights of a query's own points to those of all. */
    const spread = (into: number[], weights: readonly number[], j: number) => {
      for (const [i, weight] of weights.entries()) into[placeOf(j, i)] += weight;
      return into;
    };
    const none = () => new Array<number>(points.length).fill(0);
    const loss = none();
    all.forEach(({ loss: { weights, divisor } }, j) => {
      spread(
        loss,
        weights.map((weight) => weight / divisor),
        j,
      );
    });
    return {
      points,
      loss: { weights: loss, divisor: q },
      terms: all.flatMap(({ terms }, j) =>
        terms.map(({ direction, coefficient: { weights, divisor } }) => ({
          direction,
          coefficient: { weights: spread(none(), weights, j), divisor: divisor * q },
        })),
      ),
    };
  };
}

/** The points of all queries, with θ itself among them once. */
function together(all: readonly LinearEstimate[]) {
  const points: Point[] = [];
  const places: number[][] = [];
  for (const one of all) {
    places.push(
      one.points.map((point) => {
        const known = point.length === 0 ? points.findIndex(({ length }) => length === 0) : -1;
        return known >= 0 ? known : points.push(point) - 1;
      }),
    );
  }
  return { points, placeOf: (j: number, i: number) => places[j][i] };
}

async function measuredMean(estimator: Estimator, request: EstimateRequest, q: number): Promise<Estimate> {
  const terms: Term[] = [];
  let loss = 0;
  for (let j = 0; j < q; j++) {
    const query = { ...request, direction: ofQuery(request.direction, j, q) };
    const { estimate: one } = await askEstimator(estimator, query);
    if (one.kind !== 'directions')
      invalidArgument(
        `estimate of ${estimator.name}`,
        'one made of directions: a dense gradient has no other to be averaged with',
        one,
      );
    loss += one.loss / q;
    for (const { direction, coefficient } of one.terms) terms.push({ direction, coefficient: coefficient / q });
  }
  return { kind: 'directions', loss, terms };
}
