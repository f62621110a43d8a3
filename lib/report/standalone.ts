import type { SvgDocument, SvgNode } from './dom.ts';
import type { PlotRun } from './plot-data.ts';
import type { ReportPlot } from './plots.ts';
import { lightTheme } from './theme.ts';

/** Where there is no style sheet and no page: who makes the elements, and who writes them as XML. */
interface Surroundings {
  readonly document?: SvgDocument;
  readonly serialize: (svg: SvgNode) => string;
}

/** One plot as an SVG document that needs no style sheet: fixed colours, a title, a white background. */
export function standaloneSvg(
  plot: ReportPlot,
  runs: readonly PlotRun[],
  width: number,
  { document, serialize }: Surroundings,
): string {
  const inside = serialize(plot.draw(runs, { width, theme: lightTheme, title: plot.title, document }));
  const open = inside.indexOf('>') + 1;
  const background = `<rect width="100%" height="100%" fill="${lightTheme.background}"/>`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${inside.slice(0, open)}${background}${inside.slice(open)}\n`;
}
