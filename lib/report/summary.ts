import { ZerothError } from '../errors.ts';
import type { MonitorEvent, ResumeEvent, RunEvent, TrainEvent } from '../train/events.ts';
import { decimate } from './decimate.ts';
import { formatNumber } from './format.ts';

/** Points of the loss curve that a summary keeps. */
const lossPoints = 2000;

/** Monitor points that a summary keeps; a run with more is thinned evenly. */
const monitorPoints = 1000;

/** One run, small enough to be put into a page: its facts, a decimated loss curve and its monitor points. */
export interface RunSummary {
  /** The run's folder, or any other name that tells it from its neighbours. */
  readonly source: string;
  readonly run: RunEvent;
  /** NaN where the loss was not a finite number. */
  readonly loss: readonly { readonly step: number; readonly loss: number }[];
  /** The learning rate and each later change of it: in force from `step` on. */
  readonly learningRates: readonly { readonly step: number; readonly lr: number }[];
  readonly monitors: readonly MonitorEvent[];
  /** Steps done. */
  readonly steps: number;
  /** Loss of the last step; null where it is not finite or no step was done. */
  readonly finalLoss: number | null;
  /** `unfinished`: the log has no end, so the run goes on or was killed. */
  readonly end: 'completed' | 'aborted' | 'diverged' | 'unfinished';
  readonly endMessage: string;
  /** Wall-clock seconds, of a resumed run since its last resume; null where the log has no end. */
  readonly seconds: number | null;
  readonly stepsPerSecond: number | null;
  readonly resumes: number;
  /** What the run followed beside the loss, as known last: at its end, or at the last measurement of a run without one. */
  readonly metrics: Readonly<Record<string, number>>;
}

/**
 * Summarises the events of one run, finished or not.
 *
 * @throws ZerothError `ERR_ZEROTH_LOG` when there is no `run` event, that is, when nothing tells what was run.
 */
export function summarizeRun(source: string, events: Iterable<TrainEvent>): RunSummary {
  let run: RunEvent | undefined;
  let end: Extract<TrainEvent, { type: 'end' }> | undefined;
  let steps: number[] = [];
  let losses: number[] = [];
  let learningRates: { step: number; lr: number }[] = [];
  let monitors: MonitorEvent[] = [];
  let resumes = 0;

  const sawLearningRate = (step: number, lr: number) => {
    if (learningRates.at(-1)?.lr !== lr) learningRates.push({ step, lr });
  };
  for (const event of events) {
    if (event.type === 'run') run ??= event;
    else if (event.type === 'step') {
      steps.push(event.step);
      losses.push(finiteOrNaN(event.loss));
      sawLearningRate(event.step, event.lr);
    } else if (event.type === 'monitor') {
      monitors.push(event);
      sawLearningRate(event.step, event.lr);
    } else if (event.type === 'resume') {
      const { step } = event;
      const kept = steps.findIndex((other) => other >= step);
      if (kept >= 0) {
        steps = steps.slice(0, kept);
        losses = losses.slice(0, kept);
      }
      monitors = monitors.filter((other) => other.step < step);
      learningRates = learningRates.filter((other) => other.step < step);
      end = undefined;
      resumes++;
      run = run && goneOn(run, event);
    } else if (event.type === 'end') end = event;
  }
  if (run === undefined) {
    throw new ZerothError(
      'ERR_ZEROTH_LOG',
      `${source}: expected a log that opens with a "run" line, received one without. Nothing was trained here yet, or run.jsonl is not a Zeroth log.`,
    );
  }
  const lastLoss = losses.at(-1);
  return {
    source,
    run,
    loss: decimate(losses, lossPoints).map((i) => ({ step: steps[i], loss: losses[i] })),
    learningRates,
    monitors: thin(monitors, monitorPoints),
    steps: end?.steps ?? (steps.length > 0 ? steps[steps.length - 1] + 1 : 0),
    finalLoss: end ? end.loss : lastLoss !== undefined && Number.isFinite(lastLoss) ? lastLoss : null,
    end: end?.reason ?? 'unfinished',
    endMessage: end?.message ?? 'The log has no end: the run is still going, or it was killed and can be resumed.',
    seconds: end?.seconds ?? null,
    stepsPerSecond: end?.stepsPerSecond ?? null,
    resumes,
    metrics: end?.metrics ?? monitors.findLast(({ metrics }) => metrics !== undefined)?.metrics ?? {},
  };
}

/** How the limit of this run follows from its η: 2/η for the trace, 2(1−β)/η with Polyak momentum; for λmax 2/η, 2(1+β)/η, 2(1+β)/((1−β)η). */
export function limitFormula({ monitors, run }: RunSummary): string {
  const known = monitors.find(({ limit, lr }) => Number.isFinite(limit * lr));
  if (known === undefined) return '2/η';
  const factor = known.limit * known.lr;
  const { beta = 0 } = run.optimizer;
  const forms: readonly (readonly [value: number, text: string])[] = [
    [2, '2/η'],
    [2 * (1 - beta), '2(1−β)/η'],
    [2 * (1 + beta), '2(1+β)/η'],
    [(2 * (1 + beta)) / (1 - beta), '2(1+β)/((1−β)η)'],
  ];
  const form = forms.find(([value]) => Math.abs(value / factor - 1) < 1e-6);
  return form?.[1] ?? `${formatNumber(factor)}/η`;
}

/** Where a run started with one learning rate and kept it, that rate; otherwise all of them, in order. */
function learningRatesOf(summary: RunSummary): number[] {
  return summary.learningRates.length > 0 ? summary.learningRates.map(({ lr }) => lr) : [summary.run.optimizer.lr];
}

/** The step size in few words: a rate, a few of them, or a schedule's first rate, those where it turns, its last one and its name. */
export function stepSizeText(summary: RunSummary): string {
  const rates = learningRatesOf(summary);
  if (rates.length <= 4) return rates.map((lr) => formatNumber(lr)).join(' → ');
  const [first, last] = [rates[0], rates[rates.length - 1]];
  // Where it turns around: the peak after a warm-up.
  const turns = [rates.reduce((a, b) => Math.max(a, b)), rates.reduce((a, b) => Math.min(a, b))]
    .filter((lr) => lr > Math.max(first, last) || lr < Math.min(first, last))
    .sort((a, b) => rates.indexOf(a) - rates.indexOf(b));
  const ends = [first, ...turns, last].map((lr) => formatNumber(lr));
  return `${ends.join(' → ')} (${summary.run.optimizer.stepSize.name})`;
}

/** A run as it is since it was resumed: what may change then is what it is now. */
function goneOn(run: RunEvent, { steps, stepSize, device, meta }: ResumeEvent): RunEvent {
  return { ...run, steps, device, meta, optimizer: { ...run.optimizer, stepSize } };
}

function finiteOrNaN(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : Number.NaN;
}

function thin<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, i) => items[Math.round((i * (items.length - 1)) / (most - 1))]);
}
