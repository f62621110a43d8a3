import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { ZerothError } from '../errors.ts';
import { describeOptimizer } from '../optimizers/facts.ts';
import { formatNumber } from '../report/format.ts';
import { criticalStepSize } from '../stability/critical-step-size.ts';
import { atEdge, stabilityBounds, stabilityThreshold, stepSizeBounds } from '../stability/threshold.ts';
import type { CliContext } from './context.ts';
import { exitCodes, usageError } from './exit-codes.ts';
import { makeOptimizer, optimizerSettings } from './optimizer-options.ts';
import { addBetaOption, optimizerOption } from './options.ts';
import { numberWithin } from './parse.ts';
import type { OptimizerName } from './presets.ts';

interface StabilityFlags {
  readonly trace?: number;
  readonly lambdaMax?: number;
  readonly spectrum?: string;
  readonly optimizer?: OptimizerName;
  readonly lr?: number;
  readonly beta?: number;
  readonly json?: boolean;
}

export function stabilityCommand(command: Command): Command {
  command
    .description('a calculator: which step sizes an optimizer can bear, from curvature')
    .option('--trace <tr>', 'trace of the Hessian (of P⁻¹H for Adam)', numberWithin())
    .option('--lambda-max <λ>', 'its largest eigenvalue', numberWithin())
    .option('--spectrum <file>', 'its eigenvalues: a JSON array, or numbers apart by spaces, commas or lines')
    .addOption(optimizerOption())
    .option('--lr <η>', 'a step size to judge', numberWithin({ above: 0 }));
  return addBetaOption(command)
    .option('--json', 'the result as JSON')
    .addHelpText(
      'after',
      `
Give --trace and --lambda-max, or --spectrum. With --lr it says where that step size stands.
For zeroth-order methods the trace sets the limit; for first-order ones λmax does.

Examples:
  $ zeroth stability --trace 38 --lambda-max 4 --lr 0.05
  $ zeroth stability --trace 38 --lambda-max 4 --optimizer zo-gdm --beta 0.9
  $ zeroth stability --spectrum eigenvalues.json --optimizer gd --json`,
    );
}

/** `zeroth stability`. @returns the exit code. */
export async function stability(flags: StabilityFlags, context: CliContext): Promise<number> {
  const spectrum = flags.spectrum === undefined ? undefined : await readSpectrum(flags.spectrum);
  const curvature = curvatureOf(flags, spectrum);
  // Only `lr` depends on a step size, and everything that does is left out where none was given.
  const { optimizer: name = 'zo-gd', lr, beta } = flags;
  const optimizer = makeOptimizer(optimizerSettings(name, [{ step: 0, lr: lr ?? 1 }], { beta }));
  const dimension = spectrum?.length;
  const facts = describeOptimizer(optimizer, { dimension });
  const bounds = stabilityBounds({ ...curvature, dimension }, optimizer);
  const range = stepSizeBounds({ ...curvature, dimension }, optimizer);
  const critical = spectrum === undefined ? undefined : criticalStepSize(spectrum, optimizer);
  const result = {
    optimizer: name,
    beta: optimizer.rule.beta,
    moments: facts.moments,
    ...curvature,
    ...bounds,
    stepSizeMin: finiteOrNull(range.min),
    stepSizeMax: finiteOrNull(range.max),
    ...(critical !== undefined && { eigenvalues: spectrum?.length, criticalStepSize: critical }),
    ...(lr !== undefined && {
      lr,
      threshold: stabilityThreshold(optimizer),
      atEdge: atEdge({ ...curvature, dimension }, optimizer),
      stable: isStable(lr, critical, range, facts.moments.s2 === 0),
    }),
  };
  context.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : `${describe(result).join('\n')}\n`);
  return exitCodes.done;
}

