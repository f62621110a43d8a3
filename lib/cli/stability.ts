import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { ZerothError } from '../errors.ts';
import { momentsOfOptimizer } from '../optimizers/moments.ts';
import { shareOfLimit, verdictWords } from '../report/edge-words.ts';
import { formatNumber } from '../report/format.ts';
import { type Sampling, type StabilityOptimizer, stepSizeBounds } from '../stability/bounds.ts';
import { contradictionIn } from '../stability/contradiction.ts';
import { criticalStepSize } from '../stability/critical-step-size.ts';
import type { Curvature } from '../stability/curvature.ts';
import { type EdgeOfStability, edgeOfStability } from '../stability/edge.ts';
import type { CliContext } from './context.ts';
import { exitCodes, usageError } from './exit-codes.ts';
import { makeOptimizer, optimizerSettings } from './optimizer-options.ts';
import type { OptimizerName } from './optimizers.ts';
import { addBetaOption, optimizerOption } from './options.ts';
import { integerWithin, numberWithin, STEP_SIZE } from './parse.ts';
import { wrapped } from './wrap.ts';

interface StabilityFlags {
  readonly trace?: number;
  readonly lambdaMax?: number;
  readonly lambdaMin?: number;
  readonly negativeTrace?: number;
  readonly spectrum?: string;
  readonly batch?: number;
  readonly examples?: number;
  readonly optimizer?: OptimizerName;
  readonly lr?: number;
  readonly beta?: number;
  readonly json?: boolean;
}

/** Those that the law is about, with an estimator whose moments are known. */
export const lawfulNames = [
  'zo-gd',
  'zo-gdm',
  'zo-adam',
  'gd',
  'gdm',
  'adam',
  'mezo',
] as const satisfies readonly OptimizerName[];

export function stabilityCommand(command: Command): Command {
  command
    .description('a calculator: which step sizes an optimizer can bear, from curvature')
    .option('--trace <tr>', 'trace of the Hessian (of P⁻¹H for Adam)', numberWithin())
    .option('--lambda-max <λ>', 'its largest eigenvalue', numberWithin())
    .option('--lambda-min <λ>', 'its smallest eigenvalue; 0: it has no negative ones', numberWithin())
    .option('--negative-trace <t>', 'the sum of its negative eigenvalues, without the sign', numberWithin({ min: 0 }))
    .option('--spectrum <file>', 'its eigenvalues: a JSON array, or numbers apart by spaces, commas or lines')
    .option('--batch <b>', 'examples of a step, where that is not all of them', integerWithin(1))
    .option('--examples <n>', 'examples in all, beside --batch', integerWithin(1))
    .addOption(optimizerOption(lawfulNames))
    .option('--lr <η>', 'a step size to judge', numberWithin(STEP_SIZE));
  return addBetaOption(command)
    .option('--json', 'the result as JSON')
    .addHelpText(
      'after',
      `
Give --trace and --lambda-max, or --spectrum. With --lr it says where that step
size stands. For zeroth-order methods the trace of the Hessian's positive part
sets the limit, so say what is known of negative eigenvalues: --lambda-min or
--negative-trace. For first-order methods λmax sets it. The law is for steps
over all examples. With --batch it gives bounds that hold at any minimum that
fits each example.

Examples:
  $ zeroth stability --trace 38 --lambda-max 4 --lambda-min 0 --lr 0.05
  $ zeroth stability --trace 38 --lambda-max 4 --negative-trace 1.5 --lr 0.05
  $ zeroth stability --trace 38 --lambda-max 4 --optimizer zo-gdm --beta 0.9
  $ zeroth stability --trace 38 --lambda-max 4 --batch 100 --examples 1000
  $ zeroth stability --spectrum eigenvalues.json --optimizer gd --json`,
    );
}

