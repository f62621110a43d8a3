import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { checkInteger, invalidArgument, ZerothError } from '../errors.ts';
import { eventFromLine } from './event-fields.ts';
import type { TrainEvent } from './events.ts';

/** Name of the log in a run folder. */
export const RUN_LOG = 'run.jsonl';

/** Lines wait in memory until there are this many bytes of them, … */
const FLUSH_BYTES = 64 * 1024;
/** … or this many milliseconds have passed. */
const FLUSH_MS = 50;

const NEWLINE = 0x0a;

/**
 * Appends events to a run log: one JSON object a line. A line counts once its newline is in the file, so a process that is killed at any
 * moment leaves a valid prefix of its events and at most one torn line.
 *
 * Lines reach the file when 64 KiB of them wait, after 50 ms, and at `flush` and `close`; only these two also reach the disk (fsync).
 * JSON has no NaN and no infinity: a number that is not finite is written as null, and read back as NaN.
 *
 * @throws ERR_ZEROTH_FILE when the file cannot be opened or written; ERR_ZEROTH_LOG when it ends in a torn line (`truncateRunLog` cuts it).
 */
export class RunLog {
  readonly #path: string;
  #file: number | undefined;
  #waiting: string[] = [];
  #waitingLength = 0;
  #timer: NodeJS.Timeout | undefined;
  #failure: unknown;

  constructor(path: string) {
    this.#path = path;
    try {
      this.#file = openSync(path, 'a+');
    } catch (cause) {
      throw fileError(path, 'opened for writing', cause);
    }
    const { size } = fstatSync(this.#file);
    const last = Buffer.alloc(1);
    if (size > 0 && readSync(this.#file, last, 0, 1, size - 1) === 1 && last[0] !== NEWLINE) {
      closeSync(this.#file);
      this.#file = undefined;
      throw new ZerothError(
        'ERR_ZEROTH_LOG',
        `${path}: expected a log that ends with a whole line, received one with a torn last line; cut it with truncateRunLog first.`,
      );
    }
  }

  append(event: TrainEvent): void {
    this.#check();
    const line = `${JSON.stringify(event)}\n`;
    this.#waiting.push(line);
    this.#waitingLength += line.length;
    if (this.#waitingLength >= FLUSH_BYTES) this.#write();
    else this.#timer ??= setTimeout(() => this.#writeInBackground(), FLUSH_MS).unref();
  }

  /** Returns when everything appended so far is on the disk. */
  flush(): void {
    const file = this.#check();
    this.#write();
    fsyncSync(file);
  }

  /** Flushes and closes. Closing twice is harmless. */
  close(): void {
    if (this.#file === undefined) return;
    try {
      this.flush();
    } finally {
      clearTimeout(this.#timer);
      closeSync(this.#file);
      this.#file = undefined;
    }
  }

  #check(): number {
    if (this.#failure) throw fileError(this.#path, 'written', this.#failure);
    if (this.#file === undefined)
      throw new ZerothError('ERR_ZEROTH_DISPOSED', `${this.#path}: this run log is closed.`);
    return this.#file;
  }

  #writeInBackground(): void {
    try {
      this.#write();
    } catch {
      // Kept in #failure: the next append, flush or close throws it to somebody who can act on it.
    }
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#file === undefined || this.#waiting.length === 0) return;
    const bytes = Buffer.from(this.#waiting.join(''));
    this.#waiting = [];
    this.#waitingLength = 0;
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done);
    } catch (cause) {
      this.#failure = cause;
      throw fileError(this.#path, 'written', cause);
    }
  }
}

/**
 * The events of a run log, in order. A torn last line (no newline: the process was killed while it wrote) is left out.
 *
 * @param path a log file, or a run folder that holds one.
 * @returns the events; none for an empty log. Losses and measurements that were not finite are NaN.
 * @throws ERR_ZEROTH_FILE when there is no such file; ERR_ZEROTH_LOG, with the line number, when a whole line is not a valid event.
 */
export function readRunLog(path: string): TrainEvent[] {
  const file = logFile(path);
  return lines(read(file)).map(({ text, number }) => parse(file, text, number));
}

/**
 * Cuts a log back to what happened before `step`, for a run that goes on from its checkpoint there: everything from the first step,
 * monitor, checkpoint or end at or after `step` goes, and so does a torn last line. Resumes up to `step` stay. Cutting twice is cutting once.
 *
 * @param path a log file, or a run folder that holds one.
 * @throws ERR_ZEROTH_ARGUMENT for a bad step; ERR_ZEROTH_FILE; ERR_ZEROTH_LOG as `readRunLog`, with the file left as it was.
 */
export function truncateRunLog(path: string, step: number): void {
  runLogCut(path, step)();
}

/** What `truncateRunLog` would do, looked up and not yet done. @throws as it, except for what cannot be cut. */
export function runLogCut(path: string, step: number): () => void {
  checkInteger('step', step, 0);
  const file = logFile(path);
  const bytes = read(file);
  let keep = 0;
  for (const { text, number, end } of lines(bytes)) {
    if (isAfter(parse(file, text, number), step)) break;
    keep = end;
  }
  const whole = keep === bytes.length;
  return () => {
    if (!whole) cut(file, keep);
  };
}

function cut(file: string, length: number): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'r+');
    // A cut at the end of a line is one atomic change of the file's length.
    ftruncateSync(descriptor, length);
    fsyncSync(descriptor);
  } catch (cause) {
    throw fileError(file, 'cut', cause);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function isAfter(event: TrainEvent, step: number): boolean {
  switch (event.type) {
    case 'run':
      return false;
    case 'resume':
      return event.step > step;
    case 'end':
      return event.steps >= step;
    default:
      return event.step >= step;
  }
}

/** The whole lines: text, number (the first is 1) and the offset just after their newline. */
function lines(bytes: Buffer): { text: string; number: number; end: number }[] {
  const found: { text: string; number: number; end: number }[] = [];
  for (let start = 0; ; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    if (newline < 0) return found;
    found.push({ text: bytes.toString('utf8', start, newline), number: found.length + 1, end: newline + 1 });
    start = newline + 1;
  }
}

function parse(file: string, text: string, line: number): TrainEvent {
  let event: TrainEvent;
  try {
    event = eventFromLine(JSON.parse(text));
  } catch (cause) {
    throw logError(file, line, (cause as Error).message, cause);
  }
  if ((line === 1) !== (event.type === 'run')) {
    throw logError(
      file,
      line,
      line === 1
        ? `expected a log that opens with a run event, received ${event.type}`
        : 'expected one run event, on line 1, received another',
    );
  }
  return event;
}

function logFile(path: string): string {
  if (typeof path !== 'string' || path === '') invalidArgument('path', 'a run folder or a log file', path);
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (cause) {
    throw fileError(path, 'found', cause);
  }
  return isFolder ? join(path, RUN_LOG) : path;
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw fileError(file, 'read', cause);
  }
}

const logError = (file: string, line: number, what: string, cause?: unknown) =>
  new ZerothError(
    'ERR_ZEROTH_LOG',
    `${file}:${line}: ${what}. Remove or repair that line, or use another copy of the log.`,
    {
      cause,
    },
  );

const fileError = (path: string, verb: string, cause: unknown) =>
  new ZerothError('ERR_ZEROTH_FILE', `${path}: expected a run log that can be ${verb}; ${(cause as Error).message}.`, {
    cause,
  });
