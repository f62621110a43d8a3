import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { mean, mul, square, type Tensor } from '../../lib/graph/ops.ts';
import * as initialisers from '../../lib/nn/parameters.ts';
import { compile } from '../../lib/objective/objective.ts';
import { gaussianTwoPoint } from '../../lib/optimizers/estimators/gaussian-two-point.ts';
import { oneSided } from '../../lib/optimizers/estimators/one-sided.ts';
import { rademacherTwoPoint } from '../../lib/optimizers/estimators/rademacher-two-point.ts';
import { sphereTwoPoint } from '../../lib/optimizers/estimators/sphere-two-point.ts';
import { zoSvrg } from '../../lib/optimizers/estimators/zo-svrg.ts';
import type { Estimate, Optimizer, Update } from '../../lib/optimizers/optimizer.ts';
import { adam, frozenZoAdam, gd, gdm, mezo, spsa, zoAdam, zoGD, zoGDM, zoSVRG } from '../../lib/optimizers/recipes.ts';
import { adamRule } from '../../lib/optimizers/rules/adam.ts';
import { frozenAdam } from '../../lib/optimizers/rules/frozen-adam.ts';
import { polyakMomentum } from '../../lib/optimizers/rules/polyak-momentum.ts';
import * as schedules from '../../lib/optimizers/schedules.ts';
import type { LearningRate } from '../../lib/optimizers/step-size.ts';
import { train } from '../../lib/train/train.ts';
import { held } from '../params/held.ts';

const device = openDevice();
afterAll(() => device.dispose());

const refusal = (name: string) =>
  expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT', message: expect.stringContaining(name) });
const preconditioner = Float32Array.of(1, 2);

/** The largest number below 1 in f32, and what rounds to 1. */
const BELOW_ONE = 1 - 2 ** -24;
const ROUNDS_TO_ONE = [1 - 2 ** -25, 1 - 2 ** -30, 0.99999999, 1 - 2 ** -53];
/** The smallest number of f32, what rounds to it, and what rounds to 0. */
const SMALL = [2 ** -149, 1e-45];
const ROUNDS_TO_ZERO = [2 ** -150, 1e-46, Number.MIN_VALUE];
/** Of a smoothing μ. */
const OUT_OF_RANGE = [0, 1e-46, 1e-31, 1e31, 1e300];
const LARGE = 3.4028234663852886e38;
const BEYOND = [3.4028235677973366e38, 1e39, 1e300];

