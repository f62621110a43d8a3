import { ZerothError } from '../errors.ts';
import type { Tensor } from '../graph/ops.ts';
import type { Evaluation } from '../objective/evaluate.ts';
import type { Objective } from '../objective/objective.ts';
import type { Tensors } from '../objective/problem.ts';

/**
 * A number to follow, such as the accuracy: a scalar of (parameters, data, constants), traced once a run over all examples. The type parameters are
 * the names of each, those of the objective.
 */
export type Metric<P extends string = string, D extends string = string, C extends string = string> = (
  parameters: Tensors<P>,
  data: Tensors<D>,
  constants: Tensors<C>,
) => Tensor;

/** The metrics of a run, by name: traced when they are made, planned and loaded when they are first evaluated. */
export class Metrics {
  readonly #objective: Objective;
  readonly #evaluation: Evaluation<Record<string, Tensor>>;

  /** @throws ERR_ZEROTH_SHAPE for a metric that is no scalar; ERR_ZEROTH_ARGUMENT, ERR_ZEROTH_TRACE as `objective.evaluate`. */
  constructor(objective: Objective, metrics: Readonly<Record<string, Metric>>) {
    this.#objective = objective;
    this.#evaluation = objective.evaluation((p, d, c) =>
      Object.fromEntries(Object.entries(metrics).map(([name, metric]) => [name, checkScalar(name, metric(p, d, c))])),
    );
  }

  /** Their values at θ. */
  async measure(signal?: AbortSignal): Promise<Record<string, number>> {
    const theta = await this.#objective.params.snapshot();
    try {
      const values = await this.#evaluation.at(theta, signal);
      return Object.fromEntries(Object.entries(values).map(([name, { data }]) => [name, data[0]]));
    } finally {
      theta.dispose();
    }
  }

  /** Frees the programs. */
  dispose(): void {
    this.#evaluation.dispose();
  }
}

function checkScalar(name: string, tensor: Tensor): Tensor {
  // What is no tensor at all is refused with everything else that a trace returns.
  const shape = (tensor as Tensor | undefined)?.shape ?? [];
  if (shape.length === 0) return tensor;
  throw new ZerothError(
    'ERR_ZEROTH_SHAPE',
    `metrics.${name}: expected a scalar (shape []), received shape [${shape.join(', ')}]; take the mean over the examples.`,
  );
}
