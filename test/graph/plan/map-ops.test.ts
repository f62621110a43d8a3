import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../../lib/device/device.ts';
import { packageRoot } from '../../../lib/device/native.ts';
import * as $ from '../../../lib/graph/build.ts';
import type { Attributes, Graph, Node, Shape } from '../../../lib/graph/node.ts';
import { type Elementwise, elementwiseOps } from '../../../lib/graph/ops/elementwise.ts';
import { mapOps } from '../../../lib/graph/ops/map-ops.ts';
import { evaluateReference } from '../../../lib/graph/reference.ts';
import { runNative } from './native-run.ts';
import { expectFaithful, graphOf } from './support.ts';

/** For every elementwise operation the attributes to try; the type says so. */
const attributes: { readonly [P in Elementwise]: readonly Attributes[P][] } = {
  neg: [{}],
  exp: [{}],
  log: [{}],
  log1p: [{}],
  expm1: [{}],
  tanh: [{}],
  erf: [{}],
  sigmoid: [{}],
  sqrt: [{}],
  rsqrt: [{}],
  abs: [{}],
  sign: [{}],
  gelu: [{}],
  integerPow: [{ exponent: 3 }, { exponent: -2 }],
  sech2: [{}],
  erfDerivative: [{ order: 1 }, { order: 4 }],
  geluDerivative: [{ order: 1 }, { order: 2 }, { order: 5 }],
  add: [{}],
  sub: [{}],
  mul: [{}],
  div: [{}],
  maximum: [{}],
  minimum: [{}],
  compare: (['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const).map((direction) => ({ direction })),
  select: [{}],
  stopGradient: [{}],
};

interface Use {
  readonly name: string;
  readonly operands: number;
  readonly build: (...x: Node[]) => Node;
}

const uses = (Object.keys(attributes) as Elementwise[]).flatMap((op) =>
  attributes[op].map(
    (values): Use => ({
      name: [op, ...Object.values(values)].join(' '),
      operands: elementwiseOps[op].operands,
      build: (...x) => $.make(op, x, values as never),
    }),
  ),
);

/** All ways to choose `count` operands from three values: in order, commuted, repeated. */
const choices = (count: number): number[][] =>
  count === 0 ? [[]] : choices(count - 1).flatMap((rest) => [0, 1, 2].map((i) => [...rest, i]));

// Positive, so that every function has a value; some equal, so that every comparison holds somewhere; and a zero in the first, for select.
const data = [
  Float64Array.of(0, 0.75, 0.5, 2.25, 1, 0.125),
  Float64Array.of(1.5, 0.75, 0.25, 2, 0.5, 3),
  Float64Array.of(0.5, 1.25, 2.5, 0.875, 0.5, 0.0625),
];

/** For every choice of operands the operation alone, of fused operands, of a view, and of its own result. */
function graphsOf({ operands, build }: Use, shape: Shape): Graph[] {
  const inputs = data.map((_, i) => $.input(`x${i}`, shape));
  const half = (x: Node) => $.mul(x, $.constant(0.5, x.shape));
  const turned = (x: Node) => (x.shape.length === 2 ? $.transpose($.reshape(x, [3, 2]), [1, 0]) : x);
  return choices(operands).map((choice) => {
    const x = choice.map((i) => inputs[i]);
    const alone = build(...x);
    return graphOf(
      inputs,
      alone,
      $.add(build(...x.map(half)), half(alone)),
      build(...x.map((node, at) => (at === 0 ? turned(node) : node))),
      build(...x.map((node, at) => (at === operands - 1 ? $.add(half(alone), node) : node))),
    );
  });
}

const valuesOf = (shape: Shape) => data.map((values) => (shape.length === 0 ? values.slice(1, 2) : values));

describe('an elementwise operation is planned with its operands in their order', () => {
  const shapes: Shape[] = [[2, 3], []];

  it.each(uses)('$name, by the bytes of its plan', (use) => {
    for (const shape of shapes) for (const graph of graphsOf(use, shape)) expectFaithful(graph, valuesOf(shape));
  });

  it('and so it runs', async () => {
    await using device = openDevice({ threads: 1 });
    for (const use of uses) {
      for (const shape of shapes) {
        for (const graph of graphsOf(use, shape)) {
          const received = await runNative(device, graph, valuesOf(shape));
          evaluateReference(graph, valuesOf(shape)).forEach((expected, i) => {
            expected.forEach((x, j) => {
              const y = received[i][j];
              const equal = Object.is(x, y) || x === y || Math.abs(x - y) <= 3e-6 * (1 + Math.abs(x));
              expect(equal, `${use.name}, output ${i}, element ${j}: ${y} for ${x}`).toBe(true);
            });
          });
        }
      }
    }
  });
});

describe('what kernels compute', () => {
  const native = [
    ...readFileSync(join(packageRoot, 'native/program/map_ops.h'), 'utf8').matchAll(
      /^ {2}X\((\w+), (\d+), (\d), (-?\d+), (-?\d+),/gm,
    ),
  ].map(([, name, ...numbers]) => {
    const [opcode, operands, lowest, highest] = numbers.map(Number);
    return { name, opcode, operands, lowest, highest };
  });

  it('has the same name, number and operands here and in native code', () => {
    const here = Object.entries(mapOps).map(([name, { code, operands }]) => ({ name, opcode: code, operands }));
    const there = native.map(({ name, opcode, operands }) => ({ name, opcode, operands }));
    const sorted = (list: typeof here) => list.toSorted((a, b) => a.opcode - b.opcode);
    expect(sorted(there)).toEqual(sorted(here));
  });

  it('takes the same integers here and in native code', () => {
    const x = $.input('x', [2]);
    const made: Record<string, (integer: number) => Node> = {
      integerPow: (exponent) => $.integerPow(x, exponent),
      erfDerivative: (order) => $.erfDerivative(x, order),
      geluDerivative: (order) => $.geluDerivative(x, order),
    };
    const ranges = native.filter(({ lowest, highest }) => lowest !== 0 || highest !== 0);
    expect(ranges.map(({ name }) => name).sort()).toEqual(Object.keys(made).sort());
    for (const { name, lowest, highest } of ranges) {
      made[name](lowest);
      made[name](highest);
      for (const beyond of [lowest - 1, highest + 1]) expect(() => made[name](beyond)).toThrow(/expected .* received/);
    }
  });

  it('is told apart by its number', () => {
    const codes = Object.values(mapOps).map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
  });

  it('commutes where its row says so, and nowhere else among its neighbours', () => {
    const numbers = [-2, -0.5, 0, 1, 3];
    for (const [name, { operands, commutative, value }] of Object.entries(mapOps)) {
      if (operands !== 2) expect(commutative, name).toBe(false);
      else if (commutative)
        for (const a of numbers) for (const b of numbers) expect(value(a, b, 0, 0)).toBe(value(b, a, 0, 0));
    }
    expect(Object.keys(mapOps).filter((name) => mapOps[name as keyof typeof mapOps].commutative)).toEqual([
      'add',
      'mul',
      'eq',
      'ne',
    ]);
  });

  it('takes as many operands as its graph node has, one a derivative, or there is no node', () => {
    const x = $.input('x', [2]);
    for (const op of Object.keys(attributes) as Elementwise[]) {
      const { operands } = elementwiseOps[op];
      const made = (count: number) => $.make(op, new Array<Node>(count).fill(x), attributes[op][0] as never);
      expect(made(operands).shape, op).toEqual([2]);
      for (const wrong of [operands - 1, operands + 1])
        expect(() => made(wrong), op).toThrow(`expected ${operands} operands, received ${wrong}`);
    }
    expect(() => $.make('add', [x], {})).toThrow('expected 2 operands, received 1');
    expect(() => $.make('exp', [x, x], {})).toThrow('expected 1 operands, received 2');
  });
});
