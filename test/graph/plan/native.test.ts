import { describe, expect, it } from 'vitest';
import { openDevice } from '../../../lib/device/device.ts';
import { evaluateReference } from '../../../lib/graph/reference.ts';
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
      const received = await runNative(device, graph, data);
      evaluateReference(graph, data).forEach((expected, i) => {
        const scale = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
        const error = expected.reduce((most, x, j) => Math.max(most, Math.abs(x - received[i][j])), 0);
        expect(error / scale, `seed ${seed}, output ${i}`).toBeLessThan(1e-5);
      });
    }
  });
});
