import { afterEach, describe, expect, it, vi } from 'vitest';
import { askEstimator, initialState, vectorsOf } from '../../lib/optimizers/estimator-state.ts';
import { exactGradient } from '../../lib/optimizers/estimators/exact-gradient.ts';
import { gaussianTwoPoint } from '../../lib/optimizers/estimators/gaussian-two-point.ts';
import { meanOfQueries } from '../../lib/optimizers/estimators/mean-of-queries.ts';
import { oneSided } from '../../lib/optimizers/estimators/one-sided.ts';
import { sphereTwoPoint } from '../../lib/optimizers/estimators/sphere-two-point.ts';
import { zoSvrg } from '../../lib/optimizers/estimators/zo-svrg.ts';
import { combine, linearOf } from '../../lib/optimizers/linear-estimate.ts';
import { momentsOf } from '../../lib/optimizers/moments.ts';
import type { Estimator, Point } from '../../lib/optimizers/optimizer.ts';
import type { HeldPoint, StepOracle } from '../../lib/optimizers/oracle.ts';
import { type Direction, stream } from '../../lib/random/direction.ts';
import { allEstimators } from './all-estimators.ts';
import { materialise, SimulatedDevice, type VisibleGradient } from './simulated-device.ts';

afterEach(() => vi.restoreAllMocks());

const direction = (i: number): Direction => ({ distribution: 'normal', seed: 7n, stream: stream('step', i) });

describe('gaussianTwoPoint', () => {
  it('asks for both points in one call and divides their difference by 2μ', async () => {
    const calls: (readonly (Point | HeldPoint)[])[] = [];
    const signals: unknown[] = [];
    const { signal } = new AbortController();
    const oracle: StepOracle = {
      dimension: 3,
      all: SimulatedDevice.quadratic([1, 1, 1], Float64Array.of(1, 1, 1)),
      hold: () => Promise.reject(new Error('nothing is held')),
      norms: () => Promise.reject(new Error('no norm is needed')),
      derivatives: () => Promise.reject(new Error('no derivative is needed')),
      async losses(points, given) {
        calls.push(points);
        signals.push(given);
        return Float64Array.of(5, 3);
      },
      gradient: () => Promise.reject(new Error('no gradient is needed')),
    };
    const estimate = await gaussianTwoPoint({ mu: 0.25 }).estimate({ oracle, step: 0, direction, state: null, signal });
    const u = direction(0);
    expect(calls).toEqual([[[{ direction: u, coefficient: 0.25 }], [{ direction: u, coefficient: -0.25 }]]]);
    expect(signals).toEqual([signal]);
    expect(estimate).toEqual({
      kind: 'directions',
      loss: 4,
      terms: [{ direction: u, coefficient: 4 }],
    });
  });

  it('projects the gradient of a quadratic exactly, for any μ', async () => {
    const device = SimulatedDevice.quadratic([3, 1, 0.5], Float64Array.of(1, -2, 4));
    const z = materialise(direction(0), 3);
    const slope = 3 * z[0] - 2 * z[1] + 2 * z[2];
    for (const mu of [1e-3, 0.1, 10]) {
      const estimate = await gaussianTwoPoint({ mu }).estimate({ oracle: device, step: 0, direction, state: null });
      expect(estimate.kind === 'directions' && estimate.terms[0].coefficient).toBeCloseTo(slope, 9);
      expect(device.vectorOf(estimate)[1]).toBeCloseTo(slope * z[1], 9);
    }
    expect(device.evaluations).toBe(6);
  });

  it('has a third-order error in μ beyond the quadratic', async () => {
    const device = new SimulatedDevice(
      Float64Array.of(0.5, 1),
      (at) => Math.exp(at[0]) + Math.sin(at[1]),
      (at) => at,
    );
    const z = materialise(direction(0), 2);
    const slope = Math.exp(0.5) * z[0] + Math.cos(1) * z[1];
    const error = async (mu: number): Promise<number> => {
      const estimate = await gaussianTwoPoint({ mu }).estimate({ oracle: device, step: 0, direction, state: null });
      return estimate.kind === 'directions' ? estimate.terms[0].coefficient - slope : Number.NaN;
    };
    // c − uᵀ∇L = (μ²/6) L‴[u, u, u] + O(μ⁴).
    expect((await error(0.02)) / (await error(0.01))).toBeCloseTo(4, 2);
  });

  it('refuses a smoothing that is not a finite number above 0', () => {
    for (const mu of [0, -1e-3, Number.NaN, Number.POSITIVE_INFINITY, '1' as unknown as number]) {
      expect(() => gaussianTwoPoint({ mu })).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
    }
    expect(gaussianTwoPoint().mu).toBe(1e-3);
  });
});

