import { ZerothError } from '../errors.ts';
import type { Objective } from '../objective/objective.ts';
import { MAX_RUNS } from '../random/run-streams.ts';

/** For each seed, the number of the next run: those below have drawn their directions. */
const next = new WeakMap<Objective, Map<bigint, number>>();

/** The number of a run that begins: the next one of this objective and seed. @throws ERR_ZEROTH_ARGUMENT when there are no more. */
export function nextRunNumber(objective: Objective, seed: bigint): number {
  const run = next.get(objective)?.get(seed) ?? 0;
  if (run < MAX_RUNS) return run;
  throw new ZerothError(
    'ERR_ZEROTH_ARGUMENT',
    `run: expected fewer than ${MAX_RUNS} runs of one objective with one seed, received another with seed ${seed}: ` +
      'it would draw the directions of an earlier one. Give it another seed.',
  );
}

/** Remembers that a run draws its directions. */
export function claimRunNumber(objective: Objective, seed: bigint, run: number): void {
  const seeds = next.get(objective) ?? new Map<bigint, number>();
  next.set(objective, seeds.set(seed, Math.max(run + 1, seeds.get(seed) ?? 0)));
}
