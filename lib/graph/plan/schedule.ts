import { Heap } from './heap.ts';
import type { Allowance, Job, Relations, Schedule, ScheduleProblem } from './ordering.ts';
import { orderBySearch } from './search.ts';

/**
 * Orders jobs for the least peak memory: the given order and a depth-first order compete with a beam search over the sets of jobs that may
 * have run, which is exact for small programs.
 */

/** First and last moment (position in the order) of each buffer, and whose memory it takes over. */
export interface Lifetime {
  readonly start: number;
  readonly end: number;
  readonly reuses?: number;
}

/** States a level of the search holds: of a program of up to `SMALL` jobs, and times the number of jobs of a larger one. */
const WIDTHS = { quick: { small: 50, work: 400 }, thorough: { small: 2500, work: 6000 } };
const SMALL = 24;
const LEAST_WIDTH = 4;
/** A search of a large program: 9,000 jobs four states wide, each with a few dozen choices. */
const ALLOWED = 1_500_000;

/** States that a level of the search holds. */
export function searchWidth(jobs: number, effort: keyof typeof WIDTHS): number {
  const { small, work } = WIDTHS[effort];
  return jobs <= SMALL ? small : Math.max(LEAST_WIDTH, Math.round(work / jobs));
}

/** @returns the best order found; undefined where the jobs depend on each other in a circle. */
export function schedule(
  problem: ScheduleProblem,
  effort: keyof typeof WIDTHS,
  allowance: Allowance = { left: ALLOWED },
): Schedule | undefined {
  const relations = relate(problem);
  const natural = orderBy(relations, (a, b) => a - b);
  if (!natural) return undefined;
  const candidates = [natural, depthFirst(problem, relations)].map((order) => simulate(problem, order));
  let best: Schedule = candidates.reduce((a, b) => (b.peak < a.peak ? b : a));
  const width = searchWidth(problem.jobs.length, effort);
  best = orderBySearch(problem, relations, { width, bound: best.peak, allowance }) ?? best;
  return { order: best.order, peak: best.peak };
}

/** The jobs sorted by `rank` as far as their dependences allow it, and the peak of that; undefined where they depend on each other in a circle. */
export function scheduleByRank(problem: ScheduleProblem, rank: readonly number[]): Schedule | undefined {
  const order = orderBy(relate(problem), (a, b) => rank[a] - rank[b] || a - b);
  return order && { order, peak: simulate(problem, order).peak };
}

function relate({ jobs, bytes }: ScheduleProblem): Relations {
  const writers: number[][] = bytes.map(() => []);
  const readers: number[][] = bytes.map(() => []);
  const followers: number[][] = jobs.map(() => []);
  jobs.forEach((job, j) => {
    for (const b of job.writes) writers[b].push(j);
    for (const b of job.reads) readers[b].push(j);
    for (const i of job.after) followers[i].push(j);
  });
  const waits = jobs.map(
    ({ reads, after }) => after.length + reads.reduce((n, b) => n + (writers[b].length > 0 ? 1 : 0), 0),
  );
  return { writers, readers, followers, waits };
}

/** Always the first of the jobs that can run. */
function orderBy(
  { writers, readers, followers, waits }: Relations,
  compare: (a: number, b: number) => number,
): number[] | undefined {
  const waiting = [...waits];
  const unwritten = writers.map((list) => list.length);
  const written: number[][] = waits.map(() => []);
  writers.forEach((list, b) => {
    for (const j of list) written[j].push(b);
  });
  const ready = new Heap(compare);
  waiting.forEach((count, j) => {
    if (count === 0) ready.push(j);
  });
  const release = (j: number) => {
    if (--waiting[j] === 0) ready.push(j);
  };
  const order: number[] = [];
  for (let j = ready.pop(); j !== undefined; j = ready.pop()) {
    order.push(j);
    for (const b of written[j]) if (--unwritten[b] === 0) readers[b].forEach(release);
    followers[j].forEach(release);
  }
  return order.length === waits.length ? order : undefined;
}

