import { factsTable } from './facts.ts';
import { escapeHtml, inlineJson, inlineScript } from './html.ts';
import { runLabels } from './labels.ts';
import { type PlotRun, plotRuns } from './plot-data.ts';
import { plots } from './plots.ts';
import { styleSheet } from './style.ts';
import type { RunSummary } from './summary.ts';
import { pageTheme } from './theme.ts';
import { headline } from './verdict.ts';

/** What each plot shows, in a sentence for its reader. */
const captions: Record<(typeof plots)[number]['id'], string> = {
  loss: 'The loss at each step. Long runs are thinned for drawing; every spike is kept.',
  trace:
    'Training is at the edge of stability while its limit (dashed) lies inside the band. Below the edge the band lies under the limit. ' +
    'First-order runs have no band here: the trace does not limit them.',
  'lambda-max':
    'The sharpest direction of the loss. It governs first-order methods; zeroth-order methods are governed by the trace.',
};

/**
 * The report as one HTML document that loads nothing: data, style and the plotting code (`clientScript`) are inside,
 * and its content security policy forbids anything else.
 */
export function reportPage(summaries: readonly RunSummary[], clientScript: string, title: string): string {
  const runs: PlotRun[] = plotRuns(summaries);
  const labels = runLabels(summaries);
  const measured = summaries.some(({ monitors }) => monitors.length > 0);
  const shown = plots.filter(({ id }) => id === 'loss' || measured);
  const sentences = headline(summaries, labels).map((sentence, i) => {
    const colour = pageTheme.series(i, summaries.length);
    return `<li><span class="key" style="background:${escapeHtml(colour)}"></span>${escapeHtml(sentence)}</li>`;
  });
  const sections = shown.map(
    ({ id, title: name }) => `<section id="${id}">
<header><h2>${escapeHtml(name(runs))}</h2><button type="button">Save SVG</button></header>
<div class="plot"></div>
<p class="caption">${escapeHtml(captions[id])}${id === 'trace' ? ' <span id="clipped" hidden>Values above the top of the plot are cut off.</span>' : ''}</p>
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
<ul class="headline">
${sentences.join('\n')}
</ul>
<noscript><p>The plots are drawn by JavaScript, which is off. The facts are below; <code>zeroth report --svg</code> writes the plots as files.</p></noscript>
${sections.join('\n')}
${measured ? '' : '<p class="caption">No curvature was measured in these runs (monitor-every 0, or they ended before the first measurement), so there is no trace to show.</p>'}
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
