import type { MonitorEvent } from '../train/events.ts';
import { curvatureSymbol, share, shareOfLimit } from './edge-words.ts';
import { formatNumber } from './format.ts';
import { limitFormula, type RunSummary } from './summary.ts';

/** What a run did, seen from the edge of stability. */
export interface Verdict {
  readonly kind: 'edge' | 'close' | 'below' | 'beyond' | 'undecided' | 'diverged' | 'unmeasured';
  /** `edge`: the first step from which on most monitor points were at the edge. */
  readonly since?: number;
  /** Mean of curvature ÷ its limit over the second half of the monitor points; 1 is the edge. */
  readonly ratio?: number;
  /** The same of its greatest possible value, where the ratio is only bounded. */
  readonly ratioMax?: number;
  /** Fraction of the monitor points of the second half of the run that were at the edge. */
  readonly atEdgeFraction?: number;
  /** One sentence in plain words, without the run's name. */
  readonly sentence: string;
}

/** Judges a run by its monitor points. The second half is that of the steps done. */
export function verdictOf(summary: RunSummary): Verdict {
  const { monitors, steps } = summary;
  if (monitors.length === 0) {
    if (summary.end === 'diverged') return { kind: 'diverged', sentence: `diverged after ${count(steps)} steps` };
    return {
      kind: 'unmeasured',
      sentence: `ran ${count(steps)} steps; its curvature was not measured, so its distance from the edge of stability is unknown`,
    };
  }
  const later = monitors.filter(({ step }) => step >= steps / 2);
  const second = later.length > 0 ? later : monitors.slice(-1);
  const last = monitors[monitors.length - 1];
  const ratio = mean(second.map((monitor) => monitor.ratio));
  const bounded = second.some(({ ratioMax }) => ratioMax !== undefined);
  const fraction = (verdict: MonitorEvent['verdict']) =>
    second.filter((monitor) => monitor.verdict === verdict).length / second.length;
  const facts = {
    ratio,
    ...(bounded && { ratioMax: mean(second.map((monitor) => monitor.ratioMax ?? monitor.ratio)) }),
    atEdgeFraction: fraction('at'),
  };
  const quantity = `curvature ${curvatureSymbol(last.governs, last.preconditioned)}`;
  const limit = second[second.length - 1].limit;
  const averaged = `averaged ${shareOfLimit(facts)} of its limit ${limitFormula(summary)} = ${formatNumber(limit, 3)}`;

  if (summary.end === 'diverged') {
    return {
      kind: 'diverged',
      ...facts,
      sentence:
        `diverged after ${count(steps)} steps: at the last measurement (step ${count(last.step)}) ` +
        `its ${quantity} was ${shareOfLimit(last)} of what its step size can bear${miniBatch(bounded)}`,
    };
  }
  if (last.governs === null) {
    return {
      kind: 'undecided',
      ...facts,
      sentence: 'its estimator does not say how noisy it is (its moments), so its edge of stability is not known',
    };
  }
  const since = firstStepAtEdge(summary);
  if (facts.atEdgeFraction >= 0.5 && since !== undefined) {
    return {
      kind: 'edge',
      since,
      ...facts,
      sentence:
        `reached the edge of stability by step ${count(since)} and stayed there: ` +
        `over the second half its ${quantity} ${averaged}`,
    };
  }
  if (facts.atEdgeFraction + fraction('close') >= 0.5) {
    return {
      kind: 'close',
      ...facts,
      sentence: `came close to the edge of stability: over the second half its ${quantity} ${averaged}`,
    };
  }
  if (fraction('beyond') >= 0.5) {
    return {
      kind: 'beyond',
      ...facts,
      sentence: `spent its second half beyond the edge of stability: its ${quantity} ${averaged}, so expect loss spikes or divergence`,
    };
  }
  if (fraction('below') < 0.5) {
    return {
      kind: 'undecided',
      ...facts,
      sentence: `was on no one side of the edge of stability for long, as far as it can be known: over the second half its ${quantity} ${averaged}${miniBatch(bounded)}`,
    };
  }
  const peak = Math.max(...second.map((monitor) => monitor.ratio));
  const visited = since === undefined ? '' : `, though it was at the edge at step ${count(since)}`;
  return {
    kind: 'below',
    ...facts,
    sentence: `spent its second half below the edge of stability: its ${quantity} ${averaged}, ${share(peak)} at most${visited}`,
  };
}

/** Why there are two numbers. */
function miniBatch(bounded: boolean): string {
  return bounded ? ' (mini-batches add noise that the curvature of all examples only bounds)' : '';
}

/** The headline of a page about these runs; `labels` name them. */
export function headline(summaries: readonly RunSummary[], labels: readonly string[]): string[] {
  return summaries.map((summary, i) => `${labels[i]}: ${verdictOf(summary).sentence}.`);
}

/** The first point at the edge from which on at least half of the points are; without one, the first at the edge at all. */
function firstStepAtEdge({ monitors }: RunSummary): number | undefined {
  let atEdge = 0;
  let since: number | undefined;
  for (let i = monitors.length - 1; i >= 0; i--) {
    if (monitors[i].verdict !== 'at') continue;
    atEdge++;
    if (2 * atEdge >= monitors.length - i) since = monitors[i].step;
  }
  return since ?? monitors.find(({ verdict }) => verdict === 'at')?.step;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

const count = (value: number) => formatNumber(value, 15);
