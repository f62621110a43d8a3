import type { Allowance, Relations, Schedule, ScheduleProblem } from './ordering.ts';

/**
 * Beam search for the order of least peak memory, level by level over the sets of jobs that may have run: exact while a level fits into
 * the width. One machine holds the counters of one set; it walks from set to set by running jobs and taking them back.
 */

export interface SearchOptions {
  /** States that a level holds. */
  readonly width: number;
  /** Only an order with a lower peak is of interest. */
  readonly bound: number;
  /** Used up, the search goes on with the best state alone, which is a greedy schedule. */
  readonly allowance: Allowance;
}

/** Jobs that a state tries when more are ready: half of them those that have been ready longest, half those that became so last. */
const MOST_CHOICES = 48;
/** Levels after which the states of a level must have a common ancestor, so that a walk from one to another is short. */
const LONGEST_WALK = 256;

interface State {
  readonly depth: number;
  readonly live: number;
  readonly peak: number;
  /** Of the set of jobs. */
  readonly hash: number;
  readonly parent?: State;
  readonly job: number;
}

/** The best order with a peak below `bound` among those that a search of this width meets. */
export function orderBySearch(
  problem: ScheduleProblem,
  relations: Relations,
  { width, bound, allowance }: SearchOptions,
): Schedule | undefined {
  const machine = new Machine(problem, relations, allowance);
  const hashes = problem.jobs.map((_, j) => hashOf(j));
  const root: State = { depth: 0, live: 0, peak: 0, hash: 0, job: -1 };
  let at = root;
  let level = [root];
  let common = 0;
  for (let depth = 0; depth < problem.jobs.length; depth++) {
    const children = new Map<number, State>();
    for (const state of level) {
      walk(machine, at, state);
      at = state;
      for (const job of machine.choices()) {
        machine.measure(job);
        const peak = Math.max(state.peak, state.live + machine.atOnce);
        if (peak >= bound) continue;
        const hash = combined(state.hash, hashes[job]);
        const known = children.get(hash);
        if (known && known.peak <= peak) continue;
        children.set(hash, { depth: depth + 1, live: state.live + machine.change, peak, hash, parent: state, job });
      }
    }
    level = [...children.values()];
    const alone = allowance.left <= 0 || depth - common >= LONGEST_WALK;
    if (alone) common = depth;
    const most = alone ? 1 : width;
    if (level.length > most) {
      level.sort((a, b) => a.peak - b.peak || a.live - b.live);
      level.length = most;
    }
  }
  if (level.length === 0) return undefined;
  const order: number[] = [];
  for (let state: State | undefined = level[0]; state?.parent; state = state.parent) order.push(state.job);
  return { order: order.reverse(), peak: level[0].peak };
}

/** Takes back and runs jobs until the machine, which is at `from`, is at `to`. */
function walk(machine: Machine, from: State, to: State): void {
  const ahead: number[] = [];
  let [a, b] = [from, to];
  while (a !== b) {
    if (a.depth >= b.depth) {
      machine.takeBack(a.job);
      a = a.parent!;
    } else {
      ahead.push(b.job);
      b = b.parent!;
    }
  }
  for (let i = ahead.length - 1; i >= 0; i--) machine.run(ahead[i]);
}

/**
 * 53 bits of a job; those of a set are their exclusive or. Two sets of one hash would be taken for one, and the one of the higher peak
 * forgotten: every order found is a right one all the same.
 */
function hashOf(job: number): number {
  const mix = (seed: number): number => {
    let x = Math.imul(job + 1, 0x9e3779b1) ^ seed;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return (x ^ (x >>> 16)) >>> 0;
  };
  return (mix(0x2545f491) >>> 11) * 2 ** 32 + mix(0x3c6ef372);
}

function combined(a: number, b: number): number {
  const high = Math.floor(a / 2 ** 32) ^ Math.floor(b / 2 ** 32);
  return high * 2 ** 32 + (((a % 2 ** 32) ^ (b % 2 ** 32)) >>> 0);
}

