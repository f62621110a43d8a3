/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import type { SvgDocument, SvgNode } from '../dom.ts';
import type { PlotRun } from '../plot-data.ts';
import { isClipped, plots } from '../plots.ts';
import { standaloneSvg } from '../standalone.ts';
import { pageTheme } from '../theme.ts';

/** Runs in the report's page: draws the inlined data, draws again when the page changes its width, saves plots as SVG. */
const { runs } = JSON.parse(document.getElementById('report-data')?.textContent ?? '{}') as { runs: PlotRun[] };
const page = document as unknown as SvgDocument;

for (const plot of plots) {
  const section = document.getElementById(plot.id);
  const place = section?.querySelector<HTMLElement>('.plot');
  if (!section || !place) continue;
  let drawn = 0;
  const draw = () => {
    const width = Math.floor(place.clientWidth);
    if (width === drawn || width === 0) return;
    drawn = width;
    const svg = plot.draw(runs, { width, theme: pageTheme, interactive: true, document: page });
    place.replaceChildren(svg as unknown as Node);
  };
  draw();
  new ResizeObserver(draw).observe(place);
  section.querySelector('button')?.addEventListener('click', () => save(plot));
}

const note = document.getElementById('clipped');
if (note) note.hidden = !isClipped(runs);

function save(plot: (typeof plots)[number]): void {
  const serialize = (svg: SvgNode) => new XMLSerializer().serializeToString(svg as unknown as Node);
  const svg = standaloneSvg(plot, runs, 900, { document: page, serialize });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
  link.download = plot.file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
