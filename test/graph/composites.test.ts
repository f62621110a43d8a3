import { describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../lib/device/device.ts';
import * as $ from '../../lib/graph/build.ts';
import { expanded, expansionOf } from '../../lib/graph/expand.ts';
import type { Graph, Node } from '../../lib/graph/node.ts';
import { compositeOps } from '../../lib/graph/ops/composite.ts';
import * as t from '../../lib/graph/ops.ts';
import { runProgramReference } from '../../lib/graph/plan/interpret.ts';
import { topological } from '../../lib/graph/plan/legalize.ts';
import { type Plan, plan } from '../../lib/graph/plan/plan.ts';
import { evaluateReference } from '../../lib/graph/reference.ts';
import { softmaxCrossEntropy } from '../../lib/nn/losses.ts';
import { runNative } from './plan/native-run.ts';
import { expectClose, kinds, ownSlots, valuesFor } from './plan/support.ts';

const planWith = (graph: Graph, composites?: readonly string[]): Plan =>
  plan(graph, { inputs: ownSlots(graph), target: composites && { alignment: 64, composites } });

const opsOf = (graph: Graph) => topological(graph.outputs).map(({ op }) => op);
const isOf = (graph: Graph, op: string) => opsOf(graph).filter((one) => one === op).length;

const logits = { shape: [6, 5] };
const labels = { shape: [6], dtype: 'i32' } as const;
const loss = (x: t.Tensor, y: t.Tensor) => softmaxCrossEntropy(x, y);
const weights = { w: { shape: [3, 5] } };
const model = (p: { w: t.Tensor }, x: t.Tensor, y: t.Tensor) => loss(t.matmul(x, p.w), y);
const alongV = (p: { w: t.Tensor }, v: { w: t.Tensor }, x: t.Tensor, y: t.Tensor) =>
  t.jvp((q: { w: t.Tensor }) => t.grad(model)(q, x, y))([p], [v])[1];

/** Programs of the composite, from the value alone to products of the Hessian with many vectors. */
const graphs: Record<string, { readonly graph: Graph; readonly whole: boolean }> = {
  'a loss': { graph: t.trace(loss, logits, labels), whole: true },
  'a loss of a model': { graph: t.trace(model, weights, { shape: [6, 3] }, labels), whole: true },
  'the values': { graph: t.trace((x: t.Tensor) => t.logSoftmax(x), logits), whole: true },
  'values of rank 3': { graph: t.trace((x: t.Tensor) => t.logSoftmax(x), { shape: [2, 3, 4] }), whole: true },
  'a row': { graph: t.trace((x: t.Tensor) => t.logSoftmax(x), { shape: [7] }), whole: true },
  'of a view': { graph: t.trace((x: t.Tensor) => t.logSoftmax(t.transpose(x)), { shape: [5, 6] }), whole: true },
  'of a slice': { graph: t.trace((x: t.Tensor) => t.logSoftmax(x.slice([1, 1])), logits), whole: true },
  'of a chain': { graph: t.trace((x: t.Tensor) => t.exp(t.logSoftmax(t.tanh(x.mul(3)))), logits), whole: true },
  'twice, one of the other': {
    graph: t.trace((x: t.Tensor) => t.logSoftmax(t.logSoftmax(x).mul(2)), logits),
    whole: true,
  },
  'another axis': { graph: t.trace((x: t.Tensor) => t.logSoftmax(x, 0), logits), whole: false },
  'a gradient': { graph: t.trace(t.grad(model), weights, { shape: [6, 3] }, labels), whole: false },
  'a loss with its gradient': {
    graph: t.trace(
      (...x: [{ w: t.Tensor }, t.Tensor, t.Tensor]) => t.valueAndGrad(model)(...x),
      weights,
      { shape: [6, 3] },
      labels,
    ),
    whole: false,
  },
  'a loss and its gradient, traced apart': {
    graph: t.trace(
      (p: { w: t.Tensor }, x: t.Tensor, y: t.Tensor) => [model(p, x, y), t.grad(model)(p, x, y)],
      weights,
      { shape: [6, 3] },
      labels,
    ),
    whole: false,
  },
  'beside its parts, of other values': {
    graph: t.trace((x: t.Tensor, y: t.Tensor) => [t.logSoftmax(x), t.exp(y), t.max(y, 1)], logits, logits),
    whole: true,
  },
  'a batch': { graph: t.trace(t.vmap(loss), { shape: [4, 6, 5] }, { shape: [4, 6], dtype: 'i32' }), whole: false },
  'a Hessian times a vector': { graph: t.trace(alongV, weights, weights, { shape: [6, 3] }, labels), whole: false },
  'a Hessian times vectors': {
    graph: t.trace(
      t.vmap(alongV, [null, 0, null, null]),
      weights,
      { w: { shape: [4, 3, 5] } },
      { shape: [6, 3] },
      labels,
    ),
    whole: false,
  },
};

describe('a composite', () => {
  it.each(Object.entries(graphs))('computes what it is made of: %s', async (_, { graph, whole }) => {
    const values = valuesFor(graph, 5);
    const expected = evaluateReference(graph, values);
    const made = planWith(graph);
    expect(kinds(made).includes('logSoftmax')).toBe(whole);
    for (const { bytes } of [made, planWith(graph, [])])
      for (const [i, x] of runProgramReference(bytes, values).entries()) expectClose(x, expected[i], `output ${i}`);
    if (!whole) expect(made.bytes).toEqual(planWith(graph, []).bytes);
  });

  it('runs on a device, whole and expanded', async () => {
    await using device = openDevice({ threads: 2 });
    for (const [name, { graph }] of Object.entries(graphs)) {
      const values = valuesFor(graph, 5).map((x) => Float32Array.from(x));
      const expected = evaluateReference(graph, values);
      for (const made of [planWith(graph), planWith(graph, [])]) {
        const received = await runNative(device, graph, values, made);
        for (const [i, x] of received.entries())
          expectClose(Float64Array.from(x), expected[i], `${name}, output ${i}`, 1e-6);
      }
    }
  });

  it('is one instruction where only its value is wanted, and takes no more memory so', () => {
    const graph = t.trace(model, weights, { shape: [600, 3] }, { shape: [600], dtype: 'i32' });
    const [fused, apart] = [planWith(graph), planWith(graph, [])];
    expect(kinds(fused).filter((kind) => kind === 'logSoftmax' || kind === 'reduce')).toEqual(['logSoftmax']);
    expect(kinds(apart).filter((kind) => kind === 'logSoftmax' || kind === 'reduce')).toEqual(['reduce', 'reduce']);
    expect(fused.arenaBytes).toBeLessThanOrEqual(apart.arenaBytes);
  });

  it('is expanded once for all who look into it: its value, its derivatives, and a second trace of the same', () => {
    const graph = expanded(graphs['a loss with its gradient'].graph);
    expect(isOf(graph, 'logSoftmax')).toBe(0);
    expect(isOf(graph, 'max')).toBe(1);
    expect(isOf(graph, 'log')).toBe(1);
    const node = $.logSoftmax($.input('x', [2, 3]), 1);
    expect(expansionOf(node)).toBe(expansionOf(node));
    expect(expansionOf($.exp(node))).toBeUndefined();
  });

  it('is gone from an expanded graph, which is otherwise the same one, nodes that hold none included', () => {
    for (const { graph } of Object.values(graphs)) {
      const whole = expanded(graph);
      expect(opsOf(whole).filter((op) => op in compositeOps)).toEqual([]);
      expect(whole.inputs).toBe(graph.inputs);
      expect(whole.outputs.map(({ shape, dtype }) => [shape, dtype])).toEqual(
        graph.outputs.map(({ shape, dtype }) => [shape, dtype]),
      );
    }
    const x = $.input('x', [2]);
    const plain: Graph = { inputs: [x as Node<'input'>], outputs: [$.exp(x)] };
    expect(expanded(plain).outputs).toEqual(plain.outputs);
    expect(expanded(plain).outputs[0]).toBe(plain.outputs[0]);
  });

  it('is refused where its operand is no matrix of numbers along an axis that it has', () => {
    expect(() => $.logSoftmax($.input('x', [2, 3]), 2)).toThrow('expected an axis below 2, received 2');
    expect(() => $.logSoftmax($.input('x', []), 0)).toThrow('expected an axis below 0');
    expect(() => $.logSoftmax($.input('i', [2, 3], 'i32'), 1)).toThrow('expected f32 operands');
  });

  it('a chain of them as long as a recurrence is expanded without recursion', () => {
    let x: Node = $.input('x', [2, 2]);
    const inputs = [x as Node<'input'>];
    for (let i = 0; i < 5000; i++) x = $.logSoftmax(x, 0);
    expect(isOf(expanded({ inputs, outputs: [x] }), 'max')).toBe(5000);
  });
});

describe('a fused composite', () => {
  const rowsOf = (width: number) => ({ shape: [9, width] });
  const [N, I] = [Number.NaN, Number.POSITIVE_INFINITY];
  const fill = (width: number, seed: number, odd: number) => {
    const graph = t.trace((x: t.Tensor) => x, rowsOf(width));
    const [values] = valuesFor(graph, seed).map((x) => Float32Array.from(x, (value) => 20 * value));
    values[4 * width] = odd;
    return values;
  };

  it('says at infinities, NaN and the ends of f32 what its parts say, and is as near to f64', async () => {
    await using device: Device = openDevice({ threads: 1 });
    for (const width of [2, 10, 17, 64, 130, 1100]) {
      const graph = t.trace((x: t.Tensor) => t.logSoftmax(x), rowsOf(width));
      for (const odd of [0, N, I, -I, 3.4e38, -3.4e38, 1e-45]) {
        const values = fill(width, width, odd);
        const [whole] = await runNative(device, graph, [values], planWith(graph));
        const [apart] = await runNative(device, graph, [values], planWith(graph, []));
        const [exact] = evaluateReference(graph, [values]);
        const errorOf = (x: number, i: number) => Math.abs(x - exact[i]) / (1 + Math.abs(exact[i]));
        whole.forEach((x, i) => {
          const fits = Number.isFinite(apart[i])
            ? errorOf(x, i) <= errorOf(apart[i], i) + 1.2e-7
            : Object.is(x, apart[i]);
          expect(
            fits,
            `width ${width}, odd ${odd}, element ${i}: ${x}, in parts ${apart[i]}, exactly ${exact[i]}`,
          ).toBe(true);
        });
      }
    }
  });
});
