import { ZerothError } from '../errors.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Objective } from '../objective/objective.ts';
import type { Tensors } from '../objective/problem.ts';

/** A number to follow, such as the accuracy: a scalar of (parameters, data, constants), traced once over all examples. */
export type Metric = (parameters: Tensors, data: Tensors, constants: Tensors) => Tensor;

/**
 * The metrics at θ, each by its name.
 *
 * @throws ERR_ZEROTH_SHAPE for a metric that is no scalar; ERR_ZEROTH_ARGUMENT, ERR_ZEROTH_TRACE as `objective.evaluate`.
 */
export async function evaluateMetrics(
  objective: Objective,
  metrics: Readonly<Record<string, Metric>>,
  signal?: AbortSignal,
): Promise<Record<string, number>> {
  const all = (p: Tensors, d: Tensors, c: Tensors) =>
    Object.fromEntries(Object.entries(metrics).map(([name, metric]) => [name, metric(p, d, c)]));
  const values = await objective.evaluate(all, undefined, signal);
  return Object.fromEntries(
    Object.entries(values).map(([name, { shape, data }]) => {
      if (shape.length === 0) return [name, data[0]];
      throw new ZerothError(
        'ERR_ZEROTH_SHAPE',
        `metrics.${name}: expected a scalar (shape []), received shape [${shape.join(', ')}]; take the mean over the examples.`,
      );
    }),
  );
}
