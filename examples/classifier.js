// A classifier from a CSV file to predictions: train without a gradient, score rows held out, save, load, predict.
// One sees the accuracy on rows that it was not trained on rise far above chance, and the loaded weights predict as the saved ones did.
// Run: node examples/classifier.js (a few seconds)
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as zeroth from 'zeroth';

// Any CSV of numbers and a class would do. This one is made up: points on three rings.
const folder = mkdtempSync(join(tmpdir(), 'zeroth-rings-'));
const [csv, file] = ['rings.csv', 'rings.safetensors'].map((name) => join(folder, name));
const rings = ['inner', 'middle', 'outer'];
const random = new zeroth.PhiloxStream(3n, zeroth.stream('data', 0));
const lines = Array.from({ length: 600 }, (_, i) => {
  const [radius, angle] = [0.4 + (i % 3) + 0.3 * random.normal(), 2 * Math.PI * random.uniform()];
  return `${(radius * Math.cos(angle)).toFixed(3)},${(radius * Math.sin(angle)).toFixed(3)},${rings[i % 3]}`;
});
writeFileSync(csv, ['x,y,ring', ...lines].join('\n'));
const rows = readFileSync(csv, 'utf8').split('\n').slice(1);
const points = rows.map((row) => row.split(',').slice(0, 2).map(Number));
const labels = rows.map((row) => rings.indexOf(row.split(',')[2]));
const heldOut = { x: points.slice(450), y: labels.slice(450) };

const device = zeroth.openDevice();
const model = zeroth.mlp({ name: 'rings', sizes: [2, 16, 3] });
const data = { x: points.slice(0, 450), y: labels.slice(0, 450) };
const problem = zeroth.supervised(model, data, zeroth.softmaxCrossEntropy);
const objective = await zeroth.compile(device, problem, { seed: 1 });
const accuracy = (p, { x, y }) => zeroth.accuracy(model.apply(p, x), y);
for await (const event of zeroth.train(objective, zeroth.zoAdam({ lr: 0.01 }), { steps: 2000 })) {
  if (event.type !== 'step' || event.step % 500 !== 0) continue;
  const score = (await objective.evaluate(accuracy, heldOut)).data[0];
  console.log(
    `step ${String(event.step).padStart(4)}   loss ${event.loss.toFixed(3)}   accuracy on rows held out ${score.toFixed(3)}`,
  );
}
await objective.params.save(file);
const other = await zeroth.compile(device, problem, { seed: 2 });
await other.params.load(file);
const predict = (p, { x }) => zeroth.ops.softmax(model.apply(p, x));
for (const [who, own] of Object.entries({ trained: objective, loaded: other })) {
  const { data } = await own.evaluate(predict, { x: points.slice(450, 453) });
  for (const [i, point] of points.slice(450, 453).entries())
    console.log(`${who}: (${point}) → ${rings.map((ring, c) => `${ring} ${data[3 * i + c].toFixed(3)}`).join(', ')}`);
}
rmSync(folder, { recursive: true });
await device.dispose();