/** Runs what a job needs right before it, the operand that needs most memory first. */
function depthFirst({ jobs, bytes }: ScheduleProblem, { writers, followers, readers }: Relations): number[] {
  const size = jobs.map(({ writes }) => writes.reduce((sum, b) => sum + bytes[b], 0));
  const larger = (a: number, b: number) => size[b] - size[a] || a - b;
  /** Jobs to run before what needs them; those before `next` have been visited. All who read a buffer share its group. */
  const group = (list: readonly number[]) => ({ jobs: list.toSorted(larger), next: 0 });
  const ofBuffer = writers.map(group);
  const groupsOf = ({ reads, after }: Job) =>
    [...reads.map((b) => ofBuffer[b]), ...after.map((i) => group([i]))]
      .filter(({ jobs }) => jobs.length > 0)
      .sort((a, b) => larger(a.jobs[0], b.jobs[0]));
  const order: number[] = [];
  const seen = new Array<boolean>(jobs.length).fill(false);
  jobs.forEach((root, j) => {
    if (followers[j].length > 0 || root.writes.some((b) => readers[b].length > 0)) return;
    const stack = [{ job: j, groups: groupsOf(root), at: 0 }];
    seen[j] = true;
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      if (top.at === top.groups.length) {
        order.push(top.job);
        stack.pop();
        continue;
      }
      const wanted = top.groups[top.at];
      if (wanted.next === wanted.jobs.length) {
        top.at++;
        continue;
      }
      const operand = wanted.jobs[wanted.next++];
      if (seen[operand]) continue;
      seen[operand] = true;
      stack.push({ job: operand, groups: groupsOf(jobs[operand]), at: 0 });
    }
  });
  return order;
}

/** Pairs of a job's `reuses` that come about, given which of its writes are new and which of its reads die. */
function matched(job: Job, fresh: (b: number) => boolean, dies: (b: number) => boolean): Job['reuses'] {
  if (job.reuses.length === 0) return job.reuses;
  const taken = new Set<number>();
  return job.reuses.filter(({ write, read }) => {
    if (!fresh(write) || !dies(read) || taken.has(write) || taken.has(read)) return false;
    taken.add(write).add(read);
    return true;
  });
}

/** An order run through: the memory in use at each moment, and how long each buffer lives. */
export interface Simulation extends Schedule {
  /** Bytes in use while each job of the order runs. */
  readonly profile: readonly number[];
  readonly lifetimes: readonly Lifetime[];
}

export function simulate(problem: ScheduleProblem, order: readonly number[]): Simulation {
  const { jobs, bytes, kept } = problem;
  const last = new Array<number>(bytes.length).fill(-1);
  const start = new Array<number>(bytes.length).fill(-1);
  const reused = new Array<number | undefined>(bytes.length).fill(undefined);
  order.forEach((j, at) => {
    for (const b of jobs[j].reads) last[b] = at;
    for (const b of jobs[j].writes) last[b] = at;
  });
  let live = 0;
  const profile = order.map((j, at) => {
    const job = jobs[j];
    let allocated = 0;
    let freed = 0;
    for (const b of job.writes) if (start[b] < 0) allocated += bytes[b];
    for (const b of job.reads) if (!kept[b] && last[b] === at) freed += bytes[b];
    // What no one reads: the scratch of a loop.
    for (const b of job.writes) if (!kept[b] && last[b] === at) freed += bytes[b];
    const reuses = matched(
      job,
      (b) => start[b] < 0,
      (b) => !kept[b] && last[b] === at,
    );
    const saved = reuses.reduce((sum, { read }) => sum + bytes[read], 0);
    for (const { write, read } of reuses) reused[write] = read;
    for (const b of job.writes) if (start[b] < 0) start[b] = at;
    const during = live + allocated - saved;
    live += allocated - freed;
    return during;
  });
  const end = (b: number) => (kept[b] ? order.length : last[b]);
  return {
    order,
    peak: profile.reduce((most, n) => Math.max(most, n), 0),
    profile,
    lifetimes: bytes.map((_, b) => ({ start: start[b], end: end(b), reuses: reused[b] })),
  };
}

/** Lifetimes of the buffers when the jobs run in `order`. */
export function lifetimesOf(problem: ScheduleProblem, order: readonly number[]): readonly Lifetime[] {
  return simulate(problem, order).lifetimes;
}
