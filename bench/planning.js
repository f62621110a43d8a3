// Seconds from a loss to a loaded program, by the length of the program: unrolled recurrences, loops and elementwise chains, three sizes each.
import { grad, jvp, valueAndGrad, vmap } from '../dist/graph/derive.js';
import * as ops from '../dist/graph/ops.js';
import { plan } from '../dist/graph/plan/plan.js';
import { trace } from '../dist/graph/trace.js';
import * as nn from '../dist/nn/lstm.js';
import { withDevice } from './cases.js';

const ROWS = 32;
const FEATURES = 8;
const UNITS = 64;
const TANGENTS = 16;

const now = (x, t) => ops.slice(x, [0, t, 0], [ROWS, t + 1]).reshape([ROWS, x.shape[2]]);

function recurrence({ w, u, b }, x) {
  let state = ops.broadcastTo(b, [ROWS, UNITS]);
  for (let t = 0; t < x.shape[1]; t++)
    state = ops.tanh(ops.add(ops.add(ops.matmul(state, w), ops.matmul(now(x, t), u)), b));
  return ops.mean(ops.square(state));
}
const recurrenceShapes = { w: [UNITS, UNITS], u: [FEATURES, UNITS], b: [UNITS] };

function lstm(p, x) {
  let input = x;
  let state;
  for (const layer of [0, 1]) {
    state = ops.broadcastTo(p.start, [ROWS, UNITS]);
    let memory = state;
    const outputs = [];
    for (let t = 0; t < x.shape[1]; t++) {
      const gates = ops.add(
        ops.add(ops.matmul(now(input, t), p[`x${layer}`]), ops.matmul(state, p[`h${layer}`])),
        p[`b${layer}`],
      );
      const gate = (k) => ops.slice(gates, [0, k * UNITS], [ROWS, (k + 1) * UNITS]);
      memory = ops.add(ops.mul(ops.sigmoid(gate(0)), memory), ops.mul(ops.sigmoid(gate(1)), ops.tanh(gate(2))));
      state = ops.mul(ops.sigmoid(gate(3)), ops.tanh(memory));
      outputs.push(state.reshape([ROWS, 1, UNITS]));
    }
    input = ops.concat(outputs, 1);
  }
  return ops.mean(ops.square(state));
}
/** The same with its steps in a loop. */
function lstmLoop(p, x) {
  let input = ops.transpose(x, [1, 0, 2]);
  for (const layer of [0, 1]) {
    const start = ops.broadcastTo(p.start, [ROWS, UNITS]);
    const weights = { input: p[`x${layer}`], state: p[`h${layer}`], bias: p[`b${layer}`] };
    const { states, last } = nn.lstm(input, weights, { h: start, c: start });
    if (layer === 1) return ops.mean(ops.square(last.h));
    input = states;
  }
}
const lstmShapes = {
  start: [UNITS],
  ...Object.fromEntries(
    [FEATURES, UNITS].flatMap((width, layer) => [
      [`x${layer}`, [width, 4 * UNITS]],
      [`h${layer}`, [UNITS, 4 * UNITS]],
      [`b${layer}`, [4 * UNITS]],
    ]),
  ),
};

const specs = (shapes, ...leading) =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, { shape: [...leading, ...shape] }]));
const series = (length) => ({ shape: [ROWS, length, FEATURES] });

const programs = [
  {
    name: 'loss and gradient, recurrent cells',
    sizes: [256, 512, 1024],
    build: (length) =>
      trace((p, x) => valueAndGrad((q) => recurrence(q, x))(p), specs(recurrenceShapes), series(length)),
  },
  {
    name: `${TANGENTS} HVPs, two layers of LSTM cells`,
    sizes: [4, 8, 15],
    build: (length) =>
      trace(
        (p, v, x) => vmap((tangent) => jvp(grad((q) => lstm(q, x)))([p], [tangent])[1])(v),
        specs(lstmShapes),
        specs(lstmShapes, TANGENTS),
        series(length),
      ),
  },
  {
    name: 'loss, two layers of LSTM cells in loops',
    sizes: [500, 1000, 2000],
    build: (length) => trace(lstmLoop, specs(lstmShapes), series(length)),
  },
  {
    name: `${TANGENTS} HVPs, two layers of LSTM cells in loops`,
    sizes: [500, 1000, 2000],
    build: (length) =>
      trace(
        (p, v, x) => vmap((tangent) => jvp(grad((q) => lstmLoop(q, x)))([p], [tangent])[1])(v),
        specs(lstmShapes),
        specs(lstmShapes, TANGENTS),
        series(length),
      ),
  },
  {
    name: 'elementwise chain',
    sizes: [6_400, 12_800, 25_600],
    build: (length) =>
      trace(
        (x, w) => {
          let y = x;
          for (let i = 0; i < length; i++) y = i % 2 === 0 ? ops.mul(y, w) : ops.tanh(y);
          return ops.sum(y);
        },
        { shape: [1000] },
        { shape: [1000] },
      ),
  },
];

/** No size may take longer than this, nor more than n log n of the size before; a first, small one warms the compiler. */
const TARGET = 2;

export async function planningTimes() {
  return withDevice(async (device) => {
    const results = [];
    for (const { name, sizes, build } of programs) {
      await measured(device, build, sizes[0]);
      const rows = [];
      for (const size of sizes) rows.push(await measured(device, build, size));
      results.push({ name, target: TARGET, rows });
    }
    return results;
  });
}

async function measured(device, build, size) {
  const start = performance.now();
  const graph = build(size);
  const traced = performance.now();
  const made = plan(graph, { inputs: graph.inputs.map((_, slot) => ({ slot, offset: 0 })) });
  const { bytes, arenaBytes, instructions } = made;
  const planned = performance.now();
  const program = await device.load(bytes);
  const loaded = performance.now();
  program.dispose();
  return {
    size,
    instructions: instructions.length,
    arenaBytes,
    traceSeconds: (traced - start) / 1000,
    planSeconds: (planned - traced) / 1000,
    loadSeconds: (loaded - planned) / 1000,
  };
}
