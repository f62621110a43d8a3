import { formatDuration, formatNumber } from './format.ts';
import { escapeHtml } from './html.ts';
import { type RunSummary, stepSizeText } from './summary.ts';
import { pageTheme } from './theme.ts';
import { type Verdict, verdictOf } from './verdict.ts';

const count = (value: number) => formatNumber(value, 15);
const counted = (value: number, noun: string) => `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
/** 2026-01-31 12:34:56 UTC; a text that is no date as it is. */
const startText = (text: string) => text.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z$/, '$1 $2 UTC');
const optional = (value: number | undefined) => (value === undefined ? '–' : formatNumber(value));

/** The rows of the table: what a person needs to know, or to repeat the run. */
type Fact = readonly [name: string, value: (summary: RunSummary) => string];
const facts: readonly Fact[] = [
  ['model', ({ run }) => run.name],
  ['optimizer', ({ run }) => run.optimizer.name],
  ['step size η', stepSizeText],
  ['smoothing μ', ({ run }) => optional(run.optimizer.mu)],
  ['momentum β', ({ run }) => optional(run.optimizer.beta)],
  ['β₂', ({ run }) => optional(run.optimizer.beta2)],
  ['batch', ({ run }) => (run.batch === 'full' ? 'full' : count(run.batch))],
  ['seed', ({ run }) => run.seed],
  ['parameters', ({ run }) => count(run.parameters)],
  ['examples', ({ run }) => count(run.examples)],
  ['device', ({ run }) => `${run.device.description} (${run.device.isa}, ${counted(run.device.threads, 'thread')})`],
  ['steps', ({ steps, run }) => (steps === run.steps ? count(steps) : `${count(steps)} of ${count(run.steps)}`)],
  [
    'time',
    ({ seconds, resumes }) =>
      formatDuration(seconds) +
      (seconds !== null && resumes > 0 ? ` since its last resume (of ${count(resumes)})` : ''),
  ],
  ['steps a second', ({ stepsPerSecond }) => formatNumber(stepsPerSecond)],
  ['end', ({ end }) => end],
  ['final loss', ({ finalLoss }) => formatNumber(finalLoss)],
  ['monitor points', ({ monitors }) => count(monitors.length)],
  ['curvature ÷ its limit, mean of the second half', (summary) => ratioCell(verdictOf(summary))],
  ['at the edge, second half', (summary) => percent(verdictOf(summary).atEdgeFraction)],
  ['what happened', ({ endMessage }) => endMessage],
  ['folder', ({ source }) => source],
  ['started', ({ run }) => startText(run.startedAt)],
  ['version', ({ run }) => `zeroth ${run.zeroth}`],
];

/** One column a run; rows that say nothing for any run are left out. */
export function factsTable(summaries: readonly RunSummary[], labels: readonly string[]): string {
  const heads = labels.map((label, i) => {
    const colour = escapeHtml(pageTheme.series(i, labels.length));
    return `<th scope="col"><span class="key" style="--run:${colour}"></span>${escapeHtml(label)}</th>`;
  });
  const metrics = [...new Set(summaries.flatMap((summary) => Object.keys(summary.metrics)))];
  const followed = metrics.map((name): Fact => [`${name}, last`, (summary) => optional(summary.metrics[name])]);
  const loss = facts.findIndex(([name]) => name === 'final loss');
  const rows = [...facts.slice(0, loss + 1), ...followed, ...facts.slice(loss + 1)].flatMap(([name, value]) => {
    const cells = summaries.map(value);
    if (cells.every((cell) => cell === '–')) return [];
    return [
      `<tr><th scope="row">${escapeHtml(name)}</th>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`,
    ];
  });
  return `<div class="scroll" role="region" aria-label="Facts" tabindex="0"><table>
<thead><tr><td></td>${heads.join('')}</tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table></div>`;
}

function ratioCell({ ratio, ratioMax }: Verdict): string {
  return ratioMax === undefined ? formatNumber(ratio, 3) : `${formatNumber(ratio, 3)} … ${formatNumber(ratioMax, 3)}`;
}

function percent(fraction: number | undefined): string {
  return fraction === undefined ? '–' : `${Math.round(100 * fraction)} % of monitor points`;
}
