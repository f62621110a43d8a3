import fc from 'fast-check';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import type { Tensor } from '../../lib/graph/ops.ts';
import { compile, Objective } from '../../lib/objective/objective.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import { askEstimator, initialState } from '../../lib/optimizers/estimator-state.ts';
import { clipNorm } from '../../lib/optimizers/estimators/clip-norm.ts';
import { exactGradient } from '../../lib/optimizers/estimators/exact-gradient.ts';
import { gaussianTwoPoint } from '../../lib/optimizers/estimators/gaussian-two-point.ts';
import { meanOfQueries } from '../../lib/optimizers/estimators/mean-of-queries.ts';
import { zoSvrg } from '../../lib/optimizers/estimators/zo-svrg.ts';
import { inSpace } from '../../lib/optimizers/in-space.ts';
import { momentsOf } from '../../lib/optimizers/moments.ts';
import type { Estimate, Estimator, Optimizer, UpdateRule } from '../../lib/optimizers/optimizer.ts';
import { adam, gd, gdm, mezo, spsa, zoAdam, zoGD, zoSVRG } from '../../lib/optimizers/recipes.ts';
import { adamRule } from '../../lib/optimizers/rules/adam.ts';
import { clipValue } from '../../lib/optimizers/rules/clip-value.ts';
import { frozenAdam } from '../../lib/optimizers/rules/frozen-adam.ts';
import { plain } from '../../lib/optimizers/rules/plain.ts';
import { polyakMomentum } from '../../lib/optimizers/rules/polyak-momentum.ts';
import { type Direction, stream } from '../../lib/random/direction.ts';
import type { StepEvent } from '../../lib/train/events.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from '../train/small-problem.ts';
import { allEstimators } from './all-estimators.ts';
import { allRules } from './all-rules.ts';
import { SimulatedDevice } from './simulated-device.ts';

const devices = [1, 2, 3].map((threads) => openDevice({ threads }));
const [device] = devices;
afterAll(() => Promise.all(devices.map((one) => one.dispose())));

const direction = (i: number): Direction => ({ distribution: 'normal', seed: 7n, stream: stream('step', i) });
const lambdas = [3, 1, 0.5];
const start = Float64Array.of(1, -2, 4);

async function ask(estimator: Estimator, step = 0): Promise<{ estimate: Estimate; vector: Float64Array }> {
  const oracle = SimulatedDevice.quadratic(lambdas, start);
  const at = (i: number) => direction(64 * step + i);
  const { estimate } = await askEstimator(estimator, {
    oracle,
    step,
    direction: at,
    state: initialState(estimator, 3),
  });
  return { estimate, vector: oracle.vectorOf(estimate) };
}

const norm = (vector: ArrayLike<number>): number => Math.hypot(...Array.from(vector));

describe('clipNorm', () => {
  const unclipped = Object.entries(allEstimators).filter(([name]) => !name.includes('clipNorm'));

  it.each(unclipped)('shortens %s to the limit where it is longer, and leaves it else, to the bit', async (_, make) => {
    const shortened = new Set<boolean>();
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 200 }),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        async (step, limit) => {
          const whole = await ask(make(), step);
          const clipped = await ask(clipNorm(make(), { limit }), step);
          const length = norm(whole.vector);
          const longer = length > limit;
          shortened.add(longer);
          expect(clipped.estimate.loss).toBe(whole.estimate.loss);
          if (!longer) {
            expect(clipped.estimate).toEqual(whole.estimate);
            return;
          }
          expect(norm(clipped.vector) / limit).toBeCloseTo(1, 12);
          for (const [i, value] of clipped.vector.entries())
            expect(Math.abs(value - whole.vector[i] * (limit / length))).toBeLessThan(1e-12 * limit);
        },
      ),
      { seed: 5, numRuns: 40 },
    );
    expect(shortened.size).toBe(2);
  });

  const terms = (...coefficients: number[]): Estimator => ({
    name: 'given',
    estimate: async () => ({
      kind: 'directions',
      loss: 1,
      terms: coefficients.map((coefficient, i) => ({ direction: direction(i), coefficient })),
    }),
  });

  it('brings back what f32 does not hold, and does not lose what is small beside it', async () => {
    for (const given of [[1e200], [-1e39, 3e38], [1e300, 1e300, -1e300]]) {
      const { vector } = await ask(clipNorm(terms(...given), { limit: 2 }));
      expect(norm(vector)).toBeCloseTo(2, 9);
    }
    const tiny = await ask(clipNorm(terms(1e-300, 1e-310), { limit: 1 }));
    expect(tiny.estimate).toMatchObject({ terms: [{ coefficient: 1e-300 }, { coefficient: 1e-310 }] });
  });

  it('leaves nothing as nothing, and what is not finite to the run', async () => {
    for (const given of [[], [0, 0], [Number.NaN, 1], [Number.POSITIVE_INFINITY], [1e9, Number.NEGATIVE_INFINITY]]) {
      const whole = await ask(terms(...given));
      expect((await ask(clipNorm(terms(...given), { limit: 1 }))).estimate).toEqual(whole.estimate);
    }
    for (const squaredNorm of [0, Number.NaN, Number.POSITIVE_INFINITY]) {
      const estimate: Estimate = { kind: 'dense', loss: 1, gradient: { byteLength: 12, squaredNorm } };
      const dense: Estimator = { name: 'dense', estimate: async () => estimate };
      const oracle = SimulatedDevice.quadratic(lambdas, start);
      const request = { oracle, step: 0, direction, state: null };
      expect((await askEstimator(clipNorm(dense, { limit: 1 }), request)).estimate).toEqual(estimate);
    }
  });

  it('keeps what the estimator is: its cost, μ, space, vectors and state; and says no moments', () => {
    const svrg = inSpace(zoSvrg({ every: 4 }), { w1: 'skip' });
    const clipped = clipNorm(svrg, { limit: 2 });
    const { cost, mu, space, vectors } = svrg;
    expect(clipped).toMatchObject({ name: 'clip-norm', cost, mu, space, vectors });
    expect(clipped.options).toEqual({ limit: 2, of: { name: 'zo-svrg', ...svrg.options } });
    expect(clipped.init!(3)).toEqual(svrg.init!(3));
    expect(momentsOf(clipped, 5)).toBe(null);
    expect(Object.keys(clipNorm(exactGradient(), { limit: 1 }))).not.toContain('init');
    expect(() => inSpace(clipped, { w1: 'skip' })).toThrow(/no space yet/);
  });

  it('refuses what is no limit', () => {
    for (const limit of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-60, 1e39, undefined, '1'])
      expect(() => clipNorm(gaussianTwoPoint(), { limit: limit as number })).toThrow(
        expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT', message: expect.stringMatching(/^limit: expected/) }),
      );
  });
});

