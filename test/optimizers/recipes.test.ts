import { describe, expect, it } from 'vitest';
import { gaussianTwoPoint } from '../../lib/optimizers/estimators/gaussian-two-point.ts';
import { meanOfQueries } from '../../lib/optimizers/estimators/mean-of-queries.ts';
import { describeOptimizer } from '../../lib/optimizers/facts.ts';
import { inSpace } from '../../lib/optimizers/in-space.ts';
import { linearOf } from '../../lib/optimizers/linear-estimate.ts';
import type { Optimizer } from '../../lib/optimizers/optimizer.ts';
import { adam, frozenZoAdam, gd, gdm, mezo, spsa, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import { adamRule } from '../../lib/optimizers/rules/adam.ts';
import { frozenAdam } from '../../lib/optimizers/rules/frozen-adam.ts';
import { polyakMomentum } from '../../lib/optimizers/rules/polyak-momentum.ts';
import { piecewise, warmupCosineDecay, warmupLinearDecay } from '../../lib/optimizers/schedules.ts';
import { type Direction, stream } from '../../lib/random/direction.ts';
import { SimulatedDevice } from './simulated-device.ts';

const preconditioner = Float32Array.of(0.5, 1, 2);
const zeroth = { s1: 2, s2: 1 };
const first = { s1: 1, s2: 0 };

describe('recipes', () => {
  it('take several queries and a space, alone and together', () => {
    const space = { w: 'skip' } as const;
    for (const make of [zoGD, mezo, zoGDM, zoAdam, spsa]) {
      const plainly = make({ lr: 0.1 });
      const { estimator } = plainly;
      expect(make({ lr: 0.1, queries: 1 }).estimator.name).toBe(estimator.name);
      const mean = make({ lr: 0.1, queries: 3 }).estimator;
      expect(mean.options).toEqual(meanOfQueries(estimator, 3).options);
      expect(make({ lr: 0.1, space }).estimator.options).toEqual(inSpace(estimator, space).options);
      const both = make({ lr: 0.1, queries: 3, space }).estimator;
      expect(both.options).toEqual(inSpace(mean, space).options);
      expect(linearOf(both)?.linear).toBeDefined();
      expect(() => make({ lr: 0.1, queries: 0 })).toThrow(/queries/);
    }
  });

  it.each<[Optimizer, object]>([
    [
      zoGD({ lr: 0.05 }),
      { name: 'zo-gd', estimator: 'gaussian-two-point', rule: 'plain', lr: 0.05, mu: 1e-3, moments: zeroth },
    ],
    [mezo(), { name: 'mezo', estimator: 'gaussian-two-point', rule: 'plain', lr: 1e-5, mu: 1e-3, moments: zeroth }],
    [
      zoGDM({ lr: 0.01, mu: 0.02, beta: 0.8 }),
      {
        name: 'zo-gdm',
        estimator: 'gaussian-two-point',
        rule: 'polyak-momentum',
        lr: 0.01,
        mu: 0.02,
        beta: 0.8,
        moments: zeroth,
      },
    ],
    [
      zoAdam({ lr: 0.01 }),
      {
        name: 'zo-adam',
        estimator: 'gaussian-two-point',
        rule: 'adam',
        lr: 0.01,
        mu: 1e-3,
        beta: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        moments: zeroth,
      },
    ],
    [
      frozenZoAdam({ lr: 0.01, beta1: 0.7, preconditioner }),
      {
        name: 'frozen-zo-adam',
        estimator: 'gaussian-two-point',
        rule: 'frozen-adam',
        lr: 0.01,
        mu: 1e-3,
        beta: 0.7,
        moments: zeroth,
      },
    ],
    [gd({ lr: 0.1 }), { name: 'gd', estimator: 'exact-gradient', rule: 'plain', lr: 0.1, moments: first }],
    [
      gdm({ lr: 0.1 }),
      { name: 'gdm', estimator: 'exact-gradient', rule: 'polyak-momentum', lr: 0.1, beta: 0.9, moments: first },
    ],
    [
      adam({ lr: 0.1, beta2: 0.99, epsilon: 1e-6 }),
      {
        name: 'adam',
        estimator: 'exact-gradient',
        rule: 'adam',
        lr: 0.1,
        beta: 0.9,
        beta2: 0.99,
        epsilon: 1e-6,
        moments: first,
      },
    ],
  ])('describes $name as plain data without undefined fields', (optimizer, facts) => {
    const { stepSize, options: _, ...described } = describeOptimizer(optimizer);
    expect(described).toStrictEqual(facts);
    expect(stepSize).toStrictEqual({ name: 'constant', options: { lr: described.lr } });
    expect(JSON.parse(JSON.stringify(describeOptimizer(optimizer)))).toStrictEqual(describeOptimizer(optimizer));
  });

  it('states every number that it was given as an option of its estimator, rule or step size', () => {
    const optionsOf = (optimizer: Optimizer) => {
      const { options, stepSize } = describeOptimizer(optimizer);
      return [options.estimator, options.rule, stepSize];
    };
    const constant = { name: 'constant', options: { lr: 0.1 } };
    expect(optionsOf(zoGD({ lr: 0.1, mu: 0.02 }))).toEqual([{ mu: 0.02 }, {}, constant]);
    expect(optionsOf(zoGDM({ lr: 0.1, beta: 0.8 }))).toEqual([{ mu: 1e-3 }, { beta: 0.8 }, constant]);
    const numbers = { beta1: 0.5, beta2: 0.75, epsilon: 1e-3 };
    expect(optionsOf(zoAdam({ lr: 0.1, ...numbers }))).toEqual([{ mu: 1e-3 }, numbers, constant]);
    expect(optionsOf(adam({ lr: 0.1, ...numbers }))).toEqual([{}, numbers, constant]);
    const decay = { peak: 0.1, warmupSteps: 2, steps: 9, end: 0 };
    expect(optionsOf(gd({ lr: warmupCosineDecay({ peak: 0.1, warmupSteps: 2, steps: 9 }) }))[2]).toEqual({
      name: 'warmup-cosine-decay',
      options: decay,
    });
    expect(optionsOf(gd({ lr: (step) => 1 / (1 + step) }))[2]).toEqual({ name: 'function', options: {} });
    const digest = (...p: number[]) =>
      optionsOf(frozenZoAdam({ lr: 0.1, beta1: 0.5, preconditioner: Float32Array.of(...p) }))[1];
    expect(digest(1, 2)).toEqual({ beta1: 0.5, preconditioner: expect.stringMatching(/^sha256:[0-9a-f]{16}$/) });
    expect(digest(1, 2)).toEqual(digest(1, 2));
    expect(new Set([digest(1, 2), digest(2, 1), digest(1, 2, 3)].map((one) => JSON.stringify(one))).size).toBe(3);
  });

  it('describes the step size of the step asked for', () => {
    const optimizer = zoGD({ lr: piecewise({ 0: 0.03, 2000: 0.05 }) });
    expect([describeOptimizer(optimizer).lr, describeOptimizer(optimizer, { step: 2000 }).lr]).toEqual([0.03, 0.05]);
  });

  it('allows η = 0, which measures drift', () => {
    for (const make of [zoGD, zoGDM, zoAdam, gd, gdm, adam, mezo]) expect(make({ lr: 0 }).lr).toBe(0);
  });

  it.each<[string, () => Optimizer]>([
    ['lr', () => zoGD({ lr: -0.1 })],
    ['lr', () => gd({ lr: Number.NaN })],
    ['lr', () => mezo({ lr: Number.POSITIVE_INFINITY })],
    ['lr', () => adam({ lr: '0.1' as unknown as number })],
    ['lr', () => zoGD({} as { lr: number })],
    ['mu', () => zoGD({ lr: 1, mu: 0 })],
    ['beta', () => zoGDM({ lr: 1, beta: 1 })],
    ['beta', () => gdm({ lr: 1, beta: -0.1 })],
    ['beta1', () => zoAdam({ lr: 1, beta1: 1 })],
    ['beta2', () => zoAdam({ lr: 1, beta2: 1.5 })],
    ['epsilon', () => adam({ lr: 1, epsilon: 0 })],
    ['beta1', () => frozenZoAdam({ lr: 1, beta1: Number.NaN, preconditioner })],
    ['preconditioner', () => frozenZoAdam({ lr: 1, preconditioner: Float64Array.of(1, 2) as unknown as Float32Array })],
    ['preconditioner', () => frozenZoAdam({ lr: 1, preconditioner: new Float32Array(0) })],
    ['preconditioner\\[1\\]', () => frozenZoAdam({ lr: 1, preconditioner: Float32Array.of(1, 0) })],
    ['preconditioner\\[0\\]', () => frozenZoAdam({ lr: 1, preconditioner: Float32Array.of(Number.NaN) })],
    ['preconditioner\\[0\\]', () => frozenZoAdam({ lr: 1, preconditioner: Float32Array.of(1e-45) })],
  ])('names a bad %s', (name, make) => {
    expect(make).toThrow(new RegExp(`^${name}: expected`));
  });
});

describe('a misspelt option', () => {
  const lr = 0.1;
  it.each<[string, (options: never) => unknown, object]>([
    ['zoGD', zoGD, { lr }],
    ['mezo', mezo, {}],
    ['zoGDM', zoGDM, { lr }],
    ['zoAdam', zoAdam, { lr }],
    ['frozenZoAdam', frozenZoAdam, { lr, preconditioner }],
    ['gd', gd, { lr }],
    ['gdm', gdm, { lr }],
    ['adam', adam, { lr }],
    ['adamRule', adamRule, {}],
    ['frozenAdam', frozenAdam, { preconditioner }],
    ['polyakMomentum', polyakMomentum, {}],
    ['gaussianTwoPoint', gaussianTwoPoint, {}],
    ['warmupLinearDecay', warmupLinearDecay, { peak: 1, warmupSteps: 0, steps: 2 }],
    ['warmupCosineDecay', warmupCosineDecay, { peak: 1, warmupSteps: 0, steps: 2 }],
  ])('of %s is refused by name', (_, make, options) => {
    expect(() => make(options as never)).not.toThrow();
    for (const name of ['learningRate', 'Beta', 'constructor'])
      expect(() => make({ ...options, [name]: 0.5 } as never)).toThrow(
        expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT', message: expect.stringContaining(`"${name}"`) }),
      );
  });
});

describe('update rules', () => {
  const direction = (i: number): Direction => ({ distribution: 'normal', seed: 3n, stream: stream('step', i) });
  const lambdas = [2, 1, 0.5];
  const theta = Float64Array.of(1, -2, 3);

  it('states its half of the theory: β, weight, preconditioner, state', () => {
    const half = ({ rule }: Optimizer) => [rule.beta, rule.gradientWeight, rule.preconditioned, rule.states];
    expect(half(zoGD({ lr: 1 }))).toEqual([0, 1, false, []]);
    expect(half(zoGDM({ lr: 1, beta: 0.75 }))).toEqual([0.75, 1, false, ['m']]);
    expect(half(zoAdam({ lr: 1, beta1: 0.75 }))).toEqual([0.75, 0.25, true, ['m', 'v']]);
    expect(half(frozenZoAdam({ lr: 1, beta1: 0.75, preconditioner }))).toEqual([0.75, 0.25, true, ['m', 'p']]);
  });

  it('counts the updates of Adam from 1', () => {
    const { rule } = zoAdam({ lr: 1 });
    expect([rule.update(0), rule.update(9)]).toEqual([
      { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, t: 1 },
      { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, t: 10 },
    ]);
  });

  it('has the P for which the step of Adam is θ − η P⁻¹ m', async () => {
    const optimizer = zoAdam({ lr: 0.1, beta2: 0.9, epsilon: 0.01 });
    const device = SimulatedDevice.quadratic(lambdas, theta);
    for (let step = 0; step < 5; step++) {
      const before = device.theta.slice();
      await device.step(optimizer, step, (i) => direction(step + i));
      const p = optimizer.rule.preconditioner!({ v: Float32Array.from(device.v) }, step + 1);
      for (let i = 0; i < 3; i++) expect(device.theta[i]).toBeCloseTo(before[i] - (0.1 * device.m[i]) / p[i], 6);
    }
  });

  it('has no P before the first update of Adam, and says so', () => {
    const rule = adamRule();
    expect(() => rule.preconditioner!({ v: new Float32Array(2) }, 0)).toThrow(/^steps: expected an integer from 1/);
    expect(() => rule.preconditioner!({}, 1)).toThrow(/^state.v: expected/);
  });

  it('makes frozen Adam follow plain descent in the metric P when β1 = 0', async () => {
    const frozen = SimulatedDevice.quadratic(lambdas, theta);
    await frozen.step(frozenZoAdam({ lr: 0.1, beta1: 0, preconditioner }), 0, direction);
    const plain = SimulatedDevice.quadratic(lambdas, theta);
    await plain.step(zoGD({ lr: 0.1 }), 0, direction);
    for (let i = 0; i < 3; i++)
      expect(frozen.theta[i] - theta[i]).toBeCloseTo((plain.theta[i] - theta[i]) / preconditioner[i], 12);
  });

  it('copies the preconditioner that it is given', () => {
    const mine = Float32Array.of(1, 2);
    const rule = frozenAdam({ preconditioner: mine });
    mine[0] = 9;
    expect([...rule.initial!.p!]).toEqual([1, 2]);
    expect([...rule.preconditioner!({}, 0)]).toEqual([1, 2]);
    expect([...rule.preconditioner!({ p: Float32Array.of(3, 4) }, 0)]).toEqual([3, 4]);
  });

  it('takes the first step of Adam by η in the direction of the sign, as its authors say', async () => {
    const device = SimulatedDevice.quadratic(lambdas, theta);
    await device.step(adam({ lr: 0.1 }), 0, direction);
    expect([...device.theta].map((value, i) => value - theta[i])).toEqual(
      [-0.1, 0.1, -0.1].map((value) => expect.closeTo(value, 7)),
    );
  });

  it('lowers a quadratic with every recipe', async () => {
    const recipes = [
      zoGD({ lr: 0.05 }),
      mezo({ lr: 0.05 }),
      zoGDM({ lr: 0.01 }),
      zoAdam({ lr: 0.02 }),
      frozenZoAdam({ lr: 0.05, preconditioner }),
      gd({ lr: 0.2 }),
      gdm({ lr: 0.05 }),
      adam({ lr: 0.02 }),
    ];
    for (const optimizer of recipes) {
      const device = SimulatedDevice.quadratic(lambdas, theta);
      const start = (await device.gradient()).loss;
      for (let step = 0; step < 400; step++) await device.step(optimizer, step, (i) => direction(1000 * i + step));
      expect((await device.gradient()).loss, optimizer.name).toBeLessThan(0.1 * start);
    }
  });
});
