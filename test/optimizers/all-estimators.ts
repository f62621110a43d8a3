import { clipNorm } from '../../lib/optimizers/estimators/clip-norm.ts';
import { exactGradient } from '../../lib/optimizers/estimators/exact-gradient.ts';
import { forwardGradient } from '../../lib/optimizers/estimators/forward-gradient.ts';
import { gaussianTwoPoint } from '../../lib/optimizers/estimators/gaussian-two-point.ts';
import { meanOfQueries } from '../../lib/optimizers/estimators/mean-of-queries.ts';
import { oneSided } from '../../lib/optimizers/estimators/one-sided.ts';
import { rademacherTwoPoint } from '../../lib/optimizers/estimators/rademacher-two-point.ts';
import { sphereTwoPoint } from '../../lib/optimizers/estimators/sphere-two-point.ts';
import { zoSvrg } from '../../lib/optimizers/estimators/zo-svrg.ts';
import type { Estimator } from '../../lib/optimizers/optimizer.ts';

/** Every estimator that there is, and means of those that can be averaged. */
export const allEstimators: Readonly<Record<string, () => Estimator>> = {
  gaussianTwoPoint: () => gaussianTwoPoint(),
  rademacherTwoPoint: () => rademacherTwoPoint(),
  sphereTwoPoint: () => sphereTwoPoint(),
  oneSided: () => oneSided({ mu: 1e-4 }),
  forwardGradient: () => forwardGradient(),
  'mean of 3 gaussianTwoPoint': () => meanOfQueries(gaussianTwoPoint(), 3),
  'mean of 2 rademacherTwoPoint': () => meanOfQueries(rademacherTwoPoint(), 2),
  'mean of 4 sphereTwoPoint': () => meanOfQueries(sphereTwoPoint(), 4),
  'mean of 3 oneSided': () => meanOfQueries(oneSided({ mu: 1e-4 }), 3),
  'mean of 2 forwardGradient': () => meanOfQueries(forwardGradient(), 2),
  'mean of 2 means of 2': () => meanOfQueries(meanOfQueries(gaussianTwoPoint(), 2), 2),
  zoSvrg: () => zoSvrg({ every: 4, queries: 3 }),
  exactGradient: () => exactGradient(),
  // Limits that some steps of the tests' problems reach, and others do not.
  'clipNorm of gaussianTwoPoint': () => clipNorm(gaussianTwoPoint(), { limit: 5 }),
  'clipNorm of mean of 3 oneSided': () => clipNorm(meanOfQueries(oneSided({ mu: 1e-4 }), 3), { limit: 3 }),
  'mean of 2 clipNorm of sphereTwoPoint': () => meanOfQueries(clipNorm(sphereTwoPoint(), { limit: 4 }), 2),
  'clipNorm of zoSvrg': () => clipNorm(zoSvrg({ every: 4, queries: 3 }), { limit: 3 }),
  'clipNorm of exactGradient': () => clipNorm(exactGradient(), { limit: 0.6 }),
};
