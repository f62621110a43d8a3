import * as Plot from '@observablehq/plot';
import type { SvgNode } from './dom.ts';
import { dots, draw, limitLines, limitName, monitorsOf, type PlotFrame, tip } from './drawing.ts';
import { curvatureSymbol } from './edge-words.ts';
import { formatNumber as short } from './format.ts';
import type { PlotRun } from './plot-data.ts';
import {
  isLambdaMaxClipped,
  isLossClipped,
  isRatioClipped,
  isSquaredNormClipped,
  isTraceClipped,
  lambdaMaxAxis,
  lossAxis,
  noiseOf,
  ratioAxis,
  squaredNormAxis,
  traceAxis,
} from './run-axes.ts';

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

/** Each run's curvature against its own limit, on one axis. */
function drawRatio(runs: readonly PlotRun[], frame: PlotFrame): SvgNode {
  const points = monitorsOf(runs);
  const bounded = points.filter(({ ratioMax }) => ratioMax !== undefined);
  const axis = ratioAxis(runs);
  return draw(runs, frame, {
    legend: [
      ...runs.map((_, i) => ({ kind: 'point', series: i }) as const),
      { kind: 'dashed', text: '1: the edge of stability' },
    ],
    yLabel: 'curvature ÷ its limit',
    axis,
    marks: [
      Plot.areaY(bounded, {
        x: 'step',
        y1: 'ratio',
        y2: 'ratioMax',
        z: 'run',
        fill: 'run',
        fillOpacity: 0.16,
        clip: true,
      }),
      Plot.ruleY([1], { stroke: frame.theme.muted, strokeDasharray: '6 4', strokeWidth: 1.8 }),
      Plot.lineY(points, { x: 'step', y: 'ratio', z: 'run', stroke: 'run', strokeWidth: 1.3, clip: true }),
      ...dots(
        points,
        ({ ratio }) => ratio,
        axis,
        frame,
        ({ ratioStdErr }) => 2 * ratioStdErr,
      ),
      ...tip(points, 'ratio', frame, ({ ratio, ratioStdErr, ratioMax, verdict }) =>
        ratioMax === undefined
          ? `${short(ratio)} ± ${short(2 * ratioStdErr)} of the limit: ${verdict}`
          : `${short(ratio)} to ${short(ratioMax)} of the limit: ${verdict}`,
      ),
    ],
  });
}

/** Loss against step, on a logarithmic axis where every loss is positive. */
function drawLoss(runs: readonly PlotRun[], frame: PlotFrame): SvgNode {
  const points = runs.flatMap((run) =>
    run.loss.map(([step, loss]) => ({ step, loss: loss ?? Number.NaN, run: run.label })),
  );
  const finite = points.filter(({ loss }) => Number.isFinite(loss));
  const axis = lossAxis(runs);
  const options = {
    x: 'step',
    y: 'loss',
    stroke: 'run',
    strokeWidth: 1.3,
    strokeLinejoin: 'round',
    clip: true,
  } as const;
  return draw(runs, frame, {
    legend: runs.map((_, i) => ({ kind: 'line', series: i })),
    yLabel: axis.logarithmic ? 'loss, logarithmic' : 'loss',
    axis,
    marks: [
      Plot.line(points, { ...options, z: 'run' }),
      // A run that is one point, or whose neighbours are not finite, has no line to show.
      Plot.dot(finite.length <= runs.length * 2 ? finite : [], { x: 'step', y: 'loss', fill: 'run', r: 3 }),
      ...(frame.interactive
        ? [
            Plot.tip(
              finite,
              Plot.pointerX({
                x: 'step',
                y: 'loss',
                stroke: 'run',
                title: (d) => `${d.run}\nstep ${d.step}\nloss ${short(d.loss)}`,
              }),
            ),
          ]
        : []),
    ],
  });
}

