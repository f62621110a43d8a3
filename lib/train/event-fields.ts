import type { OptimizerFacts } from '../optimizers/facts.ts';
import type { EdgeVerdict } from '../stability/edge.ts';
import type {
  CheckpointEvent,
  EndCause,
  EndEvent,
  MonitorEvent,
  MonitorPlan,
  ResumeEvent,
  RunEvent,
  StepEvent,
  TrainEvent,
  WarningCode,
  WarningEvent,
} from './events.ts';
import {
  anything,
  count,
  either,
  exactly,
  finite,
  flag,
  list,
  named,
  oneKnown,
  oneOf,
  optional,
  orNull,
  real,
  record,
  text,
} from './fields.ts';

const meta = anything<RunEvent['meta']>();
const stepSize = record<OptimizerFacts['stepSize']>({ name: text, options: anything() });
const device = record<RunEvent['device']>({
  kind: oneOf({ cpu: true, cuda: true }),
  description: text,
  isa: text,
  threads: count,
});
const diffusion = orNull(finite);
const metrics = optional(named(real));

/** What a reader checks of each event: the fields of its type, which the compiler holds them to. */
export const EVENTS = {
  run: record<RunEvent>({
    type: exactly('run'),
    format: exactly(2),
    zeroth: text,
    startedAt: text,
    name: text,
    parameters: count,
    examples: count,
    batch: either(count, exactly('full')),
    steps: count,
    seed: text,
    run: count,
    monitor: record<MonitorPlan>({ every: count, probes: count, auto: flag, share: finite, note: optional(text) }),
    optimizer: record<OptimizerFacts>({
      name: text,
      estimator: text,
      rule: text,
      lr: finite,
      stepSize,
      options: record<OptimizerFacts['options']>({ estimator: anything(), rule: anything() }),
      mu: optional(finite),
      beta: optional(finite),
      beta2: optional(finite),
      epsilon: optional(finite),
      moments: orNull(record<NonNullable<OptimizerFacts['moments']>>({ s1: finite, s2: finite })),
    }),
    device,
    squaredNorm: real,
    memory: record<RunEvent['memory']>({
      arenaBytes: count,
      parameterBytes: count,
      displacement: oneOf({ copy: true, 'in-place': true }),
    }),
    meta,
  }),
  step: record<StepEvent>({
    type: exactly('step'),
    step: count,
    loss: real,
    lr: real,
    projectedGradient: optional(real),
    coefficients: optional(list(real)),
  }),
  monitor: record<MonitorEvent>({
    type: exactly('monitor'),
    step: count,
    loss: real,
    lr: real,
    trace: real,
    traceStdErr: real,
    lambdaMax: real,
    lambdaMaxResidual: real,
    lambdaMin: real,
    lambdaMinResidual: real,
    negativeTrace: real,
    negativeTraceStdErr: real,
    preconditioned: flag,
    governs: orNull(oneOf({ trace: true, lambdaMax: true })),
    limit: real,
    lower: real,
    upper: real,
    ratio: real,
    ratioStdErr: real,
    ratioMax: optional(real),
    verdict: oneOf<EdgeVerdict>({ below: true, close: true, at: true, beyond: true, undecided: true }),
    hvps: count,
    squaredNorm: real,
    diffusion,
    metrics,
  }),
  warning: record<WarningEvent>({
    type: exactly('warning'),
    step: count,
    code: oneKnown<WarningCode>(),
    message: text,
  }),
  checkpoint: record<CheckpointEvent>({ type: exactly('checkpoint'), step: count }),
  resume: record<ResumeEvent>({
    type: exactly('resume'),
    step: count,
    startedAt: text,
    steps: count,
    stepSize,
    device,
    meta,
  }),
  end: record<EndEvent>({
    type: exactly('end'),
    reason: oneOf({ completed: true, aborted: true, diverged: true }),
    cause: optional(oneKnown<EndCause>()),
    steps: count,
    seconds: finite,
    stepsPerSecond: finite,
    loss: orNull(finite),
    squaredNorm: orNull(finite),
    diffusion,
    metrics,
    message: text,
  }),
};

const anyEvent = record<Pick<TrainEvent, 'type'>>({ type: oneOf<TrainEvent['type']>(EVENTS) });

/**
 * Checks one parsed line of a log, and turns null back into NaN where a number was not finite.
 *
 * @throws Error whose message says which field was expected to be what, and what was received.
 */
export function eventFromLine(value: unknown): TrainEvent {
  return EVENTS[anyEvent.read(value, '').type].read(value, '');
}
