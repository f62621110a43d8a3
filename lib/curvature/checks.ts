import { checkInteger, ZerothError } from '../errors.ts';
import type { LinearOperator } from './operator.ts';

export function checkOperator(operator: LinearOperator): number {
  return checkInteger('operator.dimension', operator.dimension, 1);
}

/** A sum that is finite if and only if the products that it is made of are. @throws ERR_ZEROTH_DIVERGED */
export function checkFinite(sum: number): number {
  if (Number.isFinite(sum)) return sum;
  throw new ZerothError(
    'ERR_ZEROTH_DIVERGED',
    'operator.apply: expected finite products, received NaN or infinity. The parameters have diverged, or the loss has no second derivative there.',
  );
}

/** @throws ERR_ZEROTH_ABORTED */
export function refuseAborted(signal?: AbortSignal): void {
  if (!signal?.aborted) return;
  throw new ZerothError('ERR_ZEROTH_ABORTED', 'The curvature measurement was aborted.', { cause: signal.reason });
}
