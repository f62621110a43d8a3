import { curvatureSymbol, positiveTrace, shareOfLimit } from '../report/edge-words.ts';
import { formatDuration, formatNumber } from '../report/format.ts';
import type { MonitorEvent, StepEvent, TrainEvent, WarningEvent } from '../train/events.ts';
import type { TextStream } from './context.ts';
import { wrapped } from './wrap.ts';

interface ProgressOptions {
  /** Steps of the whole run. */
  readonly steps: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Stands before every line, where several runs follow one another. */
  readonly prefix?: string;
}

/** Shows a run while it goes. */
export interface Progress {
  show(event: TrainEvent): void;
  /** Removes what is only true while the run goes on. */
  close(): void;
}

const refreshMs = 100;
const plainLines = 20;
/** To the start of the line, and empty it. */
export const clearLine = '\r\x1b[2K';

/** A line that is redrawn in place on a terminal; about twenty plain lines elsewhere. Monitor points get a line of their own on both. */
export function progress(stream: TextStream, options: ProgressOptions): Progress {
  return stream.isTTY ? liveProgress(stream, options) : plainProgress(stream, options);
}

function plainProgress(stream: TextStream, options: ProgressOptions): Progress {
  const { steps, prefix = '' } = options;
  const every = Math.max(1, Math.ceil(steps / plainLines));
  const speed = speedometer(options.now);
  const line = (text: string) => stream.write(`${prefix}${text}\n`);
  // A monitor point has said all that the line of its step would.
  let said: number | undefined;
  return {
    show(event) {
      if (event.type === 'run') line(runLine(event));
      else if (event.type === 'resume') line(`resumed at step ${count(event.step)}`);
      else if (event.type === 'monitor') {
        line(monitorLine(event));
        said = event.step;
      } else if (event.type === 'step') {
        const rate = speed(event.step);
        if (event.step !== said && (event.step % every === 0 || event.step === steps - 1)) {
          line(
            `step ${count(event.step)}  loss ${formatNumber(event.loss)}${rate > 0 ? `  ${formatNumber(rate, 3)} steps/s` : ''}`,
          );
        }
      } else if (event.type === 'warning') line(warningLine(event));
    },
    close() {},
  };
}

function liveProgress(stream: TextStream, options: ProgressOptions): Progress {
  const { steps, now, prefix = '' } = options;
  const speed = speedometer(now);
  let lastDraw = Number.NEGATIVE_INFINITY;
  let drawn = false;
  let edge: string | undefined;
  let rate = 0;

  const clear = () => {
    if (drawn) stream.write(clearLine);
    drawn = false;
  };
  const keep = (text: string) => {
    clear();
    stream.write(`${wrapped(`${prefix}${text}`, stream)}\n`);
    lastDraw = Number.NEGATIVE_INFINITY;
  };
  const draw = (event: StepEvent) => {
    const done = event.step + 1;
    // In the order in which they are given up where the terminal is narrow, the last first.
    const parts = [
      `${Math.floor((100 * done) / steps)} %`,
      ...(rate > 0 ? [`${formatDuration((steps - done) / rate)} left`] : []),
      `loss ${formatNumber(event.loss)}`,
      ...(edge === undefined ? [] : [edge]),
      `${count(done)}/${count(steps)}`,
      ...(rate > 0 ? [`${formatNumber(rate, 3)} steps/s`] : []),
    ];
    // A line longer than the terminal would wrap, and clearing removes only its last row; so would the ^C that a terminal writes behind it.
    // Some terminals say they have 0 columns.
    const room = Math.max(9, (stream.columns || 80) - 1 - '^C'.length);
    stream.write(clearLine + fitted([`${prefix}${bar(done / steps)}`, ...parts], room));
    drawn = true;
  };
  return {
    show(event) {
      if (event.type === 'run') keep(runLine(event));
      else if (event.type === 'resume') keep(`resumed at step ${count(event.step)}`);
      else if (event.type === 'monitor') {
        edge = `${curvatureSymbol(event.governs, event.preconditioned)} ${shareOfLimit(event)} of its limit`;
        keep(monitorLine(event));
      } else if (event.type === 'step') {
        rate = speed(event.step);
        if (now() - lastDraw >= refreshMs) {
          draw(event);
          lastDraw = now();
        }
      } else if (event.type === 'warning') keep(warningLine(event));
    },
    // Also where nothing is drawn: the line may hold a ^C.
    close: () => stream.write(clearLine),
  };
}

const warningLine = ({ step, message }: WarningEvent): string => `warning at step ${count(step)}: ${message}`;

function runLine(run: Extract<TrainEvent, { type: 'run' }>): string {
  const { optimizer, device, memory } = run;
  const bytes = (memory.arenaBytes + memory.parameterBytes) / 2 ** 20;
  const settings = [
    `η = ${formatNumber(optimizer.lr)}`,
    ...(optimizer.mu === undefined ? [] : [`μ = ${formatNumber(optimizer.mu)}`]),
    ...(optimizer.beta === undefined ? [] : [`β = ${formatNumber(optimizer.beta)}`]),
  ];
  return (
    `${run.name}: ${count(run.parameters)} parameters, ${count(run.examples)} examples, ` +
    `${optimizer.name} ${settings.join(', ')}, seed ${run.seed}, ` +
    `${device.kind} (${device.isa}, ${device.threads} ${device.threads === 1 ? 'thread' : 'threads'}), ${formatNumber(bytes, 2)} MiB`
  );
}

/** In few words: a line should fit a terminal of 100 columns. */
const verdicts: Readonly<Record<MonitorEvent['verdict'], string>> = {
  below: '',
  close: ', close to the edge',
  at: ', at the edge',
  beyond: ', beyond the edge',
  undecided: ', undecided',
};

function monitorLine(event: MonitorEvent): string {
  const trace = positiveTrace(event);
  const measured =
    `step ${count(event.step)}  loss ${formatNumber(event.loss)}  ${curvatureSymbol('trace', event.preconditioned)} ${formatNumber(trace.value, 3)} ± ${formatNumber(trace.stdErr, 2)}  ` +
    `λmax ${formatNumber(event.lambdaMax, 3)}`;
  if (event.governs === null) return `${measured}  limit unknown`;
  // Beside the trace, which does not limit such a run.
  const of = event.governs === 'lambdaMax' ? ' of λmax' : '';
  return `${measured}  ${shareOfLimit(event)} of the limit ${formatNumber(event.limit, 3)}${of}${verdicts[event.verdict]}`;
}

/** As many of the parts, from the first on, as there is room for; a part is shown whole or not at all, the first one excepted. */
function fitted(parts: readonly string[], room: number): string {
  let text = [...parts[0]].slice(0, room).join('');
  for (const part of parts.slice(1)) {
    const longer = `${text}  ${part}`;
    if ([...longer].length > room) break;
    text = longer;
  }
  return text;
}

function bar(fraction: number, width = 18): string {
  const full = Math.round(width * Math.min(1, Math.max(0, fraction)));
  return '█'.repeat(full) + '░'.repeat(width - full);
}

/** Steps a second, averaged over about the last second of steps. */
function speedometer(now: () => number): (step: number) => number {
  let mark: { step: number; at: number } | undefined;
  let rate = 0;
  return (step) => {
    const at = now();
    mark ??= { step, at };
    const elapsed = at - mark.at;
    if (elapsed >= 500) {
      const fresh = (1000 * (step - mark.step)) / elapsed;
      rate = rate === 0 ? fresh : 0.5 * rate + 0.5 * fresh;
      mark = { step, at };
    }
    return rate;
  };
}

const count = (value: number) => formatNumber(value, 15);
