import type { Objective } from '../objective/objective.ts';
import { describeOptimizer } from '../optimizers/facts.ts';
import type { Optimizer } from '../optimizers/optimizer.ts';
import { version } from '../version.ts';
import type { RunEvent } from './events.ts';
import type { RunSettings } from './options.ts';

/** What must be equal for a resumed run to be the same run, as JSON. η may change in mid-run, so it is not here. */
export function identityOf(objective: Objective, optimizer: Optimizer, settings: RunSettings): string {
  const { name, dimension, examples } = objective;
  const { lr: _, ...facts } = describeOptimizer(optimizer, { dimension });
  const { batch, seed, monitorEvery, probes } = settings;
  return JSON.stringify({
    problem: name,
    parameters: dimension,
    examples,
    batch,
    seed: String(seed),
    ...facts,
    monitorEvery,
    probes,
  });
}

/** The event that opens a log. */
export async function runEvent(objective: Objective, optimizer: Optimizer, settings: RunSettings): Promise<RunEvent> {
  const { device, name, dimension, examples, params } = objective;
  const { batch, steps, seed, meta } = settings;
  const rows = batch === 'full' ? examples : batch;
  return {
    type: 'run',
    format: 1,
    zeroth: version,
    startedAt: new Date().toISOString(),
    name,
    parameters: dimension,
    examples,
    batch,
    steps,
    seed: String(seed),
    optimizer: describeOptimizer(optimizer, { dimension }),
    device: { kind: device.kind, description: device.description, isa: device.isa, threads: device.threads },
    memory: { arenaBytes: await objective.lossArenaBytes(rows), parameterBytes: params.byteLength },
    meta,
  };
}
