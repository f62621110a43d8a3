import { checkInteger, shown } from '../errors.ts';
import type { Objective } from '../objective/objective.ts';
import { describeOptimizer } from '../optimizers/facts.ts';
import type { Json } from '../optimizers/json.ts';
import type { Optimizer } from '../optimizers/optimizer.ts';
import { isSchedule, stepSizeOf } from '../optimizers/step-size.ts';
import { MAX_RUNS, MAX_VECTORS } from '../random/run-streams.ts';
import type { MonitorPlan } from './monitor-plan.ts';
import type { RunSettings } from './options.ts';
import { isRecord, recordOf } from './record.ts';

/** Plain JSON: what was settled when the run began, and every option by which it goes. */
export type Identity = { readonly [name: string]: Json } & {
  readonly run: number;
  readonly monitor: Pick<MonitorPlan, 'every' | 'probes' | 'auto'>;
};

/** What is settled when a run begins, and holds whenever it is resumed. */
export interface Settled {
  readonly run: number;
  readonly monitor: MonitorPlan;
}

/**
 * What must be equal for a resumed run to be the same run: plain JSON. A constant η and a schedule may change in mid-run, so they are not
 * here; a step size that has a state of its own is.
 */
export function identityOf(
  objective: Objective,
  optimizer: Optimizer,
  { batch, seed }: RunSettings,
  { run, monitor: { every, probes, auto } }: Settled,
): Identity {
  const { name, dimension, examples } = objective;
  const described = describeOptimizer(optimizer, { dimension: objective.dimensionOf(optimizer.estimator) });
  const { lr: _, stepSize, options, estimator, rule, ...facts } = described;
  const rest = Object.entries(facts).filter(([key]) => !(key in options.estimator || key in options.rule));
  return {
    problem: name,
    parameters: dimension,
    examples,
    batch,
    seed: String(seed),
    run,
    estimator: { name: estimator, ...options.estimator },
    rule: { name: rule, ...options.rule },
    ...Object.fromEntries(rest),
    ...(isSchedule(stepSizeOf(optimizer.lr)) ? {} : { stepSize }),
    monitor: { every, probes, auto },
    displacement: objective.params.displacement,
  } satisfies Json;
}

/** What is settled of a run that goes on: as it was when it began, where the options leave it open. */
export function settledAs(was: Identity, { run = was.run, monitorEvery, probes }: RunSettings, now: Settled): Settled {
  const began = was.monitor;
  const monitor = { ...now.monitor };
  // The interval of a run that chose its own does not change with the number of steps.
  if (monitorEvery === undefined) Object.assign(monitor, { every: began.every, auto: began.auto });
  else if (monitorEvery === 'auto' && began.auto) monitor.every = began.every;
  if (probes === undefined) monitor.probes = began.probes;
  return { run, monitor };
}

/** What a resume takes from it is there; all else is compared with what it is to be. @throws Error */
export function checkedIdentity(value: unknown): Identity {
  const identity = recordOf('identity', value);
  const monitor = recordOf('identity: monitor', identity.monitor);
  checkInteger('run', identity.run, 0, MAX_RUNS - 1);
  checkInteger('monitor.every', monitor.every, 0);
  checkInteger('monitor.probes', monitor.probes, 2, MAX_VECTORS);
  if (typeof monitor.auto !== 'boolean') throw new Error(`identity: monitor.auto ${shown(monitor.auto)}`);
  return identity as unknown as Identity;
}

/** The settings that differ between two identities, each by its path. */
export const differences = (was: Identity, is: Identity): string[] => difference('', was, is);

function difference(path: string, was: unknown, is: unknown): string[] {
  if (isRecord(was) && isRecord(is)) {
    const keys = [...new Set([...Object.keys(was), ...Object.keys(is)])];
    return keys.flatMap((key) => difference(path ? `${path}.${key}` : key, was[key], is[key]));
  }
  const show = (value: unknown) => JSON.stringify(value) ?? 'nothing';
  return show(was) === show(is) ? [] : [`${path} was ${show(was)} and is ${show(is)}`];
}