/** tr₊ with its standard error; for the runs that it governs against the band [lower, upper] and the limit. */
function drawTrace(runs: readonly PlotRun[], frame: PlotFrame, name: string): SvgNode {
  const points = monitorsOf(runs);
  const governed = runs.filter(({ governs }) => governs === 'trace');
  const banded = monitorsOf(governed);
  const axis = traceAxis(runs);
  const limits = governed.flatMap(({ limit }) => limit.map(([, value]) => value));
  const isSeen = limits.length === 0 || limits.some((value) => value <= axis.top);
  return draw(runs, frame, {
    legend: [
      ...runs.map((_, i) => ({ kind: 'point', series: i }) as const),
      ...(governed.length > 0
        ? ([
            { kind: 'band', text: 'band' },
            { kind: 'dashed', text: `${limitName(governed)}${isSeen ? '' : ' (above the plot)'}` },
          ] as const)
        : []),
    ],
    yLabel: `${name} ± 2 standard errors${axis.logarithmic ? ', logarithmic' : ''}`,
    axis,
    marks: [
      Plot.areaY(banded, {
        x: 'step',
        y1: ({ lower }) => Math.max(axis.bottom, lower),
        y2: 'upper',
        z: 'run',
        fill: 'run',
        fillOpacity: 0.16,
        clip: true,
      }),
      ...limitLines(governed, axis, frame),
      Plot.lineY(points, { x: 'step', y: 'positiveTrace', z: 'run', stroke: 'run', strokeWidth: 1.3, clip: true }),
      ...dots(
        points,
        ({ positiveTrace }) => positiveTrace,
        axis,
        frame,
        ({ positiveTraceStdErr }) => 2 * positiveTraceStdErr,
      ),
      ...tip(points, 'positiveTrace', frame, (d) => {
        const all = name.replace('₊', '');
        const measured = `${name} ${short(d.positiveTrace)} ± ${short(2 * d.positiveTraceStdErr)}\n${all} ${short(d.trace)} ± ${short(2 * d.traceStdErr)}`;
        if (!banded.some(({ run }) => run === d.run)) return measured;
        return `${measured}\nband ${short(d.lower)} … ${short(d.upper)}\nlimit ${short(d.limit)}`;
      }),
    ],
  });
}

/** The largest eigenvalue with its residual; for first-order runs with the value that it must not pass. */
function drawLambdaMax(runs: readonly PlotRun[], frame: PlotFrame, name: string): SvgNode {
  const points = monitorsOf(runs);
  const governed = runs.filter(({ governs }) => governs === 'lambdaMax');
  const { axis, near } = lambdaMaxAxis(runs);
  return draw(runs, frame, {
    legend: [
      ...runs.map((_, i) => ({ kind: 'point', series: i }) as const),
      ...(near.length > 0 ? [{ kind: 'dashed', text: `first-order ${limitName(governed)}` } as const] : []),
    ],
    yLabel: `${name} ± residual${axis.logarithmic ? ', logarithmic' : ''}`,
    axis,
    marks: [
      ...limitLines(governed, axis, frame),
      Plot.lineY(points, { x: 'step', y: 'lambdaMax', z: 'run', stroke: 'run', strokeWidth: 1.3, clip: true }),
      ...dots(
        points,
        ({ lambdaMax }) => lambdaMax,
        axis,
        frame,
        ({ lambdaMaxResidual }) => lambdaMaxResidual,
      ),
      ...tip(
        points,
        'lambdaMax',
        frame,
        (d) => `${name} ${short(d.lambdaMax)}\nresidual ${short(d.lambdaMaxResidual)}`,
      ),
    ],
  });
}

/** ‖θ‖² beside what noise alone would have made of it. */
function drawSquaredNorm(runs: readonly PlotRun[], frame: PlotFrame): SvgNode {
  const points = monitorsOf(runs).filter(({ squaredNorm }) => squaredNorm > 0);
  const noise = noiseOf(runs);
  const axis = squaredNormAxis(runs);
  return draw(runs, frame, {
    legend: [
      ...runs.map((_, i) => ({ kind: 'point', series: i }) as const),
      ...(noise.length > 0 ? [{ kind: 'dashed', text: 'start + noise' } as const] : []),
    ],
    yLabel: axis.logarithmic ? '‖θ‖², logarithmic' : '‖θ‖²',
    axis,
    marks: [
      Plot.lineY(noise, {
        x: 'step',
        y: 'value',
        z: 'run',
        stroke: 'run',
        strokeDasharray: '6 4',
        strokeWidth: 1.3,
        clip: true,
      }),
      Plot.lineY(points, { x: 'step', y: 'squaredNorm', z: 'run', stroke: 'run', strokeWidth: 1.3, clip: true }),
      ...dots(points, ({ squaredNorm }) => squaredNorm, axis, frame),
      ...tip(points, 'squaredNorm', frame, ({ squaredNorm, diffusion }) =>
        [`‖θ‖² ${short(squaredNorm)}`, ...(diffusion === null ? [] : [`noise has added ${short(diffusion)}`])].join(
          '\n',
        ),
      ),
    ],
  });
}
