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

/** A step of bounded length that is smooth where a sign jumps. */
export const rule: Recipe = {
  title: 'An update rule',
  edits: [
    [
      'lib/optimizers/rules/tanh-descent.ts',
      null,
      `import { tanh } from '../../graph/ops.ts';
import type { UpdateRule } from '../optimizer.ts';
import { tracedRule } from './traced-rule.ts';

/**
 * θ' = θ − η tanh(ĝ)
 * @example
 * tanhDescent().states // []
 */
export function tanhDescent(): UpdateRule {
  return tracedRule({ name: 'tanh-descent' }, ({ theta, gradient, lr }) => ({
    theta: theta.sub(lr.mul(tanh(gradient))),
  }));
}
`,
    ],
    [
      'lib/index.ts',
      "export { signDescent } from './optimizers/rules/sign-descent.ts';\n",
      "export { tanhDescent } from './optimizers/rules/tanh-descent.ts';\n",
    ],
    [
      'test/optimizers/all-rules.ts',
      '  signDescent: { rule: () => signDescent(), element: ({ x, g, lr }) => x - lr * Math.sign(g) },\n',
      '  tanhDescent: { rule: () => tanhDescent(), element: ({ x, g, lr }) => x - lr * Math.tanh(g) },\n',
    ],
    [
      'test/optimizers/all-rules.ts',
      "import { signDescent } from '../../lib/optimizers/rules/sign-descent.ts';\n",
      "import { tanhDescent } from '../../lib/optimizers/rules/tanh-descent.ts';\n",
    ],
  ],
};