describe('what f32 cannot hold is refused by', () => {
  const decays: [string, (beta: number) => unknown][] = [
    ['beta', (beta) => polyakMomentum({ beta })],
    ['beta1', (beta1) => adamRule({ beta1 })],
    ['beta2', (beta2) => adamRule({ beta2 })],
    ['beta1', (beta1) => frozenAdam({ beta1, preconditioner })],
    ['beta', (beta) => zoGDM({ lr: 0.1, beta })],
    ['beta', (beta) => gdm({ lr: 0.1, beta })],
    ['beta2', (beta2) => zoAdam({ lr: 0.1, beta2 })],
    ['beta1', (beta1) => adam({ lr: 0.1, beta1 })],
    ['beta1', (beta1) => frozenZoAdam({ lr: 0.1, beta1, preconditioner })],
  ];
  it.each(decays)('a decay (%s, %#)', (name, make) => {
    for (const beta of [0, 1e-46, BELOW_ONE]) make(beta);
    for (const beta of [...ROUNDS_TO_ONE, 1]) expect(() => make(beta)).toThrow(refusal(name));
  });

  const epsilons: [string, (epsilon: number) => unknown][] = [
    ['rule', (epsilon) => adamRule({ epsilon })],
    ['zoAdam', (epsilon) => zoAdam({ lr: 0.1, epsilon })],
    ['adam', (epsilon) => adam({ lr: 0.1, epsilon })],
  ];
  it.each(epsilons)('ε of Adam (%s)', (_, make) => {
    for (const epsilon of [...SMALL, 1, LARGE]) make(epsilon);
    for (const epsilon of [...ROUNDS_TO_ZERO, ...BEYOND, 0]) expect(() => make(epsilon)).toThrow(refusal('epsilon'));
  });

  const scales: [string, (value: number) => unknown][] = [
    ['lr', (lr) => zoGD({ lr })],
    ['lr', (lr) => adam({ lr })],
    ['lr', (lr) => schedules.constant(lr)],
    ['pieces[7]', (lr) => schedules.piecewise({ 0: 1, 7: lr })],
    ['peak', (peak) => schedules.warmupLinearDecay({ peak, warmupSteps: 0, steps: 3 })],
    ['end', (end) => schedules.warmupCosineDecay({ peak: 1, warmupSteps: 0, steps: 3, end })],
    ['uniform', (bound) => initialisers.checkSpec('w', { shape: [2], init: { kind: 'uniform', bound } })],
  ];
  it.each(scales)('%s: a number that vanishes, or is infinite (%#)', (name, make) => {
    for (const value of [0, ...SMALL, 1, LARGE]) make(value);
    for (const value of [...ROUNDS_TO_ZERO, ...BEYOND, -1]) expect(() => make(value)).toThrow(refusal(name));
  });

  it('μ', () => {
    for (const recipe of [zoGD, mezo, zoAdam, spsa, zoSVRG])
      for (const mu of OUT_OF_RANGE) expect(() => recipe({ lr: 0.1, mu })).toThrow(refusal('mu'));
    for (const estimator of [gaussianTwoPoint, rademacherTwoPoint, sphereTwoPoint, oneSided, zoSvrg]) {
      for (const mu of OUT_OF_RANGE) expect(() => estimator({ mu })).toThrow(refusal('mu'));
      for (const mu of [1e-30, 1, 1e30]) expect(estimator({ mu }).mu).toBe(mu);
    }
  });

  it('a preconditioner, whose inverse has to be finite, too', () => {
    for (const p of [0, -1, 1e-46, 2 ** -149, 1e-40, Number.POSITIVE_INFINITY, 1e39, Number.NaN])
      expect(() => frozenAdam({ preconditioner: Float32Array.of(1, p) })).toThrow(refusal('preconditioner[1]'));
  });

  it('a start, of which no draw may leave f32', async () => {
    const spec = (init: initialisers.Initialiser) => initialisers.checkSpec('w', { shape: [2], init });
    for (const std of [1e-46, 5e37, 3e38, 1e39]) {
      expect(() => spec({ kind: 'normal', std })).toThrow(refusal('normal'));
      expect(() => initialisers.normal(std)).toThrow(refusal('std'));
    }
    for (const value of [1e39, -1e39]) {
      expect(() => spec({ kind: 'constant', value })).toThrow(refusal('constant'));
      expect(() => initialisers.constant(value)).toThrow(refusal('value'));
    }
    const parameters = { w: { shape: [40_000], init: { kind: 'normal' as const, std: 4e37 } } };
    await using objective = await compile(device, { parameters, loss: (p) => mean(p.w) });
    expect((await objective.params.read()).every(Number.isFinite)).toBe(true);
  });
});

const problem = {
  parameters: { w: { shape: [2], init: { kind: 'constant' as const, value: 0 } } },
  loss: (p: { w: Tensor }) => mean(square(p.w)),
};
const direction = { distribution: 'normal' as const, seed: 1n, stream: 1n };
const along = (...coefficients: number[]): Estimate & { kind: 'directions' } => ({
  kind: 'directions',
  loss: 0,
  terms: coefficients.map((coefficient, i) => ({ direction: { ...direction, stream: BigInt(i) }, coefficient })),
});

