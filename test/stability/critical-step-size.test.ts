import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Optimizer } from '../../lib/optimizers/optimizer.ts';
import { adam, frozenZoAdam, gd, gdm, mezo, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import type { StabilityOptimizer } from '../../lib/stability/bounds.ts';
import { criticalStepSize } from '../../lib/stability/critical-step-size.ts';
import { eigenbasisOperator, fullOperator, measuredCriticalStepSize, rotated, spectralRadius } from './covariance.ts';
import { seeded } from './seeded.ts';

interface Case {
  readonly beta: number;
  readonly s1: number;
  readonly s2: number;
  readonly weight: number;
}

function method({ beta, s1, s2, weight }: Case): StabilityOptimizer {
  return { estimator: { name: 'test', moments: () => ({ s1, s2 }) }, rule: { beta, gradientWeight: weight } };
}

/** Random spectra over three decades, random momentum, Polyak and EMA weights, moments of every kind that the theory lists. */
function randomCase(uniform: () => number, dimension: number): { lambdas: number[]; chosen: Case } {
  const lambdas = Array.from({ length: dimension }, () => 10 ** (3 * uniform() - 2));
  const beta = uniform() < 0.2 ? 0 : 0.97 * uniform();
  const m = 0.2 + 2 * uniform();
  const q = 1 + Math.floor(8 * uniform());
  const kurtosis = 1 + 3 * uniform();
  const kinds = [
    { s1: 2, s2: 1 },
    { s1: 2 * m, s2: Math.max(m, 1 - 2 * m) },
    { s1: 1 + 1 / q, s2: 1 / q },
    { s1: kurtosis - 1, s2: 1 },
    { s1: 0, s2: 1 },
    { s1: (2 * dimension) / (dimension + 2), s2: dimension / (dimension + 2) },
    { s1: 1, s2: 0 },
  ];
  const moments = kinds[Math.floor(kinds.length * uniform())];
  return { lambdas, chosen: { beta, ...moments, weight: uniform() < 0.3 ? 1 - beta : 1 } };
}

function leftSide(sum: (lambda: number) => number, lambdas: readonly number[]): number {
  return lambdas.reduce((total, lambda) => total + sum(lambda), 0);
}

const spectrum = [1, 0.5, 0.25, 0.1];

describe('the critical step size against the covariance operator', () => {
  it('has spectral radius 1 at η*, less below and more above, for 240 random spectra, momenta and moments', () => {
    const { uniform } = seeded(1);
    let negativeCoupling = 0;
    for (let i = 0; i < 240; i++) {
      const { lambdas, chosen } = randomCase(uniform, 1 + (i % 7));
      const critical = criticalStepSize(lambdas, method(chosen));
      const radius = (eta: number): number => spectralRadius(eigenbasisOperator(lambdas, { eta, ...chosen }));
      const label = JSON.stringify({ lambdas, chosen });
      // Without the coupling s2 the operator is far from normal, and repeated squaring loses digits.
      expect(Math.abs(radius(critical) - 1), label).toBeLessThan(chosen.s2 > 0 ? 1e-9 : 1e-6);
      expect(radius(critical * (1 - 1e-4)), label).toBeLessThan(1 - 1e-12);
      expect(radius(critical * (1 + 1e-4)), label).toBeGreaterThan(1 + 1e-12);
      if ((chosen.s1 / 2) * (1 + chosen.beta) < chosen.beta) negativeCoupling++;
    }
    expect(negativeCoupling).toBeGreaterThan(20);
  });

  it('agrees with the full covariance of (e, m) for rotated Hessians', () => {
    const { uniform, normal } = seeded(2);
    for (let i = 0; i < 24; i++) {
      const { lambdas, chosen } = randomCase(uniform, 1 + (i % 3));
      const hessian = rotated(lambdas, normal);
      const critical = criticalStepSize(lambdas, method(chosen));
      const radius = (eta: number): number => spectralRadius(fullOperator(hessian, { eta, ...chosen }));
      const label = JSON.stringify({ lambdas, chosen });
      expect(Math.abs(radius(critical) - 1), label).toBeLessThan(1e-8);
      expect(radius(critical * 0.999), label).toBeLessThan(1);
      expect(radius(critical * 1.001), label).toBeGreaterThan(1);
    }
  });

  it('is that of the eigenvalues of P⁻¹H under a preconditioner that commutes with H', () => {
    const { uniform } = seeded(12);
    for (let i = 0; i < 60; i++) {
      const { lambdas, chosen } = randomCase(uniform, 1 + (i % 5));
      const preconditioner = lambdas.map(() => 10 ** (2 * uniform() - 1));
      const critical = criticalStepSize(
        lambdas.map((lambda, k) => lambda / preconditioner[k]),
        method(chosen),
      );
      const radius = (eta: number): number =>
        spectralRadius(eigenbasisOperator(lambdas, { eta, ...chosen }, preconditioner));
      const label = JSON.stringify({ lambdas, chosen, preconditioner });
      expect(radius(critical * (1 - 1e-3)), label).toBeLessThan(1);
      expect(radius(critical * (1 + 1e-3)), label).toBeGreaterThan(1);
      expect(Math.abs(radius(critical) - 1), label).toBeLessThan(1e-6);
    }
  });

  it('reproduces reference values for the spectrum (1, 0.5, 0.25, 0.1), measured on the operator by bisection', () => {
    const table: [Optimizer, Case][] = [
      [zoGD({ lr: 1 }), { beta: 0, s1: 2, s2: 1, weight: 1 }],
      [zoGDM({ lr: 1, beta: 0.5 }), { beta: 0.5, s1: 2, s2: 1, weight: 1 }],
      [zoGDM({ lr: 1, beta: 0.9 }), { beta: 0.9, s1: 2, s2: 1, weight: 1 }],
      [zoAdam({ lr: 1 }), { beta: 0.9, s1: 2, s2: 1, weight: 0.1 }],
      [gdm({ lr: 1, beta: 0.9 }), { beta: 0.9, s1: 1, s2: 0, weight: 1 }],
    ];
    // Constants of the independent implementation; the law had no part in them.
    const reference = [0.57709296187, 0.34573567026, 0.07519212814, 0.7519212814, 3.8];
    for (const [i, [optimizer, chosen]] of table.entries()) {
      const measured = measuredCriticalStepSize(
        (eta) => spectralRadius(eigenbasisOperator(spectrum, { eta, ...chosen })),
        64,
      );
      expect(measured / reference[i], optimizer.name).toBeCloseTo(1, 9);
      expect(criticalStepSize(spectrum, optimizer) / reference[i], optimizer.name).toBeCloseTo(1, 9);
    }
  });
});

describe('special cases of the law', () => {
  const lambdas = [3, 1.5, 0.7, 0.2, 0.2];

  it('is Σ ηλ/(2(1 − ηλ)) = 1 for ZO-GD and MeZO', () => {
    for (const optimizer of [zoGD({ lr: 0.1 }), mezo()]) {
      const eta = criticalStepSize(lambdas, optimizer);
      expect(leftSide((l) => (eta * l) / (2 * (1 - eta * l)), lambdas)).toBeCloseTo(1, 12);
      expect(eta * 3).toBeLessThan(1);
    }
  });

  it('is 2/λmax for gradient descent', () => {
    expect(criticalStepSize(lambdas, gd({ lr: 1 }))).toBeCloseTo(2 / 3, 14);
  });

  it('is 2(1 + β)/λmax for gradient descent with momentum', () => {
    expect(criticalStepSize(lambdas, gdm({ lr: 1, beta: 0.7 }))).toBeCloseTo((2 * 1.7) / 3, 13);
  });

  it('is 2(1 + β1)/((1 − β1) λmax) for Adam', () => {
    expect(criticalStepSize(lambdas, adam({ lr: 1, beta1: 0.8 }))).toBeCloseTo((2 * 1.8) / (0.2 * 3), 12);
  });

  it('is Σ ηλ/(2((1 − β) − ηλ/(1 + β))) = 1 for ZO-GDM', () => {
    const eta = criticalStepSize(lambdas, zoGDM({ lr: 1, beta: 0.9 }));
    expect(leftSide((l) => (eta * l) / (2 * (0.1 - (eta * l) / 1.9)), lambdas)).toBeCloseTo(1, 12);
  });

  it('is Σ ηλ̃/(2(1 − ηλ̃/(1 + β1))) = 1 for frozen ZO-Adam and ZO-Adam', () => {
    const preconditioner = new Float32Array(5).fill(1);
    for (const optimizer of [frozenZoAdam({ lr: 1, beta1: 0.9, preconditioner }), zoAdam({ lr: 1 })]) {
      const eta = criticalStepSize(lambdas, optimizer);
      expect(leftSide((l) => (eta * l) / (2 * (1 - (eta * l) / 1.9)), lambdas)).toBeCloseTo(1, 12);
    }
  });

  it('is 2/(d + 2) for ZO-GD on d equal eigenvalues, the classical bound', () => {
    for (const d of [1, 2, 10, 1000]) {
      expect(criticalStepSize(new Float64Array(d).fill(4), zoGD({ lr: 1 })) * 4).toBeCloseTo(2 / (d + 2), 13);
    }
  });

  it('is that of gradient descent for a single ±1 direction in one dimension, where the estimate is exact', () => {
    const rademacher = method({ beta: 0.9, s1: 0, s2: 1, weight: 1 });
    expect(criticalStepSize([2], rademacher)).toBeCloseTo(1.9, 12);
  });
});

describe('invariances of the critical step size', () => {
  const positive = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
  const spectra = fc.array(positive, { minLength: 1, maxLength: 20 });
  const optimizers = fc.constantFrom<Optimizer>(
    zoGD({ lr: 1 }),
    zoGDM({ lr: 1, beta: 0.9 }),
    zoAdam({ lr: 1 }),
    gdm({ lr: 1 }),
  );

  it('does not depend on the order of the eigenvalues', () => {
    fc.assert(
      fc.property(spectra, optimizers, (lambdas, optimizer) => {
        const reversed = criticalStepSize([...lambdas].reverse(), optimizer);
        expect(criticalStepSize(lambdas, optimizer) / reversed).toBeCloseTo(1, 12);
      }),
      { seed: 3 },
    );
  });

  it('divides by s when the spectrum is multiplied by s', () => {
    fc.assert(
      fc.property(spectra, positive, optimizers, (lambdas, scale, optimizer) => {
        const scaled = criticalStepSize(
          lambdas.map((lambda) => lambda * scale),
          optimizer,
        );
        expect((scaled * scale) / criticalStepSize(lambdas, optimizer)).toBeCloseTo(1, 11);
      }),
      { seed: 4 },
    );
  });

  it('works at the ends of the range of f64', () => {
    for (const scale of [1e-300, 1e300]) {
      expect(criticalStepSize([scale, scale / 2], zoGD({ lr: 1 })) * scale).toBeCloseTo(
        criticalStepSize([1, 0.5], zoGD({ lr: 1 })),
        12,
      );
    }
  });

  it('leaves out zero and negative eigenvalues', () => {
    expect(criticalStepSize([1, 0, -5, 0.5, -0], zoGD({ lr: 1 }))).toBe(criticalStepSize([1, 0.5], zoGD({ lr: 1 })));
  });

  it('does not depend on the learning rate that the optimizer carries', () => {
    expect(criticalStepSize(spectrum, zoGD({ lr: 0 }))).toBe(criticalStepSize(spectrum, zoGD({ lr: 100 })));
  });

  it('takes moments at the length of the spectrum unless a dimension is given', () => {
    const seen: number[] = [];
    const optimizer: StabilityOptimizer = {
      estimator: {
        name: 'sphere',
        moments(d) {
          seen.push(d);
          return { s1: (2 * d) / (d + 2), s2: d / (d + 2) };
        },
      },
      rule: { beta: 0, gradientWeight: 1 },
    };
    // The sphere's law is the Gaussian's at η d/(d + 2).
    expect(criticalStepSize(spectrum, optimizer)).toBeCloseTo(
      (criticalStepSize(spectrum, zoGD({ lr: 1 })) * 6) / 4,
      12,
    );
    criticalStepSize(spectrum, optimizer, { dimension: 100 });
    expect(seen).toEqual([4, 100]);
  });
});

describe('bad input to criticalStepSize', () => {
  const optimizer = zoGD({ lr: 1 });
  it.each([
    ['an empty spectrum', []],
    ['a zero spectrum', [0, 0]],
    ['a negative spectrum', [-1, -2]],
    ['NaN', [1, Number.NaN]],
    ['infinity', [1, Number.POSITIVE_INFINITY]],
  ])('refuses %s', (_name, values) => {
    expect(() => criticalStepSize(values, optimizer)).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
  });

  it.each([
    { s1: -0.1, s2: 2 },
    { s1: 0.5, s2: 0.2 },
    { s1: 1, s2: -1 },
    { s1: Number.NaN, s2: 1 },
  ])('refuses moments $s1, $s2, which no unbiased estimator has', ({ s1, s2 }) => {
    expect(() => criticalStepSize([1], method({ beta: 0, weight: 1, s1, s2 }))).toThrow(/moments of test/);
  });
});
