import { invalidArgument, ZerothError } from '../errors.ts';
import { Tensor } from '../graph/tensor.ts';
import type { Evaluation } from '../objective/evaluate.ts';
import type { Objective } from '../objective/objective.ts';
import type { Tensors } from '../objective/problem.ts';

/**
 * A number to follow, such as the accuracy: a scalar of (parameters, data, constants), traced once a run over all examples of the objective. Examples that
 * are held out are among its constants. The type parameters are the names of each, those of the objective.
 *
 *     metrics: { heldOut: (p, _, { heldOutX, heldOutY }) => accuracy(model.apply(p, heldOutX), heldOutY) }
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
      Object.fromEntries(Object.entries(metrics).map(([name, metric]) => [name, traced(name, () => metric(p, d, c))])),
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

/** What is wrong with a metric is said with its name. */
function traced(name: string, metric: () => Tensor): Tensor {
  let value: Tensor;
  try {
    value = metric();
  } catch (error) {
    if (error instanceof ZerothError)
      throw new ZerothError(error.code, `metrics.${name}: ${error.message}`, { cause: error });
    throw error;
  }
  if (!(value instanceof Tensor))
    invalidArgument(
      `metrics.${name}`,
      'a function of (parameters, data, constants) that returns a scalar tensor',
      value,
    );
  if (value.shape.length === 0) return value;
  throw new ZerothError(
    'ERR_ZEROTH_SHAPE',
    `metrics.${name}: expected a scalar (shape []), received shape [${value.shape.join(', ')}]; take the mean over the examples.`,
  );
}
