// Checked by the compiler alone: each line that must be a type error is marked as one, and an unused mark is an error itself.
import type { Device } from '../../lib/device/device.ts';
import { add, matmul, mean, type Tensor } from '../../lib/graph/ops.ts';
import type { Model } from '../../lib/models/model.ts';
import { softmaxCrossEntropy, squaredLoss } from '../../lib/nn/losses.ts';
import { compile, type Objective } from '../../lib/objective/objective.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import { supervised } from '../../lib/objective/supervised.ts';
import { gd } from '../../lib/optimizers/recipes.ts';
import type { Metric } from '../../lib/train/metrics.ts';
import { train } from '../../lib/train/train.ts';

declare const device: Device;
declare const model: Model<'weight' | 'bias'>;

export async function namesOfAProblem(): Promise<void> {
  const init = { kind: 'constant', value: 0 } as const;
  const parameters = { weight: { shape: [2], init }, bias: { shape: [], init } };
  const objective = await compile(device, {
    parameters,
    data: { x: [[1, 2]] },
    constants: { scale: [1] },
    loss: (p, d, c) => {
      // @ts-expect-error
      add(p.weight, p.biass);
      // @ts-expect-error
      add(d.x, d.y);
      // @ts-expect-error
      add(c.scale, c.shift);
      return mean(matmul(d.x, p.weight).add(p.bias).mul(c.scale));
    },
  });
  await objective.evaluate(({ weight }, { x }, { scale }) => matmul(x, weight).mul(scale));
  // @ts-expect-error
  await objective.evaluate(({ weigth }) => weigth);
  await objective.evaluate(({ weight }, { q }) => matmul(q, weight), { q: [[1, 2]] });
  // @ts-expect-error
  await objective.evaluate(({ weight }, { x }) => matmul(x, weight), { q: [[1, 2]] });
  const { loss, parts } = await objective.evaluate((p) => ({ loss: p.bias, parts: [p.weight] }));
  loss.data[0] + parts[0].shape[0];
  // @ts-expect-error
  parts.shape;

  // Without data and constants there is nothing to read.
  await compile(device, {
    parameters,
    // @ts-expect-error
    loss: (p, { x }) => matmul(x, p.weight),
  });
  // @ts-expect-error: a misspelt field of the problem.
  await compile(device, { parameters, loss: (p) => mean(p.weight), dta: {} });
  // @ts-expect-error: a number is no loss.
  await compile(device, { parameters, loss: () => 3 });
  // @ts-expect-error: a sum needs its weight.
  await compile(device, { parameters, loss: (p) => ({ sum: mean(p.weight) }) });
  // @ts-expect-error
  await compile(device, { parameters, loss: (p) => mean(p.weight) }, { sed: 1 });
  // @ts-expect-error: text is no array.
  await compile(device, { parameters, data: { x: [['1']] }, loss: (p) => mean(p.weight) });

  // What works with any objective takes this one.
  const any: Objective = objective;
  const general: Problem = { parameters, loss: (p) => mean(p.anything) };
  await compile(device, general);
  await any.evaluate((p) => p.anything);
}

export async function namesOfMetrics(
  objective: Objective<'weight' | 'bias', 'x', 'scale'>,
  any: Objective,
): Promise<void> {
  const optimizer = gd({ lr: 0.1 });
  await train(objective, optimizer, {
    steps: 1,
    metrics: {
      share: (p, { x }, { scale }) => mean(matmul(x, p.weight).mul(scale)),
      // @ts-expect-error
      misspelt: ({ wieght }) => wieght,
      // @ts-expect-error
      labels: (_, { y }) => y,
      // @ts-expect-error
      constant: (_, __, { shift }) => shift,
      // @ts-expect-error: a number is no tensor.
      number: () => 3,
    },
  });
  // Written beside the call, for this problem or for any.
  const bias: Metric<'bias'> = (p) => p.bias;
  const first: Metric = (p) => p.weight;
  await train(objective, optimizer, { steps: 1, metrics: { bias, first } });
  // @ts-expect-error
  await train(objective, optimizer, { steps: 1, metrics: { other: ((p) => p.other) as Metric<'other'> } });
  await train(any, optimizer, { steps: 1, metrics: { anything: (p) => p.anything } });
  // @ts-expect-error
  await train(objective, optimizer, { stpes: 1 });
}

export function namesOfAModel(x: Tensor, labels: Tensor, mask: Tensor): Problem {
  // @ts-expect-error
  model.apply({ weight: x }, x);
  const problem = supervised(model, { x: [[1, 2]], y: [0] }, squaredLoss);
  // @ts-expect-error
  problem.parameters.biass;
  // @ts-expect-error
  supervised(model, { x: [[1, 2]], labels: [0] }, squaredLoss);
  supervised(model, { x: [[1, 2]], y: [0] }, (f, y) => softmaxCrossEntropy(f, y, { mask }));
  softmaxCrossEntropy(x, labels, { mask }).weight;
  // @ts-expect-error: without a mask it is a mean.
  softmaxCrossEntropy(x, labels).weight;
  // @ts-expect-error
  softmaxCrossEntropy(x, labels, { maks: mask });
  return problem;
}
