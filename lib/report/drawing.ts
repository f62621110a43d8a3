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

export type MonitorPoint = PlotMonitor & { readonly run: string };

/** A plot: its legend, its axes, its marks. */
export interface Content {
  readonly legend: readonly LegendEntry[];
  readonly yLabel: string;
  readonly y: Plot.ScaleOptions;
  readonly marks: Plot.Markish[];
}

export function draw(runs: readonly PlotRun[], frame: PlotFrame, content: Content): SvgNode {
  const { width, theme, title } = frame;
  const narrow = width < 520;
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
    y: { ticks: 6, nice: true, ...content.y, label: null },
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

/** The limits of runs, dashed, each with its formula. */
export function limitLines(runs: readonly PlotRun[], top: number): Plot.Markish[] {
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

export function tip(
  points: readonly MonitorPoint[],
  y: 'ratio' | 'trace' | 'lambdaMax' | 'squaredNorm',
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

/**
 * [0, top]: the greatest value and a little, but at most four times what nine tenths of them stay under: a diverging run must not flatten all
 * the others.
 */
export function ceiling(values: readonly number[]): [number, number] {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return [0, 1];
  const usual = sorted[Math.floor(0.9 * (sorted.length - 1))];
  const top = Math.min(sorted[sorted.length - 1], 4 * usual);
  return top > 0 ? [0, 1.1 * top] : [0, Math.max(1, sorted[sorted.length - 1])];
}

export function limitName(runs: readonly PlotRun[]): string {
  return `limit ${[...new Set(runs.map((run) => run.limitFormula))].join(' or ')}`;
}

/**
 * A dot a monitor point, with a bar of `error` up and down. What lies above the top of the axis is left to the line, which is clipped there:
 * a dot is whole or not at all.
 */
export function dots(
  points: readonly MonitorPoint[],
  y: (point: MonitorPoint) => number,
  top: number,
  frame: PlotFrame,
  error?: (point: MonitorPoint) => number,
): Plot.Markish[] {
  const shown = points.filter((point) => y(point) <= top);
  const bars = error && {
    x: 'step' as const,
    y1: (d: MonitorPoint) => y(d) - error(d),
    y2: (d: MonitorPoint) => y(d) + error(d),
    stroke: 'run',
    strokeWidth: 1.6,
    clip: true as const,
  };
  return [
    ...(bars ? [Plot.ruleX(shown, bars)] : []),
    Plot.dot(shown, { x: 'step', y, fill: 'run', r: points.length > frame.width / 4 ? 1.5 : 3 }),
  ];
}

/** A number of a tip or a label. */
export const short = (value: number) => (Number.isFinite(value) ? String(Number(value.toPrecision(4))) : '–');
