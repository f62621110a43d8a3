import { clipNorm } from '../optimizers/estimators/clip-norm.ts';
import { meanOfQueries } from '../optimizers/estimators/mean-of-queries.ts';
import type { Estimator, Optimizer } from '../optimizers/optimizer.ts';
import { piecewise } from '../optimizers/schedules.ts';
import { usageError } from './exit-codes.ts';
import { estimators, type OptimizerName, type OptimizerOptions, optimizerRow } from './optimizers.ts';
import type { SchedulePiece } from './parse.ts';

/** An optimizer as the command line names it; plain JSON. Options that it does not take are absent. */
export interface OptimizerSettings extends Partial<OptimizerOptions> {
  readonly optimizer: OptimizerName;
  readonly lr: readonly SchedulePiece[];
}

const OPTIONS: { readonly [Name in keyof OptimizerOptions]: string } = {
  mu: '--mu',
  beta: '--beta',
  beta2: '--beta2',
  estimator: '--estimator',
  queries: '--queries',
  snapshotEvery: '--snapshot-every',
  weightDecay: '--weight-decay',
  clipNorm: '--clip-norm',
};

/** Fills in defaults. @throws ERR_ZEROTH_USAGE for an option that means nothing to this optimizer, or to its estimator. */
export function optimizerSettings(
  optimizer: OptimizerName,
  lr: readonly SchedulePiece[],
  given: Partial<OptimizerOptions>,
): OptimizerSettings {
  const { takes } = optimizerRow(optimizer);
  for (const [name, option] of Object.entries(OPTIONS) as [keyof OptimizerOptions, string][]) {
    if (given[name] === undefined || name in takes || name === 'clipNorm') continue;
    throw usageError(`${option} means nothing to ${optimizer}. Leave it out, or choose another --optimizer.`);
  }
  const { mu, ...rest } = { ...takes, ...defined(given) };
  if (rest.estimator !== 'forward-gradient') return { optimizer, lr, ...(mu !== undefined && { mu }), ...rest };
  if (given.mu !== undefined)
    throw usageError(
      '--mu means nothing to forward-gradient, whose derivative is exact. Leave it out, or choose another --estimator.',
    );
  return { optimizer, lr, ...rest };
}

const defined = (given: Partial<OptimizerOptions>): Partial<OptimizerOptions> =>
  Object.fromEntries(
    Object.keys(OPTIONS).flatMap((name) => {
      const value = given[name as keyof OptimizerOptions];
      return value === undefined ? [] : [[name, value]];
    }),
  );

/** The optimizer that these settings describe. */
export function makeOptimizer(settings: OptimizerSettings): Optimizer {
  const { optimizer, lr: pieces } = settings;
  const lr = pieces.length === 1 ? pieces[0].lr : piecewise(Object.fromEntries(pieces.map((p) => [p.step, p.lr])));
  const { make, takes } = optimizerRow(optimizer);
  // One without a smoothing of its own is not asked for it.
  const recipe = make(lr, { ...settings, mu: settings.mu ?? takes.mu });
  return { ...recipe, estimator: estimateOf(recipe.estimator, settings) };
}

/** What the options make of a recipe's estimator: another, the mean of several, one of limited norm. */
function estimateOf(
  own: Estimator,
  { optimizer, estimator, mu, queries = 1, clipNorm: limit }: OptimizerSettings,
): Estimator {
  const one = estimator === undefined ? own : estimators[estimator](mu);
  // The queries of ZO-SVRG are those of its snapshot, and its own.
  const mean = queries === 1 || optimizer === 'zo-svrg' ? one : meanOfQueries(one, queries);
  return limit === undefined ? mean : clipNorm(mean, { limit });
}
