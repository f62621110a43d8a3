import { parseHTML } from 'linkedom';
import { type SvgDocument, type SvgNode, svgNamespace } from './dom.ts';
import type { PlotRun } from './plot-data.ts';
import { plotsOf } from './plots.ts';
import { standaloneSvg } from './standalone.ts';

/** A plot as a file of its own. */
interface SvgFile {
  readonly name: string;
  readonly svg: string;
}

/** Draws every plot of a report that has something to show, without a browser. */
export function svgPlots(runs: readonly PlotRun[], width = 900): SvgFile[] {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const surroundings = { document: document as unknown as SvgDocument, serialize };
  return plotsOf(runs).map(({ plot, runs: shown }) => ({
    name: plot.file,
    svg: standaloneSvg(plot, shown, width, surroundings),
  }));
}

/** linkedom writes void and empty elements as XML does, but leaves the namespaces to us. */
function serialize(svg: SvgNode): string {
  svg.setAttribute('xmlns', svgNamespace);
  svg.setAttribute('xmlns:xlink', 'http://www.w3.org/1999/xlink');
  return svg.outerHTML;
}
