import { ZerothError } from '../errors.ts';
import { HostSpace, type HostWork } from './host-space.ts';
import type { LinearOperator } from './operator.ts';
import type { SpaceOperator } from './space.ts';

/** Vectors that an operator of one's own is given at a time. */
const BATCH = 16;

/** A function of arrays as an operator on the vectors of a `HostSpace`. */
class HostOperator implements SpaceOperator<Float32Array> {
  readonly dimension: number;
  readonly space: HostSpace;
  readonly batch = BATCH;
  readonly #operator: LinearOperator;

  constructor(operator: LinearOperator) {
    this.dimension = operator.dimension;
    this.space = new HostSpace(operator.dimension);
    this.#operator = operator;
  }

  apply(vectors: Float32Array, count: number, signal?: AbortSignal): Promise<Float32Array> {
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
export function inSpace(operator: LinearOperator): SpaceOperator<unknown> {
  return 'space' in operator ? (operator as SpaceOperator<unknown>) : new HostOperator(operator);
}

/** H V for arrays, by way of the operator's space, `batch` vectors at a time. */
export async function applyToArrays<V>(
  operator: SpaceOperator<V>,
  vectors: Float32Array,
  count: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const { space, dimension } = operator;
  const products = new Float32Array(vectors.length);
  const rows = Math.min(operator.batch, count);
  const purpose = {
    what: `${rows} vectors of ${dimension} numbers and their products`,
    remedy: 'apply fewer at a time',
  };
  space.require(2 * rows, purpose);
  const input = space.allocate(rows, purpose);
  const output = space.allocate(rows, purpose);
  try {
    for (let first = 0; first < count; first += rows) {
      const now = Math.min(rows, count - first);
      const [from, to] = [input.vectors.slice(0, now), output.vectors.slice(0, now)];
      const work = space.work();
      await operator.append(work, from, to);
      const values = vectors.subarray(first * dimension, (first + now) * dimension);
      // Both are waited for: what fails alone and unheard ends the process.
      await Promise.all([space.write(from, values), work.run(signal)]);
      products.set(await space.read(to), first * dimension);
    }
  } finally {
    input.dispose();
    output.dispose();
  }
  return products;
}