/** ĝ and ĝĝᵀ over many directions, on a quadratic: means, and their standard errors. */
async function sampled(estimator: Estimator, lambdas: readonly number[], e: readonly number[], runs: number) {
  const d = lambdas.length;
  const device = SimulatedDevice.quadratic(lambdas, Float64Array.from(e));
  const entries = d + d * d;
  const sum = new Float64Array(entries);
  const squares = new Float64Array(entries);
  for (let run = 0; run < runs; run++) {
    const request = { oracle: device, step: 0, state: initialState(estimator, d) };
    const { estimate } = await askEstimator(estimator, { ...request, direction: (i) => direction(32 * run + i) });
    const v = device.vectorOf(estimate);
    for (let i = 0; i < entries; i++) {
      const value = i < d ? v[i] : v[Math.floor((i - d) / d)] * v[(i - d) % d];
      sum[i] += value / runs;
      squares[i] += value ** 2 / runs;
    }
  }
  const standardErrors = sum.map((mean, i) => Math.sqrt(Math.max(0, squares[i] - mean ** 2) / runs));
  return { mean: sum.subarray(0, d), second: sum.subarray(d), standardErrors };
}

const said = (estimator: Estimator): string => JSON.stringify([estimator.name, estimator.options]);

describe.each(Object.entries(allEstimators))('%s', (_, make) => {
  it.each([
    ['three dimensions', [2, 1, 0.5], [1, -1, 2]],
    ['one', [3], [0.5]],
  ])('is unbiased on a quadratic, with the moments that it states, in %s', async (_, lambdas, e) => {
    const estimator = make();
    const d = lambdas.length;
    // A clipped one is biased, and says no moments: clip-norm.test.ts is about it.
    if (said(estimator).includes('clip-norm')) return expect(momentsOf(estimator, d)).toBe(null);
    const g = e.map((value, i) => lambdas[i] * value);
    const square = g.reduce((sum, value) => sum + value * value, 0);
    const { mean, second, standardErrors } = await sampled(estimator, lambdas, e, 8000);
    for (let i = 0; i < d; i++) expect(Math.abs(mean[i] - g[i])).toBeLessThan(5 * standardErrors[i] + 1e-4);
    const queries = estimator.name === 'mean-of-queries' ? (estimator.options?.queries as number) : 1;
    const signs = said(estimator).includes('rademacher');
    const moments = estimator.moments!(d);
    expect(moments === null).toBe(signs || estimator.name === 'zo-svrg');
    if (moments === null && !signs) return;
    const { s1, s2 } = moments ?? { s1: 1 + 1 / queries, s2: 1 / queries };
    for (let i = 0; i < d; i++) {
      for (let j = 0; j < d; j++) {
        const isotropic = s1 * g[i] * g[j] + (i === j ? s2 * square : 0);
        // Of signs, E[ĝĝᵀ] lacks 2 diag(A) a query.
        const stated = isotropic - (signs && i === j ? (2 / queries) * g[i] ** 2 : 0);
        expect(Math.abs(second[i * d + j] - stated)).toBeLessThan(5 * standardErrors[d + i * d + j] + 1e-3);
      }
    }
  });

  it('says what it asks for: no more losses, derivatives and gradients than its cost', async () => {
    const estimator = make();
    const device = SimulatedDevice.quadratic([3, 1, 0.5], Float64Array.of(1, -2, 4));
    const derivatives = vi.spyOn(device, 'derivatives');
    const gradients = vi.spyOn(device, 'gradient');
    const steps = 8;
    let state = initialState(estimator, 3);
    for (let step = 0; step < steps; step++) {
      const at = (i: number, then = step) => direction(32 * then + i);
      ({ state } = await askEstimator(estimator, { oracle: device, step, direction: at, state }));
    }
    const { cost = {} } = estimator;
    expect(device.evaluations).toBe(steps * (cost.losses ?? 0));
    expect(derivatives.mock.calls.flatMap(([asked]) => asked).length).toBe(steps * (cost.derivatives ?? 0));
    expect(gradients).toHaveBeenCalledTimes(steps * (cost.gradients ?? 0));
  });
});