/** `zeroth stability`. @returns the exit code. */
export async function stability(flags: StabilityFlags, context: CliContext): Promise<number> {
  const { spectrum, curvature } = await curvatureOf(flags);
  const sampling = samplingOf(flags);
  // Only `lr` depends on a step size, and everything that does is left out where none was given.
  const { optimizer: name = 'zo-gd', lr, beta } = flags;
  const optimizer = makeOptimizer(optimizerSettings(name, [{ step: 0, lr: lr ?? 1 }], { beta }));
  const moments = momentsOfOptimizer(optimizer, spectrum?.length);
  const edge = edgeOfStability(curvature, optimizer, sampling);
  const range = stepSizeBounds(curvature, optimizer, sampling);
  const critical = criticalOf(spectrum, optimizer, sampling);
  const { governs, lower, upper } = edge;
  const result: StabilityResult = {
    optimizer: name,
    beta: optimizer.rule.beta,
    moments,
    ...curvature,
    ...sampling,
    governs,
    lower,
    upper: finiteOrNull(upper),
    stepSizeMin: finiteOrNull(range.min),
    stepSizeMax: finiteOrNull(range.max),
    ...(critical !== undefined && { criticalStepSize: critical }),
    ...(lr !== undefined && {
      lr,
      limit: edge.limit,
      ratio: edge.ratio,
      ...(edge.ratioMax !== undefined && { ratioMax: finiteOrNull(edge.ratioMax) }),
      verdict: edge.verdict,
      stable: isStable(lr, critical, range),
    }),
  };
  const text = flags.json ? JSON.stringify(result) : describe(result, curvature, edge).join('\n');
  context.stdout.write(`${flags.json ? text : wrapped(text, context.stdout, 16)}\n`);
  return exitCodes.done;
}

interface StabilityResult extends Curvature, Sampling {
  readonly optimizer: OptimizerName;
  readonly beta: number;
  readonly moments: { readonly s1: number; readonly s2: number } | null;
  readonly governs: EdgeOfStability['governs'];
  readonly lower: number;
  /** null: nothing bounds the trace of the positive part. */
  readonly upper: number | null;
  /** η* lies between these; null: no bound. */
  readonly stepSizeMin: number | null;
  readonly stepSizeMax: number | null;
  readonly criticalStepSize?: number;
  readonly lr?: number;
  readonly limit?: number;
  readonly ratio?: number;
  readonly ratioMax?: number | null;
  readonly verdict?: EdgeOfStability['verdict'];
  /** null: what was given does not decide. */
  readonly stable?: boolean | null;
}

function describe(result: StabilityResult, curvature: Curvature, edge: EdgeOfStability): string[] {
  const { moments, governs, lr } = result;
  const row = (name: string, value: string) => `  ${name.padEnd(14)}${value}`;
  const number = (value: number | null | undefined) => (value === null ? 'no limit' : formatNumber(value, 6));
  const range = (min: number, max: number | null) =>
    max === null ? `≥ ${number(min)}` : min === max ? number(min) : `${number(min)} … ${number(max)}`;
  const of = governs === 'lambdaMax' ? 'λmax' : 'the trace of the positive part';
  const lines = [
    `${result.optimizer}: moments s1 = ${moments?.s1}, s2 = ${moments?.s2}; β = ${result.beta}`,
    row('trace', number(curvature.trace)),
    row('λmax', number(curvature.lambdaMax)),
    ...(curvature.lambdaMin === undefined ? [] : [row('λmin', number(curvature.lambdaMin))]),
    ...(curvature.negativeTrace === undefined ? [] : [row('Σ max(−λ, 0)', number(curvature.negativeTrace))]),
    ...(result.lower === result.upper
      ? []
      : [row('band', `${range(result.lower, result.upper)} (where the limit of ${of} lies at the edge)`)]),
    result.stepSizeMin === null
      ? row('η*', 'no limit: no eigenvalue is above 0')
      : row('η* within', range(result.stepSizeMin, result.stepSizeMax)),
  ];
  if (result.criticalStepSize !== undefined && result.criticalStepSize !== result.stepSizeMin) {
    lines.push(row('η*', `${number(result.criticalStepSize)} (from the whole spectrum)`));
  }
  const why = whyBounds(curvature, result);
  if (why !== '') lines.push(row('note', why));
  if (lr === undefined) return lines;
  return [
    ...lines,
    row('η', number(lr)),
    row('limit', `${number(edge.limit)} of ${of}, which takes up ${shareOfLimit(edge)} of it`),
    row(
      'verdict',
      [stableWords(result.stable ?? null), ...(edge.verdict === 'undecided' ? [] : [verdictWords[edge.verdict]])].join(
        '; ',
      ),
    ),
  ];
}

