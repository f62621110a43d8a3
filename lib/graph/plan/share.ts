import { greatest } from '../../extremes.ts';
import { type Node, sizeOf } from '../node.ts';
import { footprintOf, type MemoryProblem } from './jobs.ts';
import type { Step } from './lowering.ts';
import type { Allowance, Schedule } from './ordering.ts';
import { schedule, scheduleByRank, simulate } from './schedule.ts';
import type { Buffer } from './storage.ts';

/**
 * Lets one kernel compute several stored values where that saves a pass over memory and costs none: two kernels of one index space, one
 * reading the other's result or both reading the same tensor, are joined if no circle of dependences and no higher peak comes of it.
 * Small programs try one pair after the other, each with a search of its own; large ones join many pairs at once that lie near each other in
 * the schedule, and halve what does not fit.
 */

/** Steps in an order. */
export interface Draft {
  readonly problem: MemoryProblem;
  readonly schedule: Schedule;
}

export interface Kernels {
  /** The steps as a scheduling problem. */
  readonly problemOf: (steps: readonly Step[]) => MemoryProblem;
  /** One step that computes values together; undefined where one kernel cannot. */
  readonly together: (nodes: readonly Node[]) => Step | undefined;
}

interface Pair {
  /** Numbers of steps. */
  readonly first: number;
  readonly second: number;
  /** Bytes that need not be read again. */
  readonly saved: number;
}

/** Each trial of a pair searches for a schedule of the whole program. */
const MOST_TRIALS = 40;
const MOST_JOBS_TO_TRY = 400;
/** Work of the schedules of whole batches, in steps. */
const BATCH_WORK = 40_000;
const LEAST_BATCHES = 6;
/** Kernels that are joined in a batch are at most so many steps apart. */
const NEAR = 48;
/** A tensor that many kernels read pairs each of them with as many of the next. */
const MOST_PARTNERS = 32;

export function shareKernels(start: Draft, kernels: Kernels, allowance: Allowance): Draft {
  const refused = new Set<string>();
  const { length } = start.problem.steps;
  const tried =
    length <= MOST_JOBS_TO_TRY ? oneByOne(start, kernels, refused, allowance) : { draft: start, more: true };
  return tried.more ? inBatches(tried.draft, kernels, refused) : tried.draft;
}

function oneByOne(
  start: Draft,
  kernels: Kernels,
  refused: Set<string>,
  allowance: Allowance,
): { draft: Draft; more: boolean } {
  let best = start;
  for (let trial = 0; trial < MOST_TRIALS && allowance.left > 0; trial++) {
    const { problem } = best;
    const pair = candidates(problem).find((found) => !refused.has(keyOf(problem, found)));
    if (!pair) return { draft: best, more: false };
    const joined = join(problem, [pair], kernels);
    const next = joined && schedule(joined.problem, 'quick', allowance);
    if (next && next.peak <= best.schedule.peak) best = { problem: joined.problem, schedule: next };
    else refused.add(keyOf(problem, pair));
  }
  return { draft: best, more: true };
}

function inBatches(start: Draft, kernels: Kernels, refused: Set<string>): Draft {
  let best = start;
  let batches = Math.max(LEAST_BATCHES, Math.floor(BATCH_WORK / start.problem.steps.length));
  /** Joins all of the pairs, or halves of them. The pairs are named by their values, for the steps change numbers. */
  const attempt = (pairs: readonly Named[]): void => {
    if (pairs.length === 0 || batches <= 0) return;
    batches--;
    const { problem } = best;
    const numbers = new Map(problem.steps.map((step, number) => [step, number]));
    const found = pairs.map(({ pair, steps }) => ({
      ...pair,
      first: numbers.get(steps[0])!,
      second: numbers.get(steps[1])!,
    }));
    const joined = join(problem, found, kernels);
    const rank = joined && ranks(joined.from, best.schedule.order);
    const next = joined && rank && scheduleByRank(joined.problem, rank);
    if (next && next.peak <= best.schedule.peak) {
      best = { problem: joined.problem, schedule: next };
    } else if (pairs.length === 1) {
      refused.add(pairs[0].key);
    } else {
      const middle = pairs.length >> 1;
      attempt(pairs.slice(0, middle));
      attempt(pairs.slice(middle));
    }
  };
  for (let before: Draft | undefined; before !== best && batches > 0; ) {
    before = best;
    attempt(promising(best, refused, kernels));
  }
  return best;
}

/** A pair and its steps, so that it is found again among others. */
interface Named {
  readonly pair: Pair;
  readonly key: string;
  readonly steps: readonly [Step, Step];
}

