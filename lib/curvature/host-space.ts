import { checkHostBytes, hostArray } from '../host-memory.ts';
import { fillDirection } from '../random/host-direction.ts';
import { refuseAborted } from './checks.ts';
import type { Block, Coefficient, Combination, MemoryPurpose, VectorDirection, VectorSpace, Work } from './space.ts';
import { addScaled, dot } from './vectors.ts';

/** Elements whose sums are made at a time: they stay in the processor's cache. */
const TILE = 2048;

/** Vectors in JavaScript's memory. */
export class HostSpace implements VectorSpace<Float32Array> {
  readonly dimension: number;

  constructor(dimension: number) {
    this.dimension = dimension;
  }

  require(vectors: number, { what, remedy }: MemoryPurpose): void {
    checkHostBytes(what, vectors * this.dimension * 4, remedy);
  }

  allocate(vectors: number, { what, remedy }: MemoryPurpose): Block<Float32Array> {
    const all = hostArray(Float32Array, vectors * this.dimension, what, remedy);
    return { vectors: Array.from({ length: vectors }, (_, i) => this.#row(all, i)), dispose() {} };
  }

  async write(to: readonly Float32Array[], values: Float32Array): Promise<void> {
    for (const [i, vector] of to.entries()) vector.set(this.#row(values, i));
  }

  async writePiece(to: Float32Array, offset: number, values: Float32Array): Promise<void> {
    to.set(values, offset);
  }

  async read(from: readonly Float32Array[]): Promise<Float32Array> {
    const all = new Float32Array(from.length * this.dimension);
    for (const [i, vector] of from.entries()) all.set(vector, i * this.dimension);
    return all;
  }

  work(): HostWork {
    return new HostWork();
  }

  #row(all: Float32Array, i: number): Float32Array {
    return all.subarray(i * this.dimension, (i + 1) * this.dimension);
  }
}

export class HostWork implements Work<Float32Array> {
  readonly #steps: ((results: Float64Array, signal?: AbortSignal) => void | Promise<void>)[] = [];
  readonly #after: (() => void)[] = [];
  #results = 0;

  /** A step of one's own, in order with the others. */
  step(step: (signal?: AbortSignal) => Promise<void>): void {
    this.#steps.push((_, signal) => step(signal));
  }

  fill(to: Float32Array, direction: VectorDirection): void {
    this.#steps.push(() => fillDirection(to, direction));
  }

  combine({ to, terms, factor, with: others = [] }: Combination<Float32Array>): number {
    const first = this.#results;
    this.#results += others.length;
    const [[one, coefficient]] = terms;
    const asItIs = to === undefined && factor === undefined && terms.length === 1 && coefficient === 1;
    this.#steps.push((results) => {
      const made = asItIs ? one : (to ?? new Float32Array(one.length));
      const values = terms.map(([, coefficient]) => resolved(coefficient, results));
      const vectors = terms.map(([vector]) => vector);
      if (!asItIs) combineInto([made], vectors, values, factor);
      for (const [i, other] of others.entries()) results[first + i] += dot(made, other);
    });
    return first;
  }

  transform(to: readonly Float32Array[], of: readonly Float32Array[], matrix: Float64Array): void {
    this.#steps.push(() => combineInto(to, of, matrix));
  }

  after(done: () => void): void {
    this.#after.push(done);
  }

  async run(signal?: AbortSignal): Promise<Float64Array> {
    try {
      refuseAborted(signal);
      const results = new Float64Array(this.#results);
      for (const step of this.#steps) await step(results, signal);
      return results;
    } finally {
      for (const done of this.#after) done();
    }
  }
}

function resolved(coefficient: Coefficient, results: Float64Array): number {
  if (typeof coefficient === 'number') return coefficient;
  const { factor, result, inverseRoot } = coefficient;
  if (!inverseRoot) return factor * results[result];
  return results[result] === 0 ? 0 : factor / Math.sqrt(results[result]);
}

/** to[i] = (Σ matrix[i, j] · of[j]) · factor. All of a tile is summed before any is written. */
function combineInto(
  to: readonly Float32Array[],
  of: readonly Float32Array[],
  matrix: ArrayLike<number>,
  factor?: Float32Array,
): void {
  const length = to[0].length;
  for (let first = 0; first < length; first += TILE) {
    const end = Math.min(length, first + TILE);
    const tiles = of.map((vector) => vector.subarray(first, end));
    const sums = to.map((_, i) => {
      const sum = new Float64Array(end - first);
      for (const [j, tile] of tiles.entries()) addScaled(sum, matrix[i * of.length + j], tile);
      if (factor) for (let e = 0; e < sum.length; e++) sum[e] *= factor[first + e];
      return sum;
    });
    for (const [i, sum] of sums.entries()) to[i].set(sum, first);
  }
}
