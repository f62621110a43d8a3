import { formatDuration, formatNumber } from './format.ts';
import { escapeHtml } from './html.ts';
import { type RunSummary, stepSizeText } from './summary.ts';
import { pageTheme } from './theme.ts';
import { type Verdict, verdictOf } from './verdict.ts';

const count = (value: number) => formatNumber(value, 15);
const optional = (value: number | undefined) => (value === undefined ? '–' : formatNumber(value));

/** The rows of the table: what a person needs to know, or to repeat the run. */
const facts: readonly (readonly [name: string, value: (summary: RunSummary) => string])[] = [
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
  ['device', ({ run }) => `${run.device.description} (${run.device.isa}, ${run.device.threads} threads)`],
  ['steps', ({ steps, run }) => (steps === run.steps ? count(steps) : `${count(steps)} of ${count(run.steps)}`)],
  [
    'time',
    ({ seconds, resumes }) => formatDuration(seconds) + (resumes > 0 ? ` since the last of ${resumes} resumes` : ''),
  ],
  ['steps a second', ({ stepsPerSecond }) => formatNumber(stepsPerSecond)],
  ['end', ({ end }) => end],
  ['final loss', ({ finalLoss }) => formatNumber(finalLoss)],
  ['monitor points', ({ monitors }) => count(monitors.length)],
  ['curvature ÷ its limit, mean of the second half', (summary) => ratioCell(verdictOf(summary))],
  ['at the edge, second half', (summary) => percent(verdictOf(summary).atEdgeFraction)],
  ['what happened', ({ endMessage }) => endMessage],
  ['folder', ({ source }) => source],
  ['started', ({ run }) => run.startedAt],
  ['version', ({ run }) => `zeroth ${run.zeroth}`],
];

/** One column a run; rows that say nothing for any run are left out. */
export function factsTable(summaries: readonly RunSummary[], labels: readonly string[]): string {
  const heads = labels.map((label, i) => {
    const colour = escapeHtml(pageTheme.series(i, labels.length));
    return `<th scope="col"><span class="key" style="background:${colour}"></span>${escapeHtml(label)}</th>`;
  });
  const rows = facts.flatMap(([name, value]) => {
    const cells = summaries.map(value);
    if (cells.every((cell) => cell === '–')) return [];
    return [
      `<tr><th scope="row">${escapeHtml(name)}</th>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`,
    ];
  });
  return `<div class="scroll"><table>
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
