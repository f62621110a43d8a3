import { add, matmul, mean, square, sum } from '../../lib/graph/ops.ts';
import type { Problem } from '../../lib/objective/problem.ts';

/** The mean square of eight affine images in five dimensions: 35 parameters, a loss that every one of them moves. */
export const affineProblem: Problem = {
  parameters: {
    w: { shape: [6, 5], init: { kind: 'normal', std: 0.3 } },
    b: { shape: [5], init: { kind: 'constant', value: 0 } },
  },
  data: { x: { shape: [8, 6], data: Float32Array.from({ length: 48 }, (_, i) => Math.sin(i)) } },
  loss: (p, { x }) => mean(sum(square(add(matmul(x, p.w), p.b)), [1])),
};