async function run(on: typeof device, optimizer: Omit<Optimizer, 'name'>, steps = 1) {
  await using objective = await compile(on, smallProblem(), { seed: 1 });
  const before = await objective.params.read();
  const events: StepEvent[] = [];
  for await (const event of train(objective, { name: 'mine', ...optimizer }, { steps, seed: 3, monitorEvery: 'off' }))
    if (event.type === 'step') events.push(event);
  const after = await objective.params.read();
  return { before, after, events, moved: norm(after.map((x, e) => x - before[e])) };
}

describe('a run with a clipped estimate', () => {
  const made = { ...allEstimators, inSpace: () => clipNorm(inSpace(gaussianTwoPoint(), { w1: 'skip' }), { limit: 5 }) };
  const clipping = Object.entries(made).filter(([name]) => name.startsWith('clipNorm') || name === 'inSpace');

  it.each(clipping)(
    'moves no farther than η · limit a step, and as far as that where it is clipped: %s',
    async (_, make) => {
      for (const on of devices) {
        const { limit } = make().options as { limit: number };
        const rule = plain();
        const { moved } = await run(on, { estimator: clipNorm(make(), { limit: limit / 1000 }), rule, lr: 0.25 });
        expect(moved / ((0.25 * limit) / 1000)).toBeCloseTo(1, 3);
        await using objective = await compile(on, smallProblem(), { seed: 1 });
        const lengths: number[] = [];
        let last = await objective.params.read();
        const optimizer = { name: 'mine', estimator: make(), rule, lr: 0.05 };
        for await (const event of train(objective, optimizer, { steps: 30, seed: 3, monitorEvery: 'off' })) {
          if (event.type !== 'step') continue;
          const now = await objective.params.read();
          lengths.push(norm(now.map((x, e) => x - last[e])) / (0.05 * limit));
          last = now;
        }
        expect(Math.max(...lengths)).toBeLessThan(1.001);
        // The tables' limits are such that tests with them clip some steps, and not others.
        expect(lengths.some((length) => length > 0.999)).toBe(true);
        expect(lengths.some((length) => length < 0.9)).toBe(true);
      }
    },
  );

  const rules: Record<string, () => UpdateRule> = {
    plain: () => plain(),
    momentum: () => polyakMomentum({ beta: 0.5 }),
    adam: () => adamRule({ epsilon: 0.01 }),
    frozenAdam: () => frozenAdam({ preconditioner: Float32Array.from({ length: 80 }, (_, i) => 0.5 + i / 80) }),
    ...Object.fromEntries(Object.entries(allRules).map(([name, { rule }]) => [name, rule])),
  };

  it.each(Object.entries(rules))(
    'gives %s the shortened gradient: to the bit that of a loss so much smaller',
    async (_, rule) => {
      const { loss, ...rest } = smallProblem();
      const eighth: Problem = { ...rest, loss: (...of) => (loss(...of) as Tensor).mul(0.125) };
      await using small = await compile(device, eighth, { seed: 1 });
      await using whole = await compile(device, smallProblem(), { seed: 1 });
      for (let step = 0; step < 3; step++) {
        const { gradient } = await whole.gradient();
        const limit = Math.sqrt(gradient.squaredNorm) / 8;
        const options = { steps: 1, seed: 3, monitorEvery: 'off' } as const;
        await train(small, { name: 'small', estimator: exactGradient(), rule: rule(), lr: 0.01 }, options);
        const estimator = clipNorm(exactGradient(), { limit });
        await train(whole, { name: 'clipped', estimator, rule: rule(), lr: 0.01 }, options);
        expect(await whole.params.read()).toEqual(await small.params.read());
      }
    },
  );

  it('takes its steps one by one', async () => {
    vi.spyOn(performance, 'now').mockReturnValue(0);
    const takeSteps = vi.spyOn(Objective.prototype, 'takeSteps');
    await run(device, zoGD({ lr: 0.01, clipNorm: 5 }), 60);
    expect(takeSteps).not.toHaveBeenCalled();
    await run(device, zoGD({ lr: 0.01 }), 60);
    expect(takeSteps).toHaveBeenCalled();
    vi.restoreAllMocks();
  });

  it('ends, and says so, where an estimate is not finite or leaves f32, clipped or not', async () => {
    const along = (...coefficients: number[]): Estimator => ({
      name: 'along',
      estimate: async ({ direction }) => ({
        kind: 'directions',
        loss: 1,
        terms: coefficients.map((coefficient, i) => ({ direction: direction(i), coefficient })),
      }),
    });
    const scaled = (coefficient: number): Estimator => ({
      name: 'scaled',
      async estimate({ oracle }) {
        const { loss, gradient } = await oracle.gradient();
        return { kind: 'dense', loss, gradient, coefficient };
      },
    });
    const clip = (estimator: Estimator) => clipNorm(estimator, { limit: 1 });
    const beyond: [Estimator, number, boolean][] = [
      [along(Number.POSITIVE_INFINITY), 0.1, false],
      [clip(along(Number.POSITIVE_INFINITY)), 0.1, false],
      [clip(along(1, Number.NaN)), 0.1, false],
      [along(1e39), 0.1, false],
      [clip(along(1e39, -1e39)), 0.1, true],
      [scaled(1e39), 0.1, false],
      [scaled(Number.NaN), 0.1, false],
      [clip(scaled(Number.NEGATIVE_INFINITY)), 0.1, false],
      [scaled(1e30), 1e30, false],
      [clip(scaled(1e39)), 0.1, true],
      [clip(scaled(-0.5)), 0.1, true],
    ];
    for (const [estimator, lr, trains] of beyond) {
      await using objective = await compile(device, smallProblem(), { seed: 1 });
      const optimizer = { name: 'mine', estimator, rule: plain(), lr };
      const end = await train(objective, optimizer, { steps: 1, seed: 3, monitorEvery: 'off' });
      if (trains) expect(end.reason).toBe('completed');
      else
        expect(end).toMatchObject({
          reason: 'diverged',
          cause: 'update-not-finite',
          message: expect.stringMatching(/f32/),
        });
    }
  });

  it('ends as one that is not clipped where a loss or a gradient is not finite', async () => {
    const infinite: Problem = { ...smallProblem(), loss: ({ w1 }) => w1.sum().mul(0).log() };
    for (const optimizer of [gd({ lr: 0.1, clipNorm: 1 }), zoGD({ lr: 0.1, clipNorm: 1 })]) {
      await using objective = await compile(device, infinite, { seed: 1 });
      const end = await train(objective, optimizer, { steps: 3, monitorEvery: 'off' });
      expect(end).toMatchObject({ reason: 'diverged', cause: 'loss-not-finite' });
    }
  });
});

