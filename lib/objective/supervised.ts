import type { Dataset } from '../data/dataset.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Model } from '../models/model.ts';
import type { Problem } from './problem.ts';

/**
 * The problem of fitting a model to labelled examples.
 *
 *     supervised(sortingMlp(), sortingMlpData({ seed: 0n }), squaredLoss)
 *
 * @param loss the mean over examples of a loss of outputs and labels, for example `squaredLoss`.
 */
export function supervised(
  model: Model,
  { x, xShape, y, yShape }: Dataset,
  loss: (outputs: Tensor, labels: Tensor) => Tensor,
): Problem {
  return {
    name: model.name,
    parameters: model.parameters,
    data: { x: { shape: xShape, data: x }, y: { shape: yShape, data: y } },
    loss: (parameters, data) => loss(model.apply(parameters, data.x), data.y),
  };
}
