import { type Command, Option } from 'commander';
import { learningRate, numberWithin } from './parse.ts';
import { beta2Default, betaDefault, optimizerNames, smoothingDefault } from './presets.ts';

/** The options that name an optimizer, the same for every command that has one. */
export function addOptimizerOptions(command: Command): Command {
  return command
    .addOption(new Option('--optimizer <name>', 'optimizer (default: "zo-gd")').choices(optimizerNames))
    .option('--lr <η>', 'step size, or a schedule step:rate,step:rate (default: by preset)', learningRate)
    .option('--mu <μ>', `smoothing of zeroth-order methods (default: ${smoothingDefault})`, numberWithin({ above: 0 }))
    .option('--beta <β>', `momentum, β1 of Adam (default: ${betaDefault})`, numberWithin({ min: 0, below: 1 }))
    .option('--beta2 <β2>', `second decay of Adam (default: ${beta2Default})`, numberWithin({ min: 0, below: 1 }));
}
