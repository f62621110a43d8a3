import type { Optimizer } from '../optimizers/optimizer.ts';
import { adam, gd, gdm, zoAdam, zoGD, zoGDM } from '../optimizers/recipes.ts';
import { piecewise } from '../optimizers/schedules.ts';
import { usageError } from './exit-codes.ts';
import type { SchedulePiece } from './parse.ts';
import { beta2Default, betaDefault, type OptimizerName, optimizerTakes, smoothingDefault } from './presets.ts';

/** An optimizer as the command line names it; plain JSON. Options that it does not take are absent. */
export interface OptimizerSettings {
  readonly optimizer: OptimizerName;
  readonly lr: readonly SchedulePiece[];
  readonly mu?: number;
  readonly beta?: number;
  readonly beta2?: number;
}

interface GivenOptions {
  readonly mu?: number;
  readonly beta?: number;
  readonly beta2?: number;
}

/** Fills in defaults. @throws ERR_ZEROTH_USAGE for an option that means nothing to this optimizer. */
export function optimizerSettings(
  optimizer: OptimizerName,
  lr: readonly SchedulePiece[],
  given: GivenOptions,
): OptimizerSettings {
  const takes = optimizerTakes(optimizer);
  for (const name of ['mu', 'beta', 'beta2'] as const) {
    if (given[name] !== undefined && !takes[name]) {
      throw usageError(`--${name} means nothing to ${optimizer}. Leave it out, or choose another --optimizer.`);
    }
  }
  return {
    optimizer,
    lr,
    ...(takes.mu && { mu: given.mu ?? smoothingDefault }),
    ...(takes.beta && { beta: given.beta ?? betaDefault }),
    ...(takes.beta2 && { beta2: given.beta2 ?? beta2Default }),
  };
}

/** The optimizer that these settings describe. */
export function makeOptimizer(settings: OptimizerSettings): Optimizer {
  const { lr: pieces, mu, beta, beta2 } = settings;
  const lr = pieces.length === 1 ? pieces[0].lr : piecewise(Object.fromEntries(pieces.map((p) => [p.step, p.lr])));
  switch (settings.optimizer) {
    case 'zo-gd':
      return zoGD({ lr, mu });
    case 'zo-gdm':
      return zoGDM({ lr, mu, beta });
    case 'zo-adam':
      return zoAdam({ lr, mu, beta1: beta, beta2 });
    case 'gd':
      return gd({ lr });
    case 'gdm':
      return gdm({ lr, beta });
    case 'adam':
      return adam({ lr, beta1: beta, beta2 });
  }
}
