import type { Direction } from '../random/direction.ts';

/**
 * Where vectors live while curvature is measured: in arrays (`HostSpace`), or in a device's memory, from which only scalar products return.
 * What this folder computes, it computes on vectors `V` of some space, and knows no more of them than that.
 */
export interface VectorSpace<V> {
  readonly dimension: number;
  /** Refuses what there is no room for. @throws ERR_ZEROTH_MEMORY */
  require(vectors: number, purpose: MemoryPurpose): void;
  /** So many vectors, one after the other, of zeros. Dispose them. @throws ERR_ZEROTH_MEMORY, ERR_ZEROTH_DEVICE */
  allocate(vectors: number, purpose: MemoryPurpose): Block<V>;
  /** All elements of vectors that follow one another. `values` must not change until the promise settles; work that is run later sees them. */
  write(to: readonly V[], values: Float32Array): Promise<void>;
  /** Some elements of a vector, from `offset` on. */
  writePiece(to: V, offset: number, values: Float32Array): Promise<void>;
  /** All elements of vectors that follow one another. */
  read(from: readonly V[]): Promise<Float32Array>;
  /** Work that is done in one go. */
  work(): Work<V>;
}

/** What memory is for, with the numbers that decide its size, and what to do where there is too little: for an error. */
export interface MemoryPurpose {
  readonly what: string;
  readonly remedy: string;
}

export interface Block<V> {
  readonly vectors: readonly V[];
  dispose(): void;
}

/** A number; or one that is known once the work has come to it: factor · result, or factor / √result, which is 0 where the result is 0. */
export type Coefficient = number | { readonly factor: number; readonly result: number; readonly inverseRoot?: boolean };

export interface Combination<V> {
  /** Where it goes; absent: it only gives its scalar products. It may be one of the terms. */
  readonly to?: V;
  readonly terms: readonly (readonly [vector: V, coefficient: Coefficient])[];
  /** Multiplies the sum, element by element. */
  readonly factor?: V;
  /** Its scalar products are taken with these, as they are once it is written: with itself, too. Default none. */
  readonly with?: readonly V[];
}

/** Commands that are done in order by one `run`. Vectors are f32; sums are f64, rounded once an element, and scalar products are f64. */
export interface Work<V> {
  /** Elements of a direction, the same in every space: uniform or Rademacher. */
  fill(to: V, direction: VectorDirection): void;
  /** to = (Σ coefficient · vector) · factor. @returns the number of the first scalar product among the results. */
  combine(combination: Combination<V>): number;
  /** to[i] = Σ matrix[i, j] · of[j], all at once: `to` may be among `of`. `matrix` is row-major. */
  transform(to: readonly V[], of: readonly V[], matrix: Float64Array): void;
  /** Is called when the work is over, however it ended. */
  after(done: () => void): void;
  /** Once. @returns the results. @throws ERR_ZEROTH_ABORTED, and what operators throw. */
  run(signal?: AbortSignal): Promise<Float64Array>;
}

/** Distributions that every space draws to the same bits with whole numbers alone. */
export type VectorDirection = Direction & { readonly distribution: 'uniform' | 'rademacher' };
