import * as Plot from '@observablehq/plot';
import type { SvgNode } from './dom.ts';
import { ceiling, dots, draw, limitLines, limitName, monitorsOf, type PlotFrame, short, tip } from './drawing.ts';
import type { PlotRun } from './plot-data.ts';

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
  'The band of a run goes from the least to the greatest curvature that its measured trace and λmax can amount to for its steps; the run is at ' +
  'the edge of stability where its limit (dashed) lies in the band, and below it where the band lies under the limit. First-order runs have ' +
  'no band: the trace does not limit them, so they show where the landscape leads by itself.';

const lambdaCaption =
  'The sharpest direction of the loss. Its limit (dashed) binds first-order runs; zeroth-order runs are bound by the trace.';

/** The plots of a report, in the order of the page. Curvature of H and of P⁻¹H has different units, and so plots of its own. */
export const plots: readonly ReportPlot[] = [
  {
    id: 'ratio',
    file: 'ratio.svg',
    title: 'Curvature ÷ its limit',
    caption:
      'Each run against its own limit: the trace for zeroth-order methods, λmax for first-order ones, of P⁻¹H for Adam. 1 is the edge of ' +
      'stability: above it the loss rises, until the curvature falls again or the run ends. Bars: two standard errors; ' +
      'where there are only bounds (mini-batches), the area between them.',
    shows: (run) => isMeasured(run) && run.governs !== null,
    draw: drawRatio,
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
    title: 'Trace of the Hessian, tr(H)',
    caption: traceCaption,
    shows: (run) => isMeasured(run) && !run.preconditioned,
    draw: (runs, frame) => drawTrace(runs, frame, 'tr(H)'),
    isClipped: isTraceClipped,
  },
  {
    id: 'trace-preconditioned',
    file: 'trace-preconditioned.svg',
    title: 'Trace of the preconditioned Hessian, tr(P⁻¹H)',
    caption: traceCaption,
    shows: (run) => isMeasured(run) && run.preconditioned,
    draw: (runs, frame) => drawTrace(runs, frame, 'tr(P⁻¹H)'),
    isClipped: isTraceClipped,
  },
  {
    id: 'lambda-max',
    file: 'lambda-max.svg',
    title: 'Largest eigenvalue, λmax(H)',
    caption: lambdaCaption,
    shows: (run) => isMeasured(run) && !run.preconditioned,
    draw: (runs, frame) => drawLambdaMax(runs, frame, 'λmax(H)'),
  },
  {
    id: 'lambda-max-preconditioned',
    file: 'lambda-max-preconditioned.svg',
    title: 'Largest eigenvalue, λmax(P⁻¹H)',
    caption: lambdaCaption,
    shows: (run) => isMeasured(run) && run.preconditioned,
    draw: (runs, frame) => drawLambdaMax(runs, frame, 'λmax(P⁻¹H)'),
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
  const [, most] = ceiling(points.map(({ ratio, ratioStdErr }) => ratio + 2 * ratioStdErr));
  const top = Math.max(1.25, most, Math.min(2, Math.max(0, ...bounded.map(({ ratioMax }) => ratioMax ?? 0))));
  return draw(runs, frame, {
    legend: [
      ...runs.map((_, i) => ({ kind: 'point', series: i }) as const),
      { kind: 'dashed', text: '1: the edge of stability' },
    ],
    yLabel: 'curvature ÷ its limit',
    y: { domain: [0, top], nice: top > 1.25 },
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
        top,
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
  const logarithmic = finite.length > 0 && finite.every(({ loss }) => loss > 0);
  const top = lossCeiling(runs);
  const inside = finite.filter(({ loss }) => loss <= top);
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
    yLabel: logarithmic ? 'loss, logarithmic' : 'loss',
    y: logarithmic ? logAxis(inside.map(({ loss }) => loss)) : {},
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

/** Losses far above where any run began belong to one that diverged: they would flatten all that is worth seeing. */
function lossCeiling(runs: readonly PlotRun[]): number {
  const starts = runs.flatMap(({ loss }) => loss.find(([, value]) => value !== null)?.[1] ?? []);
  return starts.length > 0 && starts.every((value) => value > 0) ? 10 * Math.max(...starts) : Number.POSITIVE_INFINITY;
}

/** The trace with its standard error; for the runs that it governs against the band [lower, upper] and the limit. */
function drawTrace(runs: readonly PlotRun[], frame: PlotFrame, name: string): SvgNode {
  const points = monitorsOf(runs);
  const governed = runs.filter(({ governs }) => governs === 'trace');
  const banded = monitorsOf(governed);
  const cap = traceCeiling(runs);
  return draw(runs, frame, {
    legend: [
      ...runs.map((_, i) => ({ kind: 'point', series: i }) as const),
      ...(governed.length > 0
        ? ([
            { kind: 'band', text: 'band' },
            { kind: 'dashed', text: limitName(governed) },
          ] as const)
        : []),
    ],
    yLabel: `${name} ± 2 standard errors`,
    y: { domain: cap },
    marks: [
      Plot.areaY(banded, { x: 'step', y1: 'lower', y2: 'upper', z: 'run', fill: 'run', fillOpacity: 0.16, clip: true }),
      ...limitLines(governed, cap[1]),
      Plot.lineY(points, { x: 'step', y: 'trace', z: 'run', stroke: 'run', strokeWidth: 1.3, clip: true }),
      ...dots(
        points,
        ({ trace }) => trace,
        cap[1],
        frame,
        ({ traceStdErr }) => 2 * traceStdErr,
      ),
      ...tip(points, 'trace', frame, (d) => {
        const measured = `${name} ${short(d.trace)} ± ${short(2 * d.traceStdErr)}`;
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
  const values = points.map(({ lambdaMax, lambdaMaxResidual }) => lambdaMax + lambdaMaxResidual);
  const measured = ceiling(values)[1];
  // A limit far above all that was measured would flatten it.
  const near = governed.flatMap((run) => run.limit.map(([, value]) => value)).filter((value) => value <= 4 * measured);
  const top = ceiling([...values, ...near])[1];
  const floor = Math.min(0, ...points.map(({ lambdaMax }) => lambdaMax).filter(Number.isFinite));
  return draw(runs, frame, {
    legend: [
      ...runs.map((_, i) => ({ kind: 'point', series: i }) as const),
      ...(near.length > 0 ? [{ kind: 'dashed', text: `first-order ${limitName(governed)}` } as const] : []),
    ],
    yLabel: `${name} ± residual`,
    y: { domain: [floor, top] },
    marks: [
      ...limitLines(governed, top),
      Plot.lineY(points, { x: 'step', y: 'lambdaMax', z: 'run', stroke: 'run', strokeWidth: 1.3, clip: true }),
      ...dots(
        points,
        ({ lambdaMax }) => lambdaMax,
        top,
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
  const noise = runs.flatMap(({ label, startNorm, monitors }) =>
    monitors.flatMap(({ step, diffusion }) =>
      diffusion === null ? [] : [{ step, value: startNorm + diffusion, run: label }],
    ),
  );
  const values = [...points.map(({ squaredNorm }) => squaredNorm), ...noise.map(({ value }) => value)].filter(
    (v) => v > 0,
  );
  const logarithmic = Math.max(...values) > 30 * Math.min(...values);
  const [, top] = logarithmic ? [0, Number.POSITIVE_INFINITY] : ceiling(values);
  return draw(runs, frame, {
    legend: [
      ...runs.map((_, i) => ({ kind: 'point', series: i }) as const),
      ...(noise.length > 0 ? [{ kind: 'dashed', text: 'start + noise' } as const] : []),
    ],
    yLabel: logarithmic ? '‖θ‖², logarithmic' : '‖θ‖²',
    y: logarithmic ? logAxis(values) : { domain: [0, top] },
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
      ...dots(points, ({ squaredNorm }) => squaredNorm, top, frame),
      ...tip(points, 'squaredNorm', frame, ({ squaredNorm, diffusion }) =>
        [`‖θ‖² ${short(squaredNorm)}`, ...(diffusion === null ? [] : [`noise has added ${short(diffusion)}`])].join(
          '\n',
        ),
      ),
    ],
  });
}

/** A logarithmic axis from 1, 2 or 5 times a power of ten to another, with ticks there: they reach the data whatever its range. */
function logAxis(values: readonly number[]): Plot.ScaleOptions {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const decades = Math.log10(most / least);
  const digits = decades > 3 ? [1] : [1, 2, 5];
  const round = [];
  for (let power = Math.floor(Math.log10(least)) - 1; power <= Math.ceil(Math.log10(most)) + 1; power++) {
    round.push(...digits.map((digit) => Number(`${digit}e${power}`)));
  }
  const low = round.filter((value) => value <= least).at(-1) ?? least;
  const high = round.find((value) => value >= most) ?? most;
  return {
    type: 'log',
    domain: [low, high],
    nice: false,
    ticks: round.filter((value) => value >= low && value <= high) as never,
    tickFormat: '~g',
  };
}

function isTraceClipped(runs: readonly PlotRun[]): boolean {
  const [, top] = traceCeiling(runs);
  return runs.some((run) =>
    run.monitors.some(({ trace, upper }) => Math.max(trace, run.governs === 'trace' ? upper : trace) > top),
  );
}

function isLossClipped(runs: readonly PlotRun[]): boolean {
  const top = lossCeiling(runs);
  return runs.some(({ loss }) => loss.some(([, value]) => value !== null && value > top));
}

/** The runs that the trace governs, their bands and limits, are to be seen whatever the trace of the others comes to. */
function traceCeiling(runs: readonly PlotRun[]): [number, number] {
  const traces = (some: readonly PlotRun[]) =>
    some.flatMap((run) => run.monitors.map(({ trace, traceStdErr }) => trace + 2 * traceStdErr));
  const governed = runs.filter(({ governs }) => governs === 'trace');
  const bands = governed.flatMap((run) => [...run.monitors.map(({ upper }) => upper), ...run.limit.map(([, v]) => v)]);
  const [, all] = ceiling([...traces(runs), ...bands]);
  if (governed.length === 0) return [0, all];
  return [0, Math.min(all, 3 * ceiling([...traces(governed), ...bands])[1])];
}
