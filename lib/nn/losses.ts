import { checkOptions, ZerothError } from '../errors.ts';
import { sizeOf } from '../graph/node.ts';
import { sameShape, shapeText } from '../graph/ops/shape.ts';
import { logSoftmax, mean, mul, neg, oneHot, reshape, select, square, sub, sum, type Tensor } from '../graph/ops.ts';

/**
 * A mean whose denominator depends on the data, as the two scalars that it is made of. Both are added over all examples, whatever parts
 * they are evaluated in, and divided once: the mean of the parts' quotients would be another number.
 */
export interface WeightedSum {
  readonly sum: Tensor;
  /** ≥ 0, and > 0 over all examples of an evaluation; a function of data and constants, not of the parameters. */
  readonly weight: Tensor | number;
}

/** What to do where labels are of another kind than is due; plain numbers are f32 unless they say otherwise. */
function labelAdvice(outputs: Tensor, labels: Tensor): string {
  const positions = outputs.shape.slice(0, -1);
  if (sameShape(labels.shape, positions)) return " Labels in plain numbers are { data, dtype: 'i32' }.";
  if (sameShape(labels.shape, outputs.shape))
    return ' Give the number of each class, from 0, in place of one-hot rows.';
  return ` Outputs come first; labels have their shape without the last axis, ${shapeText(positions)}.`;
}

/** One-hot labels of the outputs' shape. */
export function targets(loss: string, outputs: Tensor, labels: Tensor): Tensor {
  if (outputs.rank < 1 || labels.dtype !== 'i32' || !sameShape(outputs.shape.slice(0, -1), labels.shape)) {
    throw new ZerothError(
      'ERR_ZEROTH_SHAPE',
      `${loss}: expected outputs [...n, classes] with i32 labels [...n], received outputs ${shapeText(outputs.shape)} with ${labels.dtype} labels ${shapeText(labels.shape)}.${labelAdvice(outputs, labels)}`,
    );
  }
  return oneHot(labels, outputs.shape[outputs.rank - 1]);
}

/**
 * Σ over positions that count of a loss of x [...n, C], and their number. What stands where nothing counts, be it NaN, reaches neither the
 * value nor a derivative: it is replaced before `lossOf` sees it.
 */
function masked(loss: string, x: Tensor, mask: Tensor, lossOf: (x: Tensor) => Tensor): WeightedSum {
  const positions = x.shape.slice(0, -1);
  if (mask.dtype !== 'f32' || !sameShape(mask.shape, positions)) {
    throw new ZerothError(
      'ERR_ZEROTH_SHAPE',
      `${loss}: expected an f32 mask ${shapeText(positions)} like the labels, received ${mask.dtype}${shapeText(mask.shape)}.`,
    );
  }
  const counted = select(reshape(mask, [...positions, 1]), x, 0);
  return { sum: sum(mul(mask, lossOf(counted))), weight: sum(mask) };
}

interface MaskOptions {
  /** f32, a weight a position: 1 where it counts and 0 where not, whatever stands there. Default: all count. */
  readonly mask?: Tensor;
}

const MASK_OPTIONS = { mask: true } as const;

/**
 * Mean over examples (and positions) of ½ Σ_c (f_c − y_c)², without a 1/C factor; result [].
 *
 * @param outputs [...n, C].
 * @param targets i32 labels [...n], which stand for one-hot vectors (a label outside 0 … C − 1 is no class: its target is zero
 *   everywhere); or real values, f32 [...n, C], for a regression.
 * @param options.mask [...n]; the result is then a `WeightedSum`.
 * @throws ERR_ZEROTH_SHAPE
 */
export function squaredLoss(outputs: Tensor, targets: Tensor, options?: { readonly mask?: undefined }): Tensor;
export function squaredLoss(outputs: Tensor, targets: Tensor, options: { readonly mask: Tensor }): WeightedSum;
export function squaredLoss(outputs: Tensor, labels: Tensor, options: MaskOptions = {}): Tensor | WeightedSum {
  checkOptions('squaredLoss: options', options, MASK_OPTIONS);
  const difference = sub(outputs, squaredTargets(outputs, labels));
  const { mask } = options;
  if (mask !== undefined) return masked('squaredLoss', difference, mask, (x) => mul(sum(square(x), -1), 0.5));
  return mul(sum(square(difference)), 0.5 / sizeOf(outputs.shape.slice(0, -1)));
}

function squaredTargets(outputs: Tensor, labels: Tensor): Tensor {
  if (labels.dtype === 'i32') return targets('squaredLoss', outputs, labels);
  if (outputs.rank >= 1 && sameShape(outputs.shape, labels.shape)) return labels;
  throw new ZerothError(
    'ERR_ZEROTH_SHAPE',
    `squaredLoss: expected outputs [...n, C] with f32 targets of the same shape, or with i32 labels [...n]; received outputs ${shapeText(outputs.shape)} with f32 targets ${shapeText(labels.shape)}.${labelAdvice(outputs, labels)}`,
  );
}

/**
 * Softmax cross entropy, −log softmax(logits)[label], in mean over examples and positions; result [].
 * A label outside 0 … C − 1 is no class: its position counts in the mean, with a loss of 0. Mask such positions.
 *
 * @param logits [...n, C]. One may be −∞, for a class that cannot be: its probability and derivatives are 0, and it costs ∞ at the label.
 * @param labels i32 [...n].
 * @param options.mask [...n]; the mean is then over the positions that count, and the result a `WeightedSum`.
 * @throws ERR_ZEROTH_SHAPE
 */
export function softmaxCrossEntropy(logits: Tensor, labels: Tensor, options?: { readonly mask?: undefined }): Tensor;
export function softmaxCrossEntropy(logits: Tensor, labels: Tensor, options: { readonly mask: Tensor }): WeightedSum;
export function softmaxCrossEntropy(logits: Tensor, labels: Tensor, options: MaskOptions = {}): Tensor | WeightedSum {
  checkOptions('softmaxCrossEntropy: options', options, MASK_OPTIONS);
  const hot = targets('softmaxCrossEntropy', logits, labels);
  // Selected, not multiplied: a logit of −∞ away from the label has a logarithm of −∞, and 0 · −∞ is NaN.
  const lossOf = (x: Tensor): Tensor => neg(sum(select(hot, logSoftmax(x), 0), -1));
  const { mask } = options;
  return mask === undefined ? mean(lossOf(logits)) : masked('softmaxCrossEntropy', logits, mask, lossOf);
}
