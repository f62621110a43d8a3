import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Optimizer } from '../../lib/optimizers/optimizer.ts';
import { adam, gd, gdm, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import { piecewise } from '../../lib/optimizers/schedules.ts';
import { criticalStepSize } from '../../lib/stability/critical-step-size.ts';
import {
  atEdge,
  type StabilityOptimizer,
  stabilityBounds,
  stabilityThreshold,
  stepSizeBounds,
} from '../../lib/stability/threshold.ts';

/** Moments that make κ negative under momentum: ±1 directions on a diagonal Hessian. */
const rademacher: StabilityOptimizer = {
  estimator: { name: 'rademacher', moments: () => ({ s1: 0, s2: 1 }) },
  rule: { beta: 0.9, gradientWeight: 1 },
};

const sphere: StabilityOptimizer = {
  estimator: { name: 'sphere', moments: (d) => ({ s1: (2 * d) / (d + 2), s2: d / (d + 2) }) },
  rule: { beta: 0, gradientWeight: 1 },
};

describe('stabilityThreshold', () => {
  it.each<[string, Optimizer, number]>([
    ['2/η for ZO-GD', zoGD({ lr: 0.05 }), 40],
    ['2(1 − β)/η for ZO-GDM', zoGDM({ lr: 0.005, beta: 0.75 }), 100],
    ['2/η for ZO-Adam, whatever β1', zoAdam({ lr: 0.001, beta1: 0.97 }), 2000],
    ['2/η for GD', gd({ lr: 0.05 }), 40],
    ['infinite for η = 0', zoGD({ lr: 0 }), Number.POSITIVE_INFINITY],
  ])('is %s', (_name, optimizer, value) => {
    expect(stabilityThreshold(optimizer)).toBe(value);
  });

  it('follows a schedule', () => {
    const optimizer = zoGD({ lr: piecewise({ 0: 0.02, 10: 0.05 }) });
    expect([
      stabilityThreshold(optimizer),
      stabilityThreshold(optimizer, 9),
      stabilityThreshold(optimizer, 10),
    ]).toEqual([100, 100, 40]);
  });
});

describe('stabilityBounds', () => {
  it('is [tr, tr + 2λmax] for ZO-GD', () => {
    expect(stabilityBounds({ trace: 38, lambdaMax: 4 }, zoGD({ lr: 1 }))).toEqual({ lower: 38, upper: 46 });
  });

  it('is [tr, tr + 2λmax/(1 + β)] for ZO-GDM and ZO-Adam', () => {
    for (const optimizer of [zoGDM({ lr: 1, beta: 0.6 }), zoAdam({ lr: 1, beta1: 0.6 })]) {
      const { lower, upper } = stabilityBounds({ trace: 38, lambdaMax: 4 }, optimizer);
      expect(lower).toBe(38);
      expect(upper).toBeCloseTo(38 + 8 / 1.6, 12);
    }
  });

  it('has the edge of first order as its upper end, and 0 as its lower', () => {
    for (const [optimizer, edge] of [
      [gd({ lr: 0.1 }), 20],
      [gdm({ lr: 0.1, beta: 0.9 }), 38],
      [adam({ lr: 0.1, beta1: 0.9 }), 380],
    ] as const) {
      const { lower, upper } = stabilityBounds({ trace: 2 * edge, lambdaMax: edge }, optimizer);
      expect(lower).toBe(0);
      expect(upper / stabilityThreshold(optimizer)).toBeCloseTo(1, 12);
    }
  });

  it('takes a negative λmax as no curvature and keeps a negative trace', () => {
    expect(stabilityBounds({ trace: -3, lambdaMax: -1 }, zoGD({ lr: 1 }))).toEqual({ lower: -3, upper: -3 });
  });

  it('stays ordered where κ is negative', () => {
    // κ = −0.9: 10 − 2 · 0.9 · 4 / 1.9.
    const { lower, upper } = stabilityBounds({ trace: 10, lambdaMax: 4 }, rademacher);
    expect(lower).toBeCloseTo(10 - 7.2 / 1.9, 12);
    expect(upper).toBe(10);
  });

  it('asks for the dimension exactly when the moments depend on it', () => {
    expect(() => stabilityBounds({ trace: 1, lambdaMax: 1 }, sphere)).toThrow(
      /dimension: expected the number of parameters/,
    );
    const { lower, upper } = stabilityBounds({ trace: 12, lambdaMax: 6, dimension: 4 }, sphere);
    expect([lower, upper]).toEqual([8, 16]);
  });

  it('refuses numbers that are not finite', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => stabilityBounds({ trace: bad, lambdaMax: 1 }, zoGD({ lr: 1 }))).toThrow(
        /trace: expected a finite number/,
      );
      expect(() => stabilityBounds({ trace: 1, lambdaMax: bad }, zoGD({ lr: 1 }))).toThrow(
        /lambdaMax: expected a finite number/,
      );
    }
  });
});

