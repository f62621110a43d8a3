import { stream } from '../random/direction.ts';
import type { VectorSpace } from './space.ts';

/**
 * Length of the noise beside a unit warm start. Without it, a search that starts on an eigenvector sees nothing else and calls it the
 * top one, even after another has overtaken it.
 */
const NOISE = 1;

interface Source {
  readonly seed: bigint;
  /** Index of the first vector's stream. */
  readonly firstStream: bigint;
  /** Rows to start from; there may be fewer than vectors asked for. */
  readonly given?: Float32Array;
}

/**
 * Unit start vectors: the given rows with some noise, then pure noise, each from its own stream. The noise is uniform on (−1, 1) in every
 * entry: of any distribution that does not care about signs and order, and is not more spread than the normal one, the mean of
 * d qᵀF q for q scaled to unit length is tr F, and its variance at most 2‖F‖_F².
 */
export class StartVectors {
  readonly #source: Source;
  #next = 0;

  constructor(source: Source) {
    this.#source = source;
  }

  /** Puts the next one into `to`. @param scratch another vector, whose elements are lost. */
  async next<V>(space: VectorSpace<V>, to: V, scratch: V, signal?: AbortSignal): Promise<void> {
    const { seed, firstStream, given } = this.#source;
    const index = this.#next++;
    const { dimension } = space;
    const work = space.work();
    work.fill(to, { distribution: 'uniform', seed, stream: stream('lanczos', firstStream + BigInt(index)) });
    const noise = work.combine({ terms: [[to, 1]], with: [to] });
    let square = noise;
    const row = given?.subarray(index * dimension, (index + 1) * dimension);
    if (row && row.length > 0) {
      await space.write([scratch], row);
      const start = work.combine({ terms: [[scratch, 1]], with: [scratch] });
      square = work.combine({
        to,
        terms: [
          [to, { factor: NOISE, result: noise, inverseRoot: true }],
          [scratch, { factor: 1, result: start, inverseRoot: true }],
        ],
        with: [to],
      });
    }
    work.combine({ to, terms: [[to, { factor: 1, result: square, inverseRoot: true }]] });
    await work.run(signal);
  }
}