/** A set of jobs that have run: what is ready, which buffers exist, who still reads them. */
class Machine {
  /** Of the job measured last: bytes in use while it runs, beyond those before; and what is left of them after. */
  atOnce = 0;
  change = 0;
  readonly #problem: ScheduleProblem;
  readonly #relations: Relations;
  readonly #allowance: Allowance;
  readonly #waiting: Int32Array;
  readonly #written: Int32Array;
  readonly #unread: Int32Array;
  /** Ready jobs in the order in which they became so: a ring of links, closed by an entry behind the last job. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #ring: number;
  #ready = 0;

  constructor(problem: ScheduleProblem, relations: Relations, allowance: Allowance) {
    this.#problem = problem;
    this.#relations = relations;
    this.#allowance = allowance;
    this.#ring = problem.jobs.length;
    this.#waiting = Int32Array.from(relations.waits);
    this.#written = new Int32Array(problem.bytes.length);
    this.#unread = Int32Array.from(relations.readers, (list) => list.length);
    this.#next = new Int32Array(this.#ring + 1).fill(this.#ring);
    this.#previous = new Int32Array(this.#ring + 1).fill(this.#ring);
    for (let j = 0; j < this.#ring; j++) if (this.#waiting[j] === 0) this.#append(j);
  }

  run(job: number): void {
    const { writers, readers, followers } = this.#relations;
    const { reads, writes } = this.#problem.jobs[job];
    const opened: number[] = [];
    const release = (j: number) => {
      this.#allowance.left--;
      if (--this.#waiting[j] === 0) opened.push(j);
    };
    this.#remove(job);
    for (const b of writes) if (++this.#written[b] === writers[b].length) readers[b].forEach(release);
    followers[job].forEach(release);
    for (const b of reads) this.#unread[b]--;
    opened.sort((a, b) => a - b);
    for (const j of opened) this.#append(j);
    this.#allowance.left--;
  }

  /** The last job that has run has not run. */
  takeBack(job: number): void {
    const { writers, readers, followers } = this.#relations;
    const { reads, writes } = this.#problem.jobs[job];
    const hold = (j: number) => {
      this.#allowance.left--;
      if (this.#waiting[j]++ === 0) this.#remove(j);
    };
    for (const b of writes) if (this.#written[b]-- === writers[b].length) readers[b].forEach(hold);
    followers[job].forEach(hold);
    for (const b of reads) this.#unread[b]++;
    // Its own links still say where it was.
    this.#next[this.#previous[job]] = job;
    this.#previous[this.#next[job]] = job;
    this.#ready++;
    this.#allowance.left--;
  }

  /** Ready jobs to try. */
  choices(): number[] {
    const list: number[] = [];
    const half = this.#ready > MOST_CHOICES ? MOST_CHOICES / 2 : this.#ready;
    for (let j = this.#next[this.#ring]; list.length < half; j = this.#next[j]) list.push(j);
    if (half < this.#ready) {
      let j = this.#ring;
      for (let i = 0; i < half; i++) j = this.#previous[j];
      for (; j !== this.#ring; j = this.#next[j]) list.push(j);
    }
    this.#allowance.left -= list.length;
    return list;
  }

  /** Sets `atOnce` and `change`. */
  measure(job: number): void {
    const { bytes } = this.#problem;
    const { reads, writes, reuses } = this.#problem.jobs[job];
    let allocated = 0;
    let freed = 0;
    for (const b of writes) if (this.#isFresh(b)) allocated += bytes[b];
    for (const b of reads) if (this.#dies(b)) freed += bytes[b];
    for (const b of writes) if (this.#isScratch(b)) freed += bytes[b];
    this.change = allocated - freed;
    const taken: number[] = [];
    for (const { write, read } of reuses) {
      if (!this.#isFresh(write) || !this.#dies(read) || taken.includes(write) || taken.includes(read)) continue;
      taken.push(write, read);
      allocated -= bytes[read];
    }
    this.atOnce = allocated;
  }

  #isFresh(b: number): boolean {
    return this.#written[b] === 0;
  }

  /** Whether the job that is looked at is the last to read it. */
  #dies(b: number): boolean {
    return this.#unread[b] === 1 && !this.#problem.kept[b];
  }

  /** Whether the job that is looked at is the last to use what no one reads. */
  #isScratch(b: number): boolean {
    const { readers, writers } = this.#relations;
    return readers[b].length === 0 && !this.#problem.kept[b] && this.#written[b] + 1 === writers[b].length;
  }

  #append(job: number): void {
    const last = this.#previous[this.#ring];
    this.#next[last] = job;
    this.#previous[job] = last;
    this.#next[job] = this.#ring;
    this.#previous[this.#ring] = job;
    this.#ready++;
  }

  #remove(job: number): void {
    this.#next[this.#previous[job]] = this.#next[job];
    this.#previous[this.#next[job]] = this.#previous[job];
    this.#ready--;
  }
}
