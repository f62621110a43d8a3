import type { Command } from 'commander';
import { momentsOf } from '../optimizers/moments.ts';
import { formatNumber } from '../report/format.ts';
import { edgeRatio } from '../report/summary.ts';
import type { CliContext } from './context.ts';
import { exitCodes, usageError } from './exit-codes.ts';
import { makeOptimizer } from './optimizer-options.ts';
import { integerFrom } from './parse.ts';
import { loggedSettings } from './run-folder.ts';
import { hasRun } from './settings.ts';

interface CurvatureFlags {
  readonly probes?: number;
  readonly threads?: number;
  readonly json?: boolean;
}

const defaultProbes = 200;

export function curvatureCommand(command: Command): Command {
  return command
    .description('measure the trace and the largest eigenvalue of the Hessian at the checkpoint of a run')
    .argument('<run>', 'run folder')
    .option('--probes <n>', `Hutchinson probes; the error falls as 1/√n (default: ${defaultProbes})`, integerFrom(2))
    .option('--threads <n>', 'threads of the device (default: all processors)', integerFrom(1))
    .option('--json', 'the result as JSON')
    .addHelpText(
      'after',
      `
For Adam the curvature is that of the preconditioned Hessian, P⁻¹H.

Examples:
  $ zeroth curvature runs/sorting-mlp-zo-gd-0.05-1
  $ zeroth curvature runs/sorting-mlp-zo-gd-0.05-1 --probes 1000 --json`,
    );
}

/** `zeroth curvature`. @returns the exit code. */
export async function curvature(folder: string, flags: CurvatureFlags, context: CliContext): Promise<number> {
  if (!hasRun(folder)) throw usageError(`${folder} is not a run folder (no run.jsonl).`);
  const logged = loggedSettings(folder);
  const settings = flags.threads === undefined ? logged : { ...logged, threads: flags.threads };
  const probes = flags.probes ?? defaultProbes;
  const measured = await context.session.measureCurvature(folder, { settings, probes, signal: context.signal });
  if (flags.json) {
    context.stdout.write(`${JSON.stringify(measured)}\n`);
    return exitCodes.done;
  }
  const of = measured.preconditioned ? 'P⁻¹H' : 'H';
  const share = Math.round(100 * edgeRatio(measured, momentsOf(makeOptimizer(settings).estimator)));
  const row = (name: string, value: string) => `  ${name.padEnd(12)}${value}\n`;
  context.stdout.write(
    `${folder}, step ${formatNumber(measured.step, 15)}, ${measured.hvps} Hessian-vector products\n` +
      row(`tr(${of})`, `${formatNumber(measured.trace)} ± ${formatNumber(measured.traceStdErr, 2)} (standard error)`) +
      row(
        `λmax(${of})`,
        `${formatNumber(measured.lambdaMax)} (residual ${formatNumber(measured.lambdaMaxResidual, 2)})`,
      ) +
      row('band', `${formatNumber(measured.lower)} … ${formatNumber(measured.upper)}`) +
      row('threshold', `${formatNumber(measured.threshold)} (η = ${formatNumber(measured.lr)})`) +
      row('verdict', measured.atEdge ? 'at the edge of stability' : `at ${share} % of the threshold`),
  );
  return exitCodes.done;
}
