/**
 * Orders jobs for the least peak memory. Level by level over the sets of jobs that may have run: exact while a level fits into the
 * search width (always for small programs), else a beam search; the given order and a depth-first order compete with it.
 */

export interface Job {
  /** Buffers, each once. */
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  /** Jobs that must come before, beside the writers of what it reads. */
  readonly after: readonly number[];
  /** A write that may take the memory of a read that dies here. */
  readonly reuses: readonly { readonly write: number; readonly read: number }[];
}

export interface ScheduleProblem {
  readonly jobs: readonly Job[];
  /** Bytes of each buffer. */
  readonly bytes: readonly number[];
  /** Whether a buffer is needed after the last job. */
  readonly kept: readonly boolean[];
}

export interface Schedule {
  readonly order: readonly number[];
  /** Most bytes live at once, with reuse. */
  readonly peak: number;
}

/** First and last moment (position in the order) of each buffer, and whose memory it takes over. */
export interface Lifetime {
  readonly start: number;
  readonly end: number;
  readonly reuses?: number;
}

interface Relations {
  readonly before: readonly (readonly number[])[];
  readonly next: readonly (readonly number[])[];
  /** Jobs that read each buffer. */
  readonly readers: readonly (readonly number[])[];
}

/** States a level holds: of a program of up to `SMALL` jobs, and times the number of jobs of a larger one. */
const WIDTHS = { quick: { small: 50, work: 400 }, thorough: { small: 2500, work: 6000 } };
const SMALL = 24;

/** @returns the best order found; undefined where the jobs depend on each other in a circle. */
export function schedule(problem: ScheduleProblem, effort: keyof typeof WIDTHS): Schedule | undefined {
  const relations = relate(problem);
  const natural = naturalOrder(relations);
  if (!natural) return undefined;
  const candidates = [natural, depthFirst(problem, relations)].map((order) => simulate(problem, order));
  let best: Schedule = candidates.reduce((a, b) => (b.peak < a.peak ? b : a));
  const { length } = problem.jobs;
  const { small, work } = WIDTHS[effort];
  const width = length <= SMALL ? small : Math.max(4, Math.round(work / length));
  best = search(problem, relations, width, best.peak) ?? best;
  return { order: best.order, peak: best.peak };
}

function relate({ jobs, bytes }: ScheduleProblem): Relations {
  const writers: number[][] = bytes.map(() => []);
  const readers: number[][] = bytes.map(() => []);
  jobs.forEach((job, j) => {
    for (const b of job.writes) writers[b].push(j);
    for (const b of job.reads) readers[b].push(j);
  });
  const before = jobs.map((job) => [...new Set([...job.reads.flatMap((b) => writers[b]), ...job.after])]);
  const next: number[][] = jobs.map(() => []);
  before.forEach((list, j) => {
    for (const i of list) next[i].push(j);
  });
  return { before, next, readers };
}

/** The given order as far as the dependences allow it. */
function naturalOrder({ before, next }: Relations): number[] | undefined {
  const waiting = before.map((list) => list.length);
  const done = new Array<boolean>(before.length).fill(false);
  const order: number[] = [];
  let from = 0;
  while (order.length < before.length) {
    let j = from;
    while (j < before.length && (done[j] || waiting[j] > 0)) j++;
    if (j === before.length) return undefined;
    done[j] = true;
    order.push(j);
    from = j + 1;
    for (const k of next[j]) if (--waiting[k] === 0) from = Math.min(from, k);
    while (from > 0 && !done[from - 1] && waiting[from - 1] === 0) from--;
  }
  return order;
}

/** Runs what a job needs right before it, the operand that needs most memory first. */
function depthFirst({ jobs, bytes }: ScheduleProblem, { before, next }: Relations): number[] {
  const order: number[] = [];
  const seen = new Set<number>();
  const size = (j: number) => jobs[j].writes.reduce((sum, b) => sum + bytes[b], 0);
  const sorted = before.map((list) => list.toSorted((a, b) => size(b) - size(a) || a - b));
  const visit = (root: number): void => {
    const stack = [{ job: root, next: 0 }];
    seen.add(root);
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      if (top.next === sorted[top.job].length) {
        order.push(top.job);
        stack.pop();
      } else {
        const operand = sorted[top.job][top.next++];
        if (!seen.has(operand)) {
          seen.add(operand);
          stack.push({ job: operand, next: 0 });
        }
      }
    }
  };
  jobs.forEach((_, j) => {
    if (next[j].length === 0) visit(j);
  });
  return order;
}

