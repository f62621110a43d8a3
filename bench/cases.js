// What is measured: one object a case. `ours` resolves to the median seconds of the work, warm; `peer` is a script that prints the same as JSON.

import { sortingMlpData } from '../dist/data/sorting.js';
import { CommandList } from '../dist/device/commands.js';
import { openDevice } from '../dist/device/device.js';
import { mlp } from '../dist/models/mlp.js';
import { sortingMlp } from '../dist/models/sorting-mlp.js';
import { squaredLoss } from '../dist/nn/losses.js';
import { compile } from '../dist/objective/objective.js';
import { supervised } from '../dist/objective/supervised.js';
import { zoGD } from '../dist/optimizers/recipes.js';
import { train } from '../dist/train/train.js';

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median seconds of `work`, after one run that does not count. */
export async function timed(work, repeats) {
  await work();
  const seconds = [];
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    await work();
    seconds.push((performance.now() - start) / 1000);
  }
  return median(seconds);
}

/** Opens the CPU, hands it to `use`, and disposes of it: Node 20 has no `await using` outside TypeScript. */
export async function withDevice(use) {
  const device = openDevice({ device: 'cpu' });
  try {
    return await use(device);
  } finally {
    await device.dispose();
  }
}

/** Examples of the right shapes: speed does not depend on what they say. */
export function syntheticData(features, classes, examples) {
  const x = Float32Array.from({ length: examples * features }, (_, i) => Math.sin(i * 12.9898) * 1.4);
  const y = Int32Array.from({ length: examples }, (_, i) => i % classes);
  return { x: { shape: [examples, features], data: x }, y: { shape: [examples], data: y } };
}

export const sortingProblem = () => supervised(sortingMlp(), sortingMlpData({ seed: 0n }), squaredLoss);
const mlpProblem = () => supervised(mlp({ sizes: [3072, 256, 256, 4] }), syntheticData(3072, 4, 1000), squaredLoss);

const perturbation = () =>
  withDevice((device) => {
    const count = 64 * 2 ** 20;
    const theta = device.allocate(count * 4);
    const direction = { distribution: 'normal', seed: 1n, stream: 0n };
    return timed(() => {
      const list = new CommandList();
      list.pass(theta, theta, count, [{ kind: 'add', terms: [{ direction, coefficient: 1e-3 }] }]);
      return device.submit(list);
    }, 7);
  });

/** Seconds of one ZO-GD step inside `train`, with everything that a run does but its log. */
const step = (problem, steps) =>
  withDevice(async (device) => {
    const objective = await compile(device, problem);
    const work = async () => {
      for await (const _ of train(objective, zoGD({ lr: 1e-6 }), { steps, monitorEvery: 'off' }));
    };
    return (await timed(work, 5)) / steps;
  });

const hessianVectorProducts = () =>
  withDevice(async (device) => {
    const objective = await compile(device, sortingProblem());
    const hessian = await objective.hessian();
    const vectors = Float32Array.from({ length: 16 * objective.dimension }, (_, i) => Math.sin(i * 78.233));
    return timed(() => hessian.apply(vectors, 16), 15);
  });

export const cases = [
  {
    name: 'θ += μ z, 64 Mi parameters in one tensor',
    unit: 'perturbation',
    target: 25,
    ours: perturbation,
    peer: { script: 'mezo.py', args: ['perturb-flat'] },
  },
  {
    name: 'θ += μ z, 64 Mi parameters in 16 tensors',
    unit: 'perturbation',
    target: 25,
    ours: perturbation,
    peer: { script: 'mezo.py', args: ['perturb-layers'] },
  },
  {
    name: 'ZO-GD step, sorting-mlp (n = 1000)',
    unit: 'step',
    target: 5,
    ours: () => step(sortingProblem(), 1000),
    peer: { script: 'mezo.py', args: ['sorting-mlp'] },
  },
  {
    name: 'ZO-GD step, mlp 3072→256→256→4 (n = 1000)',
    unit: 'step',
    target: 5,
    ours: () => step(mlpProblem(), 20),
    peer: { script: 'mezo.py', args: ['mlp'] },
  },
  {
    name: '16 HVPs, sorting-mlp (n = 1000)',
    unit: '16 products',
    target: 4,
    ours: hessianVectorProducts,
    peer: { script: 'hvp.py', args: [] },
  },
];