describe('recipes', () => {
  it('take a limit of the norm, of the mean of all queries', () => {
    const made = [zoGD, mezo, zoAdam, spsa, gd, gdm, adam, zoSVRG].map((make) => [
      make({ lr: 1 }),
      make({ lr: 1, clipNorm: 2 }),
    ]);
    for (const [whole, clipped] of made) {
      expect(clipped.estimator.options).toEqual(clipNorm(whole.estimator, { limit: 2 }).options);
      expect({ ...clipped, estimator: 0, rule: clipped.rule.name }).toEqual({
        ...whole,
        estimator: 0,
        rule: whole.rule.name,
      });
    }
    const space = { w1: 'skip' } as const;
    const all = zoGD({ lr: 1, queries: 3, space, clipNorm: 2 }).estimator;
    const mean = clipNorm(meanOfQueries(gaussianTwoPoint(), 3), { limit: 2 });
    expect(all.options).toEqual(inSpace(mean, space).options);
    expect(() => gd({ lr: 1, clipNorm: 0 })).toThrow(/^limit: expected/);
  });

  it('may clip elements and norm together', async () => {
    const optimizer = {
      estimator: clipNorm(gaussianTwoPoint(), { limit: 1 }),
      rule: clipValue(plain(), { limit: 0.01 }),
      lr: 1,
    };
    const { after, before } = await run(device, optimizer);
    for (const [e, x] of after.entries()) expect(Math.abs(x - before[e])).toBeLessThan(0.01001);
  });
});
