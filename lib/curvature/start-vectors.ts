import { stream } from '../random/direction.ts';
import { PhiloxStream } from '../random/philox.ts';
import { addScaled, norm, scale } from './vectors.ts';

/**
 * A warm start keeps this much noise beside it. Without it, a search that starts on an eigenvector sees nothing else and calls it the
 * top one, even after another has overtaken it.
 */
const NOISE = 0.1;

/** Unit start vectors: the given ones with some noise, then pure noise, each from its own stream. */
export class StartVectors {
  readonly #source: { dimension: number; seed: bigint; firstStream: number; given: readonly Float32Array[] };
  #next = 0;

  constructor(source: { dimension: number; seed: bigint; firstStream: number; given: readonly Float32Array[] }) {
    this.#source = source;
  }

  next(): Float64Array {
    const { dimension, seed, firstStream, given } = this.#source;
    const index = this.#next++;
    const random = new PhiloxStream(seed, stream('lanczos', firstStream + index));
    const vector = Float64Array.from({ length: dimension }, () => random.normal());
    scale(vector, 1 / norm(vector));
    const warm = given[index];
    const size = warm === undefined ? 0 : norm(warm);
    if (size > 0) {
      scale(vector, NOISE);
      addScaled(vector, 1 / size, warm);
      scale(vector, 1 / norm(vector));
    }
    return vector;
  }
}
