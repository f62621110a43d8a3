import type { SpaceSpec } from '../../lib/optimizers/space-spec.ts';

/** All that a space may do to the tensors w1, b1 and w2 of `smallProblem`. */
export const allSpaces: Readonly<Record<string, SpaceSpec>> = {
  'one tensor frozen': { w1: 'skip' },
  'one tensor alone': { b1: 'dense', '*': 'skip' },
  'tensors scaled': { w1: { scale: 0.5 }, b1: { scale: 3 } },
  'a random half': { '*': { density: 0.5, seed: 4 } },
  'all of it': { b1: 'skip', w2: { density: 0.3, scale: 2 }, '*': 'dense' },
};
