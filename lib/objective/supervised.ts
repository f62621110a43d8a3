import type { LabelledData } from '../data/dataset.ts';
import { checkObject, checkOptions, invalidArgument, ZerothError } from '../errors.ts';
import { dtypeOf, type HostArray, isUntyped, type TypedArray, typedArray } from '../graph/host-array.ts';
import { type Tensor, trace } from '../graph/ops.ts';
import type { Model } from '../models/model.ts';
import type { LossValue, Problem, Tensors } from './problem.ts';

export interface SupervisedOptions<C extends string = string> {
  /**
   * Arrays that are neither trained nor divided: examples that are held out, for metrics to look at. Labels in plain numbers say here that they
   * are, `{ data, dtype: 'i32' }`.
   */
  readonly constants?: Readonly<Record<C, HostArray>>;
}

/**
 * The problem of fitting a model to labelled examples.
 *
 *     supervised(sortingMlp(), sortingMlpData({ seed: 0n }), squaredLoss)
 *     supervised(mlp({ sizes: [2, 8, 1] }), { x: [[0, 0], [0, 1], [1, 0]], y: [[0.1], [0.9], [0.8]] }, squaredLoss)
 *     supervised(model, { x, y }, softmaxCrossEntropy, { constants: { heldOutX, heldOutY: { data: labels, dtype: 'i32' } } })
 *
 * @param data inputs x and labels or targets y, arrays of any form. A plain y without a dtype is real targets where it has as many axes as
 *   the model's outputs, and integer labels where it has one fewer.
 * @param loss the mean over examples of a loss of outputs and labels, for example `squaredLoss`; or `{ sum, weight }`.
 * @throws ERR_ZEROTH_ARGUMENT, ERR_ZEROTH_DATA for data of other forms. Compiling the problem throws ERR_ZEROTH_DATA where a label is none of
 *   the model's classes (the size of its outputs' last axis).
 */
export function supervised<P extends string, C extends string = never>(
  model: Model<P>,
  data: LabelledData,
  loss: (outputs: Tensor, labels: Tensor) => LossValue,
  options: SupervisedOptions<C> = {},
): Problem<P, 'x' | 'y', C> {
  checkOptions('options', options, { constants: true });
  checkObject('model', model, '{ name, parameters, apply }');
  if (typeof model.apply !== 'function') invalidArgument('model.apply', 'a function of parameters and x', model.apply);
  checkObject('model.parameters', model.parameters, 'an object of named { shape, init }');
  checkOptions('data', data, { x: true, y: true });
  if (typeof loss !== 'function')
    invalidArgument('loss', 'a function of outputs and labels, such as squaredLoss', loss);
  const x = typedArray('data.x', data.x);
  const y = isUntyped(data.y) ? labelsOrTargets(model, x, data.y) : typedArray('data.y', data.y);
  return {
    name: model.name,
    parameters: model.parameters,
    data: { x, y },
    ...(options.constants && { constants: options.constants }),
    loss: (parameters, data) => {
      const outputs = model.apply(parameters, data.x);
      if (y.data instanceof Int32Array) checkLabels(y.data, outputs.shape[outputs.rank - 1]);
      return loss(outputs, data.y);
    },
  };
}

/** Plain numbers do not say which they are, but their axes do: a label stands for a vector of outputs. */
function labelsOrTargets<P extends string>(model: Model<P>, x: TypedArray, y: HostArray): TypedArray {
  const targets = typedArray('data.y', y);
  const specs = Object.fromEntries(
    Object.entries<{ shape: readonly number[] }>(model.parameters).map(([name, { shape }]) => [name, { shape }]),
  );
  const apply = (parameters: Tensors<P>, inputs: Tensor) => model.apply(parameters, inputs);
  const [{ shape: outputs }] = trace(apply, specs, { shape: x.shape, dtype: dtypeOf(x) }).outputs;
  if (targets.shape.length === outputs.length) return targets;
  const i = targets.data.findIndex((value) => !Number.isInteger(value));
  if (i >= 0) {
    throw new ZerothError(
      'ERR_ZEROTH_DATA',
      `data.y: expected integers, for its axes [${targets.shape.join(', ')}] are those of labels of outputs [${outputs.join(', ')}], received ${targets.data[i]} at element ${i}; real targets have the shape of the outputs.`,
    );
  }
  return typedArray('data.y', { data: [...targets.data], shape: targets.shape, dtype: 'i32' });
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
