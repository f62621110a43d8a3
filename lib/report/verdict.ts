import { greatest, least } from '../extremes.ts';
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
  const verdict = judge(summary);
  return { ...verdict, sentence: `${verdict.sentence}${soFar(summary)}` };
}

function judge(summary: RunSummary): Verdict {
  const { monitors, steps } = summary;
  if (monitors.length === 0) {
    if (summary.end === 'diverged') return { kind: 'diverged', sentence: `diverged after ${counted(steps)}` };
    return {
      kind: 'unmeasured',
      sentence: `${steps === 0 ? 'took no step' : `ran ${counted(steps)}`}; its curvature was not measured, so its distance from the edge of stability is unknown`,
    };
  }
  const later = monitors.filter(({ step }) => step >= steps / 2);
  const second = later.length > 0 ? later : monitors.slice(-1);
  const last = monitors[monitors.length - 1];
  const ratio = mean(second.map((monitor) => monitor.ratio));
  const most = second.map((monitor) => monitor.ratioMax ?? monitor.ratio);
  const bounded = second.some(({ ratioMax }) => ratioMax !== undefined);
  const having = (verdict: MonitorEvent['verdict']) => second.filter((monitor) => monitor.verdict === verdict).length;
  const fraction = (verdict: MonitorEvent['verdict']) => having(verdict) / second.length;
  const facts = { ratio, ...(bounded && { ratioMax: mean(most) }), atEdgeFraction: fraction('at') };
  const once = second.length === 1;
  const half = once ? `at step ${count(second[0].step)}` : 'over the second half';
  const quantity = `curvature ${curvatureSymbol(last.governs, last.preconditioned)}`;
  const averaged = `${once ? 'was' : 'averaged'} ${shareOfLimit(facts)} of its limit ${limitFormula(summary)}${limitText(second)}`;

  if (last.governs === null) {
    return {
      ...facts,
      ...(summary.end === 'diverged'
        ? { kind: 'diverged', sentence: `diverged after ${counted(steps)}; ${unknownEdge}` }
        : { kind: 'undecided', sentence: unknownEdge }),
    };
  }
  if (summary.end === 'diverged') {
    return {
      kind: 'diverged',
      ...facts,
      sentence:
        `diverged after ${counted(steps)}: at the last measurement (step ${count(last.step)}) ` +
        `its ${quantity} was ${shareOfLimit(last)} of what its step size can bear${miniBatch(last.ratioMax !== undefined)}`,
    };
  }
  if (second.every(({ limit }) => limit === Number.POSITIVE_INFINITY || Number.isNaN(limit))) {
    return { kind: 'below', ...facts, sentence: `took steps of size 0 ${half}, which any curvature can bear` };
  }
  const since = firstStepAtEdge(summary);
  if (facts.atEdgeFraction >= 0.5 && since !== undefined) {
    const stayed =
      facts.atEdgeFraction === 1
        ? ' and stayed there: over the second half'
        : ` and was there in ${having('at')} of the ${second.length} measurements of its second half, over which`;
    return {
      kind: 'edge',
      since,
      ...facts,
      sentence: once
        ? `was at the edge of stability when measured: ${half} its ${quantity} ${averaged}`
        : `reached the edge of stability by step ${count(since)}${stayed} its ${quantity} ${averaged}`,
    };
  }
  if (facts.atEdgeFraction + fraction('close') >= 0.5) {
    return {
      kind: 'close',
      ...facts,
      sentence: `came close to the edge of stability: ${half} its ${quantity} ${averaged}`,
    };
  }
  const spent = once ? 'was' : 'spent its second half';
  const when = once ? ` when measured: ${half}` : ':';
  if (fraction('beyond') >= 0.5) {
    return {
      kind: 'beyond',
      ...facts,
      sentence: `${spent} beyond the edge of stability${when} its ${quantity} ${averaged}, so expect loss spikes or divergence`,
    };
  }
  if (fraction('below') < 0.5) {
    const why = bounded
      ? 'has a distance from the edge of stability that is known in bounds only'
      : `${once ? 'was' : 'was for long'} on no side of the edge of stability that is known`;
    return {
      kind: 'undecided',
      ...facts,
      sentence: `${why}: ${half} its ${quantity} ${averaged}${miniBatch(bounded)}`,
    };
  }
  const visited = since === undefined ? '' : `, though it was at the edge at step ${count(since)}`;
  return {
    kind: 'below',
    ...facts,
    sentence: `${spent} below the edge of stability${when} its ${quantity} ${averaged}${once ? '' : `, ${share(greatest(most))} at most`}${visited}`,
  };
}

const unknownEdge = 'its estimator does not say how noisy it is (its moments), so its edge of stability is not known';

/** What a run that is not at its end has of it. */
function soFar({ end, steps, run }: RunSummary): string {
  if (steps >= run.steps) return '';
  if (end === 'aborted') return ` (stopped after ${count(steps)} of ${counted(run.steps)})`;
  return end === 'unfinished' ? ` (${count(steps)} of ${counted(run.steps)} so far)` : '';
}

/** ` = 40`; where the step size changes, from where to where it goes. */
function limitText(monitors: readonly MonitorEvent[]): string {
  const limits = monitors.map(({ limit }) => (Number.isNaN(limit) ? Number.POSITIVE_INFINITY : limit));
  const [low, high] = [least(limits), greatest(limits)];
  if (high <= 1.005 * low) return ` = ${number(low)}`;
  return `, which lay between ${number(low)} and ${number(high)}`;
}

const number = (value: number) => (value === Number.POSITIVE_INFINITY ? '∞' : formatNumber(value, 3));

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
const counted = (steps: number) => `${count(steps)} ${steps === 1 ? 'step' : 'steps'}`;
