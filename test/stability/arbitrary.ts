import fc from 'fast-check';
import { adam, gd, gdm, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import type { StabilityOptimizer } from '../../lib/stability/bounds.ts';
import type { Curvature } from '../../lib/stability/curvature.ts';

/** Moments that make κ negative under momentum: ±1 directions on a diagonal Hessian. */
export const rademacher: StabilityOptimizer = {
  estimator: { name: 'rademacher', moments: () => ({ s1: 0, s2: 1 }) },
  rule: { beta: 0.9, gradientWeight: 1 },
};

/** Moments that depend on the dimension. */
export const sphere: StabilityOptimizer = {
  estimator: { name: 'sphere', moments: (d) => ({ s1: (2 * d) / (d + 2), s2: d / (d + 2) }) },
  rule: { beta: 0, gradientWeight: 1 },
};

/** Estimators of one's own that do not know their moments. */
export const unknown: readonly StabilityOptimizer['estimator'][] = [
  { name: 'mine', moments: () => null },
  { name: 'mine' },
];

/** Every kind of optimizer: noisy and exact, without momentum, Polyak, moving average, κ < 0, few and many queries. */
export const optimizers: readonly StabilityOptimizer[] = [
  zoGD({ lr: 1 }),
  zoGDM({ lr: 1 }),
  zoGDM({ lr: 1, beta: 0.3 }),
  zoAdam({ lr: 1 }),
  gd({ lr: 1 }),
  gdm({ lr: 1 }),
  adam({ lr: 1 }),
  rademacher,
  { ...rademacher, rule: { beta: 0.5, gradientWeight: 0.5 } },
  { estimator: { name: 'queries', moments: () => ({ s1: 1.1, s2: 0.1 }) }, rule: { beta: 0.9, gradientWeight: 0.1 } },
  { estimator: { name: 'blocks', moments: () => ({ s1: 8, s2: 4 }) }, rule: { beta: 0.9, gradientWeight: 1 } },
];

const eigenvalue = fc.oneof(
  fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
  fc.double({ min: -1e3, max: -1e-3, noNaN: true }),
  fc.double({ min: -0.1, max: 0.1, noNaN: true }),
  fc.constantFrom(0, 4, 4, 3, -3),
);

/** Spectra of all kinds with at least one eigenvalue above 0: definite, indefinite, with multiplicity, with zeros. */
export const spectra: fc.Arbitrary<number[]> = fc
  .tuple(fc.double({ min: 1e-3, max: 1e3, noNaN: true }), fc.array(eigenvalue, { maxLength: 20 }))
  .map(([first, others]) => [first, ...others]);

/** All that there is to know of a spectrum. */
export function curvatureOf(
  lambdas: readonly number[],
): Required<Omit<Curvature, `${string}${'StdErr' | 'Residual'}`>> {
  const sum = (of: (lambda: number) => number) => lambdas.reduce((total, lambda) => total + of(lambda), 0);
  return {
    trace: sum((lambda) => lambda),
    lambdaMax: Math.max(...lambdas),
    lambdaMin: Math.min(...lambdas),
    negativeTrace: sum((lambda) => Math.max(-lambda, 0)),
    dimension: lambdas.length,
  };
}

/** What somebody may know of it beside the trace and λmax. */
export const knowledge: fc.Arbitrary<readonly (keyof Curvature)[]> = fc.subarray([
  'lambdaMin',
  'negativeTrace',
  'dimension',
]);