describe('an update that f32 cannot hold is refused, and nothing is changed:', () => {
  const adamOf = (options: object): Update => ({
    kind: 'adam',
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    t: 1,
    ...options,
  });
  const plain: Update = { kind: 'plain' };
  const cases: [string, string, Update, Estimate & { kind: 'directions' }, number][] = [
    ['β of momentum', 'beta', { kind: 'momentum', beta: 1 - 2 ** -25 }, along(1), 0.1],
    ['β1 of frozen Adam', 'beta1', { kind: 'frozenAdam', beta1: 1 - 2 ** -25 }, along(1), 0.1],
    ['β1', 'beta1', adamOf({ beta1: 1 - 2 ** -25 }), along(1), 0.1],
    ['β2', 'beta2', adamOf({ beta2: 0.99999999 }), along(1), 0.1],
    ['ε', 'epsilon', adamOf({ epsilon: 1e-46 }), along(0), 0.1],
    ['t', 't:', adamOf({ t: 0 }), along(1), 0.1],
    ['η over its bias correction', 'lr / (1 − beta1^t) at t = 1', adamOf({}), along(0), 3e38],
    ['η', 'lr', { kind: 'momentum', beta: 0.9 }, along(1), 1e39],
    ['no η', 'lr', plain, along(1), Number.NaN],
    ['a coefficient', 'coefficient', adamOf({}), along(1, 1e39), 0.1],
    ['the product of the second coefficient and η', 'coefficient', plain, along(1, 1e30), 1e10],
    ['a kind that is none', 'update', { kind: 'lion' } as never, along(1), 0.1],
  ];
  it.each(cases)('%s', async (_, name, update, estimate, lr) => {
    await using objective = await compile(device, problem);
    const { params } = objective;
    await params.useRule({ states: ['m', 'v', 'p'], initial: { p: Float32Array.of(1, 1) } });
    const before = await held(params, 'm', 'v', 'p');
    await expect(params.apply(update, estimate, lr)).rejects.toEqual(refusal(name));
    const { gradient } = await objective.gradient();
    if (estimate.terms.every(({ coefficient }) => coefficient < 1e10))
      await expect(params.apply(update, { kind: 'dense', loss: 0, gradient }, lr)).rejects.toEqual(refusal(name));
    expect(await held(params, 'm', 'v', 'p')).toEqual(before);
  });

  it('adds of one direction whose sum is beyond', async () => {
    await using objective = await compile(device, problem);
    objective.params.add(direction, 3e38);
    const before = await held(objective.params);
    expect(() => objective.params.add(direction, 3e38)).toThrow(refusal('coefficient'));
    expect(await held(objective.params)).toEqual(before);
  });

  it('states that are not finite, or divide by 0', async () => {
    await using objective = await compile(device, problem);
    await objective.params.useRule({ states: ['m'] });
    for (const [name, values] of [
      ['m', Float32Array.of(1, Number.NaN)],
      ['p', Float32Array.of(1, 0)],
      ['p', Float32Array.of(1, Number.POSITIVE_INFINITY)],
      ['v', Float64Array.of(1, 1)],
    ] as const)
      await expect(
        objective.params.useRule({ states: [name], initial: { [name]: values as Float32Array } }),
      ).rejects.toEqual(refusal(`'${name}'`));
    expect(await objective.params.readState('m')).toEqual(Float32Array.of(0, 0));
  });

  it('weights that are not finite', async () => {
    await using objective = await compile(device, problem);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, 1e39])
      await expect(objective.params.write(Float32Array.of(1, bad))).rejects.toEqual(refusal('values[1]'));
    expect(await objective.params.read()).toEqual(Float32Array.of(0, 0));
  });

  const rates: [string, LearningRate][] = [
    ['a function', (step) => (step < 2 ? 0.1 : 1e39)],
    [
      'a step size',
      {
        name: 'mine',
        options: {},
        init: () => null,
        next: (state, { step }) => ({ lr: step < 2 ? 0.1 : 1e39, state }),
      },
    ],
  ];
  it.each(rates)('η at the step at which it is used (%s)', async (_, lr) => {
    await using objective = await compile(device, problem);
    let steps = 0;
    const all = async () => {
      for await (const event of train(objective, zoGD({ lr }), { steps: 5 })) if (event.type === 'step') steps++;
    };
    await expect(all()).rejects.toEqual(refusal('lr'));
    expect(steps).toBe(2);
  });
});

const edges: [string, (lr: number) => Optimizer][] = [
  ['gd', (lr) => gd({ lr })],
  ['gdm', (lr) => gdm({ lr, beta: BELOW_ONE })],
  ['adam', (lr) => adam({ lr, beta1: 0, beta2: BELOW_ONE, epsilon: 2 ** -149 })],
  ['zoGD', (lr) => zoGD({ lr })],
  ['zoGDM', (lr) => zoGDM({ lr, beta: BELOW_ONE })],
  ['zoAdam', (lr) => zoAdam({ lr, beta1: 0, beta2: BELOW_ONE, epsilon: 2 ** -149 })],
  ['frozenZoAdam', (lr) => frozenZoAdam({ lr, beta1: 0, preconditioner: Float32Array.of(2 ** -126, LARGE) })],
];
it.each(edges)('at the very edges of f32 a gradient of 0 moves nothing, and makes no NaN (%s)', async (_, make) => {
  const flat = { ...problem, loss: (p: { w: Tensor }) => mean(mul(p.w, 0)) };
  for (const lr of [LARGE, 2 ** -149]) {
    await using objective = await compile(device, flat);
    await objective.params.write(Float32Array.of(1, -1e-30));
    for await (const _ of train(objective, make(lr), { steps: 4, monitorEvery: 'off' }));
    expect(await objective.params.read()).toEqual(Float32Array.of(1, -1e-30));
  }
});