/** What running a job does to memory, given which buffers exist already and which of its reads die. */
function effect(
  { bytes, kept }: ScheduleProblem,
  job: Job,
  exists: (b: number) => boolean,
  dies: (b: number) => boolean,
) {
  let allocated = 0;
  let freed = 0;
  for (const b of job.writes) if (!exists(b)) allocated += bytes[b];
  for (const b of job.reads) if (!kept[b] && dies(b)) freed += bytes[b];
  const reuses = matched(
    job,
    (b) => !exists(b),
    (b) => !kept[b] && dies(b),
  );
  const saved = reuses.reduce((sum, { read }) => sum + bytes[read], 0);
  return { atOnce: allocated - saved, change: allocated - freed, reuses };
}

function matched(job: Job, fresh: (b: number) => boolean, dies: (b: number) => boolean): Job['reuses'] {
  const taken = new Set<number>();
  return job.reuses.filter(({ write, read }) => {
    if (!fresh(write) || !dies(read) || taken.has(write) || taken.has(read)) return false;
    taken.add(write).add(read);
    return true;
  });
}

function simulate(problem: ScheduleProblem, order: readonly number[]): Schedule & { readonly lifetimes: Lifetime[] } {
  const { jobs, bytes, kept } = problem;
  const last = new Array<number>(bytes.length).fill(-1);
  const start = new Array<number>(bytes.length).fill(-1);
  const reused = new Array<number | undefined>(bytes.length).fill(undefined);
  order.forEach((j, at) => {
    for (const b of [...jobs[j].reads, ...jobs[j].writes]) last[b] = at;
  });
  let live = 0;
  let peak = 0;
  order.forEach((j, at) => {
    const { atOnce, change, reuses } = effect(
      problem,
      jobs[j],
      (b) => start[b] >= 0,
      (b) => last[b] === at,
    );
    for (const { write, read } of reuses) reused[write] = read;
    for (const b of jobs[j].writes) if (start[b] < 0) start[b] = at;
    peak = Math.max(peak, live + atOnce);
    live += change;
  });
  const end = (b: number) => (kept[b] ? order.length : last[b]);
  return { order, peak, lifetimes: bytes.map((_, b) => ({ start: start[b], end: end(b), reuses: reused[b] })) };
}

/** Lifetimes of the buffers when the jobs run in `order`. */
export function lifetimesOf(problem: ScheduleProblem, order: readonly number[]): Lifetime[] {
  return simulate(problem, order).lifetimes;
}

interface State {
  readonly done: bigint;
  readonly ready: readonly number[];
  readonly live: number;
  readonly peak: number;
  readonly parent?: State;
  readonly job?: number;
}

/** The best order with a peak below `bound` among those that a search of this width meets. */
function search(problem: ScheduleProblem, relations: Relations, width: number, bound: number): Schedule | undefined {
  const { jobs, bytes } = problem;
  const bits = jobs.map((_, j) => 1n << BigInt(j));
  const maskOf = (list: readonly number[]) => list.reduce((mask, j) => mask | bits[j], 0n);
  const beforeMask = relations.before.map(maskOf);
  const readersMask = relations.readers.map(maskOf);
  const writersMask = bytes.map(() => 0n);
  jobs.forEach((job, j) => {
    for (const b of job.writes) writersMask[b] |= bits[j];
  });

  const ready = jobs.map((_, j) => j).filter((j) => beforeMask[j] === 0n);
  let level: State[] = [{ done: 0n, ready, live: 0, peak: 0 }];
  for (let depth = 0; depth < jobs.length; depth++) {
    const children = new Map<bigint, State>();
    for (const state of level) {
      for (const j of state.ready) {
        const { atOnce, change } = effect(
          problem,
          jobs[j],
          (b) => (writersMask[b] & state.done) !== 0n,
          (b) => (readersMask[b] & ~state.done) === bits[j],
        );
        const peak = Math.max(state.peak, state.live + atOnce);
        if (peak >= bound) continue;
        const done = state.done | bits[j];
        const known = children.get(done);
        if (known && known.peak <= peak) continue;
        const opened = relations.next[j].filter((k) => (beforeMask[k] & ~done) === 0n);
        const rest = state.ready.filter((k) => k !== j).concat(opened);
        children.set(done, { done, ready: rest, live: state.live + change, peak, parent: state, job: j });
      }
    }
    level = [...children.values()];
    if (level.length > width) {
      level.sort((a, b) => a.peak - b.peak || a.live - b.live);
      level.length = width;
    }
  }
  if (level.length === 0) return undefined;
  const order: number[] = [];
  for (let state: State | undefined = level[0]; state?.job !== undefined; state = state.parent)
    order.unshift(state.job);
  return { order, peak: level[0].peak };
}
