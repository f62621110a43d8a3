import { formatNumber } from './format.ts';
import { edgeRatio, type RunSummary, thresholdFormula } from './summary.ts';

/** What a run did, seen from the edge of stability. */
export interface Verdict {
  readonly kind: 'edge' | 'below' | 'beyond' | 'diverged' | 'unmeasured';
  /** `edge`: the first step from which on most monitor points were at the edge. */
  readonly since?: number;
  /** Mean of tr·η/2 (in its general form, see `edgeRatio`) over the second half of the monitor points; 1 is the edge. */
  readonly ratio?: number;
  /** Fraction of the monitor points of the second half of the run that were at the edge. */
  readonly atEdgeFraction?: number;
  /** One sentence in plain words, without the run's name. */
  readonly sentence: string;
}

/** Judges a run by its monitor points. The second half is that of the steps done. */
export function verdictOf(summary: RunSummary): Verdict {
  const { monitors, steps } = summary;
  const { moments } = summary.run.optimizer;
  const quantity = edgeQuantity(summary);
  if (monitors.length === 0) {
    if (summary.end === 'diverged') return { kind: 'diverged', sentence: `diverged after ${count(steps)} steps` };
    return {
      kind: 'unmeasured',
      sentence: `ran ${count(steps)} steps; its curvature was not measured, so its distance from the edge of stability is unknown`,
    };
  }
  const later = monitors.filter(({ step }) => step >= steps / 2);
  const second = later.length > 0 ? later : monitors.slice(-1);
  const ratio = mean(second.map((monitor) => edgeRatio(monitor, moments)));
  const atEdgeFraction = mean(second.map(({ atEdge }) => (atEdge ? 1 : 0)));
  const facts = { ratio, atEdgeFraction };
  const { threshold } = second[second.length - 1];
  const averaged = `averaged ${share(ratio)} its threshold ${thresholdFormula(summary)} = ${formatNumber(threshold, 3)}`;

  if (summary.end === 'diverged') {
    const last = monitors[monitors.length - 1];
    return {
      kind: 'diverged',
      ...facts,
      sentence:
        `diverged after ${count(steps)} steps: at the last measurement (step ${count(last.step)}) ` +
        `its ${quantity} was ${share(edgeRatio(last, moments))} what its step size can bear`,
    };
  }
  const since = firstStepAtEdge(summary);
  if (atEdgeFraction >= 0.5 && since !== undefined) {
    return {
      kind: 'edge',
      since,
      ...facts,
      sentence:
        `reached the edge of stability by step ${count(since)} and stayed there: ` +
        `over the second half its ${quantity} ${averaged}`,
    };
  }
  if (ratio > 1) {
    return {
      kind: 'beyond',
      ...facts,
      sentence: `spent its second half beyond the edge of stability: its ${quantity} ${averaged}, so expect loss spikes or divergence`,
    };
  }
  const visited = since === undefined ? '' : `, though it touched the edge at step ${count(since)}`;
  return {
    kind: 'below',
    ...facts,
    sentence: `stayed below the edge of stability: over the second half its ${quantity} ${averaged}${visited}`,
  };
}

/** The quantity that is held against the threshold, in words. */
function edgeQuantity(summary: RunSummary): string {
  const preconditioned = summary.monitors[0]?.preconditioned ?? false;
  if (summary.run.optimizer.moments.s2 > 0) return preconditioned ? 'curvature tr(P⁻¹H)' : 'curvature tr(H)';
  return preconditioned ? 'curvature λmax(P⁻¹H)' : 'curvature λmax(H)';
}

/** The headline of a page about these runs; `labels` name them. */
export function headline(summaries: readonly RunSummary[], labels: readonly string[]): string[] {
  return summaries.map((summary, i) => `${labels[i]}: ${verdictOf(summary).sentence}.`);
}

/** `97 % of`, or `50 times`. */
export function share(ratio: number): string {
  return ratio < 2 ? `${Math.round(100 * ratio)} % of` : `${formatNumber(ratio, 2)} times`;
}

/** The first point at the edge from which on at least half of the points are; without one, the first at the edge at all. */
function firstStepAtEdge({ monitors }: RunSummary): number | undefined {
  let atEdge = 0;
  let since: number | undefined;
  for (let i = monitors.length - 1; i >= 0; i--) {
    if (!monitors[i].atEdge) continue;
    atEdge++;
    if (2 * atEdge >= monitors.length - i) since = monitors[i].step;
  }
  return since ?? monitors.find((monitor) => monitor.atEdge)?.step;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

const count = (value: number) => formatNumber(value, 15);
