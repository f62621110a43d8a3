import { describe, expect, it } from 'vitest';
import * as $ from '../../../lib/graph/build.ts';
import { type Graph, sizeOf } from '../../../lib/graph/node.ts';
import { runProgramReference } from '../../../lib/graph/plan/interpret.ts';
import { plan } from '../../../lib/graph/plan/plan.ts';
import { evaluateReference } from '../../../lib/graph/reference.ts';
import { batched, pullBack, pushForward } from '../../../lib/graph/transforms.ts';
import { expectClose, expectFaithful, type Mlp, mlp, planOf, valuesFor } from './support.ts';

function gradient({ graph, loss, parameters }: Mlp): Graph {
  const gradients = pullBack([loss], parameters, [$.constant(1)]).map((node) => node!);
  return { inputs: graph.inputs, outputs: [loss, ...gradients] };
}

/** H v for `count` tangents at once, or for one without a batch axis where `count` is 0. */
function hessianVector(model: Mlp, count: number): Graph {
  const gradients = pullBack([model.loss], model.parameters, [$.constant(1)]).map((node) => node!);
  const tangents = model.parameters.map((node) => $.input(`v ${node.attributes.name}`, node.shape));
  const products = pushForward(gradients, model.parameters, tangents).map((node) => node!);
  if (count === 0) return { inputs: [...model.graph.inputs, ...tangents], outputs: products };
  const batches = tangents.map((node) => $.input(node.attributes.name, [count, ...node.shape]));
  const outputs = batched(products, tangents, batches, count).map(({ node }) => node);
  return { inputs: [...model.graph.inputs, ...batches], outputs };
}

describe('programs of derivatives', () => {
  const models = { shallow: mlp(6, [4, 5, 3]), deep: mlp(7, [5, 8, 6, 4, 2]) };
  for (const [name, model] of Object.entries(models)) {
    it(`gradient of a ${name} MLP`, () => {
      expectFaithful(gradient(model));
    });
    it(`Hessian-vector product of a ${name} MLP`, () => {
      expectFaithful(hessianVector(model, 0));
    });
    it(`batched Hessian-vector products of a ${name} MLP`, () => {
      expectFaithful(hessianVector(model, 3));
    });
  }

  it('the primal work of batched products is done once: the largest matrix product sees the data, not the batch', () => {
    const count = 5;
    const made = planOf(hessianVector(mlp(40, [6, 8, 8, 2]), count));
    const flops = made.instructions.map((x) => (x.kind === 'matmul' ? x.batch * x.m * x.n * x.k : 0));
    const total = flops.reduce((a, b) => a + b, 0);
    // Layers a → b over n rows cost nab. Primal forward: all three; backward: all but the first, once. Tangents: forward
    // (ẋW for all but the first, xẆ for all), backward (δ̇W, δẆ for all but the first), weights (xδ̇ for all, ẋδ for all but the first).
    const n = 40;
    const [first, rest] = [n * 6 * 8, n * 8 * 8 + n * 8 * 2];
    expect(total).toBe(first + rest + rest + count * (first + 2 * rest + 2 * rest + first + 2 * rest));
  });

  it('loss and gradient share the forward pass', () => {
    const model = mlp(40, [6, 8, 8, 2]);
    const both = planOf(gradient(model)).instructions.filter(({ kind }) => kind === 'matmul').length;
    expect(both).toBe(3 + 2 + 3);
  });

  it('parameters in one flat vector are read at their offsets', () => {
    const model = mlp(6, [4, 5, 3]);
    const graph = gradient(model);
    const separate = valuesFor(graph);
    let offset = 11;
    const flat = new Float64Array(offset + model.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0));
    const inputs = model.parameters.map(({ shape }, i) => {
      flat.set(separate[i], offset);
      offset += sizeOf(shape);
      return { slot: 1, offset: offset - sizeOf(shape) };
    });
    const made = plan(graph, { inputs: [...inputs, { slot: 0, offset: 0 }, { slot: 2, offset: 0 }] });
    expect(made.inputs).toEqual([
      { dtype: 'f32', elements: 24 },
      { dtype: 'f32', elements: flat.length },
      { dtype: 'f32', elements: 18 },
    ]);
    const received = runProgramReference(made.bytes, [separate[4], flat, separate[5]]);
    evaluateReference(graph, separate).forEach((array, i) => {
      expectClose(received[i], array, `output ${i}`);
    });
  });
});
