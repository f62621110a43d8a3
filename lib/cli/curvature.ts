import type { Command } from 'commander';
import { MAX_THREADS } from '../device/device.ts';
import { MAX_VECTORS } from '../random/run-streams.ts';
import { positiveTrace, shareOfLimit, verdictWords } from '../report/edge-words.ts';
import { formatNumber } from '../report/format.ts';
import type { CliContext } from './context.ts';
import { exitCodes, usageError } from './exit-codes.ts';
import { integerWithin } from './parse.ts';
import { loggedMeasurement, settingsIn } from './run-folder.ts';
import type { CurvatureMeasurement } from './session.ts';
import { hasRun } from './settings.ts';
import { wrapped } from './wrap.ts';

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
    .option(
      '--probes <n>',
      `Hutchinson probes; the error falls as 1/√n (default: ${defaultProbes})`,
      integerWithin(2, MAX_VECTORS),
    )
    .option('--threads <n>', 'threads of the device (default: all processors)', integerWithin(1, MAX_THREADS))
    .option('--json', 'the result as JSON')
    .addHelpText(
      'after',
      `
For Adam the curvature is that of the preconditioned Hessian, P⁻¹H. Of a run
that a program made by the API, it shows what the run measured last.

Examples:
  $ zeroth curvature runs/sorting-small-zo-gd-0.05-1
  $ zeroth curvature runs/sorting-small-zo-gd-0.05-1 --probes 1000 --json`,
    );
}

/** `zeroth curvature`. @returns the exit code. */
export async function curvature(folder: string, flags: CurvatureFlags, context: CliContext): Promise<number> {
  if (!hasRun(folder)) throw usageError(`${folder} is not a run folder (no run.jsonl).`);
  const logged = settingsIn(folder);
  if (!logged) return showLogged(folder, flags, context);
  const settings = flags.threads === undefined ? logged : { ...logged, threads: flags.threads };
  const probes = flags.probes ?? defaultProbes;
  const measured = await context.session.measureCurvature(folder, { settings, probes, signal: context.signal });
  if (flags.json) {
    context.stdout.write(`${JSON.stringify(measured)}\n`);
    return exitCodes.done;
  }
  context.stdout.write(`${wrapped(describe(folder, measured, settings.batch).join('\n'), context.stdout, 16)}\n`);
  return exitCodes.done;
}

/** A run that the API made: what it measured itself. */
function showLogged(folder: string, flags: CurvatureFlags, context: CliContext): number {
  const { measured, batch } = loggedMeasurement(folder);
  if (flags.probes !== undefined || flags.threads !== undefined) {
    throw usageError(
      `${folder} was made by a program of its own, which alone can rebuild its model and measure again: leave out --probes and --threads to see what the run measured last.`,
    );
  }
  if (flags.json) {
    const { type: _, ...event } = measured;
    context.stdout.write(`${JSON.stringify(event)}\n`);
    return exitCodes.done;
  }
  const lines = describe(folder, measured, batch);
  const shown = [`${lines[0]}, as the run measured it last`, ...lines.slice(1)].join('\n');
  context.stdout.write(`${wrapped(shown, context.stdout, 16)}\n`);
  return exitCodes.done;
}

function describe(folder: string, measured: CurvatureMeasurement, batch: number | 'full'): string[] {
  const { preconditioned, governs } = measured;
  const of = preconditioned ? 'P⁻¹H' : 'H';
  const row = (name: string, value: string) => `  ${name.padEnd(14)}${value}`;
  const withError = (value: number, error: number) => `${formatNumber(value)} ± ${formatNumber(error, 2)}`;
  const positive = positiveTrace(measured);
  const lines = [
    `${folder}, step ${formatNumber(measured.step, 15)}, ${measured.hvps} Hessian-vector products`,
    row(`tr(${of})`, `${withError(measured.trace, measured.traceStdErr)} (standard error)`),
    row(
      'Σ max(−λ, 0)',
      `${withError(measured.negativeTrace, measured.negativeTraceStdErr)} (the negative eigenvalues)`,
    ),
    row(`tr₊(${of})`, `${withError(positive.value, positive.stdErr)} (the positive eigenvalues)`),
    row(`λmax(${of})`, `${formatNumber(measured.lambdaMax)} (residual ${formatNumber(measured.lambdaMaxResidual, 2)})`),
    row(
      `λmin(${of})`,
      `${formatNumber(measured.lambdaMin)} or less (residual ${formatNumber(measured.lambdaMinResidual, 2)})`,
    ),
  ];
  if (governs === null)
    return [...lines, row('verdict', 'undecided: the moments of the estimator are unknown, and so is its limit')];
  const what = `${governs === 'trace' ? 'the trace of the positive part' : 'λmax'}`;
  return [
    ...lines,
    ...(governs === 'trace' ? [row('band', `${formatNumber(measured.lower)} … ${formatNumber(measured.upper)}`)] : []),
    row('limit', `${formatNumber(measured.limit)} of ${what}, at η = ${formatNumber(measured.lr)}`),
    row('verdict', `${verdictWords[measured.verdict]}: ${what} takes up ${shareOfLimit(measured)} of its limit`),
    ...(batch === 'full'
      ? []
      : [
          row(
            'note',
            `steps of ${batch} examples add noise of their own; the curvature of all examples gives bounds only`,
          ),
        ]),
  ];
}
