import { formatNumber } from '../report/format.ts';
import { learningRatesOf, type RunSummary } from '../report/summary.ts';
import { share, type Verdict, verdictOf } from '../report/verdict.ts';

/** What happened, a sentence a run, for someone who has never heard of the edge of stability. Every word follows from the run. */
export function demoStory(summaries: readonly RunSummary[]): string[] {
  return summaries.map((summary) => {
    const lr = learningRatesOf(summary)[0];
    const limit = formatNumber(2 / lr, 3);
    return `With η = ${lr}, training can bear a curvature (the Hessian's trace) of up to 2/η = ${limit}: ${outcome(summary, verdictOf(summary))}.`;
  });
}

function outcome(summary: RunSummary, { kind, since, ratio = Number.NaN }: Verdict): string {
  const outcomes: Record<Verdict['kind'], string> = {
    edge:
      `the network drifted into sharper and sharper valleys until it reached that limit, by step ${formatNumber(since, 15)}, ` +
      `and from then on it hovered there (${share(ratio)} the limit on average), at the edge of stability`,
    below: `the curvature averaged ${share(ratio)} that limit in the second half, so this run stayed in calm water below its edge`,
    beyond: `the curvature went past that limit (${share(ratio)} it on average), so nothing keeps the loss in check any more`,
    diverged: `the loss blew up after ${formatNumber(summary.steps, 15)} steps, which is what happens past that limit`,
    unmeasured: 'the run ended before its curvature was measured',
  };
  return outcomes[kind];
}