describe('sphereTwoPoint', () => {
  it('displaces by μ√d, whatever was drawn, and is the exact derivative in one dimension', async () => {
    const device = SimulatedDevice.quadratic([3, 1, 0.5], Float64Array.of(1, -2, 4));
    const losses = vi.spyOn(device, 'losses');
    for (let i = 0; i < 20; i++) {
      await sphereTwoPoint({ mu: 0.01 }).estimate({
        oracle: device,
        step: 0,
        direction: () => direction(i),
        state: null,
      });
      for (const point of losses.mock.lastCall![0] as Point[]) {
        const [{ direction: z, coefficient }] = point;
        expect(Math.abs(coefficient) * Math.hypot(...materialise(z, 3))).toBeCloseTo(0.01 * Math.sqrt(3), 12);
      }
    }
    const line = SimulatedDevice.quadratic([3], Float64Array.of(2));
    const estimate = await sphereTwoPoint().estimate({ oracle: line, step: 0, direction, state: null });
    expect(line.vectorOf(estimate)[0]).toBeCloseTo(6, 9);
  });

  it('moves nothing along a direction of zeros', async () => {
    const device = SimulatedDevice.quadratic([3], Float64Array.of(2));
    vi.spyOn(device, 'norms').mockResolvedValue(Float64Array.of(0));
    const estimate = await sphereTwoPoint().estimate({ oracle: device, step: 0, direction, state: null });
    expect(estimate).toMatchObject({ terms: [{ coefficient: 0 }] });
  });
});

describe('zoSvrg', () => {
  it('takes a snapshot every m steps, and what it says of the difference vanishes at the snapshot', async () => {
    const device = SimulatedDevice.quadratic([3, 1, 0.5], Float64Array.of(1, -2, 4));
    const hold = vi.spyOn(device, 'hold');
    const estimator = zoSvrg({ every: 3, queries: 2, mu: 0.01 });
    let state = estimator.init!(3);
    for (let step = 0; step < 7; step++) {
      const at = (i: number, then = step) => direction(32 * then + i);
      const before = device.theta.slice();
      const asked = await askEstimator(estimator, { oracle: device, step, direction: at, state });
      state = asked.state as typeof state;
      const { estimate } = asked;
      if (estimate.kind !== 'directions') throw new Error('expected directions');
      expect(hold).toHaveBeenCalledTimes(Math.floor(step / 3) + 1);
      expect(state!.step).toBe(step - (step % 3));
      const [own, ...others] = estimate.terms;
      // Exactly: the difference of two quadratics is linear in what lies between.
      const held = device.held.get('snapshot')!;
      const z = materialise(at(0), 3);
      const expected = [3, 1, 0.5].reduce((sum, lambda, i) => sum + lambda * (before[i] - held[i]) * z[i], 0);
      expect(own.coefficient).toBeCloseTo(expected, 9);
      expect(others.map((term) => term.direction)).toEqual([at(1, state!.step), at(2, state!.step)]);
      device.apply({ kind: 'plain' }, estimate, 0.01);
    }
  });

  it('asks all examples at the snapshot, and the mini-batch in every step', async () => {
    const batch = SimulatedDevice.quadratic([3, 1], Float64Array.of(1, -2));
    const whole = SimulatedDevice.quadratic([5, 7], Float64Array.of(1, -2));
    const oracle: StepOracle = {
      dimension: 2,
      all: whole,
      losses: (points) => batch.losses(points),
      hold: (name) => batch.hold(name),
      norms: (directions) => batch.norms(directions),
      derivatives: (directions) => batch.derivatives(directions),
      gradient: () => batch.gradient(),
    };
    const { state } = await askEstimator(zoSvrg({ queries: 3 }), { oracle, step: 0, direction, state: null });
    const exact = await whole.derivatives([1, 2, 3].map(direction));
    const { coefficients } = state as { coefficients: number[] };
    for (const [i, c] of coefficients.entries()) expect(c).toBeCloseTo(exact.derivatives[i], 9);
    expect([whole.evaluations, batch.evaluations]).toEqual([6, 4]);
  });

  it('refuses what is out of range', () => {
    for (const options of [{ every: 0 }, { queries: 0 }, { queries: 1.5 }, { mu: 0 }])
      expect(() => zoSvrg(options)).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
  });
});

