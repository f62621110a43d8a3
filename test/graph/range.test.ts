import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { expanded } from '../../lib/graph/expand.ts';
import { type Graph, sizeOf } from '../../lib/graph/node.ts';
import { opOf } from '../../lib/graph/ops/table.ts';
import type { Tensor } from '../../lib/graph/ops.ts';
import * as t from '../../lib/graph/ops.ts';
import { simplify } from '../../lib/graph/simplify.ts';
import { reachable } from '../../lib/graph/transforms.ts';
import { compile } from '../../lib/objective/objective.ts';
import { traceOf } from './evaluate.ts';

const device = openDevice({ threads: 1 });
afterAll(() => device.dispose());

const [TINY, MAX] = [2 ** -126, (2 - 2 ** -23) * 2 ** 127];
/** Far enough from the ends that rounding on the way makes no difference. */
const isOrdinary = (value: number) => Math.abs(value) >= 4 * TINY && Math.abs(value) <= MAX / 4;

/** A graph as the device computes it, one operation after the other: f32, and f64 where the rank is 0. Is everything on the way in range? */
function inF32(graph: Graph, inputs: readonly Float64Array[]): { outputs: Float64Array[]; ordinary: boolean } {
  const values = new Map<object, Float64Array>(graph.inputs.map((node, i) => [node, inputs[i]]));
  const { outputs } = expanded(graph);
  let ordinary = true;
  for (const node of reachable(outputs, graph.inputs)) {
    if (values.has(node)) continue;
    const exact = opOf(node).reference(
      node,
      node.inputs.map((x) => values.get(x)!),
    );
    ordinary &&= exact.every(isOrdinary);
    values.set(node, node.shape.length === 0 ? exact : exact.map(Math.fround));
  }
  return { outputs: outputs.map((node) => values.get(node)!), ordinary };
}

/** Operations that keep the sign of what is positive, so that only the range counts and not what cancels. */
type Step = (x: Tensor, others: readonly Tensor[]) => Tensor;

/** Of any size alike: 1 to 2 times a power of two. */
const powers = (most: number) =>
  fc
    .tuple(fc.integer({ min: -most, max: most - 1 }), fc.double({ min: 1, max: 2, noNaN: true }))
    .map(([power, mantissa]) => Math.fround(mantissa * 2 ** power));

const steps = (constants: fc.Arbitrary<number>): fc.Arbitrary<Step> =>
  fc.oneof(
    constants.map(
      (c): Step =>
        (x) =>
          t.mul(x, c),
    ),
    constants.map(
      (c): Step =>
        (x) =>
          t.div(x, c),
    ),
    constants.map(
      (c): Step =>
        (x) =>
          t.add(x, c),
    ),
    constants.map(
      (c): Step =>
        (x) =>
          t.mul(t.neg(x), -c),
    ),
    fc.constantFrom<Step>(
      (x) => t.neg(t.neg(x)),
      (x) => t.add(x, x),
      (x) => t.sub(x, t.neg(x)),
      (x) => t.sum(x, -1, { keepDims: true }),
      (x) => t.transpose(t.sum(t.transpose(x), 0, { keepDims: true })),
      (x) => t.mean(x, 0, { keepDims: true }),
      (x) => t.broadcastTo(t.sum(x), x.shape),
      (x) => t.sum(t.broadcastTo(x, [3, ...x.shape]), 0),
      (x) => t.integerPow(x, 2),
      (x) => t.integerPow(x, -1),
    ),
  );
const factors: fc.Arbitrary<Step> = fc.nat(1).map((i) => (x, others) => t.mul(x, others[i]));

/** Numbers of one size, whatever it is: sums and products are then at the end of the range together. */
const alike = (n: number, most: number) =>
  fc
    .tuple(powers(most), fc.array(fc.integer({ min: 1, max: 16 }), { minLength: n, maxLength: n }))
    .map(([size, list]) => Float64Array.from(list, (k) => Math.fround(Math.min((size * k) / 8, MAX))));

/** How often the chain stays in range where it is written, and so must where it is simplified. */
function property(chains: fc.Arbitrary<readonly Step[]>, most: number, rows: number, numRuns: number): number {
  let held = 0;
  const sizes = [2 * rows, rows, rows];
  const values = fc.tuple(...sizes.map((n) => alike(n, most)));
  fc.assert(
    fc.property(chains, values, (chain, inputs) => {
      const graph = traceOf(
        (x, a, b) =>
          chain.reduce(
            (value, step) =>
              step(
                value,
                [a, b].map((y) => t.broadcastTo(y, [2, rows])),
              ),
            x,
          ),
        [{ shape: [2, rows] }, { shape: [rows] }, { shape: [rows] }],
      );
      const written = inF32(graph, inputs);
      if (!written.ordinary || sizeOf(graph.outputs[0].shape) === 0) return;
      held++;
      const [simplified] = inF32(simplify(graph), inputs).outputs;
      for (const [i, value] of written.outputs[0].entries()) expect(simplified[i] / value).toBeCloseTo(1, 4);
    }),
    { seed: 19, numRuns },
  );
  return held;
}

describe('simplifying keeps in the range of f32', () => {
  it('what is in it as written: constants, sums, powers, at any scale', () => {
    const chains = fc.array(steps(powers(126)), { minLength: 1, maxLength: 6 });
    expect(property(chains, 126, 8, 6000)).toBeGreaterThan(1000);
  });

  it('factors that a batch shares, too, where all are within 2^±20', () => {
    // A constant that moves is within 2^±32: three of them and a factor are in range together.
    const all = steps(powers(126));
    const chains = fc
      .tuple(
        fc.array(fc.oneof(all, factors), { maxLength: 1 }),
        factors,
        fc.array(fc.oneof(all, factors), { maxLength: 2 }),
      )
      .map(([before, shared, after]) => [...before, shared, ...after]);
    expect(property(chains, 16, 3, 6000)).toBeGreaterThan(500);
  });

  it('sums along an axis of what a small factor brings into range', async () => {
    await using objective = await compile(device, {
      parameters: { w: { shape: [2, 8], init: new Float32Array(16).fill(1e38) } },
      loss: ({ w }) => t.sum(w),
    });
    const { data } = await objective.evaluate(({ w }) => t.sum(t.mul(w, 0.125), -1));
    for (const value of data) expect(value / 1e38).toBeCloseTo(1, 6);
    const total = await objective.evaluate(({ w }) => t.sum(t.mul(w, 0.0625)));
    expect(total.data[0] / 1e38).toBeCloseTo(1, 6);
  });
});
