import { type SvgDocument, type SvgNode, svgNamespace } from './dom.ts';
import { shortened } from './format.ts';
import type { Theme } from './theme.ts';

/** One entry of a plot's legend: a run (by `series`), or a kind of mark that all runs share (by `text`). */
export interface LegendEntry {
  readonly kind: 'line' | 'point' | 'band' | 'dashed';
  readonly series?: number;
  readonly text?: string;
}

interface DrawnEntry {
  readonly kind: LegendEntry['kind'];
  readonly text: string;
  readonly colour: string;
}

interface LegendFrame {
  readonly width: number;
  readonly theme: Theme;
  readonly title?: string;
  /** What the y axis measures; stands over the axis, under the entries. */
  readonly yLabel: string;
  readonly document: SvgDocument;
}

const rowHeight = 18;
const swatch = 20;
const left = 8;
const titleHeight = 28;

/** The height that `legend` takes: the title, the entries and the label of the y axis. */
export function legendHeight(entries: readonly DrawnEntry[], width: number, title?: string): number {
  return (title === undefined ? 0 : titleHeight) + rowsHeight(entries, width) + 30;
}

/** The legend as SVG inside the plot, so that a saved plot carries it; with the title and a background where one is asked for. */
export function legend(entries: readonly DrawnEntry[], frame: LegendFrame): SvgNode {
  const { theme, title, yLabel, document } = frame;
  const element = (name: string, attributes: Record<string, string | number>, text?: string) => {
    const made = document.createElementNS(svgNamespace, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
    if (text !== undefined) made.append(document.createTextNode(text));
    return made;
  };
  const group = element('g', { 'aria-label': 'legend', fill: theme.ink, 'text-anchor': 'start' });
  const top = title === undefined ? 0 : titleHeight;
  if (title !== undefined)
    group.append(element('text', { x: left, y: 18, 'font-size': 15, 'font-weight': 600 }, title));
  for (const { kind, text, colour, x, row } of place(entries, frame.width)) {
    const y = top + row * rowHeight + rowHeight / 2;
    if (kind === 'band')
      group.append(element('rect', { x, y: y - 5, width: swatch, height: 10, fill: colour, 'fill-opacity': 0.25 }));
    else {
      const dash: Record<string, string> = kind === 'dashed' ? { 'stroke-dasharray': '6 4' } : {};
      group.append(
        element('line', { x1: x, x2: x + swatch, y1: y, y2: y, stroke: colour, 'stroke-width': 2, ...dash }),
      );
      if (kind === 'point') group.append(element('circle', { cx: x + swatch / 2, cy: y, r: 3.5, fill: colour }));
    }
    group.append(element('text', { x: x + swatch + 6, y, dy: '0.32em' }, text));
  }
  group.append(element('text', { x: left, y: top + rowsHeight(entries, frame.width) + 16, fill: theme.muted }, yLabel));
  return group;
}

function rowsHeight(entries: readonly DrawnEntry[], width: number): number {
  const placed = place(entries, width);
  return placed.length === 0 ? 0 : (placed[placed.length - 1].row + 1) * rowHeight;
}

/** Entries left to right, wrapped to the width. Text is not measured (there is no layout under Node): 6.6 px a character is its usual width at 12 px. */
function place(entries: readonly DrawnEntry[], width: number): (DrawnEntry & { x: number; row: number })[] {
  let x = left;
  let row = 0;
  // One that is wider than the plot would be cut off by the page.
  const most = Math.max(8, Math.floor((width - left - swatch - 6) / 7.2));
  return entries.map(({ text, ...rest }) => {
    const entry = { ...rest, text: shortened(text, most) };
    const length = swatch + 6 + 6.6 * [...entry.text].length + 16;
    if (x > left && x + length > width) {
      x = left;
      row++;
    }
    const placed = { ...entry, x, row };
    x += length;
    return placed;
  });
}
