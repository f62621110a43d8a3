import type { OptimizerFacts } from '../optimizers/facts.ts';
import type { EdgeOfStability } from '../stability/edge.ts';
import type { MonitorPlan } from './monitor-plan.ts';

export type { OptimizerFacts } from '../optimizers/facts.ts';
export type { MonitorPlan } from './monitor-plan.ts';

/**
 * What a run says while it goes. Each event is also one line of `run.jsonl`, with exactly these fields.
 * `run` opens a log; `end` closes it (a killed run has none; a resumed run appends a `resume` and goes on).
 */

export interface RunEvent {
  readonly type: 'run';
  /** Version of the log format. */
  readonly format: 2;
  readonly zeroth: string;
  /** ISO 8601. */
  readonly startedAt: string;
  /** For example `sorting-mlp`, or what the caller named the run. */
  readonly name: string;
  readonly parameters: number;
  readonly examples: number;
  readonly batch: number | 'full';
  readonly steps: number;
  readonly seed: string;
  /** Number of this run among those that share the seed, from 0: its directions, batches and probes are its own. */
  readonly run: number;
  /** When curvature is measured, and at what cost. */
  readonly monitor: MonitorPlan;
  readonly optimizer: OptimizerFacts;
  readonly device: {
    readonly kind: 'cpu' | 'cuda';
    readonly description: string;
    readonly isa: string;
    readonly threads: number;
  };
  /** ‖θ‖² at the start. */
  readonly squaredNorm: number;
  /**
   * Bytes of the loss's working memory and of the parameters with their state, known before the first step, and where steps displace the
   * parameters: in a copy, which `parameterBytes` counts, or in place.
   */
  readonly memory: {
    readonly arenaBytes: number;
    readonly parameterBytes: number;
    readonly displacement: 'copy' | 'in-place';
  };
  /** Whatever the caller wants to find again: preset, command line, data folder. */
  readonly meta: Readonly<Record<string, unknown>>;
}

export interface StepEvent {
  readonly type: 'step';
  /** Steps done before this one: the first is 0. */
  readonly step: number;
  /** First order: L(θ). Two-point: [L(θ+μu) + L(θ−μu)] / 2, at no extra evaluation. */
  readonly loss: number;
  readonly lr: number;
  /** Of an estimate along one direction: its coefficient, as it is applied. Of two points c = [L(θ+μu) − L(θ−μu)] / 2μ. */
  readonly projectedGradient?: number;
  /** Of an estimate along several directions: the coefficient of each, in their order. */
  readonly coefficients?: readonly number[];
}

/**
 * Curvature at θ before step `step`, over all examples, and where the run stands against the edge of stability (`EdgeOfStability`). Where
 * `preconditioned`, all of it is that of P⁻¹H. In the log a number that is not finite is null: the limit where η is 0, and `limit`, `lower`,
 * `upper`, `ratio` and `ratioStdErr` where the estimator's moments are not known.
 */
export interface MonitorEvent extends EdgeOfStability {
  readonly type: 'monitor';
  readonly step: number;
  /** L(θ), full batch. */
  readonly loss: number;
  readonly lr: number;
  readonly preconditioned: boolean;
  /** tr(H), and its standard error. */
  readonly trace: number;
  readonly traceStdErr: number;
  /** Largest eigenvalue, and ‖Hv − λv‖ / ‖v‖. */
  readonly lambdaMax: number;
  readonly lambdaMaxResidual: number;
  /** Smallest Ritz value: at or above the smallest eigenvalue, and no farther than the residual from an eigenvalue. */
  readonly lambdaMin: number;
  readonly lambdaMinResidual: number;
  /** Σ max(−λ, 0), by which the trace of the positive part exceeds `trace`, and its standard error. */
  readonly negativeTrace: number;
  readonly negativeTraceStdErr: number;
  /** Hessian-vector products that this measurement took. */
  readonly hvps: number;
  /** ‖θ‖². */
  readonly squaredNorm: number;
  /** What the noise of the estimates has added to ‖θ‖² since the start; null where that is not known (Adam; mini-batch gradients). */
  readonly diffusion: number | null;
  /** What `metrics` names, if there are any; one that is not finite is null in the log. */
  readonly metrics?: Readonly<Record<string, number>>;
}

export interface CheckpointEvent {
  readonly type: 'checkpoint';
  readonly step: number;
}

export interface ResumeEvent {
  readonly type: 'resume';
  /** The step at which the run goes on; lines of later steps have been cut from the log. */
  readonly step: number;
  readonly startedAt: string;
  /** What may change when a run goes on, as it is from here: see `RunEvent`. */
  readonly steps: number;
  readonly stepSize: OptimizerFacts['stepSize'];
  readonly device: RunEvent['device'];
  readonly meta: RunEvent['meta'];
}

/** What a run does although it should not, while it goes on. Each code comes once a run. */
export type WarningCode =
  /** The two losses of a step are equal: μ is below the spacing of f32 at most parameters, … */
  | 'mu-lost'
  /** … or their difference is below the resolution of the loss, … */
  | 'loss-unresolved'
  /** … or the loss is constant around θ, … */
  | 'loss-plateau'
  /** … or symmetric about it, … */
  | 'loss-stationary'
  /** … or does not depend on the parameters, … */
  | 'loss-flat'
  /** … or that of the mini-batches does not. */
  | 'batch-flat'
  /** The gradient is exactly 0, although the loss depends on the parameters. */
  | 'gradient-zero'
  /** The estimate of an estimator that is not known here is exactly 0, or there is no memory to ask why. */
  | 'estimate-zero'
  /** Steps were taken, and no parameter is another number than before. */
  | 'parameters-stuck'
  /** ‖θ‖² is more than 4 times what it was, and at least nine tenths of that growth is noise. */
  | 'weights-diffuse';

export interface WarningEvent {
  readonly type: 'warning';
  /** The step that showed it; for what was measured, the steps done before. */
  readonly step: number;
  readonly code: WarningCode;
  /** A sentence or two for a person: what was seen, its cause as far as it can be told, and what to do. */
  readonly message: string;
}

/** What made it impossible to go on. */
export type EndCause =
  | 'loss-not-finite'
  | 'loss-rose'
  /** The loss is finite, and its gradient is not. */
  | 'gradient-not-finite'
  /** The estimate, or η times it, is beyond f32. */
  | 'update-not-finite'
  | 'parameters-not-finite'
  /** A state vector of the update rule. */
  | 'state-not-finite';

export interface EndEvent {
  readonly type: 'end';
  readonly reason: 'completed' | 'aborted' | 'diverged';
  /** Of a diverged run. */
  readonly cause?: EndCause;
  /** Steps done. */
  readonly steps: number;
  /** Wall-clock seconds since this process began or resumed the run, monitors included. */
  readonly seconds: number;
  /** Steps a second of time spent in steps, monitors and checkpoints excluded. */
  readonly stepsPerSecond: number;
  /** Loss of the last step. Null when it is not a finite number. */
  readonly loss: number | null;
  /** ‖θ‖² at the end. Null when it is not finite. */
  readonly squaredNorm: number | null;
  /** As in the monitor. */
  readonly diffusion: number | null;
  /** Of the last parameters; absent from a diverged run. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** For a person: how the run ended; for a diverged one, what was seen and what to do; whatever it was warned of. */
  readonly message: string;
}

export type TrainEvent = RunEvent | StepEvent | MonitorEvent | WarningEvent | CheckpointEvent | ResumeEvent | EndEvent;
