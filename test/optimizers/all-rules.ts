import type { UpdateRule } from '../../lib/optimizers/optimizer.ts';
import { adamRule } from '../../lib/optimizers/rules/adam.ts';
import { clipValue } from '../../lib/optimizers/rules/clip-value.ts';
import { lion } from '../../lib/optimizers/rules/lion.ts';
import { polyakMomentum } from '../../lib/optimizers/rules/polyak-momentum.ts';
import { signDescent } from '../../lib/optimizers/rules/sign-descent.ts';
import { weightDecay } from '../../lib/optimizers/rules/weight-decay.ts';

/** What becomes of one parameter x with the estimate g, in f64; `state` holds its states, 0 at first. `step` counts from 0. */
export type Element = (of: {
  readonly x: number;
  readonly g: number;
  readonly lr: number;
  readonly step: number;
  readonly state: Record<string, number>;
}) => number;

/** Traced rules, each with its formula: tests of values, threads, stretches and resumed runs go through this table. */
export const allRules: Record<string, { readonly rule: () => UpdateRule; readonly element: Element }> = {
  signDescent: { rule: () => signDescent(), element: ({ x, g, lr }) => x - lr * Math.sign(g) },
  lion: {
    rule: () => lion({ beta1: 0.8, beta2: 0.9, weightDecay: 0.5 }),
    element({ x, g, lr, state }) {
      const { m = 0 } = state;
      state.m = 0.9 * m + 0.1 * g;
      return x - lr * (Math.sign(0.8 * m + 0.2 * g) + 0.5 * x);
    },
  },
  'weightDecay of Adam': {
    rule: () => weightDecay(adamRule({ beta1: 0.8, beta2: 0.9, epsilon: 1e-3 }), { weightDecay: 0.25 }),
    element({ x, g, lr, step, state }) {
      state.m = 0.8 * (state.m ?? 0) + 0.2 * g;
      state.v = 0.9 * (state.v ?? 0) + 0.1 * g * g;
      const scale = Math.sqrt(state.v / (1 - 0.9 ** (step + 1))) + 1e-3;
      return x - (lr * state.m) / (1 - 0.8 ** (step + 1)) / scale - lr * 0.25 * x;
    },
  },
  'clipValue of momentum': {
    rule: () => clipValue(polyakMomentum({ beta: 0.5 }), { limit: 0.75 }),
    element({ x, g, lr, state }) {
      state.m = 0.5 * (state.m ?? 0) + Math.min(Math.max(g, -0.75), 0.75);
      return x - lr * state.m;
    },
  },
};
