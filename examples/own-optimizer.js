// An estimator and an update rule of one's own: SPSA whose μ adapts, and AdaGrad, on Rosenbrock's valley.
// One sees a run that was stopped half-way end where the other does, to the bit: what an estimator remembers is in the checkpoint.
// Run: node examples/own-optimizer.js (a second or two)
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, initialisers, openDevice, tracedRule, train } from 'zeroth';

const adaptiveSpsa = ({ mu: first = 0.05, rough = 0.1 } = {}) => ({
  name: 'adaptive-spsa',
  options: { mu: first, rough }, // all that tells it from others of its name: a resume compares them
  cost: { losses: 2 },
  init: () => ({ mu: first }),
  async estimate({ oracle, direction, state: { mu }, signal }) {
    const u = { ...direction(0), distribution: 'rademacher' };
    const at = (coefficient) => [{ direction: u, coefficient }];
    const [plus, minus] = await oracle.losses([at(mu), at(-mu)], signal);
    const loss = (plus + minus) / 2;
    const next = mu * (Math.abs(plus - minus) > rough * loss ? 0.9 : 1.05);
    const terms = [{ direction: u, coefficient: (plus - minus) / (2 * mu) }];
    return { estimate: { kind: 'directions', loss, terms }, state: { mu: Math.min(0.1, Math.max(1e-3, next)) } };
  },
});
const adaGrad = ({ epsilon = 1e-8 } = {}) =>
  tracedRule({ name: 'adagrad', options: { epsilon }, states: { sum: 0 } }, ({ theta, gradient, sum, lr }) => {
    const next = sum.add(gradient.square());
    return { theta: theta.sub(lr.mul(gradient).div(next.sqrt().add(epsilon))), sum: next };
  });
const optimizer = { name: 'adaptive', estimator: adaptiveSpsa(), rule: adaGrad(), lr: 0.3 };
const parameters = { x: { shape: [], init: initialisers.zeros }, y: { shape: [], init: initialisers.zeros } };
const loss = ({ x, y }) => y.sub(x.square()).square().mul(10).add(x.sub(1).square());

const device = openDevice();
const start = () => compile(device, { name: 'rosenbrock', parameters, loss });
const folder = mkdtempSync(join(tmpdir(), 'own-optimizer-'));
const options = (name) => ({ steps: 1000, seed: 1, checkpointEvery: 100, out: join(folder, name) });

const [whole, half, other] = [await start(), await start(), await start()];
const end = await train(whole, optimizer, options('whole'));
console.log(`whole run: ${end.message} Last loss ${end.loss.toPrecision(3)}.`);
for await (const event of train(half, optimizer, options('halves')))
  if (event.type === 'step' && event.step === 530) break; // as if it had been killed
const resumed = await train(other, optimizer, { ...options('halves'), resume: true });
console.log(`stopped and resumed: ${resumed.message} Last loss ${resumed.loss.toPrecision(3)}.`);
const [a, b] = [await whole.params.read(), await other.params.read()];
console.log(`x, y = ${Array.from(a, (v) => v.toFixed(3)).join(', ')}; the same: ${a.every((v, i) => v === b[i])}`);
await device.dispose();
rmSync(folder, { recursive: true });
