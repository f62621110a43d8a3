import type { Dataset } from '../data/dataset.ts';
import { ZerothError } from '../errors.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Model } from '../models/model.ts';
import type { Problem } from './problem.ts';

/**
 * The problem of fitting a model to labelled examples.
 *
 *     supervised(sortingMlp(), sortingMlpData({ seed: 0n }), squaredLoss)
 *
 * @param loss the mean over examples of a loss of outputs and labels, for example `squaredLoss`.
 * @returns a problem; compiling it throws ERR_ZEROTH_DATA where a label is none of the model's classes (the size of its outputs' last axis).
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
    loss: (parameters, data) => {
      const outputs = model.apply(parameters, data.x);
      checkLabels(y, outputs.shape[outputs.rank - 1]);
      return loss(outputs, data.y);
    },
  };
}

/** Only here are both known: the labels' values, and what the model tells apart. In a traced loss, a foreign label is a target of zeros. */
function checkLabels(labels: Int32Array, classes: number): void {
  const i = labels.findIndex((label) => label < 0 || label >= classes);
  if (i < 0) return;
  throw new ZerothError(
    'ERR_ZEROTH_DATA',
    `y: expected labels from 0 to ${classes - 1}, one of the model's ${classes} outputs each, received ${labels[i]} at element ${i}; repair the labels, or give the model more outputs.`,
  );
}