function stableWords(stable: boolean | null): string {
  if (stable === null) return 'undecided: the critical step size may lie on either side';
  return stable
    ? 'stable: this step size is below its critical value'
    : 'unstable: this step size is not below its critical value';
}

/** Why there is a range where one might expect a number. */
function whyBounds(
  { trace, lambdaMax, lambdaMin, negativeTrace }: Curvature,
  { governs, batch }: StabilityResult,
): string {
  if (batch !== undefined) {
    return 'with mini-batches the law gives bounds only: their noise multiplies the curvature by 1 to n/b';
  }
  if (governs !== 'trace' || negativeTrace !== undefined || (lambdaMin !== undefined && lambdaMin >= 0)) return '';
  if (lambdaMax <= 0) return '';
  const proof =
    lambdaMax > trace ? 'λmax > trace: there are negative eigenvalues' : 'there may be negative eigenvalues';
  return `${proof}, and then trace and λmax do not bound the positive ones; give --lambda-min 0 (there are none), --negative-trace or --spectrum`;
}

function isStable(
  lr: number,
  critical: number | undefined,
  { min, max }: { min: number; max: number },
): boolean | null {
  if (critical !== undefined) return lr < critical;
  if (lr < min) return true;
  return lr > max || min === max ? false : null;
}

/** η* itself, where the whole spectrum is there and every step sees all examples. */
function criticalOf(
  spectrum: readonly number[] | undefined,
  optimizer: StabilityOptimizer,
  { batch }: Sampling,
): number | undefined {
  if (spectrum === undefined || batch !== undefined || !spectrum.some((value) => value > 0)) return undefined;
  return criticalStepSize(spectrum, optimizer);
}

function samplingOf({ batch, examples }: StabilityFlags): Sampling {
  if (batch === undefined && examples === undefined) return {};
  if (batch === undefined || examples === undefined) throw usageError('Give --batch and --examples together.');
  if (batch > examples) throw usageError(`--batch ${batch} is more than there are --examples (${examples}).`);
  return { batch, examples };
}

async function curvatureOf(flags: StabilityFlags): Promise<{ curvature: Curvature; spectrum?: readonly number[] }> {
  const { trace, lambdaMax, lambdaMin, negativeTrace } = flags;
  if (flags.spectrum !== undefined) {
    if ([trace, lambdaMax, lambdaMin, negativeTrace].some((value) => value !== undefined)) {
      throw usageError(
        '--spectrum holds all of it already: leave out --trace, --lambda-max, --lambda-min and --negative-trace.',
      );
    }
    const spectrum = await readSpectrum(flags.spectrum);
    const sum = (of: (value: number) => number) => spectrum.reduce((total, value) => total + of(value), 0);
    return {
      spectrum,
      curvature: {
        trace: sum((value) => value),
        lambdaMax: spectrum.reduce((a, b) => Math.max(a, b)),
        lambdaMin: spectrum.reduce((a, b) => Math.min(a, b)),
        negativeTrace: sum((value) => Math.max(-value, 0)),
        dimension: spectrum.length,
      },
    };
  }
  if (trace === undefined || lambdaMax === undefined) {
    throw usageError('Give --trace and --lambda-max, or --spectrum <file>.');
  }
  const given = {
    ...(lambdaMin !== undefined && { lambdaMin }),
    ...(negativeTrace !== undefined && { negativeTrace }),
  };
  const curvature = { trace, lambdaMax, ...given };
  const contradiction = contradictionIn(curvature);
  if (contradiction !== undefined) throw usageError(`No Hessian has these numbers: ${contradiction}.`);
  return { curvature };
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
