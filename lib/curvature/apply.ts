import { checkInteger, ZerothError } from '../errors.ts';
import type { LinearOperator } from './operator.ts';
import { dot } from './vectors.ts';

/**
 * Applies an operator and trusts nothing: abort before, shape and finiteness after.
 *
 * @throws ERR_ZEROTH_ABORTED when the signal is aborted; ERR_ZEROTH_DIVERGED when a product is not finite; ERR_ZEROTH_SHAPE when the
 *   operator returns another length than it was given.
 */
export async function applyChecked(
  operator: LinearOperator,
  vectors: Float32Array,
  count: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  if (signal?.aborted) {
    throw new ZerothError('ERR_ZEROTH_ABORTED', 'The curvature measurement was aborted.', { cause: signal.reason });
  }
  const products = await operator.apply(vectors, count, signal);
  if (products.length !== vectors.length) {
    throw new ZerothError(
      'ERR_ZEROTH_SHAPE',
      `operator.apply: expected ${count} products of length ${operator.dimension}, received ${products.length} values.`,
    );
  }
  if (!Number.isFinite(dot(products, products))) {
    throw new ZerothError(
      'ERR_ZEROTH_DIVERGED',
      'operator.apply: expected finite products, received NaN or infinity. The parameters have diverged, or the loss has no second derivative there.',
    );
  }
  return products;
}

export function checkOperator(operator: LinearOperator): number {
  return checkInteger('operator.dimension', operator.dimension, 1);
}
