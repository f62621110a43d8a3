import { checkOptions, invalidArgument, shown, ZerothError } from '../errors.ts';
import { full } from '../graph/ops.ts';
import { Tensor } from '../graph/tensor.ts';
import type { WeightedSum } from '../nn/losses.ts';
import type { LossValue } from './problem.ts';

/** A loss as it was returned, checked: its scalar, which is a sum where there is a weight to divide it by. */
export interface TracedLoss {
  readonly value: Tensor;
  readonly weight?: Tensor;
}

/** @throws ERR_ZEROTH_TRACE, ERR_ZEROTH_SHAPE, ERR_ZEROTH_ARGUMENT for what is no loss. */
export function tracedLoss(result: LossValue | unknown): TracedLoss {
  if (
    typeof result !== 'object' ||
    result === null ||
    !('sum' in result || 'weight' in result) ||
    result instanceof Tensor
  )
    return { value: scalar('loss', result, 'take the mean over the examples, or return { sum, weight }') };
  checkOptions('loss', result as WeightedSum, { sum: true, weight: true });
  const { sum, weight } = result as { sum?: unknown; weight?: unknown };
  const value = scalar('loss.sum', sum, 'add up the examples');
  if (typeof weight !== 'number')
    return { value, weight: scalar('loss.weight', weight, 'add up the weights of the examples') };
  if (!Number.isFinite(weight) || weight < 0)
    invalidArgument('loss.weight', 'a scalar tensor, or a finite number ≥ 0', weight);
  return { value, weight: full([], weight) };
}

function scalar(name: string, value: unknown, advice: string): Tensor {
  if (!(value instanceof Tensor) || value.dtype !== 'f32') {
    const received = value instanceof Tensor ? `a tensor of ${value.dtype}` : shown(value);
    throw new ZerothError(
      'ERR_ZEROTH_TRACE',
      `${name}: expected a function that returns a scalar f32 tensor, received ${received}; compute it by \`ops\`, without await.`,
    );
  }
  if (value.shape.length !== 0) {
    throw new ZerothError(
      'ERR_ZEROTH_SHAPE',
      `${name}: expected a scalar (shape []), received shape [${value.shape.join(', ')}]; ${advice}.`,
    );
  }
  return value;
}
