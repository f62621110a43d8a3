import { describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../lib/device/device.ts';
import type { Graph } from '../../../lib/graph/node.ts';
import { evaluateReference } from '../../../lib/graph/reference.ts';
import {
  chain,
  chainGradient,
  halving,
  history,
  lstmHessian,
  recurrence,
  scalarChain,
  tree,
  views,
  wide,
} from './long.ts';
import { runNative } from './native-run.ts';
import { randomGraph } from './random.ts';
import { valuesFor } from './support.ts';

describe('plans on the CPU', () => {
  it('are accepted and compute what the f64 reference says, on random graphs', async () => {
    await using device = openDevice({ threads: 2 });
    for (let seed = 0; seed < 250; seed++) {
      const graph = randomGraph(7919 * seed + 13, 1 + (seed % 40));
      // Data that f32 holds exactly.
      const data = valuesFor(graph, seed).map((values) => Float32Array.from(values));
      await expectNative(device, graph, data, `seed ${seed}`);
    }
  });

  it('are accepted and right whatever their length', async () => {
    await using device = openDevice({ threads: 1 });
    const programs: Record<string, Graph> = {
      chain: chain(6400),
      'gradient of a chain': chainGradient(600),
      'chain of scalars': scalarChain(3000),
      views: views(600),
      tree: tree(600),
      halves: halving(10),
      history: history(150),
      'readers of one value': wide(200),
      'gradient of a recurrence': recurrence(150),
      'Hessian of LSTM cells': lstmHessian(8, 2),
    };
    for (const [name, graph] of Object.entries(programs)) {
      const data = valuesFor(graph, 3).map((values) => Float32Array.from(values));
      await expectNative(device, graph, data, name);
    }
  });
});

async function expectNative(device: Device, graph: Graph, data: Float32Array[], what: string): Promise<void> {
  const received = await runNative(device, graph, data);
  evaluateReference(graph, data).forEach((expected, i) => {
    const scale = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
    const error = expected.reduce((most, x, j) => Math.max(most, Math.abs(x - received[i][j])), 0);
    expect(error / scale, `${what}, output ${i}`).toBeLessThan(1e-5);
  });
}
