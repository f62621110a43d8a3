import { runLabels } from './labels.ts';
import { type RunSummary, thresholdFormula } from './summary.ts';

/** One monitor point, as drawn. */
export interface PlotMonitor {
  readonly step: number;
  readonly trace: number;
  readonly traceStdErr: number;
  readonly lambdaMax: number;
  readonly lambdaMaxResidual: number;
  readonly lower: number;
  readonly threshold: number;
  readonly upper: number;
}

/** What the plots need of a run; plain JSON (null for a loss that was not finite). */
export interface PlotRun {
  readonly label: string;
  readonly steps: number;
  readonly preconditioned: boolean;
  /** Whether the trace is what meets the threshold (zeroth order) or λmax (first order). */
  readonly traceGoverns: boolean;
  readonly loss: readonly (readonly [step: number, loss: number | null])[];
  readonly monitors: readonly PlotMonitor[];
  /** How the threshold follows from the step size. */
  readonly thresholdFormula: string;
  /** The threshold as a step line: [step, value], each in force until the next. */
  readonly threshold: readonly (readonly [step: number, threshold: number])[];
}

export function plotRuns(summaries: readonly RunSummary[]): PlotRun[] {
  const labels = runLabels(summaries);
  return summaries.map((summary, i) => ({
    label: labels[i],
    steps: summary.steps,
    preconditioned: summary.monitors[0]?.preconditioned ?? false,
    traceGoverns: summary.run.optimizer.moments.s2 > 0,
    thresholdFormula: thresholdFormula(summary),
    loss: summary.loss.map(({ step, loss }) => [step, Number.isFinite(loss) ? rounded(loss) : null] as const),
    monitors: summary.monitors.map((monitor) => ({
      step: monitor.step,
      trace: rounded(monitor.trace),
      traceStdErr: rounded(monitor.traceStdErr),
      lambdaMax: rounded(monitor.lambdaMax),
      lambdaMaxResidual: rounded(monitor.lambdaMaxResidual),
      lower: rounded(monitor.lower),
      threshold: rounded(monitor.threshold),
      upper: rounded(monitor.upper),
    })),
    threshold: thresholdSteps(summary),
  }));
}

/** The threshold is proportional to 1/η, so one monitor point fixes it for every learning rate of the run. */
function thresholdSteps({ monitors, learningRates, steps }: RunSummary): [number, number][] {
  const known = monitors.find(({ threshold, lr }) => Number.isFinite(threshold) && Number.isFinite(lr));
  if (known === undefined) return [];
  const changes = learningRates.map(({ step, lr }): [number, number] => [
    step,
    rounded((known.threshold * known.lr) / lr),
  ]);
  const last = changes[changes.length - 1];
  if (last !== undefined && last[0] < steps) changes.push([steps, last[1]]);
  return changes;
}

function rounded(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(6)) : value;
}
