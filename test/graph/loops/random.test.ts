import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as $ from '../../../lib/graph/build.ts';
import { type Graph, type Node, sizeOf } from '../../../lib/graph/node.ts';
import { evaluateReference } from '../../../lib/graph/reference.ts';
import { simplify } from '../../../lib/graph/simplify.ts';
import { batched, pullBack, pushForward, reachable } from '../../../lib/graph/transforms.ts';
import { randomGraph } from '../plan/random.ts';
import { expectClose, random } from '../plan/support.ts';

/** The same values, every trip of every loop written out. */
function unrolled({ inputs, outputs }: Graph): Graph {
  const rows = (x: Node, t: number): Node => {
    const rest = x.shape.slice(1);
    return $.reshape($.slice(x, [t, ...rest.map(() => 0)], [t + 1, ...rest], [1, ...rest.map(() => 1)]), rest);
  };
  const stack = (list: readonly Node[]): Node =>
    $.concat(
      list.map((x) => $.reshape(x, [1, ...x.shape])),
      0,
    );
  const copy = (graph: Graph, values: readonly Node[]): Node[] => {
    const done = new Map<Node, Node>(graph.inputs.map((x, i) => [x, values[i]]));
    const ofLoop = new Map<Node, Node[]>();
    for (const node of reachable(graph.outputs, graph.inputs)) {
      if (done.has(node)) continue;
      const operands = node.inputs.map((x) => done.get(x)!);
      if ($.isOp(node, 'scan')) {
        const { body, length, reverse, constants, carries: count } = node.attributes;
        let carries = operands.slice(constants, constants + count);
        const [given, received]: Node[][][] = [[], []];
        for (let step = 0; step < length; step++) {
          const t = reverse ? length - 1 - step : step;
          received[t] = carries;
          const seen = operands.slice(constants + count).map((x) => rows(x, t));
          const made = copy(body, [...operands.slice(0, constants), ...carries, ...seen]);
          carries = made.slice(0, count);
          given[t] = made.slice(count);
        }
        const columns = (list: Node[][]) => list[0].map((_, j) => stack(list.map((row) => row[j])));
        ofLoop.set(node, [...carries, ...columns(given), ...columns(received)]);
        // A scan has no value of its own: anything stands for it.
        done.set(node, $.constant(0));
      } else if ($.isOp(node, 'result')) done.set(node, ofLoop.get(node.inputs[0])![node.attributes.index]);
      else done.set(node, $.remake(node, operands));
    }
    return graph.outputs.map((x) => done.get(x)!);
  };
  return { inputs, outputs: copy({ inputs, outputs }, inputs) };
}

const values = (inputs: readonly Node[], seed: number): Float64Array[] => {
  const next = random(seed);
  return inputs.map(({ shape, dtype }) =>
    Float64Array.from({ length: sizeOf(shape) }, () => (dtype === 'i32' ? Math.floor(next() * 3) : 2 * next() - 1)),
  );
};

/** Both graphs give the same, and the first also when it is simplified. */
function expectSame(a: Graph, b: Graph, what: string): void {
  const given = values(a.inputs, 5);
  const expected = evaluateReference(b, given);
  for (const graph of [a, simplify(a)]) {
    evaluateReference(graph, given).forEach((received, i) => {
      expect(received.length).toBe(expected[i].length);
      // A derivative is made of sums that are taken in another order.
      expectClose(received, expected[i], `${what}, output ${i}`, 1e-9);
    });
  }
}

const twins = (list: readonly Node[], name: string): Node<'input'>[] =>
  list.map(({ shape, dtype }, i) => $.input(`${name}${i}`, shape, dtype));
const hasLoop = ({ inputs, outputs }: Graph) => reachable(outputs, inputs).some((node) => $.isOp(node, 'scan'));

describe('random programs with loops, and the same unrolled', () => {
  const cases = fc
    .record({ seed: fc.nat(), steps: fc.integer({ min: 1, max: 14 }) })
    .map(({ seed, steps }) => randomGraph(seed, steps))
    .filter(hasLoop);
  /** Inputs that have derivatives, and their tangents. */
  const moving = ({ inputs }: Graph) => inputs.filter(({ dtype }) => dtype === 'f32');

  const tangentsOf = (graph: Graph): Graph => {
    const from = moving(graph);
    const tangents = twins(from, 'tangent');
    const outputs = pushForward(graph.outputs, from, tangents).map((x, i) => x ?? zero(graph.outputs[i]));
    return { inputs: [...graph.inputs, ...tangents], outputs };
  };
  const gradientOf = (graph: Graph): Graph => {
    const from = moving(graph);
    const cotangents = twins(graph.outputs, 'cotangent');
    const found = pullBack(graph.outputs, from, cotangents).map((x, i) => x ?? zero(from[i]));
    return { inputs: [...graph.inputs, ...cotangents], outputs: found };
  };
  const zero = ({ shape }: Node): Node => $.constant(0, shape);
  const batchOf =
    (which: number) =>
    (graph: Graph): Graph => {
      const size = 2;
      const isBatched = graph.inputs.map((_, i) => ((which >> i) & 1) === 1);
      const wide = graph.inputs.map(({ shape, dtype }, i) =>
        isBatched[i] ? $.input(`batch${i}`, [size, ...shape], dtype) : graph.inputs[i],
      );
      const chosen = <T>(list: readonly T[]) => list.filter((_, i) => isBatched[i]);
      const found = batched(graph.outputs, chosen(graph.inputs), chosen(wide), size);
      const all = found.map(({ node, batched: yes }) =>
        yes
          ? node
          : $.broadcast(
              node,
              [size, ...node.shape],
              node.shape.map((_, i) => i + 1),
            ),
      );
      return { inputs: wide, outputs: all };
    };
  const alike = (transform: (graph: Graph) => Graph, seed: number, numRuns: number): void =>
    fc.assert(
      fc.property(cases, (graph) => {
        const plain = unrolled(graph);
        // Inputs that a transform makes are its own: the two graphs have to be given the same values in the same order.
        const [a, b] = [transform(graph), transform(plain)];
        expectSame({ ...a }, { inputs: b.inputs, outputs: b.outputs }, 'transformed');
      }),
      { seed, numRuns },
    );

  it('have the same values', () => alike((graph) => graph, 1, 150));
  it('have the same tangents', () => alike(tangentsOf, 2, 100));
  it('have the same cotangents', () => alike(gradientOf, 3, 100));
  it('have the same batches, whichever inputs are batched', () => {
    for (let which = 1; which < 32; which++) alike(batchOf(which), 100 + which, 8);
  });
  it('have the same second derivatives, forward over reverse, and batches of those', () => {
    alike((graph) => tangentsOf(gradientOf(graph)), 4, 60);
    alike((graph) => batchOf(0b10101)(tangentsOf(gradientOf(graph))), 5, 40);
    alike((graph) => gradientOf(gradientOf(graph)), 6, 40);
  });
});
