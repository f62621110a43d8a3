import { expect } from 'vitest';
import * as $ from '../../../lib/graph/build.ts';
import { type Graph, type Node, sizeOf } from '../../../lib/graph/node.ts';
import { runProgramReference } from '../../../lib/graph/plan/interpret.ts';
import { type Plan, plan } from '../../../lib/graph/plan/plan.ts';
import { evaluateReference } from '../../../lib/graph/reference.ts';

/** Uniform numbers in [0, 1), the same on every machine. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A slot for each input. */
export const ownSlots = (graph: Graph) => graph.inputs.map((_, slot) => ({ slot, offset: 0 }));

export const planOf = (graph: Graph): Plan => plan(graph, { inputs: ownSlots(graph) });

/** Values for the inputs of a graph; integers stay below `rows`. */
export function valuesFor(graph: Graph, seed = 1, rows = 3): Float64Array[] {
  const next = random(seed);
  return graph.inputs.map(({ shape, dtype }) =>
    Float64Array.from({ length: sizeOf(shape) }, () => (dtype === 'i32' ? Math.floor(next() * rows) : 2 * next() - 1)),
  );
}

/** The plan of a graph computes what the graph says: its bytes, run in f64, against the reference. */
export function expectFaithful(graph: Graph, values = valuesFor(graph)): Plan {
  const made = planOf(graph);
  const received = runProgramReference(made.bytes, values);
  const expected = evaluateReference(graph, values);
  expect(received.length).toBe(expected.length);
  expected.forEach((array, i) => {
    expect(received[i].length).toBe(array.length);
    expectClose(received[i], array, `output ${i}`);
  });
  expect(made.outputs.map((output) => output.shape)).toEqual(graph.outputs.map((node) => node.shape));
  expect(made.arenaBytes).toBeGreaterThanOrEqual(made.peakLiveBytes);
  return made;
}

export function expectClose(received: Float64Array, expected: Float64Array, what: string, tolerance = 1e-12): void {
  const scale = expected.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 1);
  expected.forEach((x, i) => {
    const ok = Object.is(x, received[i]) || Math.abs(x - received[i]) <= tolerance * scale;
    if (!ok) expect.fail(`${what}, element ${i}: received ${received[i]}, expected ${x}`);
  });
}

export const graphOf = (inputs: readonly Node<'input'>[], ...outputs: Node[]): Graph => ({ inputs, outputs });

/** x W + b with the bias broadcast over the rows. */
export function linear(x: Node, weight: Node, bias: Node): Node {
  const product = $.matmul(x, weight);
  return $.add(product, $.broadcast(bias, product.shape, [1]));
}

/** Mean over rows of ½ Σ (x − y)². */
export function squaredLoss(x: Node, y: Node): Node {
  const total = $.sum($.integerPow($.sub(x, y), 2), [0, 1]);
  return $.mul(total, $.constant(0.5 / x.shape[0]));
}

export interface Mlp {
  readonly graph: Graph;
  readonly loss: Node;
  readonly parameters: Node<'input'>[];
}

/** A plain MLP with GELU between linear layers: inputs are its parameters (weight, bias, …), the data and the targets. */
export function mlp(rows: number, widths: readonly number[]): Mlp {
  const parameters: Node<'input'>[] = [];
  const data = $.input('x', [rows, widths[0]]);
  let x: Node = data;
  for (let layer = 1; layer < widths.length; layer++) {
    const weight = $.input(`w${layer}`, [widths[layer - 1], widths[layer]]);
    const bias = $.input(`b${layer}`, [widths[layer]]);
    parameters.push(weight, bias);
    x = linear(x, weight, bias);
    if (layer < widths.length - 1) x = $.gelu(x);
  }
  const targets = $.input('y', x.shape);
  const loss = squaredLoss(x, targets);
  return { graph: { inputs: [...parameters, data, targets], outputs: [loss] }, loss, parameters };
}

export const kinds = (made: Plan): string[] => made.instructions.map((instruction) => instruction.kind);
