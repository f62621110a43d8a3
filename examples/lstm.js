// A recurrent network over 2,000 steps, trained without back-propagation through time: does a noisy signal drift up or down?
// One sees the memory of a loss, which holds one state of the network and not the 2,000 that a gradient would keep, and the accuracy rise.
// Run: node examples/lstm.js (about five seconds)
import * as zeroth from 'zeroth';

const [steps, units, series] = [2000, 8, 128];
const random = new zeroth.PhiloxStream(5n, zeroth.stream('data', 0));
// Noise whose mean is ±0.2: no single step tells, all together do.
const noise = Float32Array.from(
  { length: series * steps },
  (_, i) => (Math.floor(i / steps) % 2) * 0.4 - 0.2 + random.normal(),
);

const { input, state, bias } = zeroth.lstmParameters(1, units);
const { weight, bias: offset } = zeroth.linearParameters(units, 2);
const scores = (p, x) => {
  const { last } = zeroth.lstm(x.transpose([1, 0, 2]), p); // time first
  return zeroth.linear(last.h, p.weight, p.offset);
};
const problem = {
  name: 'drift',
  parameters: { input, state, bias, weight, offset },
  data: {
    x: { shape: [series, steps, 1], data: noise },
    y: { shape: [series], data: Int32Array.from({ length: series }, (_, i) => i % 2) },
  },
  loss: (p, { x, y }) => zeroth.softmaxCrossEntropy(scores(p, x), y),
};

const device = zeroth.openDevice();
const objective = await zeroth.compile(device, problem, { seed: 1 });
const kept = 4 * steps * series * units * 2;
console.log(`one loss works in ${await objective.lossArenaBytes()} bytes; the states of all steps would be ${kept}`);
const optimizer = zeroth.zoAdam({ lr: 0.03 });
for await (const event of zeroth.train(objective, optimizer, { steps: 251, seed: 1 })) {
  if (event.type !== 'step' || event.step % 50 !== 0) continue;
  const { data } = await objective.evaluate((p, { x, y }) => zeroth.accuracy(scores(p, x), y), problem.data);
  console.log(`step ${event.step}  loss ${event.loss.toFixed(3)}  accuracy ${data[0].toFixed(3)}`);
}
await device.dispose();