describe('meanOfQueries', () => {
  it('draws different directions for different queries, whatever they number, and evaluates θ once', () => {
    const { linear, norms } = linearOf(meanOfQueries(oneSided(), 5))!;
    const asked = linear(direction, () => 1, 3);
    expect(norms).toBe(0);
    expect(asked.points.length).toBe(6);
    expect(new Set(asked.terms.map((term) => term.direction.stream)).size).toBe(5);
    const two = linearOf(meanOfQueries(meanOfQueries(sphereTwoPoint(), 2), 3))!;
    expect(two.norms).toBe(6);
    const seen = two.linear(direction, (i) => i + 1, 3);
    // Each with the norm that was asked of it.
    for (const { direction: z, coefficient } of seen.terms) {
      const scale = Math.max(...coefficient.weights);
      const number = Array.from({ length: 6 }, (_, i) => i).find((i) => direction(i).stream === z.stream)!;
      expect(scale).toBeCloseTo(Math.sqrt(3) / (number + 1), 12);
    }
  });

  it('refuses an estimator that remembers, a dense one at its estimate, and what is no number of queries', async () => {
    const refused = expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' });
    expect(() => meanOfQueries(zoSvrg(), 2)).toThrow(refused);
    for (const q of [0, -1, 1.5, Number.NaN]) expect(() => meanOfQueries(gaussianTwoPoint(), q)).toThrow(refused);
    const device = SimulatedDevice.quadratic([3], Float64Array.of(2));
    const dense = meanOfQueries(exactGradient(), 2);
    await expect(dense.estimate({ oracle: device, step: 0, direction, state: null })).rejects.toThrow(/directions/);
  });
});

describe('a combination of losses', () => {
  it('does not hear of a loss of weight 0, whatever it is', () => {
    expect(combine({ weights: [1, 0, -3], divisor: 4 }, [2, Number.POSITIVE_INFINITY, 2])).toBe(-1);
    expect(combine({ weights: [0, 1], divisor: 1 }, [Number.NaN, 2])).toBe(2);
  });
});

describe('an estimator that keeps a state', () => {
  const ask = (estimator: Estimator) =>
    askEstimator(estimator, {
      oracle: SimulatedDevice.quadratic([3], Float64Array.of(2)),
      step: 0,
      direction,
      state: null,
    });
  const estimate = { kind: 'directions', loss: 1, terms: [] } as const;

  it('returns it, as JSON, and gives its first', async () => {
    const refused = { code: 'ERR_ZEROTH_ARGUMENT' };
    await expect(ask({ name: 'a', init: () => 1, estimate: async () => estimate })).rejects.toMatchObject(refused);
    await expect(ask({ name: 'a', estimate: async () => ({ estimate, state: 2 }) })).rejects.toMatchObject(refused);
    const spoilt = { name: 'a', init: () => 1, estimate: async () => ({ estimate, state: Number.NaN }) };
    await expect(ask(spoilt)).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining('state of estimator a'),
    });
    expect(await ask({ ...spoilt, estimate: async () => ({ estimate, state: [1] }) })).toEqual({
      estimate,
      state: [1],
    });
    expect(() => initialState({ ...spoilt, init: () => undefined as never }, 3)).toThrow(
      /initial state of estimator a/,
    );
  });

  it('begins with the same whenever it begins, whatever it does to its state', async () => {
    const FIRST = { n: 0 };
    const counting: Estimator<{ n: number }> = {
      name: 'a',
      init: () => FIRST,
      async estimate({ state }) {
        state.n += 1;
        return { estimate, state };
      },
    };
    for (const _ of [1, 2]) {
      const state = initialState(counting as unknown as Estimator, 3);
      expect(state).toEqual({ n: 0 });
      const oracle = SimulatedDevice.quadratic([3], Float64Array.of(2));
      const asked = await askEstimator(counting as unknown as Estimator, { oracle, step: 0, direction, state });
      expect(asked.state).toEqual({ n: 1 });
    }
  });

  it('names its vectors', () => {
    const named = (vectors: unknown) => vectorsOf({ name: 'a', estimate: ask as never, vectors: vectors as string[] });
    expect(named(['one', 'two-2'])).toEqual(['one', 'two-2']);
    for (const bad of [['one', 'one'], [''], ['a/b'], [1], 'one'])
      expect(() => named(bad)).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
  });
});

