/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import type { SvgDocument, SvgNode } from '../dom.ts';
import type { PlotRun } from '../plot-data.ts';
import { plots, type ReportPlot } from '../plots.ts';
import { standaloneSvg } from '../standalone.ts';
import { pageTheme } from '../theme.ts';

/** Runs in the report's page: draws the inlined data, draws again when the page changes its width, saves plots as SVG. */
const { runs } = JSON.parse(document.getElementById('report-data')?.textContent ?? '{}') as { runs: PlotRun[] };
const page = document as unknown as SvgDocument;

/** The runs that are not hidden: all of them at first. */
let visible = runs;
const redraws: (() => void)[] = [];

for (const plot of plots) {
  const section = document.getElementById(plot.id);
  const place = section?.querySelector<HTMLElement>('.plot');
  if (!section || !place) continue;
  const draw = (width: number) => {
    const shown = visible.filter(plot.shows);
    const svg =
      shown.length > 0 ? plot.draw(shown, { width, theme: pageTheme, interactive: true, document: page }) : undefined;
    place.replaceChildren(...(svg ? [svg as unknown as Node] : []));
    const note = section.querySelector<HTMLElement>('.clipped');
    if (note) note.hidden = !plot.isClipped?.(shown);
  };
  let drawn = 0;
  const fitWidth = () => {
    const width = Math.floor(place.clientWidth);
    if (width === drawn || width === 0) return;
    drawn = width;
    draw(width);
  };
  fitWidth();
  new ResizeObserver(fitWidth).observe(place);
  redraws.push(() => draw(drawn));
  section.querySelector('button.save')?.addEventListener('click', () => save(plot));
}

const buttons = [...document.querySelectorAll<HTMLButtonElement>('button.run')];
for (const button of buttons) {
  button.addEventListener('click', () => {
    button.setAttribute('aria-pressed', String(button.getAttribute('aria-pressed') !== 'true'));
    visible = runs.filter((_, i) => buttons[i].getAttribute('aria-pressed') === 'true');
    for (const redraw of redraws) redraw();
  });
}

function save(plot: ReportPlot): void {
  const shown = visible.filter(plot.shows);
  if (shown.length === 0) return;
  const serialize = (svg: SvgNode) => new XMLSerializer().serializeToString(svg as unknown as Node);
  const svg = standaloneSvg(plot, shown, 900, { document: page, serialize });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
  link.download = plot.file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
