import { formatNumber } from '../report/format.ts';
import type { RunSummary } from '../report/summary.ts';

/**
 * What happened, for someone who has never heard of the edge of stability: zeroth-order training against its control, gradient descent with
 * the same η. Every word follows from the two runs.
 */
export function demoStory(zeroth: RunSummary, control: RunSummary): string[] {
  const { lr } = zeroth.run.optimizer;
  const limit = formatNumber(2 / lr, 3);
  return [
    `Zeroth-order steps of size η = ${lr} can bear a curvature (the Hessian's trace) of up to 2/η = ${limit}.`,
    `ZO-GD: ${zerothOutcome(zeroth)}.`,
    `GD, the control: ${controlOutcome(control, traceShare(zeroth))}.`,
  ];
}

function zerothOutcome(summary: RunSummary): string {
  if (summary.end === 'diverged') return diverged(summary);
  const share = traceShare(summary);
  if (share === undefined) return unmeasured;
  const measured = `over the last third of the run the trace was at ${percent(share)} of it`;
  if (share > 1.1) return `${measured}, above it, where nothing keeps the loss in check any more`;
  if (share < 0.8) return `${measured}, still below: more steps, or a larger η, would bring it there`;
  const place = share < 0.9 ? 'came close to that limit' : 'was held at that limit, the edge of stability';
  return `the network drifted into sharper and sharper valleys and ${place}: ${measured}`;
}

function controlOutcome(summary: RunSummary, held: number | undefined): string {
  if (summary.end === 'diverged') return diverged(summary);
  const share = traceShare(summary);
  if (share === undefined) return unmeasured;
  const measured = `with the same η, start and steps its trace was at ${percent(share)} of 2/η`;
  if (share > 1.1 && (held === undefined || share > held + 0.1)) {
    return `${measured}. The landscape goes on past that limit; the noise of zeroth-order steps is what holds them below it`;
  }
  return `${measured}, so here the landscape alone does not go far beyond that limit in so many steps`;
}

/** Median of trace · η/2 over the last third of the steps; undefined where nothing was measured there. */
function traceShare({ monitors, steps }: RunSummary): number | undefined {
  const shares = monitors
    .filter(({ step, trace }) => step >= (2 / 3) * steps && Number.isFinite(trace))
    .map(({ trace, lr }) => (trace * lr) / 2)
    .sort((a, b) => a - b);
  return shares[Math.floor(shares.length / 2)];
}

const unmeasured = 'the run ended before its curvature was measured';

const diverged = ({ steps, endMessage }: RunSummary) =>
  `diverged after ${formatNumber(steps, 15)} steps. ${endMessage.replace(/\.$/, '')}`;

const percent = (share: number) => `${Math.round(100 * share)} %`;
