import { type Node, sizeOf } from '../node.ts';
import type { MemoryProblem } from './jobs.ts';
import type { Schedule } from './schedule.ts';

/**
 * Lets one kernel compute several stored values where that saves a pass over memory and costs none: two kernels of one index space, one
 * reading the other's result or both reading the same tensor, are joined if no circle of dependences and no higher peak comes of it.
 */

/** Steps in an order. */
export interface Draft {
  readonly problem: MemoryProblem;
  readonly schedule: Schedule;
}

/** Stored values, each with all that are computed in the same kernel. */
export type Mates = ReadonlyMap<Node, readonly Node[]>;

/** Planning stays fast: each trial lowers and schedules the whole program. */
const MOST_TRIALS = 40;

export function shareKernels(start: Draft, draft: (mates: Mates) => Draft | undefined): Draft {
  let best = start;
  let mates: Mates = new Map();
  const refused = new Set<string>();
  for (let trial = 0; trial < MOST_TRIALS; trial++) {
    const pair = candidates(best.problem).find((found) => !refused.has(found.key));
    if (!pair) break;
    const joined = [...pair.first, ...pair.second].sort((a, b) => a.id - b.id);
    const trialMates = new Map(mates);
    for (const node of joined) trialMates.set(node, joined);
    const next = draft(trialMates);
    if (next && next.schedule.peak <= best.schedule.peak && next.problem.steps.length < best.problem.steps.length) {
      best = next;
      mates = trialMates;
    } else {
      refused.add(pair.key);
    }
  }
  return best;
}

/** Pairs of kernels that would touch memory less if they were one, those that save most first. */
function candidates({ steps, jobs, bytes }: MemoryProblem) {
  const found: { first: readonly Node[]; second: readonly Node[]; key: string; saved: number }[] = [];
  const kernels = steps.map((_, j) => j).filter((j) => steps[j].roots.length > 0);
  kernels.forEach((i, at) => {
    for (const j of kernels.slice(at + 1)) {
      const [first, second] = [steps[i].roots, steps[j].roots];
      const alike =
        sizeOf(first[0].shape) === sizeOf(second[0].shape) &&
        (first[0].shape.length === 0) === (second[0].shape.length === 0);
      if (!alike) continue;
      const touched = new Set([...jobs[i].reads, ...jobs[i].writes]);
      const saved = jobs[j].reads.reduce((sum, b) => sum + (touched.has(b) ? bytes[b] : 0), 0);
      if (saved === 0) continue;
      const key = [...first, ...second].map((node) => node.id).join();
      found.push({ first, second, key, saved });
    }
  });
  return found.sort((a, b) => b.saved - a.saved);
}
