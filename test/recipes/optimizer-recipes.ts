import type { Recipe } from './recipe.ts';

/** The mean of a central difference and of one twice as long, along the same direction: linear, so that one file is all. */
export const estimator: Recipe = {
  title: 'An estimator',
  edits: [
    [
      'lib/optimizers/estimators/two-lengths.ts',
      null,
      `import { checkOptions } from '../../errors.ts';
import { linearEstimator } from '../linear-estimate.ts';
import type { StatelessEstimator } from '../optimizer.ts';
import { checkSmoothing } from './difference.ts';

/**
 * c = ([L(θ + μu) − L(θ − μu)] / 2μ + [L(θ + 2μu) − L(θ − 2μu)] / 4μ) / 2
 * @example
 * twoLengths().moments(3) // { s1: 2, s2: 1 }
 */
export function twoLengths(options: { mu?: number } = {}): StatelessEstimator {
  checkOptions('twoLengths: options', options, { mu: true });
  const mu = checkSmoothing(options.mu ?? 1e-3);
  const moments = () => ({ s1: 2, s2: 1 });
  return linearEstimator({ name: 'two-lengths', options: { mu }, mu, cost: { losses: 4 }, moments }, (direction) => {
    const u = direction(0);
    return {
      points: [1, -1, 2, -2].map((length) => [{ direction: u, coefficient: length * mu }]),
      loss: { weights: [1, 1, 0, 0], divisor: 2 },
      terms: [{ direction: u, coefficient: { weights: [2, -2, 1, -1], divisor: 8 * mu } }],
    };
  });
}
`,
    ],
    [
      'lib/index.ts',
      "export { sphereTwoPoint } from './optimizers/estimators/sphere-two-point.ts';\n",
      "export { twoLengths } from './optimizers/estimators/two-lengths.ts';\n",
    ],
    [
      'test/optimizers/all-estimators.ts',
      '  exactGradient: () => exactGradient(),\n',
      '  twoLengths: () => twoLengths(),\n',
    ],
    [
      'test/optimizers/all-estimators.ts',
      "import { zoSvrg } from '../../lib/optimizers/estimators/zo-svrg.ts';\n",
      "import { twoLengths } from '../../lib/optimizers/estimators/two-lengths.ts';\n",
    ],
  ],
};

/** The first rows of a tensor alone. */
export const space: Recipe = {
  title: 'A space',
  edits: [
    ['lib/optimizers/space-spec.ts', "  | 'skip'\n", '  | { readonly rows: number }\n'],
    ['lib/optimizers/space-spec.ts', 'export interface TensorSpaceRule {\n', '  readonly rows?: number;\n'],
    [
      'lib/optimizers/space-spec.ts',
      "      return { pattern, skip: value === 'skip', scale: 1, density: 1, seed: 0 };\n    }\n",
      "    if ('rows' in value)\n      return { pattern, skip: false, scale: 1, density: 1, seed: 0, rows: checkInteger('rows', value.rows, 1) };\n",
    ],
    [
      'lib/params/space.ts',
      'function segmentOf(slot: TensorSlot, rule: TensorSpaceRule | undefined): Segment {\n',
      `  if (rule?.rows !== undefined) {
    const count = Math.min(slot.size, (slot.size / (slot.shape[0] ?? 1)) * rule.rows);
    return { offset: slot.offset, count, scale: 1 };
  }
`,
    ],
    [
      'test/train/all-spaces.ts',
      "  'one tensor frozen': { w1: 'skip' },\n",
      "  'the first rows': { w1: { rows: 2 } },\n",
    ],
  ],
};
