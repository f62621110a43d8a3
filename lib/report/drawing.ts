import * as Plot from '@observablehq/plot';
import { greatest } from '../extremes.ts';
import { type Axis, stepAxis } from './axes.ts';
import type { SvgDocument, SvgNode } from './dom.ts';
import { formatNumber } from './format.ts';
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

type MonitorPoint = PlotMonitor & { readonly run: string };

/** A plot: its legend, its axes, its marks. */
export interface Content {
  readonly legend: readonly LegendEntry[];
  readonly yLabel: string;
  readonly axis: Axis;
  readonly marks: Plot.Markish[];
}

const sideMargins = 58 + 24;
const bottomMargin = 40;

/** Without its legend. */
const plotHeight = (width: number) => Math.round(Math.min(380, Math.max(240, width * 0.42)));

export function draw(runs: readonly PlotRun[], frame: PlotFrame, content: Content): SvgNode {
  const { width, theme, title } = frame;
  const steps = stepAxis(Math.max(1, greatest(runs.map((run) => run.steps))), width < 520 ? 4 : 8);
  const { scale, logarithmic } = content.axis;
  const labels = runs.map(({ label }) => label);
  const colours = runs.map(({ series: [i, count] }) => theme.series(i, count));
  const entries = content.legend.map((entry) => ({
    text: labels[entry.series ?? 0],
    colour: entry.series === undefined ? theme.muted : colours[entry.series],
    ...entry,
  }));
  const top = legendHeight(entries, width, title);
  const svg = Plot.plot({
    document: frame.document as Plot.PlotOptions['document'],
    width,
    ariaLabel: content.yLabel,
    height: plotHeight(width) + top,
    marginTop: top,
    marginLeft: 58,
    marginRight: 24,
    marginBottom: bottomMargin,
    style: {
      background: 'none',
      color: theme.ink,
      fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
      fontSize: '12px',
      overflow: 'visible',
    },
    x: {
      label: 'step',
      ...steps,
      labelAnchor: 'center',
      labelArrow: 'none',
      labelOffset: 36,
    },
    y: { ticks: 6, nice: true, ...scale, label: null, ...(logarithmic && { axis: null }) },
    color: { type: 'ordinal', domain: labels, range: colours },
    marks: [
      Plot.gridX({ stroke: theme.grid, strokeOpacity: 1, ticks: steps.ticks as never }),
      Plot.gridY({ stroke: theme.grid, strokeOpacity: 1, ticks: (scale.ticks ?? 6) as never }),
      // A logarithmic axis of Plot's own leaves out labels of ticks that it would not have chosen.
      ...(logarithmic ? [Plot.axisY(scale.ticks as never, { text: scale.tickFormat as never, label: null })] : []),
      ...content.marks,
    ],
  }) as unknown as SvgNode;
  svg.append(legend(entries, { width, theme, title, yLabel: content.yLabel, document: svg.ownerDocument }));
  return svg;
}

/** The limits of runs, dashed, each with its formula and value where there is room for that. */
export function limitLines(runs: readonly PlotRun[], axis: Axis, frame: PlotFrame): Plot.Markish[] {
  // Browsers do not dash a line that goes very far beyond what is seen.
  const linesOf = (smooth: boolean) =>
    Plot.line(
      runs
        .filter((run) => run.smoothLimit === smooth)
        .flatMap((run) =>
          run.limit.map(([step, value]) => ({ step, value: Math.min(value, 4 * axis.top), run: run.label })),
        ),
      {
        x: 'step',
        y: 'value',
        z: 'run',
        stroke: 'run',
        strokeDasharray: '6 4',
        strokeWidth: 1.8,
        curve: smooth ? 'linear' : 'step-after',
        clip: true,
      },
    );
  const labels = limitLabels(runs, axis, frame);
  return [
    ...[false, true].filter((smooth) => runs.some((run) => run.smoothLimit === smooth)).map(linesOf),
    ...[false, true].map((under) =>
      Plot.text(
        labels.filter((label) => label.under === under),
        {
          x: 'step',
          y: 'value',
          text: 'text',
          fill: 'run',
          textAnchor: 'start',
          lineAnchor: under ? 'top' : 'bottom',
          dx: 5,
          dy: under ? 5 : -5,
        },
      ),
    ),
  ];
}

