import type { LinearOperator } from './operator.ts';
import type { VectorSpace, Work } from './space.ts';

/** An operator that takes vectors where they are. */
export abstract class SpaceOperator<V> implements LinearOperator {
  abstract readonly dimension: number;
  abstract readonly space: VectorSpace<V>;
  /** Products that are taken at a time where many are wanted: what is worth its memory. */
  abstract readonly batch: number;

  /** Appends to[i] = H from[i]. Both are vectors of a block that follow one another; they have none in common. */
  abstract append(work: Work<V>, from: readonly V[], to: readonly V[]): Promise<void>;

  /** H V for arrays, by way of the space, `batch` vectors at a time. */
  async apply(vectors: Float32Array, count: number, signal?: AbortSignal): Promise<Float32Array> {
    const { space, dimension } = this;
    const products = new Float32Array(vectors.length);
    const rows = Math.min(this.batch, count);
    const purpose = {
      what: `${rows} vectors of ${dimension} numbers and their products`,
      remedy: 'measure fewer parameters',
    };
    space.require(2 * rows, purpose);
    const block = space.allocate(2 * rows, purpose);
    try {
      for (let first = 0; first < count; first += rows) {
        const now = Math.min(rows, count - first);
        const [from, to] = [block.vectors.slice(0, now), block.vectors.slice(rows, rows + now)];
        const work = space.work();
        await this.append(work, from, to);
        const values = vectors.subarray(first * dimension, (first + now) * dimension);
        // Both are waited for: what fails alone and unheard ends the process.
        await Promise.all([space.write(from, values), work.run(signal)]);
        products.set(await space.read(to), first * dimension);
      }
    } finally {
      block.dispose();
    }
    return products;
  }
}
