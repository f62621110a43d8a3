import type { Device } from '../device/device.ts';
import { ZerothError } from '../errors.ts';
import type { Objective } from '../objective/objective.ts';
import { describeOptimizer } from '../optimizers/facts.ts';
import type { Estimate, Optimizer } from '../optimizers/optimizer.ts';
import { version } from '../version.ts';
import { endMessage } from './ending.ts';
import { eventFromLine } from './event-fields.ts';
import type { EndEvent, ResumeEvent, RunEvent, StepEvent } from './events.ts';
import type { Settled } from './identity.ts';
import type { RunSettings } from './options.ts';
import type { Watch } from './watch.ts';

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

/** What a step says. */
export function stepEvent(step: number, estimate: Estimate, lr: number): StepEvent {
  const coefficients = estimate.kind === 'directions' ? estimate.terms.map(({ coefficient }) => coefficient) : [];
  return {
    type: 'step',
    step,
    loss: estimate.loss,
    lr,
    ...(coefficients.length === 1 && { projectedGradient: coefficients[0] }),
    ...(coefficients.length > 1 && { coefficients }),
  };
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

/** How a run stands when it ends. */
interface Ending {
  /** Steps done, of so many. */
  readonly step: number;
  readonly steps: number;
  readonly seconds: number;
  readonly stepsPerSecond: number;
  /** Of the last step. */
  readonly loss: number | null;
  /** Whether it has a folder with a checkpoint. */
  readonly kept: boolean;
  readonly batch: number | 'full';
  readonly examples: number;
}

/** The event that closes a log, metrics excepted. */
export function endEvent(reason: EndEvent['reason'], watch: Watch, ending: Ending): EndEvent {
  const { trouble, warnings, growth, moved, measured } = watch;
  const { step, seconds, stepsPerSecond, loss } = ending;
  const message = endMessage(reason, {
    ...ending,
    trouble,
    warnings,
    growth,
    moved,
    measured,
    risen: watch.risen(loss),
  });
  return {
    type: 'end',
    reason,
    ...(trouble && { cause: trouble.cause }),
    steps: step,
    seconds,
    stepsPerSecond,
    loss,
    squaredNorm: Number.isFinite(growth.now) ? growth.now : null,
    diffusion: growth.diffusion,
    message,
  };
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
