import { ZerothError } from '../errors.ts';
import { HostSpace, type HostWork } from './host-space.ts';
import type { LinearOperator } from './operator.ts';
import { SpaceOperator } from './space-operator.ts';

/** Vectors that an operator of one's own is given at a time. */
const BATCH = 16;

/** A function of arrays as an operator on the vectors of a `HostSpace`. */
class HostOperator extends SpaceOperator<Float32Array> {
  readonly dimension: number;
  readonly space: HostSpace;
  readonly batch = BATCH;
  readonly #operator: LinearOperator;

  constructor(operator: LinearOperator) {
    super();
    this.dimension = operator.dimension;
    this.space = new HostSpace(operator.dimension);
    this.#operator = operator;
  }

  override apply(vectors: Float32Array, count: number, signal?: AbortSignal): Promise<Float32Array> {
    return this.#operator.apply(vectors, count, signal);
  }

  /** @throws ERR_ZEROTH_SHAPE, when it is run, where the operator returns another length than it was given. */
  async append(work: HostWork, from: readonly Float32Array[], to: readonly Float32Array[]): Promise<void> {
    work.step(async (signal) => {
      const count = from.length;
      const [{ buffer, byteOffset }] = from;
      const products = await this.apply(new Float32Array(buffer, byteOffset, count * this.dimension), count, signal);
      if (products.length !== count * this.dimension) {
        throw new ZerothError(
          'ERR_ZEROTH_SHAPE',
          `operator.apply: expected ${count} products of length ${this.dimension}, received ${products.length} values.`,
        );
      }
      for (const [i, row] of to.entries()) row.set(products.subarray(i * this.dimension, (i + 1) * this.dimension));
    });
  }
}

/** An operator on vectors where they are: a Hessian's on its device, those of an operator of one's own in arrays. */
export function onVectors(operator: LinearOperator): SpaceOperator<unknown> {
  return operator instanceof SpaceOperator ? operator : new HostOperator(operator);
}
