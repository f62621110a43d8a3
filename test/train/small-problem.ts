import { gelu } from '../../lib/graph/ops.ts';
import { linear } from '../../lib/nn/linear.ts';
import { squaredLoss } from '../../lib/nn/losses.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import { PhiloxStream } from '../../lib/random/philox.ts';

/** A classification task that trains in milliseconds. */
export function smallProblem(examples = 64): Problem {
  const random = new PhiloxStream(11n, 0n);
  const x = Float32Array.from({ length: examples * 6 }, () => random.normal());
  return {
    name: 'small',
    parameters: {
      w1: { shape: [6, 8], init: { kind: 'uniform', bound: 0.4 } },
      b1: { shape: [8], init: { kind: 'uniform', bound: 0.4 } },
      w2: { shape: [8, 3], init: { kind: 'uniform', bound: 0.35 } },
    },
    data: {
      x: { shape: [examples, 6], data: x },
      y: {
        shape: [examples],
        data: Int32Array.from({ length: examples }, (_, i) => (x[i * 6] > 0 ? 2 : x[i * 6 + 1] > 0 ? 1 : 0)),
      },
    },
    loss: (p, { x, y }) => squaredLoss(linear(gelu(linear(x, p.w1, p.b1)), p.w2), y),
  };
}
