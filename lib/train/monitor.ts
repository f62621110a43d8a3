import { hutchinsonTrace } from '../curvature/hutchinson-trace.ts';
import type { LinearOperator } from '../curvature/operator.ts';
import { preconditionedOperator } from '../curvature/preconditioned-operator.ts';
import { topEigenvalues } from '../curvature/top-eigenvalues.ts';
import type { Objective } from '../objective/objective.ts';
import type { Optimizer } from '../optimizers/optimizer.ts';
import { runIndex } from '../random/run-streams.ts';
import { atEdge, stabilityBounds, stabilityThreshold } from '../stability/threshold.ts';
import type { MonitorEvent } from './events.ts';

/** What the monitor knows of a monitor event. */
export type Measurement = Omit<MonitorEvent, 'squaredNorm' | 'diffusion'>;

/**
 * Measures where a run stands against the edge of stability. It works on a snapshot of the parameters with probes from streams of its
 * own, so it cannot change the run's trajectory.
 */
export class Monitor {
  readonly probes: number;
  /** Where the next search for the top eigenvector starts: at the last measurement's. */
  #start: Float32Array | undefined;
  /** The last measurement, and where it started: a run that goes on from this very step measures it again. */
  #last: { readonly step: number; readonly start: Float32Array | undefined } | undefined;
  readonly #objective: Objective;
  readonly #optimizer: Optimizer;
  readonly #seed: bigint;
  readonly #run: number;

  constructor(objective: Objective, optimizer: Optimizer, options: { probes: number; seed: bigint; run: number }) {
    this.probes = options.probes;
    this.#objective = objective;
    this.#optimizer = optimizer;
    this.#seed = options.seed;
    this.#run = options.run;
  }

  /**
   * @param step updates done so far.
   * @param lr η that the next step is expected to take.
   * @returns undefined where P is not defined yet: an adaptive rule before its first update.
   */
  async measure(step: number, lr: number, signal?: AbortSignal): Promise<Measurement | undefined> {
    const { rule } = this.#optimizer;
    if (rule.states.includes('v') && step === 0) return undefined;
    const hessian = await this.#objective.hessian();
    try {
      const operator = rule.preconditioned
        ? preconditionedOperator(hessian, await this.#preconditioner(step))
        : hessian;
      const loss = await hessian.loss(signal);
      const probes = {
        probes: this.probes,
        seed: this.#seed,
        firstStream: runIndex('probe', { run: this.#run, step }),
      };
      const trace = await hutchinsonTrace(operator, { ...probes, signal });
      const top = await this.#top(operator, step, signal);
      const optimizer = { ...this.#optimizer, lr };
      const curvature = { trace: trace.trace, lambdaMax: top.lambdaMax, dimension: this.#objective.dimension };
      const { lower, upper } = stabilityBounds(curvature, optimizer);
      return {
        type: 'monitor',
        step,
        loss,
        lr,
        trace: trace.trace,
        traceStdErr: trace.standardError,
        lambdaMax: top.lambdaMax,
        lambdaMaxResidual: top.residual,
        preconditioned: rule.preconditioned,
        lower,
        threshold: stabilityThreshold(optimizer),
        upper,
        atEdge: atEdge(curvature, optimizer),
        hvps: trace.hvps + top.hvps,
      };
    } finally {
      hessian.dispose();
    }
  }

  /** Where a measurement at `step` starts its search for the top eigenvector: what a checkpoint of that step keeps. */
  startAt(step: number): Float32Array | undefined {
    return this.#last?.step === step ? this.#last.start : this.#start;
  }

  /** Starts the next search where a checkpoint says. */
  startFrom(eigenvector: Float32Array | undefined): void {
    this.#start = eigenvector;
  }

  async #top(operator: LinearOperator, step: number, signal?: AbortSignal) {
    const result = await topEigenvalues(operator, {
      start: this.#start,
      seed: this.#seed,
      firstStream: runIndex('lanczos', { run: this.#run, step }),
      signal,
    });
    this.#last = { step, start: this.#start };
    this.#start = result.vectors;
    return { lambdaMax: result.values[0], residual: result.residuals[0], hvps: result.hvps };
  }

  async #preconditioner(step: number): Promise<Float64Array> {
    const { rule } = this.#optimizer;
    const { params } = this.#objective;
    const state = {
      ...(rule.states.includes('v') && { v: await params.readState('v') }),
      ...(rule.states.includes('p') && { p: await params.readState('p') }),
    };
    if (!rule.preconditioner) throw new Error(`update rule ${rule.name} is preconditioned but has no preconditioner`);
    return rule.preconditioner(state, step);
  }
}
