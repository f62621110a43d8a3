import { describe, expect, it } from 'vitest';
import * as $ from '../../../lib/graph/build.ts';
import type { Graph } from '../../../lib/graph/node.ts';
import { batched, pullBack, pushForward } from '../../../lib/graph/transforms.ts';
import { chainGradient, history, lstmHessian, recurrence, wide } from './long.ts';
import { mlp, planOf } from './support.ts';

/** 16 Hessian-vector products of an MLP at once. */
function mlpHessian(rows: number, widths: readonly number[]): Graph {
  const { graph, loss, parameters } = mlp(rows, widths);
  const gradients = pullBack([loss], parameters, [$.constant(1)]).map((node) => node!);
  const tangents = parameters.map((node) => $.input('v', node.shape));
  const products = pushForward(gradients, parameters, tangents).map((node) => node!);
  const batches = tangents.map((node) => $.input('v', [16, ...node.shape]));
  const outputs = batched(products, tangents, batches, 16).map(({ node }) => node);
  return { inputs: [...graph.inputs, ...batches], outputs };
}

/** What planning reached when it was measured last. A better plan lowers these numbers; a worse one has to say why. */
const COSTS: Record<string, readonly [graph: Graph, instructions: number, arenaBytes: number]> = {
  'an MLP, 100 rows': [mlpHessian(100, [32, 64, 64, 32]), 35, 2_200_064],
  'a deep MLP, 20 rows': [mlpHessian(20, [16, 16, 16, 16, 16, 16, 4]), 77, 236_608],
  'the gradient of 8 cells': [recurrence(8), 79, 1664],
  'the gradient of 150 cells': [recurrence(150), 1377, 28_928],
  'the Hessian of an LSTM of 2 cells': [lstmHessian(2, 16), 207, 20_224],
  'the Hessian of an LSTM of 4 cells': [lstmHessian(4, 16), 411, 37_888],
  'the Hessian of an LSTM of 12 cells': [lstmHessian(12, 16), 1211, 129_600],
  'the gradient of a chain': [chainGradient(300), 34, 1216],
  'a history': [history(60), 179, 1536],
  'readers of one value': [wide(60), 240, 8128],
};

describe('instructions and memory do not grow unseen', () => {
  for (const [name, [graph, instructions, arenaBytes]] of Object.entries(COSTS)) {
    it(name, () => {
      const made = planOf(graph);
      expect(made.instructions.length).toBeLessThanOrEqual(instructions);
      expect(made.arenaBytes).toBeLessThanOrEqual(arenaBytes);
    });
  }
});
