import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Optimizer } from '../../lib/optimizers/optimizer.ts';
import { adam, gd, gdm, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import { piecewise } from '../../lib/optimizers/schedules.ts';
import { stabilityBounds, stabilityLimit, stepSizeBounds } from '../../lib/stability/bounds.ts';
import { criticalStepSize } from '../../lib/stability/critical-step-size.ts';
import type { Curvature } from '../../lib/stability/curvature.ts';
import { edgeOfStability } from '../../lib/stability/edge.ts';
import { curvatureOf, knowledge, optimizers, rademacher, spectra, sphere, unknown } from './arbitrary.ts';

describe('stabilityLimit', () => {
  it.each<[string, Optimizer, number]>([
    ['2/η for ZO-GD', zoGD({ lr: 0.05 }), 40],
    ['2(1 − β)/η for ZO-GDM', zoGDM({ lr: 0.005, beta: 0.75 }), 100],
    ['2/η for ZO-Adam, whatever β1', zoAdam({ lr: 0.001, beta1: 0.97 }), 2000],
    ['2/η for GD', gd({ lr: 0.05 }), 40],
    ['2(1 + β)/η for GD with momentum', gdm({ lr: 0.5, beta: 0.9 }), 7.6],
    ['2(1 + β1)/((1 − β1)η) for Adam', adam({ lr: 0.001, beta1: 0.9 }), 38_000],
  ])('is %s', (_name, optimizer, value) => {
    expect(stabilityLimit(optimizer) / value).toBeCloseTo(1, 12);
  });

  it('is infinite for η = 0', () => {
    for (const make of [zoGD, gd]) expect(stabilityLimit(make({ lr: 0 }))).toBe(Number.POSITIVE_INFINITY);
  });

  it('is 2/η to the last bit where nothing else enters', () => {
    for (const make of [zoGD, zoAdam, gd])
      for (const lr of [0.05, 0.003, 0.7]) expect(stabilityLimit(make({ lr }))).toBe(2 / lr);
  });

  it('follows a schedule', () => {
    const optimizer = zoGD({ lr: piecewise({ 0: 0.02, 10: 0.05 }) });
    expect([0, 9, 10].map((step) => stabilityLimit(optimizer, { step }))).toEqual([100, 100, 40]);
  });

  it('is that of the trace, q times as large, where q queries are averaged', () => {
    const queries = { ...zoGD({ lr: 0.05 }), estimator: { name: 'queries', moments: () => ({ s1: 1.25, s2: 0.25 }) } };
    expect(stabilityLimit(queries)).toBe(160);
  });

  it('does not exist where the moments are unknown, and says so', () => {
    for (const estimator of unknown) {
      const optimizer = { ...zoGD({ lr: 0.05 }), estimator };
      for (const ask of [
        () => stabilityLimit(optimizer),
        () => stabilityBounds({ trace: 1, lambdaMax: 1 }, optimizer),
        () => stepSizeBounds({ trace: 1, lambdaMax: 1 }, optimizer),
        () => criticalStepSize([1], optimizer),
      ]) {
        expect(ask).toThrow(/optimizer\.estimator: expected one with known moments .* received "mine"/);
      }
    }
  });
});

const known = (lambdas: readonly number[], keys: readonly (keyof Curvature)[]): Curvature => {
  const { trace, lambdaMax, ...rest } = curvatureOf(lambdas);
  return {
    trace,
    lambdaMax,
    ...Object.fromEntries(Object.entries(rest).filter(([key]) => keys.includes(key as 'trace'))),
  };
};

describe('stabilityBounds', () => {
  it('is [tr, tr + 2λmax] for ZO-GD where no eigenvalue is negative', () => {
    expect(stabilityBounds({ trace: 38, lambdaMax: 4, lambdaMin: 0 }, zoGD({ lr: 1 }))).toEqual({
      lower: 38,
      upper: 46,
    });
  });

  it('is [tr, tr + 2λmax/(1 + β)] for ZO-GDM and ZO-Adam', () => {
    for (const optimizer of [zoGDM({ lr: 1, beta: 0.6 }), zoAdam({ lr: 1, beta1: 0.6 })]) {
      const { lower, upper } = stabilityBounds({ trace: 38, lambdaMax: 4, lambdaMin: 0.1 }, optimizer);
      expect(lower).toBe(38);
      expect(upper).toBeCloseTo(38 + 8 / 1.6, 12);
    }
  });

  it('rests on the trace of the positive part where negative eigenvalues are known', () => {
    const zo = zoGD({ lr: 1 });
    expect(stabilityBounds({ trace: 38, lambdaMax: 4, negativeTrace: 3 }, zo)).toEqual({ lower: 41, upper: 49 });
    expect(stabilityBounds({ trace: 38, lambdaMax: 4, lambdaMin: -1, negativeTrace: 3 }, zo)).toEqual({
      lower: 41,
      upper: 49,
    });
  });

  it('never has the positive part below λmax, whatever the noise of a measured trace', () => {
    const zo = zoGD({ lr: 1 });
    expect(stabilityBounds({ trace: 3, traceStdErr: 1, lambdaMax: 4, lambdaMin: 0 }, zo)).toEqual({
      lower: 12,
      upper: 12,
    });
    expect(stabilityBounds({ trace: 3, traceStdErr: 1, lambdaMax: 4, negativeTrace: 0.5 }, zo)).toEqual({
      lower: 12,
      upper: 12,
    });
    expect(edgeOfStability({ trace: -3, traceStdErr: 9, lambdaMax: 4, negativeTrace: 0 }, zo).ratio).toBe(2);
  });

  it('has no upper end where nothing bounds the positive part, and the least that it can be as its lower', () => {
    const zo = zoGD({ lr: 1 });
    const infinite = Number.POSITIVE_INFINITY;
    expect(stabilityBounds({ trace: 38, lambdaMax: 4 }, zo)).toEqual({ lower: 38, upper: infinite });
    expect(stabilityBounds({ trace: 38, lambdaMax: 4, lambdaMin: -3 }, zo)).toEqual({ lower: 41, upper: infinite });
    // λmax > tr proves negative eigenvalues. (4, −3) has its edge at 3λmax = 12: 2/12 = 1/6.
    expect(stabilityBounds({ trace: 1, lambdaMax: 4 }, zo)).toEqual({ lower: 12, upper: infinite });
    expect(stabilityBounds({ trace: -5, lambdaMax: 4 }, zo)).toEqual({ lower: 12, upper: infinite });
  });

  it('has an upper end again from the number of parameters', () => {
    const zo = zoGD({ lr: 1 });
    // Two parameters: (4, −3) is the only spectrum.
    expect(stabilityBounds({ trace: 1, lambdaMax: 4, dimension: 2 }, zo)).toEqual({ lower: 12, upper: 12 });
    // (4, 3, 3, −3, −3): λmin = −3 allows tr₊ ≤ 4 (4 + 15)/7.
    const { upper } = stabilityBounds({ trace: 4, lambdaMax: 4, lambdaMin: -3, dimension: 5 }, zo);
    expect(upper).toBeCloseTo(76 / 7 + 8, 12);
    expect(upper).toBeGreaterThan(10 + 8);
  });

  it('is the point λmax for exact gradients, with any momentum, whatever the trace', () => {
    for (const optimizer of [gd({ lr: 0.1 }), gdm({ lr: 0.1, beta: 0.9 }), adam({ lr: 0.1, beta1: 0.9 })]) {
      for (const trace of [-5, 3, 1000])
        expect(stabilityBounds({ trace, lambdaMax: 7 }, optimizer)).toEqual({ lower: 7, upper: 7 });
    }
  });

  it('is nothing where no eigenvalue is above 0', () => {
    for (const lambdaMax of [0, -1]) {
      expect(stabilityBounds({ trace: -3, lambdaMax }, zoGD({ lr: 1 }))).toEqual({ lower: 0, upper: 0 });
      expect(stabilityBounds({ trace: -3, lambdaMax }, gd({ lr: 1 }))).toEqual({ lower: 0, upper: 0 });
      expect(stepSizeBounds({ trace: -3, lambdaMax }, zoGD({ lr: 1 })).min).toBe(Number.POSITIVE_INFINITY);
    }
  });

  it('stays ordered where κ is negative', () => {
    // κ = −0.9: 10 − 2 · 0.9 · 4 / 1.9.
    const { lower, upper } = stabilityBounds({ trace: 10, lambdaMax: 4, lambdaMin: 0 }, rademacher);
    expect(lower).toBeCloseTo(10 - 7.2 / 1.9, 12);
    expect(upper).toBe(10);
  });

  it('asks for the dimension exactly when the moments depend on it', () => {
    expect(() => stabilityBounds({ trace: 1, lambdaMax: 1 }, sphere)).toThrow(
      /dimension: expected the number of parameters/,
    );
    const { lower, upper } = stabilityBounds({ trace: 24, lambdaMax: 6, lambdaMin: 0, dimension: 4 }, sphere);
    // s1 = 4/3, s2 = 2/3: the trace may be 3/2 of that of Gaussian directions.
    expect([lower, upper]).toEqual([24, 36]);
  });

  it('has the ends that theory gives for mini-batches: tr and (n/b)(tr + 2λmax)', () => {
    const curvature = { trace: 38, lambdaMax: 4, lambdaMin: 0 };
    const bounds = stabilityBounds(curvature, zoGD({ lr: 1 }), { batch: 100, examples: 1000 });
    expect(bounds).toEqual({ lower: 38, upper: 460 });
    expect(stabilityBounds(curvature, zoGD({ lr: 1 }), { batch: 1000, examples: 1000 })).toEqual({
      lower: 38,
      upper: 46,
    });
    expect(stabilityBounds(curvature, gd({ lr: 1 }), { batch: 100, examples: 1000 })).toEqual({ lower: 4, upper: 40 });
  });

  it('refuses what no Hessian has', () => {
    const good = { trace: 3, lambdaMax: 1 };
    for (const [bad, message] of [
      [{ trace: Number.NaN }, /trace: expected a finite number/],
      [{ trace: Number.POSITIVE_INFINITY }, /trace: expected a finite number/],
      [{ lambdaMax: Number.NaN }, /lambdaMax: expected a finite number/],
      [{ lambdaMin: 2 }, /lambdaMin: expected a number ≤ lambdaMax \(1\), received 2/],
      [{ lambdaMin: Number.NaN }, /lambdaMin: expected a finite number/],
      [{ negativeTrace: -1 }, /negativeTrace: expected a finite number ≥ 0/],
      [{ dimension: 0 }, /dimension: expected an integer/],
      [{ traceStdErr: -1 }, /traceStdErr: expected a finite number ≥ 0/],
      [{ negativeTraceStdErr: Number.NaN }, /negativeTraceStdErr/],
      [{ lambdaMaxResidual: -1 }, /lambdaMaxResidual/],
    ] as const) {
      for (const ask of [stabilityBounds, stepSizeBounds, edgeOfStability])
        expect(() => ask({ ...good, ...bad }, zoGD({ lr: 1 }))).toThrow(message);
    }
    for (const [sampling, message] of [
      [{ batch: 10 }, /examples: expected the number of all examples/],
      [{ batch: 0, examples: 10 }, /batch: expected an integer from 1 to 10/],
      [{ batch: 11, examples: 10 }, /batch: expected an integer from 1 to 10/],
      [{ batch: 1, examples: 0.5 }, /examples: expected an integer/],
    ] as const) {
      expect(() => stabilityBounds(good, zoGD({ lr: 1 }), sampling)).toThrow(message);
    }
  });
});

describe('the bounds bracket the critical step size', () => {
  it('of the positive part of every spectrum, indefinite ones too, for every kind of optimizer and of knowledge', () => {
    let open = 0;
    fc.assert(
      fc.property(spectra, fc.constantFrom(...optimizers), knowledge, (lambdas, optimizer, keys) => {
        const curvature = known(lambdas, keys);
        const critical = criticalStepSize(lambdas, optimizer);
        const { min, max } = stepSizeBounds(curvature, optimizer);
        expect(critical).toBeGreaterThanOrEqual(min * (1 - 1e-9));
        expect(critical).toBeLessThanOrEqual(max * (1 + 1e-9));
        if (min === 0) open++;
        const { lower, upper } = stabilityBounds(curvature, optimizer);
        const limit = stabilityLimit({ ...optimizer, lr: critical });
        expect(limit).toBeGreaterThanOrEqual(lower * (1 - 1e-9));
        expect(limit).toBeLessThanOrEqual(upper * (1 + 1e-9));
      }),
      { seed: 5, numRuns: 3000 },
    );
    expect(open).toBeGreaterThan(100);
  });

  it('and no step size above it is called below the edge, none below it beyond, however much is known', () => {
    const factors = fc.double({ min: -3, max: 3, noNaN: true }).map((power) => 10 ** power);
    const seen = new Set<string>();
    fc.assert(
      fc.property(spectra, fc.constantFrom(...optimizers), knowledge, factors, (lambdas, optimizer, keys, factor) => {
        const lr = factor * criticalStepSize(lambdas, optimizer);
        const { verdict } = edgeOfStability(known(lambdas, keys), { ...optimizer, lr });
        seen.add(verdict);
        if (factor > 1 + 1e-9) expect(verdict).not.toBe('below');
        if (factor < 1 - 1e-9) expect(verdict).not.toBe('beyond');
      }),
      { seed: 6, numRuns: 3000 },
    );
    expect([...seen].sort()).toEqual(['at', 'below', 'beyond', 'close', 'undecided']);
  });

  it('tightly where one eigenvalue carries everything, and where none does', () => {
    const zo = zoGD({ lr: 1 });
    const alone = stepSizeBounds({ trace: 3, lambdaMax: 3, lambdaMin: 3 }, zo);
    for (const bound of [alone.min, alone.max]) expect(bound).toBeCloseTo(criticalStepSize([3], zo), 12);
    const flat = new Float64Array(1e5).fill(1);
    const { max } = stepSizeBounds({ trace: 1e5, lambdaMax: 1, lambdaMin: 1 }, zo);
    expect(criticalStepSize(flat, zo) / max).toBeCloseTo(1, 4);
  });

  it('at a point for exact gradients', () => {
    expect(stepSizeBounds({ trace: 7, lambdaMax: 4 }, gd({ lr: 1 }))).toEqual({ min: 0.5, max: 0.5 });
  });
});
