import { hostArray } from '../host-memory.ts';
import { stream } from '../random/direction.ts';
import { PhiloxStream } from '../random/philox.ts';
import { addScaled, norm, scale } from './vectors.ts';

/**
 * Length of the noise beside a unit warm start. Without it, a search that starts on an eigenvector sees nothing else and calls it the
 * top one, even after another has overtaken it.
 */
const NOISE = 1;

interface Source {
  readonly dimension: number;
  readonly seed: bigint;
  /** Index of the first vector's stream. */
  readonly firstStream: bigint;
  /** Rows to start from; there may be fewer than vectors asked for. */
  readonly given: Float32Array | undefined;
}

/** Unit start vectors: the given rows with some noise, then pure noise, each from its own stream. */
export class StartVectors {
  readonly #source: Source;
  #next = 0;

  constructor(source: Source) {
    this.#source = source;
  }

  next(): Float64Array {
    const { dimension, seed, firstStream, given } = this.#source;
    const index = this.#next++;
    const random = new PhiloxStream(seed, stream('lanczos', firstStream + BigInt(index)));
    const what = `a start vector of ${dimension} numbers`;
    const vector = hostArray(Float64Array, dimension, what, 'measure fewer parameters');
    for (let i = 0; i < dimension; i++) vector[i] = random.normal();
    scale(vector, 1 / norm(vector));
    const row = given?.subarray(index * dimension, (index + 1) * dimension) ?? new Float32Array(0);
    const size = norm(row);
    if (size > 0) {
      scale(vector, NOISE);
      addScaled(vector, 1 / size, row);
      scale(vector, 1 / norm(vector));
    }
    return vector;
  }
}
