import { eq, iota, max, mean, mul, sub, sum, type Tensor } from '../graph/ops.ts';
import { targets } from './losses.ts';

/**
 * The share of positions whose label has the greatest output (the first of those that tie), in [0, 1]; result []. A position with a NaN
 * among its outputs is a miss. For `objective.evaluate`; it is piecewise constant, so its derivative is zero.
 *
 *     const test = { x, y: { data: labels, dtype: 'i32' } };
 *     const { data: [share] } = await objective.evaluate((p, { x, y }) => accuracy(model.apply(p, x), y), test);
 *
 * @param outputs [...n, classes].
 * @param labels i32 [...n].
 * @throws ERR_ZEROTH_SHAPE
 */
export function accuracy(outputs: Tensor, labels: Tensor): Tensor {
  const hot = targets('accuracy', outputs, labels);
  const greatest = eq(outputs, max(outputs, -1, { keepDims: true }));
  // Of those that tie, the first has the largest score; NaN equals nothing, so that such a position has no hit.
  const scores = mul(greatest, sub(outputs.shape[outputs.rank - 1], iota(outputs.shape, outputs.rank - 1)));
  const first = mul(greatest, eq(scores, max(scores, -1, { keepDims: true })));
  return mean(sum(mul(hot, first), -1));
}
