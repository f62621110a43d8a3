import type { Device } from '../device/device.ts';
import { ZerothError } from '../errors.ts';
import type { Objective } from '../objective/objective.ts';
import { describeOptimizer } from '../optimizers/facts.ts';
import type { Json } from '../optimizers/json.ts';
import type { Optimizer } from '../optimizers/optimizer.ts';
import { isSchedule, stepSizeOf } from '../optimizers/step-size.ts';
import { version } from '../version.ts';
import type { Identity } from './checkpoint.ts';
import { eventFromLine } from './event-fields.ts';
import type { ResumeEvent, RunEvent } from './events.ts';
import type { MonitorPlan } from './monitor-plan.ts';
import type { RunSettings } from './options.ts';

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

/** The event that opens a log. @param squaredNorm ‖θ‖². @throws ERR_ZEROTH_ARGUMENT for what could not be read back. */
export async function runEvent(
  objective: Objective,
  optimizer: Optimizer,
  settings: RunSettings,
  settled: Settled,
  squaredNorm: number,
): Promise<RunEvent> {
  const { device, name, dimension, examples, params } = objective;
  const { batch, steps, seed, meta } = settings;
  const rows = batch === 'full' ? examples : batch;
  const event: RunEvent = {
    type: 'run',
    format: 2,
    zeroth: version,
    startedAt: new Date().toISOString(),
    name,
    parameters: dimension,
    examples,
    batch,
    steps,
    seed: String(seed),
    run: settled.run,
    monitor: settled.monitor,
    optimizer: describeOptimizer(optimizer, { dimension: objective.dimensionOf(optimizer.estimator) }),
    device: deviceFacts(device),
    squaredNorm,
    memory: {
      arenaBytes: await objective.lossArenaBytes(rows),
      parameterBytes: params.byteLength,
      displacement: params.displacement,
    },
    meta,
  };
  checkReadable(event);
  return event;
}

/** The event with which a run goes on, at a step. */
export function resumeEvent(
  objective: Objective,
  optimizer: Optimizer,
  { steps, meta }: RunSettings,
  step: number,
): ResumeEvent {
  const { stepSize } = describeOptimizer(optimizer, { dimension: objective.dimensionOf(optimizer.estimator) });
  const startedAt = new Date().toISOString();
  return { type: 'resume', step, startedAt, steps, stepSize, device: deviceFacts(objective.device), meta };
}

function deviceFacts({ kind, description, isa, threads }: Device): RunEvent['device'] {
  return { kind, description, isa, threads };
}

/** An optimizer of a program without types may say anything of itself. */
function checkReadable(event: RunEvent): void {
  try {
    eventFromLine(JSON.parse(JSON.stringify(event)));
  } catch (cause) {
    const what = `optimizer: expected one that a log can describe; in its run event, ${(cause as Error).message}.`;
    throw new ZerothError('ERR_ZEROTH_ARGUMENT', what, { cause });
  }
}
