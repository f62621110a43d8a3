import { Command, CommanderError } from 'commander';
import { ZerothError } from '../errors.ts';
import { version } from '../version.ts';
import type { CliContext } from './context.ts';
import { curvature, curvatureCommand } from './curvature.ts';
import { demo, demoCommand } from './demo.ts';
import { devices, devicesCommand } from './devices.ts';
import { errorText, exitCodeOf, exitCodes } from './exit-codes.ts';
import { report, reportCommand } from './report.ts';
import { stability, stabilityCommand } from './stability.ts';
import { train, trainCommand } from './train.ts';

/**
 * Runs one command line in this process.
 *
 * @param args what follows the program's name.
 * @returns the exit code; never throws, and never ends the process.
 */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  let code: number = exitCodes.done;
  const finish = async (running: Promise<number>) => {
    code = await running;
  };
  const program = buildProgram(context, finish);
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    // Commander has already written its own message.
    if (!(error instanceof CommanderError)) {
      context.stderr.write(errorText(error, context.debug));
      if (error instanceof ZerothError && error.code === 'ERR_ZEROTH_USAGE') context.stderr.write('Try --help.\n');
    }
    return exitCodeOf(error);
  }
}

function buildProgram(context: CliContext, finish: (running: Promise<number>) => Promise<void>): Command {
  const program = new Command('zeroth')
    .description('Zeroth-order training at the edge of stability.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      getOutHelpWidth: () => context.stdout.columns || 100,
      getErrHelpWidth: () => context.stderr.columns || 100,
    })
    .showHelpAfterError('Try --help.')
    .addHelpText(
      'after',
      `
Examples:
  $ zeroth demo                      two runs and a report, in a minute
  $ zeroth train sorting-small --lr 0.05
  $ zeroth report runs/sorting-small-zo-gd-0.05-1
  $ zeroth stability --trace 38 --lambda-max 4 --lr 0.05

Exit codes: 0 done, 1 error, 2 usage, 3 diverged, 130 stopped by Ctrl-C.
ZEROTH_DEBUG=1 shows stacks.`,
    );
  demoCommand(program.command('demo')).action((flags) => finish(demo(flags, context)));
  trainCommand(program.command('train')).action((preset, flags) => finish(train(preset, flags, context)));
  curvatureCommand(program.command('curvature')).action((folder, flags) => finish(curvature(folder, flags, context)));
  stabilityCommand(program.command('stability')).action((flags) => finish(stability(flags, context)));
  reportCommand(program.command('report')).action((folders, flags) => finish(report(folders, flags, context)));
  devicesCommand(program.command('devices')).action((flags) => finish(devices(flags, context)));
  return program;
}
