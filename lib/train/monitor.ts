import { hutchinsonTrace } from '../curvature/hutchinson-trace.ts';
import { lanczosQuadrature } from '../curvature/lanczos-quadrature.ts';
import type { LinearOperator } from '../curvature/operator.ts';
import { type DiagonalPiece, operatorInSpace, preconditionedByPieces } from '../curvature/preconditioned-operator.ts';
import type { Objective } from '../objective/objective.ts';
import type { Optimizer } from '../optimizers/optimizer.ts';
import { type RunPurpose, runIndex } from '../random/run-streams.ts';
import { edgeOfStability } from '../stability/edge.ts';
import type { MonitorEvent } from './events.ts';
import { BASIS_BUDGET } from './monitor-plan.ts';

/** What the monitor knows of a monitor event. */
export type Measurement = Omit<MonitorEvent, 'squaredNorm' | 'diffusion' | 'metrics'>;

/** Relative residual of λmax: its error is of the square of that, and 20 iterations usually reach it. */
const TOP_TOLERANCE = 1e-2;

interface MonitorOptions {
  /** Hutchinson probes of a measurement. */
  readonly probes: number;
  readonly seed: bigint;
  /** Number of the run among those that share the seed. */
  readonly run: number;
  /** Examples of a step; curvature is always that of all of them. */
  readonly batch: number | 'full';
}

/**
 * Measures where a run stands against the edge of stability: the Hessian, preconditioned where the rule is, in the space of the estimator's
 * directions where they have one. It works on a snapshot of the parameters with probes from streams of its
 * own, so it cannot change the run's trajectory; and it remembers nothing, so a measurement is a function of parameters, seed and step.
 */
export class Monitor {
  readonly #objective: Objective;
  readonly #optimizer: Optimizer;
  readonly #options: MonitorOptions;

  constructor(objective: Objective, optimizer: Optimizer, options: MonitorOptions) {
    this.#objective = objective;
    this.#optimizer = optimizer;
    this.#options = options;
  }

  /**
   * @param step updates done so far.
   * @param lr η that the next step is expected to take.
   * @returns undefined where P is not defined yet: an adaptive rule before its first update.
   */
  async measure(step: number, lr: number, signal?: AbortSignal): Promise<Measurement | undefined> {
    const { rule } = this.#optimizer;
    if (rule.preconditioned && !rule.fixed && step === 0) return undefined;
    const { probes, seed, run, batch } = this.#options;
    const { examples } = this.#objective;
    const { estimator } = this.#optimizer;
    const dimension = this.#objective.dimensionOf(estimator);
    const space = this.#objective.spaceOf(estimator);
    const hessian = await this.#objective.hessian();
    const held: { dispose(): void }[] = [hessian];
    try {
      let operator: LinearOperator = hessian;
      if (rule.preconditioned) {
        const preconditioned = await preconditionedByPieces(hessian, this.#preconditioner(step));
        held.push(preconditioned);
        operator = preconditioned;
      }
      if (space) {
        const inside = operatorInSpace(operator, space);
        held.push(inside);
        operator = inside;
      }
      const loss = await hessian.loss(signal);
      const streamsOf = (purpose: RunPurpose) => ({ seed, firstStream: runIndex(purpose, { run, step }), signal });
      const trace = await hutchinsonTrace(operator, { probes, ...streamsOf('probe') });
      const ends = { tolerance: TOP_TOLERANCE, basisBudget: BASIS_BUDGET, ...streamsOf('lanczos') };
      const { hvps, ...spectrum } = await lanczosQuadrature(operator, ends);
      const curvature = { trace: trace.trace, traceStdErr: trace.standardError, ...spectrum };
      return {
        type: 'monitor',
        step,
        loss,
        lr,
        preconditioned: rule.preconditioned,
        ...curvature,
        ...edgeOfStability({ ...curvature, dimension }, { ...this.#optimizer, lr }, { batch, examples }),
        hvps: trace.hvps + hvps,
      };
    } finally {
      for (const one of held) one.dispose();
    }
  }

  /** The diagonal of P, from the states as they are now; of no state is there more than a piece in JavaScript's memory. */
  async *#preconditioner(step: number): AsyncGenerator<DiagonalPiece> {
    const { rule } = this.#optimizer;
    if (!rule.preconditioner) throw new Error(`update rule ${rule.name} is preconditioned but has no preconditioner`);
    // Of the rules that are built in, none divides by its momentum.
    const names = rule.program ? rule.states : rule.states.filter((name) => name !== 'm');
    for await (const { offset, states } of this.#objective.params.statePieces(names)) {
      yield { offset, values: rule.preconditioner(states, step) };
    }
  }
}
