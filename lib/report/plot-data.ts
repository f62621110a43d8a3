import type { EdgeVerdict } from '../stability/edge.ts';
import { decimate } from './decimate.ts';
import { positiveTrace } from './edge-words.ts';
import { runLabels } from './labels.ts';
import { limitFormula, type RunSummary } from './summary.ts';

/** One monitor point, as drawn. */
export interface PlotMonitor {
  readonly step: number;
  /** tr₊, which the limit is about, and the trace of the whole Hessian. */
  readonly positiveTrace: number;
  readonly positiveTraceStdErr: number;
  readonly trace: number;
  readonly traceStdErr: number;
  readonly lambdaMax: number;
  readonly lambdaMaxResidual: number;
  readonly lower: number;
  readonly limit: number;
  readonly upper: number;
  /** Curvature ÷ limit, its standard error, and where there are only bounds the upper one. */
  readonly ratio: number;
  readonly ratioStdErr: number;
  readonly ratioMax?: number;
  readonly verdict: EdgeVerdict;
  readonly squaredNorm: number;
  /** What noise has added to ‖θ‖² since the start; null where that is not known. */
  readonly diffusion: number | null;
}

/** What the plots need of a run; plain JSON (null for a loss that was not finite). */
export interface PlotRun {
  readonly label: string;
  /** Which of how many runs of the page it is: its colour, also where others are hidden. */
  readonly series: readonly [index: number, count: number];
  readonly steps: number;
  readonly preconditioned: boolean;
  /** ‖θ‖² at the start. */
  readonly startNorm: number;
  /** Which curvature meets the limit: the trace (zeroth order), λmax (first order), or none that is known. */
  readonly governs: 'trace' | 'lambdaMax' | null;
  readonly loss: readonly (readonly [step: number, loss: number | null])[];
  readonly monitors: readonly PlotMonitor[];
  /** How the limit follows from the step size. */
  readonly limitFormula: string;
  /** The limit: [step, value], each in force until the next; of a smooth schedule points of a curve. */
  readonly limit: readonly (readonly [step: number, limit: number])[];
  /** Whether η changes all the time. */
  readonly smoothLimit: boolean;
}

export function plotRuns(summaries: readonly RunSummary[]): PlotRun[] {
  const labels = runLabels(summaries);
  return summaries.map((summary, i) => ({
    label: labels[i],
    series: [i, summaries.length],
    startNorm: rounded(summary.run.squaredNorm),
    steps: summary.steps,
    preconditioned: summary.monitors[0]?.preconditioned ?? false,
    governs: summary.monitors[0]?.governs ?? null,
    limitFormula: limitFormula(summary),
    loss: summary.loss.map(({ step, loss }) => [step, Number.isFinite(loss) ? rounded(loss) : null] as const),
    monitors: summary.monitors.map((monitor) => ({
      step: monitor.step,
      positiveTrace: rounded(positiveTrace(monitor).value),
      positiveTraceStdErr: rounded(positiveTrace(monitor).stdErr),
      trace: rounded(monitor.trace),
      traceStdErr: rounded(monitor.traceStdErr),
      lambdaMax: rounded(monitor.lambdaMax),
      lambdaMaxResidual: rounded(monitor.lambdaMaxResidual),
      lower: rounded(monitor.lower),
      limit: rounded(monitor.limit),
      upper: rounded(monitor.upper),
      ratio: rounded(monitor.ratio),
      ratioStdErr: rounded(monitor.ratioStdErr),
      ...(monitor.ratioMax !== undefined && { ratioMax: rounded(monitor.ratioMax) }),
      verdict: monitor.verdict,
      squaredNorm: rounded(monitor.squaredNorm),
      diffusion: monitor.diffusion === null ? null : rounded(monitor.diffusion),
    })),
    limit: limitSteps(summary),
    smoothLimit: summary.learningRates.length > limitPoints,
  }));
}

/** Changes of η that are drawn one by one; of more, a curve through so many of its points. */
const limitPoints = 400;

/** The limit is proportional to 1/η, so one monitor point fixes it for every learning rate of the run. */
function limitSteps({ monitors, learningRates, steps }: RunSummary): [number, number][] {
  const known = monitors.find(({ limit, lr }) => Number.isFinite(limit) && Number.isFinite(lr));
  if (known === undefined) return [];
  // Where η is 0 there is no limit.
  const all = learningRates
    .filter(({ lr }) => lr > 0)
    .map(({ step, lr }): [number, number] => [step, rounded((known.limit * known.lr) / lr)]);
  const limits = all.map(([, limit]) => limit);
  const changes = decimate(limits, limitPoints).map((i) => all[i]);
  const last = changes[changes.length - 1];
  if (last !== undefined && last[0] < steps) changes.push([steps, last[1]]);
  return changes;
}

function rounded(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(6)) : value;
}
