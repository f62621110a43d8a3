import { checkHostBytes } from '../host-memory.ts';
import { applyChecked } from './apply.ts';
import type { LinearOperator } from './operator.ts';
import type { StartVectors } from './start-vectors.ts';
import { symmetricEigen } from './symmetric-eigen.ts';
import { addScaled, dot, norm, scale } from './vectors.ts';

export interface SearchOptions {
  readonly count: number;
  readonly tolerance: number;
  /** Do not trust a small residual before. */
  readonly minIterations: number;
  readonly maxIterations: number;
  readonly signal?: AbortSignal;
}

/** What is left of a vector after orthogonalisation is rounding noise of f32 products below this fraction of its length. */
const NEGLIGIBLE = 1e-7;

/**
 * Block Lanczos with full reorthogonalisation. With block size 1 it is the classical method.
 *
 * The orthonormal basis Q grows by a block an iteration; C holds the coefficients of H Q in Q, from which Rayleigh–Ritz takes the eigenpairs.
 * What H Q has outside Q is the next block times its coefficients R, so ‖R s‖ is the residual of a Ritz pair at no cost.
 *
 * @returns `count × dimension` unit Ritz vectors, the products taken, and the coefficients: column j holds those of H q_j on the basis up
 *   to what q_j added to it.
 */
export async function lanczos(
  operator: LinearOperator,
  starts: StartVectors,
  { count, tolerance, minIterations, maxIterations, signal }: SearchOptions,
): Promise<{ vectors: Float32Array; hvps: number; columns: readonly (readonly number[])[] }> {
  const d = operator.dimension;
  const basis: Float32Array[] = [];
  const remedy = 'ask for fewer eigenvalues or iterations (count, maxIterations), or use method power';
  /** Column j: coefficients of H q_j on the basis known at the time. */
  const columns: number[][] = [];
  checkHostBytes(`Lanczos for ${count} eigenvalues of ${d} numbers`, 3 * count * d * 4, remedy);
  while (basis.length < count) {
    const candidate = starts.next();
    orthogonalise(candidate, basis, []);
    const length = norm(candidate);
    if (length > NEGLIGIBLE) basis.push(unit(candidate, length));
  }

  for (let iteration = 1; ; iteration++) {
    const done = columns.length;
    const size = basis.length;
    // The basis with its next block; the block in one piece, its products, and one of them in f64.
    const vectors32 = Math.min(2 * size - done, d) + 2 * (size - done) + 2;
    checkHostBytes(`Lanczos with ${size} basis vectors of ${d} numbers`, vectors32 * d * 4 + size * size * 24, remedy);
    const products = await applyChecked(operator, packed(basis.slice(done), d), size - done, signal);
    for (let j = done; j < size; j++) {
      const product = Float64Array.from(products.subarray((j - done) * d, (j - done + 1) * d));
      const whole = norm(product);
      const column: number[] = new Array(basis.length).fill(0);
      orthogonalise(product, basis, column);
      const length = norm(product);
      if (length > NEGLIGIBLE * whole && basis.length < d) {
        basis.push(unit(product, length));
        column.push(length);
      }
      columns.push(column);
    }

    const { values, vectors } = symmetricEigen(projected(columns, size), size);
    const magnitude = Math.max(Math.abs(values[0]), Math.abs(values[size - 1]));
    let residual = 0;
    for (let i = 0; i < count; i++) {
      residual = Math.max(residual, outside(columns, done, size, vectors.subarray(i * size, (i + 1) * size)));
    }
    const converged = iteration >= minIterations && residual <= tolerance * magnitude;
    if (converged || basis.length === size || iteration === maxIterations) {
      return { vectors: combined(basis, vectors, count, size, d), hvps: size, columns };
    }
  }
}

/** Removes from w its part in the basis, twice, because once is not enough in finite precision; adds the coefficients to `column`. */
function orthogonalise(w: Float64Array, basis: readonly Float32Array[], column: number[]): void {
  for (let pass = 0; pass < 2; pass++) {
    for (const [i, q] of basis.entries()) {
      const coefficient = dot(q, w);
      addScaled(w, -coefficient, q);
      column[i] = (column[i] ?? 0) + coefficient;
    }
  }
}

function unit(w: Float64Array, length: number): Float32Array {
  scale(w, 1 / length);
  return Float32Array.from(w);
}

function packed(vectors: readonly Float32Array[], d: number): Float32Array {
  const all = new Float32Array(vectors.length * d);
  for (const [i, vector] of vectors.entries()) all.set(vector, i * d);
  return all;
}

/** QᵀHQ of the first `size` vectors. Both triangles were measured; their mean is symmetric. */
function projected(columns: readonly number[][], size: number): Float64Array {
  const matrix = new Float64Array(size * size);
  for (let j = 0; j < size; j++) {
    for (let i = 0; i < size; i++) {
      const value = columns[j][i] ?? 0;
      matrix[i * size + j] += value / 2;
      matrix[j * size + i] += value / 2;
    }
  }
  return matrix;
}

/** ‖H Q s − Q (QᵀHQ) s‖: only the last block reaches outside the basis. */
function outside(columns: readonly number[][], from: number, size: number, s: Float64Array): number {
  const parts: number[] = [];
  for (let j = from; j < size; j++) {
    for (let i = size; i < columns[j].length; i++) parts[i - size] = (parts[i - size] ?? 0) + columns[j][i] * s[j];
  }
  return Math.sqrt(parts.reduce((sum, part) => sum + part * part, 0));
}

function combined(
  basis: readonly Float32Array[],
  vectors: Float64Array,
  count: number,
  size: number,
  d: number,
): Float32Array {
  const result = new Float32Array(count * d);
  for (let i = 0; i < count; i++) {
    const ritz = new Float64Array(d);
    for (let j = 0; j < size; j++) addScaled(ritz, vectors[i * size + j], basis[j]);
    scale(ritz, 1 / norm(ritz));
    result.set(ritz, i * d);
  }
  return result;
}
