import { forwardGradient } from '../optimizers/estimators/forward-gradient.ts';
import { gaussianTwoPoint } from '../optimizers/estimators/gaussian-two-point.ts';
import { oneSided } from '../optimizers/estimators/one-sided.ts';
import { rademacherTwoPoint } from '../optimizers/estimators/rademacher-two-point.ts';
import { sphereTwoPoint } from '../optimizers/estimators/sphere-two-point.ts';
import type { Estimator, LearningRate, Optimizer } from '../optimizers/optimizer.ts';
import {
  adam,
  gd,
  gdm,
  mezo,
  spsa,
  zoAdam,
  zoAdamW,
  zoGD,
  zoGDM,
  zoLion,
  zoSignSGD,
  zoSVRG,
} from '../optimizers/recipes.ts';

/** The estimators that may take the place of a recipe's Gaussian difference. */
export const estimators = {
  'gaussian-two-point': (mu) => gaussianTwoPoint({ mu }),
  'rademacher-two-point': (mu) => rademacherTwoPoint({ mu }),
  'sphere-two-point': (mu) => sphereTwoPoint({ mu }),
  'one-sided': (mu) => oneSided({ mu }),
  'forward-gradient': () => forwardGradient(),
} as const satisfies Record<string, (mu?: number) => Estimator>;

export type EstimatorName = keyof typeof estimators;
export const estimatorNames = Object.keys(estimators) as readonly EstimatorName[];

/** What an optimizer may be told beside its step size. */
export interface OptimizerOptions {
  readonly mu: number;
  readonly beta: number;
  readonly beta2: number;
  readonly estimator: EstimatorName;
  readonly queries: number;
  readonly snapshotEvery: number;
  readonly weightDecay: number;
  /** Absent: none. */
  readonly clipNorm: number;
}

interface OptimizerRow {
  /** The options that mean something to it, with their defaults; any other but `clipNorm`, which all take, is refused, not ignored. */
  readonly takes: Partial<OptimizerOptions>;
  /** The recipe, with all of its options but those of `estimateOf`. */
  make(lr: LearningRate, options: Partial<OptimizerOptions>): Optimizer;
}

const difference = { mu: 1e-3, queries: 1 } as const;
const any = { ...difference, estimator: 'gaussian-two-point' } as const;
const momentum = { beta: 0.9 } as const;
const moments = { beta: 0.9, beta2: 0.999 } as const;

/** The recipes of `lib/optimizers/recipes.ts`, by their names, but for the one that takes a vector. */
const rows = {
  'zo-gd': { takes: any, make: (lr, { mu }) => zoGD({ lr, mu }) },
  'zo-gdm': { takes: { ...any, ...momentum }, make: (lr, { mu, beta }) => zoGDM({ lr, mu, beta }) },
  'zo-adam': {
    takes: { ...any, ...moments },
    make: (lr, { mu, beta: beta1, beta2 }) => zoAdam({ lr, mu, beta1, beta2 }),
  },
  gd: { takes: {}, make: (lr) => gd({ lr }) },
  gdm: { takes: momentum, make: (lr, { beta }) => gdm({ lr, beta }) },
  adam: { takes: moments, make: (lr, { beta: beta1, beta2 }) => adam({ lr, beta1, beta2 }) },
  mezo: { takes: any, make: (lr, { mu }) => mezo({ lr, mu }) },
  spsa: { takes: difference, make: (lr, { mu }) => spsa({ lr, mu }) },
  'zo-svrg': {
    takes: { mu: 1e-3, queries: 10, snapshotEvery: 20 },
    make: (lr, { mu, queries, snapshotEvery: every }) => zoSVRG({ lr, mu, queries, every }),
  },
  'zo-sign-sgd': { takes: any, make: (lr, { mu }) => zoSignSGD({ lr, mu }) },
  'zo-lion': {
    takes: { ...any, beta: 0.9, beta2: 0.99, weightDecay: 0 },
    make: (lr, { mu, beta: beta1, beta2, weightDecay }) => zoLion({ lr, mu, beta1, beta2, weightDecay }),
  },
  'zo-adamw': {
    takes: { ...any, ...moments, weightDecay: 0.01 },
    make: (lr, { mu, beta: beta1, beta2, weightDecay }) => zoAdamW({ lr, mu, beta1, beta2, weightDecay }),
  },
} as const satisfies Record<string, OptimizerRow>;

/** The optimizers that the command line offers. */
export type OptimizerName = keyof typeof rows;
export const optimizerNames = Object.keys(rows) as readonly OptimizerName[];

export const optimizerRow = (name: OptimizerName): OptimizerRow => rows[name];
