// A loss of one's own on data of one's own: logistic regression, trained by MeZO, without a gradient.
// One sees the loss fall and the weights come near those that made the labels; the last line compares.
// Run: node examples/own-loss.js (a second or two)
import { compile, initialisers, mezo, openDevice, ops, PhiloxStream, stream, train } from 'zeroth';

const examples = 2000;
const truth = { weights: [2, -1, 0.5], bias: -0.5 };
const random = new PhiloxStream(1n, stream('data', 0));
const x = Float32Array.from({ length: examples * 3 }, () => random.normal());
const y = Float32Array.from({ length: examples }, (_, i) => {
  const score = truth.weights.reduce((sum, weight, j) => sum + weight * x[3 * i + j], truth.bias);
  return random.uniform() < 1 / (1 + Math.exp(-score)) ? 1 : 0;
});

const problem = {
  name: 'logistic regression',
  parameters: {
    weights: { shape: [3], init: initialisers.zeros },
    bias: { shape: [], init: initialisers.zeros },
  },
  data: { x: { shape: [examples, 3], data: x }, y: { shape: [examples], data: y } },
  // The mean of log(1 + exp(z)) − y z, written so that exp never overflows.
  loss({ weights, bias }, { x, y }) {
    const z = x.matmul(weights).add(bias);
    const softplus = ops.log1p(ops.exp(ops.neg(ops.abs(z)))).add(z.relu());
    return softplus.sub(y.mul(z)).mean();
  },
};

const device = openDevice();
const objective = await compile(device, problem);
for await (const event of train(objective, mezo({ lr: 0.2 }), { steps: 1000, seed: 1 })) {
  if (event.type === 'step' && event.step % 200 === 0)
    console.log(`step ${String(event.step).padStart(4)}   loss ${event.loss.toFixed(4)}`);
  if (event.type === 'end') console.log(`${event.message} Last loss ${event.loss.toFixed(4)}.`);
}
const show = (numbers) => Array.from(numbers, (value) => value.toFixed(2)).join(', ');
console.log(`learned weights ${show(await objective.params.read('weights'))}; true ones ${show(truth.weights)}`);
console.log(`learned bias ${show(await objective.params.read('bias'))}; true one ${show([truth.bias])}`);
await objective.dispose();
await device.dispose();