interface LimitLabel {
  readonly step: number;
  readonly value: number;
  readonly run: string;
  readonly text: string;
  /** Below its line, where another line is right above. */
  readonly under: boolean;
}

/** A label over the start of each stretch of a limit, or where it covers no other one; none where the stretch is too short for it. */
function limitLabels(runs: readonly PlotRun[], axis: Axis, frame: PlotFrame): LimitLabel[] {
  const last = Math.max(1, greatest(runs.map(({ steps }) => steps)));
  const [across, down] = [(frame.width - sideMargins) / last, plotHeight(frame.width) - bottomMargin];
  const scaled = (value: number) => (axis.logarithmic ? Math.log(value) : value);
  const [low, high] = [scaled(axis.bottom), scaled(axis.top)];
  const heightOf = (value: number) => (down * (scaled(value) - low)) / (high - low);
  const placed: (LimitLabel & { left: number; right: number; y: number })[] = [];
  for (const run of runs.filter(({ smoothLimit }) => !smoothLimit)) {
    run.limit.forEach(([step, value], i) => {
      if (i > 0 && value === run.limit[i - 1][1]) return;
      const next = run.limit.slice(i + 1).find(([, other]) => other !== value)?.[0] ?? run.steps;
      if (value > axis.top || value < axis.bottom) return;
      const text = `${run.limitFormula} = ${formatNumber(value)}`;
      const length = 10 + 7 * [...text].length;
      const line = heightOf(value);
      const isCrowded = runs.some(
        (other) => !other.smoothLimit && other.limit.some(([, v]) => heightOf(v) > line && heightOf(v) < line + 22),
      );
      const under = isCrowded && line > 22;
      const y = under ? line - 22 : line;
      // Along its line, to the right of those that it would cover.
      let left = step * across;
      for (const other of placed.filter((label) => Math.abs(label.y - y) < 16).sort((a, b) => a.left - b.left)) {
        if (left < other.right && other.left < left + length) left = other.right;
      }
      const room = Math.max(next * across, i === 0 && next === run.steps ? last * across : 0);
      if (left + length > room) return;
      placed.push({ step: left / across, value, run: run.label, text, under, left, right: left + length, y });
    });
  }
  return placed;
}

export function tip(
  points: readonly MonitorPoint[],
  y: 'ratio' | 'positiveTrace' | 'lambdaMax' | 'squaredNorm',
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

export function monitorsOf(runs: readonly PlotRun[]): MonitorPoint[] {
  return runs.flatMap((run) => run.monitors.map((monitor) => ({ ...monitor, run: run.label })));
}

export function limitName(runs: readonly PlotRun[]): string {
  return `limit ${[...new Set(runs.map((run) => run.limitFormula))].join(' or ')}`;
}

/**
 * What was measured: a line, and a dot a monitor point with a bar of `error` up and down. What lies beyond the axis is left to the line, which is
 * clipped there: a dot is whole or not at all.
 */
export function measured(
  points: readonly MonitorPoint[],
  name: 'ratio' | 'positiveTrace' | 'lambdaMax' | 'squaredNorm',
  { bottom, top }: Axis,
  frame: PlotFrame,
  error?: (point: MonitorPoint) => number,
): Plot.Markish[] {
  const shown = points.filter((point) => point[name] <= top && point[name] >= bottom);
  const bars = error && {
    x: 'step' as const,
    y1: (d: MonitorPoint) => Math.max(bottom, d[name] - error(d)),
    y2: (d: MonitorPoint) => Math.min(top, d[name] + error(d)),
    stroke: 'run',
    strokeWidth: 1.6,
  };
  return [
    Plot.lineY(points, { x: 'step', y: name, z: 'run', stroke: 'run', strokeWidth: 1.3, clip: true }),
    ...(bars ? [Plot.ruleX(shown, bars)] : []),
    Plot.dot(shown, { x: 'step', y: name, fill: 'run', r: points.length > frame.width / 4 ? 1.5 : 3 }),
  ];
}