interface StabilityResult {
  readonly optimizer: OptimizerName;
  readonly beta: number;
  readonly moments: { readonly s1: number; readonly s2: number };
  readonly trace: number;
  readonly lambdaMax: number;
  readonly lower: number;
  readonly upper: number;
  /** η* lies between these; null: no bound. */
  readonly stepSizeMin: number | null;
  readonly stepSizeMax: number | null;
  readonly eigenvalues?: number;
  readonly criticalStepSize?: number;
  readonly lr?: number;
  readonly threshold?: number;
  readonly atEdge?: boolean;
  /** null: the trace and λmax alone do not decide. */
  readonly stable?: boolean | null;
}

function describe(result: StabilityResult): string[] {
  const { s1, s2 } = result.moments;
  const row = (name: string, value: string) => `  ${name.padEnd(14)}${value}`;
  const number = (value: number | null) => (value === null ? 'no limit' : formatNumber(value, 6));
  const lines = [
    `${result.optimizer}: moments s1 = ${s1}, s2 = ${s2}; β = ${result.beta}`,
    row('trace', number(result.trace)),
    row('λmax', number(result.lambdaMax)),
    row('band', `${number(result.lower)} … ${number(result.upper)}`),
  ];
  if (s2 > 0) lines.push(row('η* within', `${number(result.stepSizeMin)} … ${number(result.stepSizeMax)}`));
  else lines.push(row('η*', number(result.stepSizeMin)));
  if (result.criticalStepSize !== undefined && s2 > 0) {
    lines.push(row('η*', `${number(result.criticalStepSize)} (from ${result.eigenvalues} eigenvalues)`));
  }
  if (result.lr === undefined) return lines;
  lines.push(row('η', number(result.lr)), row('threshold', number(result.threshold ?? null)));
  const verdict =
    result.stable === null
      ? 'undecided: the threshold lies inside the band, so the rest of the spectrum decides'
      : result.stable
        ? 'stable: this step size is below its critical value'
        : 'unstable: this step size is above its critical value';
  lines.push(row('verdict', `${verdict}${result.atEdge ? ' (at the edge of stability)' : ''}`));
  return lines;
}

function isStable(
  lr: number,
  critical: number | undefined,
  range: { min: number; max: number },
  exact: boolean,
): boolean | null {
  if (critical !== undefined) return lr < critical;
  if (lr < range.min) return true;
  return exact || lr > range.max ? false : null;
}

function curvatureOf(
  flags: StabilityFlags,
  spectrum: readonly number[] | undefined,
): { trace: number; lambdaMax: number } {
  const { trace, lambdaMax } = flags;
  if (spectrum !== undefined) {
    if (trace !== undefined || lambdaMax !== undefined) {
      throw usageError('--spectrum holds the trace and λmax already: leave out --trace and --lambda-max.');
    }
    return { trace: spectrum.reduce((a, b) => a + b, 0), lambdaMax: spectrum.reduce((a, b) => Math.max(a, b)) };
  }
  if (trace === undefined || lambdaMax === undefined) {
    throw usageError('Give --trace and --lambda-max, or --spectrum <file>.');
  }
  return { trace, lambdaMax };
}

async function readSpectrum(file: string): Promise<number[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new ZerothError(
      'ERR_ZEROTH_FILE',
      `${file}: expected a file of eigenvalues, and it cannot be read (${(cause as Error).message}).`,
      { cause },
    );
  }
  const trimmed = text.trim();
  const values: unknown = trimmed.startsWith('[')
    ? parseJson(trimmed, file)
    : trimmed
        .split(/[\s,;]+/)
        .filter(Boolean)
        .map(Number);
  if (!Array.isArray(values) || values.length === 0 || !values.every((value) => Number.isFinite(value))) {
    throw new ZerothError(
      'ERR_ZEROTH_DATA',
      `${file}: expected at least one eigenvalue, as a JSON array of numbers or as numbers apart by spaces, commas or lines.`,
    );
  }
  return values as number[];
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ZerothError(
      'ERR_ZEROTH_DATA',
      `${file}: begins like a JSON array and is not one: ${(cause as Error).message}`,
      { cause },
    );
  }
}

const finiteOrNull = (value: number) => (Number.isFinite(value) ? value : null);