describe('the bounds bracket the critical step size', () => {
  it('on every positive spectrum, for every kind of optimizer, also through the threshold', () => {
    const spectra = fc.array(fc.double({ min: 1e-3, max: 1e3, noNaN: true }), { minLength: 1, maxLength: 30 });
    const optimizers = fc.constantFrom<StabilityOptimizer>(
      zoGD({ lr: 1 }),
      zoGDM({ lr: 1 }),
      zoAdam({ lr: 1 }),
      gd({ lr: 1 }),
      gdm({ lr: 1 }),
      rademacher,
    );
    fc.assert(
      fc.property(spectra, optimizers, (lambdas, optimizer) => {
        const curvature = { trace: lambdas.reduce((a, b) => a + b), lambdaMax: Math.max(...lambdas) };
        const critical = criticalStepSize(lambdas, optimizer);
        const { min, max } = stepSizeBounds(curvature, optimizer);
        expect(critical).toBeGreaterThanOrEqual(min * (1 - 1e-12));
        expect(critical).toBeLessThanOrEqual(max * (1 + 1e-12));
        const { lower, upper } = stabilityBounds(curvature, optimizer);
        const threshold = stabilityThreshold({ ...optimizer, lr: critical });
        expect(threshold).toBeGreaterThanOrEqual(lower * (1 - 1e-12));
        expect(threshold).toBeLessThanOrEqual(upper * (1 + 1e-12));
      }),
      { seed: 5, numRuns: 500 },
    );
  });

  it('tightly where one eigenvalue carries everything, and where none does', () => {
    const zo = zoGD({ lr: 1 });
    expect(stepSizeBounds({ trace: 3, lambdaMax: 3 }, zo).min).toBeCloseTo(criticalStepSize([3], zo), 12);
    const flat = new Float64Array(1e5).fill(1);
    expect(criticalStepSize(flat, zo) / stepSizeBounds({ trace: 1e5, lambdaMax: 1 }, zo).max).toBeCloseTo(1, 4);
  });

  it('with no upper end for exact gradients', () => {
    const { min, max } = stepSizeBounds({ trace: 7, lambdaMax: 4 }, gd({ lr: 1 }));
    expect([min, max]).toEqual([0.5, Number.POSITIVE_INFINITY]);
  });
});

describe('atEdge', () => {
  const zo = zoGD({ lr: 0.05 });

  it('is the band widened to [0.8 lower, 1.25 upper] for zeroth order', () => {
    // Threshold 40.
    expect(atEdge({ trace: 38, lambdaMax: 4 }, zo)).toBe(true);
    expect(atEdge({ trace: 49.9, lambdaMax: 4 }, zo)).toBe(true);
    expect(atEdge({ trace: 50.1, lambdaMax: 4 }, zo)).toBe(false);
    expect(atEdge({ trace: 24.1, lambdaMax: 4 }, zo)).toBe(true);
    expect(atEdge({ trace: 23.9, lambdaMax: 4 }, zo)).toBe(false);
  });

  it('is λmax near 2/η for gradient descent, on either side, whatever the trace', () => {
    const first = gd({ lr: 0.05 });
    for (const [lambdaMax, expected] of [
      [31.9, false],
      [32.1, true],
      [40, true],
      [49.9, true],
      [50.1, false],
    ] as const) {
      expect(atEdge({ trace: 1000, lambdaMax }, first), String(lambdaMax)).toBe(expected);
    }
  });

  it('takes a tolerance and a step', () => {
    expect(atEdge({ trace: 38, lambdaMax: 0.5 }, zo, { tolerance: 0 })).toBe(false);
    expect(atEdge({ trace: 38, lambdaMax: 1 }, zo, { tolerance: 0 })).toBe(true);
    const scheduled = zoGD({ lr: piecewise({ 0: 0.001, 100: 0.05 }) });
    expect([
      atEdge({ trace: 38, lambdaMax: 4 }, scheduled),
      atEdge({ trace: 38, lambdaMax: 4 }, scheduled, { step: 100 }),
    ]).toEqual([false, true]);
    expect(() => atEdge({ trace: 1, lambdaMax: 1 }, zo, { tolerance: -1 })).toThrow(
      /tolerance: expected a finite number ≥ 0/,
    );
  });

  it('is false where nothing limits the step', () => {
    expect(atEdge({ trace: 38, lambdaMax: 4 }, zoGD({ lr: 0 }))).toBe(false);
    expect(atEdge({ trace: 0, lambdaMax: 0 }, zo)).toBe(false);
    expect(atEdge({ trace: -5, lambdaMax: 0 }, gd({ lr: 0.05 }))).toBe(false);
  });
});
