import { ZerothError } from '../errors.ts';
import { sameShape, shapeText } from '../graph/ops/shape.ts';
import { div, logSoftmax, mean, mul, neg, oneHot, square, sub, sum, type Tensor } from '../graph/tensor.ts';

/** One-hot labels of the outputs' shape. */
function targets(loss: string, outputs: Tensor, labels: Tensor): Tensor {
  if (outputs.rank < 1 || labels.dtype !== 'i32' || !sameShape(outputs.shape.slice(0, -1), labels.shape)) {
    throw new ZerothError(
      'ERR_ZEROTH_SHAPE',
      `${loss}: expected outputs [...n, classes] with i32 labels [...n], received outputs ${shapeText(outputs.shape)} with ${labels.dtype} labels ${shapeText(labels.shape)}.`,
    );
  }
  return oneHot(labels, outputs.shape[outputs.rank - 1]);
}

/**
 * Mean over examples (and positions) of ½ Σ_c (f_c − onehot_c)², without a 1/C factor. outputs [...n, C], i32 labels [...n]; result [].
 * A label outside 0 … C − 1 is no class: its target is zero everywhere.
 */
export function squaredLoss(outputs: Tensor, labels: Tensor): Tensor {
  const half = 0.5 / outputs.shape.slice(0, -1).reduce((product, n) => product * n, 1);
  return mul(sum(square(sub(outputs, targets('squaredLoss', outputs, labels)))), half);
}

export interface CrossEntropyOptions {
  /** f32 weights like the labels, 1 where a position counts and 0 where not. Default: all count. */
  readonly mask?: Tensor;
}

/**
 * Softmax cross entropy, −log softmax(logits)[label], in mean over the positions that count. logits [...n, C], i32 labels [...n]; result [].
 * A label outside 0 … C − 1 is no class: its position counts in the mean, with a loss of 0. Mask such positions.
 */
export function softmaxCrossEntropy(logits: Tensor, labels: Tensor, { mask }: CrossEntropyOptions = {}): Tensor {
  const hot = targets('softmaxCrossEntropy', logits, labels);
  const perPosition = neg(sum(mul(hot, logSoftmax(logits)), -1));
  if (mask === undefined) return mean(perPosition);
  if (mask.dtype !== 'f32' || !sameShape(mask.shape, labels.shape)) {
    throw new ZerothError(
      'ERR_ZEROTH_SHAPE',
      `softmaxCrossEntropy: expected an f32 mask ${shapeText(labels.shape)} like the labels, received ${mask.dtype}${shapeText(mask.shape)}.`,
    );
  }
  return div(sum(mul(mask, perPosition)), sum(mask));
}
