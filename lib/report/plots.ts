import * as Plot from '@observablehq/plot';
import type { SvgDocument, SvgNode } from './dom.ts';
import { type LegendEntry, legend, legendHeight } from './legend.ts';
import type { PlotMonitor, PlotRun } from './plot-data.ts';
import type { Theme } from './theme.ts';

/** How and where to draw. Sizes in CSS pixels. */
export interface PlotFrame {
  readonly width: number;
  readonly theme: Theme;
  /** Drawn on its own, outside the page: with a title and a background. */
  readonly title?: string;
  /** Shows values under the pointer; needs a real browser. */
  readonly interactive?: boolean;
  /** The document that makes the elements; in a browser, the page's by default. */
  readonly document?: SvgDocument;
}

/** The plots of a report, in the order of the page. `file` is the name of the saved SVG. */
export const plots = [
  { id: 'loss', file: 'loss.svg', title: () => 'Loss', draw: drawLoss },
  {
    id: 'trace',
    file: 'trace.svg',
    title: (runs: readonly PlotRun[]) => `Trace of the Hessian, ${traceName(runs)}`,
    draw: drawTrace,
  },
  {
    id: 'lambda-max',
    file: 'lambda-max.svg',
    title: (runs: readonly PlotRun[]) => `Largest eigenvalue, ${lambdaName(runs)}`,
    draw: drawLambdaMax,
  },
] as const;

/** tr(H); tr(P⁻¹H) where every run is preconditioned; both where runs differ. */
function traceName(runs: readonly PlotRun[]): string {
  return names(runs, 'tr(H)', 'tr(P⁻¹H)');
}

function lambdaName(runs: readonly PlotRun[]): string {
  return names(runs, 'λmax(H)', 'λmax(P⁻¹H)');
}

