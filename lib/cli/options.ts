import { type Command, Option } from 'commander';
import { MAX_F32 } from '../errors.ts';
import { estimatorNames, type OptimizerName, optimizerNames } from './optimizers.ts';
import { integerWithin, learningRate, numberWithin } from './parse.ts';

export function optimizerOption(names: readonly OptimizerName[] = optimizerNames): Option {
  return new Option('--optimizer <name>', 'optimizer (default: "zo-gd")').choices(names);
}

export function addBetaOption(command: Command): Command {
  return command.option(
    '--beta <β>',
    'momentum, β1 of Adam and Lion (default: 0.9)',
    numberWithin({ min: 0, below: 1 }),
  );
}

/** The options that name an optimizer to train with. */
export function addOptimizerOptions(command: Command): Command {
  command
    .addOption(optimizerOption())
    .option('--lr <η>', 'step size, or a schedule step:rate,step:rate (default: by preset)', learningRate)
    .option('--mu <μ>', 'smoothing of zeroth-order methods (default: 0.001)', numberWithin({ min: 1e-30, max: 1e30 }));
  return addBetaOption(command)
    .option('--beta2 <β2>', 'second decay (default: 0.999 of Adam, 0.99 of Lion)', numberWithin({ min: 0, below: 1 }))
    .addOption(
      new Option('--estimator <name>', 'estimate of a step (default: "gaussian-two-point")').choices(estimatorNames),
    )
    .option(
      '--queries <q>',
      'estimates whose mean a step takes (default: 1); of zo-svrg, directions of a snapshot (default: 10)',
      integerWithin(1, 2 ** 15),
    )
    .option('--snapshot-every <m>', 'steps between snapshots of zo-svrg (default: 20)', integerWithin(1))
    .option(
      '--weight-decay <λ>',
      'decoupled weight decay (default: 0.01 of zo-adamw, 0 of zo-lion)',
      numberWithin({ min: 0, max: MAX_F32 }),
    )
    .option(
      '--clip-norm <c>',
      'limit of the norm of the estimate (default: none)',
      numberWithin({ above: 0, max: MAX_F32 }),
    );
}
