import { type Command, Option } from 'commander';
import { learningRate, numberWithin } from './parse.ts';
import { beta2Default, betaDefault, optimizerNames, smoothingDefault } from './presets.ts';

export function optimizerOption(): Option {
  return new Option('--optimizer <name>', 'optimizer (default: "zo-gd")').choices(optimizerNames);
}

export function addBetaOption(command: Command): Command {
  const description = `momentum, β1 of Adam (default: ${betaDefault})`;
  return command.option('--beta <β>', description, numberWithin({ min: 0, below: 1 }));
}

/** The options that name an optimizer to train with. */
export function addOptimizerOptions(command: Command): Command {
  command
    .addOption(optimizerOption())
    .option('--lr <η>', 'step size, or a schedule step:rate,step:rate (default: by preset)', learningRate)
    .option(
      '--mu <μ>',
      `smoothing of zeroth-order methods (default: ${smoothingDefault})`,
      numberWithin({ min: 1e-30, max: 1e30 }),
    );
  return addBetaOption(command).option(
    '--beta2 <β2>',
    `second decay of Adam (default: ${beta2Default})`,
    numberWithin({ min: 0, below: 1 }),
  );
}