describe('what an estimator returns is refused, by name, where it', () => {
  const whole = { kind: 'directions', loss: 1, terms: [{ direction: direction(0), coefficient: 1 }] };
  const [term] = whole.terms;
  it.each<[string, unknown, string]>([
    ['is nothing', undefined, "{ kind: 'directions', loss, terms }"],
    ['is a number', 3, "{ kind: 'directions', loss, terms }"],
    ['has no kind', { ...whole, kind: undefined }, "kind: expected 'directions' or 'dense'"],
    ['has a misspelt kind', { ...whole, kind: 'dirs' }, 'received "dirs"'],
    ['has no loss', { ...whole, loss: undefined }, 'loss: expected a number'],
    ['has no terms', { ...whole, terms: undefined }, 'terms: expected an array'],
    ['has a term that is none', { ...whole, terms: [term, null] }, 'terms[1]: expected { direction, coefficient }'],
    ['has a term without a coefficient', { ...whole, terms: [{ ...term, coefficient: '1' }] }, 'terms[0].coefficient'],
    ['has a gradient of its own', { kind: 'dense', loss: 1, gradient: Float32Array.of(1) }, 'oracle.gradient'],
    ['has no gradient', { kind: 'dense', loss: 1 }, 'oracle.gradient'],
  ])('%s', async (_, answer, part) => {
    const oracle = SimulatedDevice.quadratic([3], Float64Array.of(2));
    const request = { oracle, step: 0, direction, state: null };
    const refused = {
      code: 'ERR_ZEROTH_ARGUMENT',
      message: expect.stringContaining(part),
    };
    const own: Estimator = { name: 'own', estimate: async () => answer as never };
    // As in a run, beside a state, and as one of several queries.
    await expect(askEstimator(own, request)).rejects.toMatchObject(refused);
    const beside = { ...own, init: () => 1, estimate: async () => ({ estimate: answer as never, state: 1 }) };
    await expect(askEstimator(beside, { ...request, state: 1 })).rejects.toMatchObject(refused);
    await expect(meanOfQueries(own, 2).estimate(request)).rejects.toMatchObject(refused);
  });

  it('is not, where its numbers are not finite: that is for the run to say', async () => {
    const answer = { ...whole, loss: Number.NaN, terms: [{ ...term, coefficient: Number.POSITIVE_INFINITY }] };
    const oracle = SimulatedDevice.quadratic([3], Float64Array.of(2));
    const own: Estimator = { name: 'own', estimate: async () => answer as never };
    expect((await askEstimator(own, { oracle, step: 0, direction, state: null })).estimate).toEqual(answer);
  });
});

describe('exactGradient', () => {
  it('returns the loss and the gradient of the device, and no directions', async () => {
    const device = SimulatedDevice.quadratic([3, 1], Float64Array.of(1, 2));
    const estimate = await exactGradient().estimate({ oracle: device, step: 0, direction, state: null });
    expect(estimate.kind).toBe('dense');
    expect(estimate.loss).toBe(3.5);
    expect(estimate.kind === 'dense' && [...(estimate.gradient as VisibleGradient).values]).toEqual([3, 2]);
    expect(momentsOf(exactGradient(), 5)).toEqual({ s1: 1, s2: 0 });
    expect(exactGradient().mu).toBeUndefined();
  });
});
