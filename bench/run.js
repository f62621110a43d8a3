// npm run bench [-- <part of a case's name>]: our seconds beside PyTorch's, rounds of both interleaved, ratios of medians.
// Prints a table and writes bench/results/bench.json with the environment.
import { mkdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, totalmem } from 'node:os';
import { cases, median, withDevice } from './cases.js';
import { curvatureOfLarge, curvatureOfSmall } from './curvature.js';
import { peakMemory } from './memory.js';
import { findPython, runPeer } from './peer.js';
import { planningTimes } from './planning.js';

const ROUNDS = 3;
/** Below this, PyTorch multiplies matrices with the reference BLAS, and a comparison says nothing. */
const FAIR_GEMM_GFLOPS = 20;

const wanted = process.argv[2] ?? '';
const python = findPython();
if (!python) {
  console.log(
    'No python3 with torch here (Debian: apt-get install python3-torch libopenblas0-pthread; or set PYTHON): ours only.',
  );
}

const results = [];
for (const { name, unit, target, ours, peer } of cases.filter((one) => one.name.includes(wanted))) {
  const mine = [];
  const theirs = new Map();
  let torch;
  let gemmGflops = 0;
  for (let round = 0; round < ROUNDS; round++) {
    mine.push(await ours());
    for (const run of python ? runPeer(python, peer) : []) {
      theirs.set(run.setting, [...(theirs.get(run.setting) ?? []), run.seconds]);
      torch = run.torch;
      gemmGflops = Math.max(gemmGflops, run.gemmGflops);
    }
  }
  const seconds = median(mine);
  const peers = [...theirs].map(([setting, rounds]) => ({
    setting,
    seconds: median(rounds),
    ratio: median(rounds) / seconds,
  }));
  results.push({ name, unit, target, seconds, rounds: mine, peers, torch, gemmGflops });
  console.log(`${name.padEnd(44)} ${duration(seconds).padStart(8)}${peers.length > 0 ? `   target ${target}×` : ''}`);
  for (const peer of peers) {
    console.log(
      `  PyTorch, ${peer.setting.padEnd(33)} ${duration(peer.seconds).padStart(8)}   ${peer.ratio.toFixed(1)}×`,
    );
  }
  if (peers.length > 0 && gemmGflops < FAIR_GEMM_GFLOPS) {
    console.log(
      `  not a fair comparison: this PyTorch reaches ${gemmGflops.toFixed(0)} GFLOP/s in matrix products, so it runs on the reference BLAS; install libopenblas0-pthread.`,
    );
  }
}

let memory;
if ('peak memory'.includes(wanted)) {
  memory = peakMemory();
  const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  console.log(
    `${memory.name.padEnd(44)} ${megabytes(memory.stepBytes).padStart(9)}   loss alone ${megabytes(memory.lossBytes)}   ${memory.ratio.toFixed(3)}× (target ≤ ${memory.target}×)`,
  );
}

let curvature;
if ('curvature'.includes(wanted)) {
  const [small, large] = [await curvatureOfSmall(), curvatureOfLarge()];
  curvature = { small, large };
  console.log(`${small.name.padEnd(52)} ${duration(small.seconds)}`);
  console.log(
    `${large.name.padEnd(52)} ${duration(large.seconds)}   ${large.products} products; ${large.vectors.toFixed(1)} vectors ` +
      `(target ≤ ${large.targetVectors}) beside arenas of ${large.arenaVectors.toFixed(1)}; the process grew by ${large.processVectors.toFixed(1)}`,
  );
}

let planning;
if ('planning'.includes(wanted)) {
  planning = await planningTimes();
  for (const { name, rows, target } of planning) {
    console.log(`planning: ${name} (target ≤ ${target} s)`);
    for (const { size, instructions, traceSeconds, planSeconds, loadSeconds } of rows) {
      const parts = `trace ${duration(traceSeconds)}, plan ${duration(planSeconds)}, load ${duration(loadSeconds)}`;
      console.log(
        `  ${String(size).padStart(6)}  ${duration(traceSeconds + planSeconds + loadSeconds).padStart(8)}   ${parts}; ${instructions} instructions`,
      );
    }
  }
}

const { threads, isa } = await withDevice(async ({ threads, isa }) => ({ threads, isa }));
const environment = {
  date: new Date().toISOString(),
  cpu: cpus()[0].model.trim(),
  cores: cpus().length,
  threads,
  isa,
  memoryBytes: totalmem(),
  arch: arch(),
  node: process.version,
};
const file = new URL('results/bench.json', import.meta.url);
mkdirSync(new URL('.', file), { recursive: true });
writeFileSync(file, `${JSON.stringify({ environment, results, memory, curvature, planning }, null, 2)}\n`);
console.log(
  `\n${environment.cpu}, ${environment.cores} cores, ${environment.isa}; written to bench/results/bench.json`,
);

function duration(seconds) {
  if (seconds >= 1) return `${seconds.toPrecision(3)} s`;
  return seconds >= 1e-3 ? `${(seconds * 1e3).toPrecision(3)} ms` : `${(seconds * 1e6).toPrecision(3)} µs`;
}
