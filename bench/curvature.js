// Trace, λmax and the rest of a measurement of a model of a hundred million parameters: its memory in vectors as long as θ, its time, and its
// errors, for the Hessian is diag(a). By itself: `node bench/curvature.js [parameters]`; fewer where the machine's memory is short.
import { spawnSync } from 'node:child_process';
import { freemem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { hutchinsonTrace } from '../dist/curvature/hutchinson-trace.js';
import { lanczosQuadrature } from '../dist/curvature/lanczos-quadrature.js';
import { topEigenvalues } from '../dist/curvature/top-eigenvalues.js';
import { mul, square, sum } from '../dist/graph/ops.js';
import { compile } from '../dist/objective/objective.js';
import { sortingProblem, timed, withDevice } from './cases.js';

const self = fileURLToPath(import.meta.url);
const PARAMETERS = 1e8;
/** Vectors as long as θ that the process needs at its peak: θ, a, the array that a was made from, arenas, and 16 of the measurement. */
const PROCESS_VECTORS = 28;
const TARGET_VECTORS = 16;

/** Outliers over a bulk that reaches a little below 0. */
const eigenvalue = (i) => (i < 3 ? 4 - i / 10 : 1 + 1.1 * Math.sin(i));

/** ½ Σ a θ². */
const problem = (a) => ({
  parameters: { theta: { shape: [a.length], init: { kind: 'constant', value: 0 } } },
  constants: { a: { shape: [a.length], data: a } },
  loss: ({ theta }, _, { a }) => mul(sum(mul(a, square(theta))), 0.5),
});

export function curvatureOfLarge(parameters = PARAMETERS) {
  const fits = Math.floor(freemem() / (4 * PROCESS_VECTORS));
  const d = Math.min(parameters, fits);
  const { status, stdout, stderr } = spawnSync(process.execPath, [self, 'measure', String(d)], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`curvature.js failed: ${stderr}`);
  return { name: `curvature of ${d / 1e6} M parameters`, targetVectors: TARGET_VECTORS, ...JSON.parse(stdout) };
}

/** Seconds of what the monitor measures, on a small model: where its vectors are nothing, and its submissions are all. */
export const curvatureOfSmall = () =>
  withDevice(async (device) => {
    const objective = await compile(device, sortingProblem());
    const hessian = await objective.hessian();
    const measurement = async () => {
      await hutchinsonTrace(hessian, { probes: 16 });
      await lanczosQuadrature(hessian, { tolerance: 1e-2 });
    };
    return { name: 'curvature of sorting-mlp (n = 1000), as monitored', seconds: await timed(measurement, 15) };
  });

/** The most that the device's buffers, its arenas and the process take while `work` runs, beyond what they take before. */
async function watched(device, work) {
  const allocate = device.allocate.bind(device);
  const before = { ...device.memory(), rss: process.memoryUsage.rss() };
  const most = { bufferBytes: 0, arenaBytes: 0, rss: 0 };
  const look = () => {
    const now = { ...device.memory(), rss: process.memoryUsage.rss() };
    for (const name of Object.keys(most)) most[name] = Math.max(most[name], now[name] - before[name]);
  };
  device.allocate = (bytes) => {
    const buffer = allocate(bytes);
    look();
    return buffer;
  };
  const timer = setInterval(look, 50);
  const start = performance.now();
  const result = await work();
  const seconds = (performance.now() - start) / 1e3;
  look();
  clearInterval(timer);
  device.allocate = allocate;
  return { result, seconds, ...most };
}

async function measure(d) {
  return withDevice(async (device) => {
    const objective = await compile(device, problem(Float32Array.from({ length: d }, (_, i) => eigenvalue(i))));
    const { result, seconds, bufferBytes, arenaBytes, rss } = await watched(device, async () => {
      const hessian = await objective.hessian();
      const { trace } = await hutchinsonTrace(hessian, { probes: 4 });
      const ends = await lanczosQuadrature(hessian, { tolerance: 1e-3 });
      const top = await topEigenvalues(hessian, { tolerance: 1e-3, vectors: false });
      hessian.dispose();
      return { trace, ends, top };
    });
    let [trace, negative] = [0, 0];
    for (let i = 0; i < d; i++) {
      const value = Math.fround(eigenvalue(i));
      trace += value;
      negative += Math.max(-value, 0);
    }
    return {
      parameters: d,
      seconds,
      products: 4 + result.ends.hvps + result.top.hvps,
      vectors: bufferBytes / (4 * d),
      arenaVectors: arenaBytes / (4 * d),
      processVectors: rss / (4 * d),
      relativeErrors: {
        trace: Math.abs(result.trace / trace - 1),
        lambdaMax: Math.abs(result.ends.lambdaMax / 4 - 1),
        top: Math.abs(result.top.values[0] / 4 - 1),
        negativeTrace: Math.abs(result.ends.negativeTrace / negative - 1),
        negativeTraceStated: result.ends.negativeTraceStdErr / negative,
      },
    };
  });
}

if (process.argv[1] === self) {
  if (process.argv[2] === 'measure') console.log(JSON.stringify(await measure(Number(process.argv[3]))));
  else console.log(curvatureOfLarge(process.argv[2] === undefined ? undefined : Number(process.argv[2])));
}