/** Pairs of which the first can be put off until the second runs: nothing between needs it, and there is room for what it keeps alive. Each kernel once. */
function promising({ problem, schedule: { order } }: Draft, refused: Set<string>, kernels: Kernels): Named[] {
  const { jobs, bytes, kept, steps } = problem;
  const { profile, peak, lifetimes } = simulate(problem, order);
  const position = new Array<number>(order.length);
  order.forEach((j, at) => {
    position[j] = at;
  });
  const readers: number[][] = bytes.map(() => []);
  jobs.forEach(({ reads }, j) => {
    for (const b of reads) readers[b].push(j);
  });
  const busy = new Set<number>();
  const found: Named[] = [];
  for (const pair of candidates(problem)) {
    const [early, late] =
      position[pair.first] < position[pair.second] ? [pair.first, pair.second] : [pair.second, pair.first];
    const [from, to] = [position[early], position[late]];
    if (to - from > NEAR || busy.has(early) || busy.has(late)) continue;
    const key = keyOf(problem, pair);
    if (refused.has(key)) continue;
    const needed = jobs[early].writes.some((b) => readers[b].some((j) => j !== late && position[j] <= to));
    const held = jobs[early].reads.reduce((sum, b) => sum + (!kept[b] && lifetimes[b].end === from ? bytes[b] : 0), 0);
    const fits = () => held === 0 || profile.slice(from + 1, to + 1).every((live) => live + held <= peak);
    if (needed || !fits()) continue;
    if (!kernels.together(rootsOf(problem, pair))) {
      refused.add(key);
      continue;
    }
    busy.add(early).add(late);
    found.push({ pair, key, steps: [steps[pair.first], steps[pair.second]] });
  }
  return found;
}

const rootsOf = ({ steps }: MemoryProblem, { first, second }: Pair): Node[] =>
  [...steps[first].roots, ...steps[second].roots].sort((a, b) => a.id - b.id);

const keyOf = ({ steps }: MemoryProblem, { first, second }: Pair): string =>
  [...steps[first].roots, ...steps[second].roots].map((node) => node.id).join();

/** The program with pairs joined, each in the place of its second step; `from`: the steps that each is made of, by their numbers before. */
function join(
  problem: MemoryProblem,
  pairs: readonly Pair[],
  kernels: Kernels,
): { problem: MemoryProblem; from: readonly (readonly number[])[] } | undefined {
  const readers = new Map<Buffer, Step[]>();
  for (const step of problem.steps) {
    for (const buffer of footprintOf(step).reads) {
      const list = readers.get(buffer);
      if (list) list.push(step);
      else readers.set(buffer, [step]);
    }
  }
  const outputs = new Set(problem.outputs);
  const wanted = (buffer: Buffer, { first, second }: Pair): boolean => {
    const own = [problem.steps[first], problem.steps[second]];
    return outputs.has(buffer) || (readers.get(buffer) ?? []).some((step) => !own.includes(step));
  };
  const partner = new Map(pairs.map((pair) => [pair.second, pair]));
  const gone = new Set(pairs.map(({ first }) => first));
  const joined: Step[] = [];
  const from: number[][] = [];
  for (const [number, step] of problem.steps.entries()) {
    if (gone.has(number)) continue;
    const pair = partner.get(number);
    const made = pair ? kernels.together(rootsOf(problem, pair)) : step;
    if (!made) return undefined;
    joined.push(pair ? withoutUnread(made, (buffer) => wanted(buffer, pair)) : made);
    from.push(pair ? [pair.first, number] : [number]);
  }
  return { problem: kernels.problemOf(joined), from };
}

/** A map that writes only what is wanted: what only the other half read stays in a register. */
function withoutUnread(step: Step, wanted: (buffer: Buffer) => boolean): Step {
  const { instruction } = step;
  if (instruction.kind !== 'map') return step;
  const writes = instruction.writes.filter(({ ref }) => wanted(ref.buffer));
  return writes.length === instruction.writes.length ? step : { ...step, instruction: { ...instruction, writes } };
}

/** Where steps stood in an order; a joined one where its later part stood. */
function ranks(from: readonly (readonly number[])[], order: readonly number[]): number[] {
  const position = new Array<number>(order.length);
  order.forEach((j, at) => {
    position[j] = at;
  });
  return from.map((numbers) => greatest(numbers.map((j) => position[j])));
}

/** Pairs of kernels that would touch memory less if they were one, those that save most first. */
function candidates({ steps, jobs, bytes }: MemoryProblem): Pair[] {
  const touching: number[][] = bytes.map(() => []);
  jobs.forEach(({ reads, writes }, j) => {
    if (steps[j].roots.length === 0) return;
    for (const b of new Set([...reads, ...writes])) touching[b].push(j);
  });
  const saved = new Map<number, number>();
  touching.forEach((list, b) => {
    list.forEach((i, at) => {
      for (const j of list.slice(at + 1, at + 1 + MOST_PARTNERS)) {
        if (!jobs[j].reads.includes(b) || !alike(steps[i].roots[0], steps[j].roots[0])) continue;
        const key = i * steps.length + j;
        saved.set(key, (saved.get(key) ?? 0) + bytes[b]);
      }
    });
  });
  return [...saved]
    .map(([key, bytes]) => ({ first: Math.floor(key / steps.length), second: key % steps.length, saved: bytes }))
    .sort((a, b) => b.saved - a.saved || a.first - b.first || a.second - b.second);
}

/** Whether one kernel may compute both: as many elements, and not scalars, which are f64, with tensors. */
const alike = (a: Node, b: Node): boolean =>
  sizeOf(a.shape) === sizeOf(b.shape) && (a.shape.length === 0) === (b.shape.length === 0);
