import { describe, expect, it } from 'vitest';
import * as t from '../../../lib/graph/ops.ts';
import { runProgramReference } from '../../../lib/graph/plan/interpret.ts';
import { plan } from '../../../lib/graph/plan/plan.ts';
import { evaluateReference } from '../../../lib/graph/reference.ts';
import { trace } from '../../../lib/graph/trace.ts';
import { expectClose, kinds, ownSlots, valuesFor } from './support.ts';

const graph = trace(
  (x: t.Tensor, w: t.Tensor) => {
    const h = t.tanh(t.matmul(x, w));
    return [t.logSoftmax(t.matmul(h, w)), t.sum(t.mul(h, h), 0), t.sum(t.exp(h))];
  },
  { shape: [5, 3] },
  { shape: [3, 3] },
);

describe('a plan goes by its target', () => {
  for (const alignment of [4, 16, 64, 256, 4096]) {
    it(`in where values begin: at multiples of ${alignment} bytes`, () => {
      const made = plan(graph, { inputs: ownSlots(graph), target: { alignment, composites: [] } });
      expect(made.allocations.length).toBeGreaterThan(3);
      expect(made.allocations.filter(({ offset }) => offset % alignment !== 0)).toEqual([]);
      expect([made.peakLiveBytes % alignment, made.arenaBytes % alignment]).toEqual([0, 0]);
      const values = valuesFor(graph);
      const received = runProgramReference(made.bytes, values);
      evaluateReference(graph, values).forEach((expected, i) => {
        expectClose(received[i], expected, `output ${i}`);
      });
    });
  }

  it('in what is computed by one instruction, and knows nothing of composites that it does not have', () => {
    const kindsFor = (composites: readonly string[]) =>
      kinds(plan(graph, { inputs: ownSlots(graph), target: { alignment: 64, composites } }));
    expect(kindsFor(['logSoftmax', 'attentionOfTomorrow'])).toContain('logSoftmax');
    expect(kindsFor(['attentionOfTomorrow'])).not.toContain('logSoftmax');
    expect(kindsFor([])).not.toContain('logSoftmax');
  });
});
