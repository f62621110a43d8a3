import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { sum } from '../../lib/graph/ops.ts';
import * as initialisers from '../../lib/nn/parameters.ts';
import { compile } from '../../lib/objective/objective.ts';
import { exactGradient } from '../../lib/optimizers/estimators/exact-gradient.ts';
import { gaussianTwoPoint } from '../../lib/optimizers/estimators/gaussian-two-point.ts';
import { describeOptimizer } from '../../lib/optimizers/facts.ts';
import type { LearningRate, Optimizer, UpdateRule } from '../../lib/optimizers/optimizer.ts';
import { adam, frozenZoAdam, gd, gdm, mezo, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import { adamRule } from '../../lib/optimizers/rules/adam.ts';
import { frozenAdam } from '../../lib/optimizers/rules/frozen-adam.ts';
import { polyakMomentum } from '../../lib/optimizers/rules/polyak-momentum.ts';
import * as schedules from '../../lib/optimizers/schedules.ts';
import { train } from '../../lib/train/train.ts';

const device = openDevice({ threads: 1 });
afterAll(() => device.dispose());

const preconditioner = [1, 2];
const ruled = (rule: UpdateRule): Optimizer => ({ name: 'own', lr: 0.1, estimator: exactGradient(), rule });
const at = (lr: LearningRate) => gd({ lr });

/** Every option that may be 0, of every rule, schedule and recipe. */
const OPTIONS: readonly [string, (zero: number) => Optimizer][] = [
  ['polyakMomentum beta', (beta) => ruled(polyakMomentum({ beta }))],
  ['adamRule beta1', (beta1) => ruled(adamRule({ beta1 }))],
  ['adamRule beta2', (beta2) => ruled(adamRule({ beta2 }))],
  ['frozenAdam beta1', (beta1) => ruled(frozenAdam({ beta1, preconditioner }))],
  ['zoGDM beta', (beta) => zoGDM({ lr: 0.1, beta })],
  ['gdm beta', (beta) => gdm({ lr: 0.1, beta })],
  ['zoAdam beta1', (beta1) => zoAdam({ lr: 0.1, beta1 })],
  ['zoAdam beta2', (beta2) => zoAdam({ lr: 0.1, beta2 })],
  ['adam beta1', (beta1) => adam({ lr: 0.1, beta1 })],
  ['adam beta2', (beta2) => adam({ lr: 0.1, beta2 })],
  ['frozenZoAdam beta1', (beta1) => frozenZoAdam({ lr: 0.1, beta1, preconditioner })],
  ...[zoGD, zoGDM, zoAdam, gd, gdm, adam, mezo].map((recipe): [string, (zero: number) => Optimizer] => [
    `${recipe.name} lr`,
    (lr) => recipe({ lr }),
  ]),
  ['a function', (lr) => at(() => lr)],
  ['constant', (lr) => at(schedules.constant(lr))],
  ['piecewise rate', (lr) => at(schedules.piecewise({ 0: lr }))],
  ['piecewise step', (step) => at(schedules.piecewise(Object.fromEntries([[Object.is(step, -0) ? '-0' : '0', 0.1]])))],
  ['linear peak', (peak) => at(schedules.warmupLinearDecay({ peak, warmupSteps: 1, steps: 3 }))],
  ['linear end', (end) => at(schedules.warmupLinearDecay({ peak: 0.1, warmupSteps: 1, steps: 3, end }))],
  ['cosine warmupSteps', (warmupSteps) => at(schedules.warmupCosineDecay({ peak: 0.1, warmupSteps, steps: 3 }))],
  ['cosine end', (end) => at(schedules.warmupCosineDecay({ peak: 0.1, warmupSteps: 0, steps: 3, end }))],
  [
    'a step size of one’s own',
    (zero) =>
      at({
        name: 'own',
        options: { zero, list: [zero] },
        init: () => zero,
        next: (state) => ({ lr: zero, state: [state, zero] }),
      }),
  ],
  ['options of an own rule', (zero) => ruled({ ...polyakMomentum(), options: { zero } })],
  ['options of an own estimator', (zero) => ({ ...at(0.1), estimator: { ...exactGradient(), options: { zero } } })],
];

describe('−0', () => {
  it.each(OPTIONS)('is 0 for %s: the same facts and the same run', async (_, make) => {
    const runOf = async (optimizer: Optimizer) => {
      await using objective = await compile(device, {
        parameters: { w: { shape: [2], init: [1, 2] } },
        loss: ({ w }) => sum(w.square()),
      });
      const events = [];
      for await (const event of train(objective, optimizer, { steps: 4, monitorEvery: 'off', run: 0 }))
        if (event.type === 'step') events.push(event);
      return { facts: JSON.stringify(describeOptimizer(optimizer)), events, theta: await objective.params.read() };
    };
    expect(await runOf(make(-0))).toEqual(await runOf(make(0)));
  });

  it('is what it is among initial values, and named where it is refused', () => {
    expect(initialisers.constant(-0)).toEqual({ kind: 'constant', value: -0 });
    expect(() => gaussianTwoPoint({ mu: -0 })).toThrow(/mu: expected .*received -0\./);
    expect(() => adamRule({ epsilon: -0 })).toThrow(/epsilon: expected .*received -0\./);
  });
});
