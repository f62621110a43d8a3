import { describe, expect, it } from 'vitest';
import type { LearningRate } from '../../lib/optimizers/optimizer.ts';
import { adam, gd, gdm, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import { piecewise } from '../../lib/optimizers/schedules.ts';
import type { StabilityOptimizer } from '../../lib/stability/bounds.ts';
import type { Curvature } from '../../lib/stability/curvature.ts';
import { edgeOfStability } from '../../lib/stability/edge.ts';
import { unknown } from './arbitrary.ts';

/** Limit 40. */
const zo = zoGD({ lr: 0.05 });
const verdict = (
  curvature: Partial<Curvature>,
  optimizer: StabilityOptimizer & { lr: LearningRate } = zo,
  options = {},
) => edgeOfStability({ trace: 0, lambdaMax: 1, lambdaMin: 0, ...curvature }, optimizer, options).verdict;

describe('the verdict', () => {
  it('is "at" exactly while the limit lies in the band', () => {
    // Band [tr, tr + 2λmax]: 40 lies in it for 36 ≤ tr ≤ 40.
    for (const [trace, expected] of [
      [35.9, 'close'],
      [36.1, 'at'],
      [38, 'at'],
      [39.9, 'at'],
      [40.1, 'close'],
    ] as const) {
      expect(verdict({ trace, lambdaMax: 2 }), String(trace)).toBe(expected);
    }
  });

  it('is "close" within 15 % of the limit outside of the band, on either side, and no farther', () => {
    for (const [trace, expected] of [
      [31.9, 'below'],
      [32.1, 'close'],
      [45.9, 'close'],
      [46.1, 'beyond'],
    ] as const) {
      expect(verdict({ trace }), String(trace)).toBe(expected);
    }
    // A ratio near 0.75 was once called at the edge.
    expect(verdict({ trace: 30, lambdaMax: 1 })).toBe('below');
  });

  it('allows for two standard errors of the trace', () => {
    expect(verdict({ trace: 35, traceStdErr: 1 })).toBe('close');
    expect(verdict({ trace: 35, traceStdErr: 1.6 })).toBe('at');
    expect(verdict({ trace: 43, traceStdErr: 1.4 })).toBe('close');
    expect(verdict({ trace: 43, traceStdErr: 1.6 })).toBe('at');
    expect(verdict({ trace: 35, traceStdErr: 1.2, negativeTrace: 0, negativeTraceStdErr: 1.2 })).toBe('at');
  });

  it('is undecided where the errors exceed what is close', () => {
    expect(verdict({ trace: 38, traceStdErr: 2.9 })).toBe('at');
    expect(verdict({ trace: 38, traceStdErr: 3.1 })).toBe('undecided');
    // Far away the same error decides nothing else.
    expect(verdict({ trace: 10, traceStdErr: 3.1 })).toBe('below');
    expect(verdict({ trace: 100, traceStdErr: 3.1 })).toBe('beyond');
  });

  it('takes negative eigenvalues in: measured, they add to the trace; unknown, they leave it open', () => {
    expect(verdict({ trace: 30, negativeTrace: 8, lambdaMin: -1 })).toBe('at');
    expect(verdict({ trace: 30, lambdaMin: undefined })).toBe('undecided');
    expect(verdict({ trace: 38, lambdaMin: undefined })).toBe('undecided');
    expect(verdict({ trace: 0.1, lambdaMax: 0.1, lambdaMin: undefined })).toBe('undecided');
    expect(verdict({ trace: 60, lambdaMin: undefined })).toBe('beyond');
    expect(verdict({ trace: 1, lambdaMax: 4, lambdaMin: undefined }, zoGD({ lr: 0.2 }))).toBe('beyond');
    expect(verdict({ trace: -5, lambdaMax: 4, lambdaMin: undefined }, zoGD({ lr: 0.5 }))).toBe('beyond');
  });

  it('is that of λmax for exact gradients, the point taken ±5 %, whatever the trace and its sign', () => {
    for (const optimizer of [gd({ lr: 0.05 }), gdm({ lr: 0.0725, beta: 0.45 }), adam({ lr: 0.95, beta1: 0.9 })]) {
      for (const trace of [-500, 1, 1e6]) {
        for (const [lambdaMax, expected] of [
          [33.9, 'below'],
          [34.1, 'close'],
          [37.9, 'close'],
          [38.1, 'at'],
          [41.9, 'at'],
          [42.1, 'close'],
          [45.9, 'close'],
          [46.1, 'beyond'],
        ] as const) {
          expect(verdict({ trace, lambdaMax, lambdaMin: undefined }, optimizer), `${lambdaMax}`).toBe(expected);
        }
      }
    }
    expect(verdict({ lambdaMax: 36, lambdaMaxResidual: 5 }, gd({ lr: 0.05 }))).toBe('at');
    expect(verdict({ lambdaMax: 36, lambdaMaxResidual: 7 }, gd({ lr: 0.05 }))).toBe('undecided');
  });

  it('is undecided between the bounds of a mini-batch, and decided outside of them', () => {
    const sampling = { batch: 100, examples: 1000 };
    // T lies between 10 and 100; upper 10 (tr + 2λmax) = 120.
    const curvature = { trace: 10, lambdaMax: 1 };
    for (const [lr, expected] of [
      [0.25, 'beyond'],
      [0.05, 'undecided'],
      [0.0175, 'undecided'],
      [0.016, 'below'],
      [0.01, 'below'],
    ] as const) {
      expect(verdict(curvature, zoGD({ lr }), sampling), String(lr)).toBe(expected);
    }
    // The same step sizes over all examples.
    expect([0.05, 0.0175].map((lr) => verdict(curvature, zoGD({ lr })))).toEqual(['below', 'below']);
    expect(verdict({ trace: 40, lambdaMax: 30 }, gd({ lr: 0.01 }), sampling)).toBe('undecided');
    expect(verdict({ trace: 40, lambdaMax: 30 }, gd({ lr: 0.001 }), sampling)).toBe('below');
    // One example short of all of them is all of them, but for a little.
    expect(verdict({ trace: 38, lambdaMax: 4 }, zo, { batch: 999, examples: 1000 })).toBe('at');
  });

  it('follows a schedule', () => {
    const scheduled = zoGD({ lr: piecewise({ 0: 0.001, 100: 0.05 }) });
    expect([0, 99, 100].map((step) => verdict({ trace: 38, lambdaMax: 4 }, scheduled, { step }))).toEqual([
      'below',
      'below',
      'at',
    ]);
  });

  it('is "below" where nothing limits the step', () => {
    expect(verdict({ trace: 38, lambdaMax: 4 }, zoGD({ lr: 0 }))).toBe('below');
    expect(verdict({ trace: 38, lambdaMax: 4, lambdaMin: undefined }, zoGD({ lr: 0 }))).toBe('below');
    expect(verdict({ trace: 0, lambdaMax: 0 })).toBe('below');
    expect(verdict({ trace: -5, lambdaMax: -1, lambdaMin: -2 })).toBe('below');
    expect(verdict({ trace: -5, lambdaMax: 0, lambdaMin: -5 }, gd({ lr: 0.05 }))).toBe('below');
  });
});

describe('the ratio', () => {
  it('is curvature ÷ its own limit, with its standard error, for any optimizer', () => {
    const curvature = {
      trace: 30,
      traceStdErr: 3,
      negativeTrace: 2,
      negativeTraceStdErr: 4,
      lambdaMax: 7.5,
      lambdaMaxResidual: 0.1,
    };
    for (const [optimizer, governs, limit, ratio, error] of [
      [zoGD({ lr: 0.05 }), 'trace', 40, 0.8, 0.125],
      [zoGDM({ lr: 0.005, beta: 0.9 }), 'trace', 40, 0.8, 0.125],
      [zoAdam({ lr: 0.001 }), 'trace', 2000, 0.016, 0.0025],
      [gd({ lr: 0.5 }), 'lambdaMax', 4, 1.875, 0.025],
      // λmax 7.5 against 2(1 + β)/η = 7.6, not 2(1 − β)/η = 0.4.
      [gdm({ lr: 0.5, beta: 0.9 }), 'lambdaMax', 7.6, 7.5 / 7.6, 0.1 / 7.6],
      [adam({ lr: 0.001 }), 'lambdaMax', 38_000, 7.5 / 38_000, 0.1 / 38_000],
    ] as const) {
      const edge = edgeOfStability(curvature, optimizer);
      expect(edge.governs).toBe(governs);
      expect(edge.limit / limit).toBeCloseTo(1, 12);
      expect(edge.ratio / ratio).toBeCloseTo(1, 12);
      expect(edge.ratioStdErr / error).toBeCloseTo(1, 12);
      expect(edge.ratioMax).toBeUndefined();
    }
  });

  it('is a range where it is not known: with mini-batches, and without knowledge of negative eigenvalues', () => {
    const curvature = { trace: 10, lambdaMax: 1 };
    expect(edgeOfStability({ ...curvature, lambdaMin: 0 }, zo, { batch: 10, examples: 100 })).toMatchObject({
      ratio: 0.25,
      ratioMax: 2.5,
      lower: 10,
      upper: 120,
    });
    expect(edgeOfStability(curvature, zo)).toMatchObject({ ratio: 0.25, ratioMax: Number.POSITIVE_INFINITY });
    expect(edgeOfStability(curvature, gd({ lr: 0.5 }), { batch: 10, examples: 100 })).toMatchObject({
      ratio: 0.25,
      ratioMax: 2.5,
    });
  });

  it('is unknown, and so is the limit, where the moments are; no error', () => {
    for (const estimator of unknown) {
      const edge = edgeOfStability({ trace: 38, lambdaMax: 4 }, { ...zo, estimator });
      expect(edge).toEqual({
        governs: null,
        limit: Number.NaN,
        lower: Number.NaN,
        upper: Number.NaN,
        ratio: Number.NaN,
        ratioStdErr: Number.NaN,
        verdict: 'undecided',
      });
    }
  });
});