/** Loss against step, on a logarithmic axis where every loss is positive. */
function drawLoss(runs: readonly PlotRun[], frame: PlotFrame): SvgNode {
  const points = runs.flatMap((run) =>
    run.loss.map(([step, loss]) => ({ step, loss: loss ?? Number.NaN, run: run.label })),
  );
  const finite = points.filter(({ loss }) => Number.isFinite(loss));
  const logarithmic = finite.length > 0 && finite.every(({ loss }) => loss > 0);
  const options = { x: 'step', y: 'loss', stroke: 'run', strokeWidth: 1.3, strokeLinejoin: 'round' } as const;
  return draw(runs, frame, {
    legend: runs.map((_, i) => ({ kind: 'line', series: i })),
    yLabel: logarithmic ? 'loss, logarithmic' : 'loss',
    y: { type: logarithmic ? 'log' : 'linear', tickFormat: logarithmic ? '~g' : undefined },
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

/** The trace with its standard error; for the runs that it governs against the band [lower, upper] and the limit. */
function drawTrace(runs: readonly PlotRun[], frame: PlotFrame): SvgNode {
  const points = monitorsOf(runs);
  const governed = runs.filter(({ governs }) => governs === 'trace');
  const banded = monitorsOf(governed);
  const cap = traceCeiling(runs);
  return draw(runs, frame, {
    legend: [
      ...runs.map((_, i) => ({ kind: 'point', series: i }) as const),
      ...(governed.length > 0
        ? ([
            { kind: 'band', text: 'band [lower, upper]' },
            { kind: 'dashed', text: limitName(governed) },
          ] as const)
        : []),
    ],
    yLabel: `${traceName(runs)} ± 2 standard errors`,
    y: { domain: cap },
    marks: [
      Plot.areaY(banded, { x: 'step', y1: 'lower', y2: 'upper', z: 'run', fill: 'run', fillOpacity: 0.16, clip: true }),
      ...limitLines(governed, cap[1]),
      Plot.lineY(points, { x: 'step', y: 'trace', z: 'run', stroke: 'run', strokeWidth: 1.3, clip: true }),
      Plot.ruleX(points, {
        x: 'step',
        y1: (d) => Math.max(0, d.trace - 2 * d.traceStdErr),
        y2: (d) => d.trace + 2 * d.traceStdErr,
        stroke: 'run',
        strokeWidth: 1.6,
        clip: true,
      }),
      Plot.dot(points, { x: 'step', y: 'trace', fill: 'run', r: dotRadius(points, frame), clip: true }),
      ...tip(points, 'trace', frame, (d) => {
        const measured = `${traceName(runs)} ${short(d.trace)} ± ${short(2 * d.traceStdErr)}`;
        if (!banded.some(({ run }) => run === d.run)) return measured;
        return `${measured}\nband ${short(d.lower)} … ${short(d.upper)}\nlimit ${short(d.limit)}`;
      }),
    ],
  });
}

/** The largest eigenvalue with its residual; for first-order runs with the value that it must not pass. */
function drawLambdaMax(runs: readonly PlotRun[], frame: PlotFrame): SvgNode {
  const points = monitorsOf(runs);
  const limits = runs
    .filter(({ governs }) => governs === 'lambdaMax')
    .flatMap((run) => run.limit.map(([step, value]) => ({ step, value, run: run.label })));
  const cap = ceiling([
    ...points.map(({ lambdaMax, lambdaMaxResidual }) => lambdaMax + lambdaMaxResidual),
    ...limits.map(({ value }) => value),
  ]);
  const floor = Math.min(0, ...points.map(({ lambdaMax }) => lambdaMax).filter(Number.isFinite));
  return draw(runs, frame, {
    legend: [
      ...runs.map((_, i) => ({ kind: 'point', series: i }) as const),
      ...(limits.length > 0 ? [{ kind: 'dashed', text: 'first-order limit' } as const] : []),
    ],
    yLabel: `${lambdaName(runs)} ± residual`,
    y: { domain: [floor, cap[1]] },
    marks: [
      Plot.line(limits, {
        x: 'step',
        y: 'value',
        z: 'run',
        stroke: 'run',
        strokeDasharray: '6 4',
        curve: 'step-after',
        strokeWidth: 1.5,
        clip: true,
      }),
      Plot.lineY(points, { x: 'step', y: 'lambdaMax', z: 'run', stroke: 'run', strokeWidth: 1.3, clip: true }),
      Plot.ruleX(points, {
        x: 'step',
        y1: (d) => d.lambdaMax - d.lambdaMaxResidual,
        y2: (d) => d.lambdaMax + d.lambdaMaxResidual,
        stroke: 'run',
        strokeWidth: 1.6,
        clip: true,
      }),
      Plot.dot(points, { x: 'step', y: 'lambdaMax', fill: 'run', r: dotRadius(points, frame), clip: true }),
      ...tip(
        points,
        'lambdaMax',
        frame,
        (d) => `${lambdaName(runs)} ${short(d.lambdaMax)}\nresidual ${short(d.lambdaMaxResidual)}`,
      ),
    ],
  });
}

/** Whether some values lie above the drawn part of a plot: a diverging run must not flatten all the others. */
export function isClipped(runs: readonly PlotRun[]): boolean {
  const [, top] = traceCeiling(runs);
  return runs.some((run) =>
    run.monitors.some(({ trace, upper }) => Math.max(trace, run.governs === 'trace' ? upper : trace) > top),
  );
}

/** Bands and limits count only for runs that the trace governs. */
function traceCeiling(runs: readonly PlotRun[]): [number, number] {
  return ceiling(
    runs.flatMap((run) => [
      ...run.monitors.map(({ trace, traceStdErr }) => trace + 2 * traceStdErr),
      ...(run.governs === 'trace' ? [...run.monitors.map(({ upper }) => upper), ...run.limit.map(([, v]) => v)] : []),
    ]),
  );
}

type MonitorPoint = PlotMonitor & { readonly run: string };

interface Content {
  readonly legend: readonly LegendEntry[];
  readonly yLabel: string;
  readonly y: Plot.ScaleOptions;
  readonly marks: Plot.Markish[];
}

function draw(runs: readonly PlotRun[], frame: PlotFrame, content: Content): SvgNode {
  const { width, theme, title } = frame;
  const narrow = width < 520;
  const labels = runs.map(({ label }) => label);
  const colours = runs.map((_, i) => theme.series(i, runs.length));
  const entries = content.legend.map((entry) => ({
    text: labels[entry.series ?? 0],
    colour: entry.series === undefined ? theme.muted : colours[entry.series],
    ...entry,
  }));
  const top = legendHeight(entries, width, title);
  const svg = Plot.plot({
    document: frame.document as Plot.PlotOptions['document'],
    width,
    height: Math.round(Math.min(380, Math.max(240, width * 0.42))) + top,
    marginTop: top,
    marginLeft: 58,
    marginRight: 24,
    marginBottom: 40,
    style: {
      background: 'none',
      color: theme.ink,
      fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
      fontSize: '12px',
      overflow: 'visible',
    },
    x: {
      label: 'step',
      domain: [0, Math.max(1, ...runs.map(({ steps }) => steps))],
      ticks: narrow ? 4 : 8,
      labelAnchor: 'center',
      labelArrow: 'none',
      labelOffset: 36,
    },
    y: { ticks: 6, ...content.y, label: null },
    color: { type: 'ordinal', domain: labels, range: colours },
    marks: [
      Plot.gridX({ stroke: theme.grid, strokeOpacity: 1, ticks: narrow ? 4 : 8 }),
      Plot.gridY({ stroke: theme.grid, strokeOpacity: 1, ticks: 6 }),
      ...content.marks,
    ],
  }) as unknown as SvgNode;
  svg.append(legend(entries, { width, theme, title, yLabel: content.yLabel, document: svg.ownerDocument }));
  return svg;
}

function limitLines(runs: readonly PlotRun[], top: number): Plot.Markish[] {
  const lines = runs.flatMap((run) => run.limit.map(([step, value]) => ({ step, value, run: run.label })));
  // A label at the start of each stretch, where the trace is usually still far below; the last point only ends the line.
  const starts = runs.flatMap((run) =>
    run.limit
      .filter(([, value], i) => value <= top && value !== run.limit[i - 1]?.[1])
      .map(([step, value]) => ({ step, value, run: run.label, text: `${run.limitFormula} = ${short(value)}` })),
  );
  const labelled = runs.length <= 4 ? starts : [];
  return [
    Plot.line(lines, {
      x: 'step',
      y: 'value',
      z: 'run',
      stroke: 'run',
      strokeDasharray: '6 4',
      strokeWidth: 1.8,
      curve: 'step-after',
      clip: true,
    }),
    Plot.text(labelled, {
      x: 'step',
      y: 'value',
      text: 'text',
      fill: 'run',
      textAnchor: 'start',
      lineAnchor: 'bottom',
      dx: 5,
      dy: -5,
    }),
  ];
}

function tip(
  points: readonly MonitorPoint[],
  y: 'trace' | 'lambdaMax',
  frame: PlotFrame,
  text: (point: MonitorPoint) => string,
): Plot.Markish[] {
  if (!frame.interactive) return [];
  return [
    Plot.tip(
      points,
      Plot.pointer({ x: 'step', y, stroke: 'run', title: (d: MonitorPoint) => `${d.run}\nstep ${d.step}\n${text(d)}` }),
    ),
  ];
}

function monitorsOf(runs: readonly PlotRun[]): MonitorPoint[] {
  return runs.flatMap((run) => run.monitors.map((monitor) => ({ ...monitor, run: run.label })));
}

/** [0, top]: the greatest value, but at most four times the value that nine tenths of them stay under. */
function ceiling(values: readonly number[]): [number, number] {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return [0, 1];
  const usual = sorted[Math.floor(0.9 * (sorted.length - 1))];
  const top = Math.min(sorted[sorted.length - 1], 4 * usual);
  return top > 0 ? [0, 1.1 * top] : [0, Math.max(1, sorted[sorted.length - 1])];
}

function limitName(runs: readonly PlotRun[]): string {
  return `limit ${[...new Set(runs.map((run) => run.limitFormula))].join(' or ')}`;
}

function names(runs: readonly PlotRun[], plain: string, preconditioned: string): string {
  const kinds = new Set(runs.map((run) => (run.preconditioned ? preconditioned : plain)));
  return kinds.size === 0 ? plain : [...kinds].join(' or ');
}

function dotRadius(points: readonly MonitorPoint[], frame: PlotFrame): number {
  return points.length > frame.width / 4 ? 1.5 : 3;
}

const short = (value: number) => (Number.isFinite(value) ? String(Number(value.toPrecision(4))) : '–');
