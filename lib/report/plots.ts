import type { SvgNode } from './dom.ts';
import { drawLambdaMax, drawLoss, drawRatio, drawSquaredNorm, drawTrace } from './draw-plots.ts';
import type { PlotFrame } from './drawing.ts';
import { curvatureSymbol } from './edge-words.ts';
import type { PlotRun } from './plot-data.ts';
import { isLambdaMaxClipped, isLossClipped, isRatioClipped, isSquaredNormClipped, isTraceClipped } from './run-axes.ts';

/** A plot of a report: which runs it is of, and how it draws them. */
export interface ReportPlot {
  readonly id: string;
  /** Name of the saved SVG. */
  readonly file: string;
  readonly title: string;
  /** What it shows, for its reader. */
  readonly caption: string;
  readonly shows: (run: PlotRun) => boolean;
  readonly draw: (runs: readonly PlotRun[], frame: PlotFrame) => SvgNode;
  /** Whether some values lie above the drawn part: a diverging run must not flatten all the others. */
  readonly isClipped?: (runs: readonly PlotRun[]) => boolean;
}

const isMeasured = ({ monitors }: PlotRun): boolean => monitors.length > 0;

const traceCaption =
  'tr₊, the sum of the positive eigenvalues, is what limits zeroth-order runs. The band of a run goes from the least to the greatest curvature that ' +
  'what was measured can amount to for its steps; the run is at the edge of stability where its limit (dashed) lies in the band, and below it where ' +
  'the band lies under the limit. First-order runs have no band: the trace does not limit them, so they show where the landscape leads by itself.';

const lambdaCaption =
  'The sharpest direction of the loss. Its limit (dashed) binds first-order runs; zeroth-order runs are bound by the trace.';

/** The plots of a report, in the order of the page. Curvature of H and of P⁻¹H has different units, and so plots of its own. */
export const plots: readonly ReportPlot[] = [
  {
    id: 'ratio',
    file: 'ratio.svg',
    title: 'Curvature ÷ its limit',
    caption:
      'Each run against its own limit: the trace tr₊ for zeroth-order methods, λmax for first-order ones, of P⁻¹H for Adam. 1 is the edge of ' +
      'stability: above it the loss rises, until the curvature falls again or the run ends. Bars: two standard errors; ' +
      'where there are only bounds (mini-batches), the area between them.',
    shows: (run) => isMeasured(run) && run.governs !== null,
    draw: drawRatio,
    isClipped: isRatioClipped,
  },
  {
    id: 'loss',
    file: 'loss.svg',
    title: 'Loss',
    caption: 'The loss at each step. Long runs are thinned for drawing; every spike is kept.',
    shows: () => true,
    draw: drawLoss,
    isClipped: isLossClipped,
  },
  {
    id: 'trace',
    file: 'trace.svg',
    title: 'Trace of the Hessian’s positive part, tr₊(H)',
    caption: traceCaption,
    shows: (run) => isMeasured(run) && !run.preconditioned,
    draw: (runs, frame) => drawTrace(runs, frame, curvatureSymbol('trace', false)),
    isClipped: isTraceClipped,
  },
  {
    id: 'trace-preconditioned',
    file: 'trace-preconditioned.svg',
    title: 'Trace of the positive part of P⁻¹H, tr₊(P⁻¹H)',
    caption: traceCaption,
    shows: (run) => isMeasured(run) && run.preconditioned,
    draw: (runs, frame) => drawTrace(runs, frame, curvatureSymbol('trace', true)),
    isClipped: isTraceClipped,
  },
  {
    id: 'lambda-max',
    file: 'lambda-max.svg',
    title: 'Largest eigenvalue, λmax(H)',
    caption: lambdaCaption,
    shows: (run) => isMeasured(run) && !run.preconditioned,
    draw: (runs, frame) => drawLambdaMax(runs, frame, 'λmax(H)'),
    isClipped: isLambdaMaxClipped,
  },
  {
    id: 'lambda-max-preconditioned',
    file: 'lambda-max-preconditioned.svg',
    title: 'Largest eigenvalue, λmax(P⁻¹H)',
    caption: lambdaCaption,
    shows: (run) => isMeasured(run) && run.preconditioned,
    draw: (runs, frame) => drawLambdaMax(runs, frame, 'λmax(P⁻¹H)'),
    isClipped: isLambdaMaxClipped,
  },
  {
    id: 'squared-norm',
    file: 'squared-norm.svg',
    title: 'Weights, ‖θ‖²',
    caption:
      'Squared norm of the parameters. Dashed, where it is known: its start and what the noise of the steps alone has added since. A run whose growth is ' +
      'mostly noise inflates its weights without learning by it, and may run away.',
    shows: isMeasured,
    draw: drawSquaredNorm,
    isClipped: isSquaredNormClipped,
  },
];

/** The plots that have something to show, each with its runs. */
export function plotsOf(runs: readonly PlotRun[]): { plot: ReportPlot; runs: readonly PlotRun[] }[] {
  return plots.map((plot) => ({ plot, runs: runs.filter(plot.shows) })).filter(({ runs: shown }) => shown.length > 0);
}
