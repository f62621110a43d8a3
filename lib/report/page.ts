import { factsTable } from './facts.ts';
import { escapeHtml, inlineJson, inlineScript } from './html.ts';
import { runLabels } from './labels.ts';
import { type PlotRun, plotRuns } from './plot-data.ts';
import { plotsOf } from './plots.ts';
import { styleSheet } from './style.ts';
import type { RunSummary } from './summary.ts';
import { pageTheme } from './theme.ts';
import { verdictOf } from './verdict.ts';

/**
 * The report as one HTML document that loads nothing: data, style and the plotting code (`clientScript`) are inside,
 * and its content security policy forbids anything else.
 */
export function reportPage(summaries: readonly RunSummary[], clientScript: string, title: string): string {
  const runs: PlotRun[] = plotRuns(summaries);
  const labels = runLabels(summaries);
  const measured = summaries.some(({ monitors }) => monitors.length > 0);
  // A sentence a run. Of several the name is a button that hides and shows the run in every plot; many sentences stand under the first plot.
  const many = summaries.length > 3;
  const names = summaries.map((_, i) => {
    const colour = escapeHtml(pageTheme.series(i, summaries.length));
    return `<span class="key" style="--run:${colour}"></span>${escapeHtml(labels[i])}`;
  });
  const buttons = names.map(
    (name) => `<button type="button" class="run" aria-pressed="true" title="Hide or show this run">${name}</button>`,
  );
  const sentences = summaries.map((summary, i) => {
    const name = summaries.length > 1 && !many ? buttons[i] : `<strong>${names[i]}</strong>`;
    return `<li>${name} ${escapeHtml(verdictOf(summary).sentence)}.</li>`;
  });
  const headline = `<ul class="headline">\n${sentences.join('\n')}\n</ul>`;
  const toggles = `<div class="toggles" role="group" aria-label="Runs to show">${buttons.join('')}</div>`;
  const sections = plotsOf(runs).map(
    ({ plot: { id, title: name, caption } }) => `<section id="${id}">
<header><h2>${escapeHtml(name)}</h2><button type="button" class="save" aria-label="${escapeHtml(`Save SVG of ${name}`)}">Save SVG</button></header>
<div class="plot"></div>
<p class="caption">${escapeHtml(caption)} <span class="clipped" hidden>Values above the top of the plot are cut off.</span></p>
</section>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:">
<title>${escapeHtml(title)}</title>
<style>${styleSheet()}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${many ? toggles : headline}
<noscript><p>The plots are drawn by JavaScript, which is off. The facts are below; <code>zeroth report --svg</code> writes the plots as files.</p></noscript>
${many ? [...sections.slice(0, 1), headline, ...sections.slice(1)].join('\n') : sections.join('\n')}
${measured ? '' : '<p class="caption">No curvature was measured in these runs (the monitor was off, or they ended before the first measurement), so there is no trace to show.</p>'}
<section id="facts">
<header><h2>Facts</h2></header>
${factsTable(summaries, labels)}
</section>
</main>
<script type="application/json" id="report-data">${inlineJson({ runs })}</script>
<script>${inlineScript(clientScript)}</script>
</body>
</html>
`;
}
