import { Basis } from './basis.ts';
import { checkFinite } from './checks.ts';
import type { Found, SearchOptions } from './search.ts';
import type { Coefficient, Work } from './space.ts';
import type { SpaceOperator } from './space-operator.ts';
import type { StartVectors } from './start-vectors.ts';
import { symmetricEigen } from './symmetric-eigen.ts';

/** What is left of a vector after orthogonalisation is rounding noise of f32 products below this fraction of its length. */
const NEGLIGIBLE = 1e-7;

/** Column j: coefficients of H q_j on the basis up to what q_j added to it. */
type Columns = readonly (readonly number[])[];

interface LanczosFound<V> extends Found<V> {
  /** Of the Krylov space of the start alone: all of it, or up to where the basis was first cut back. */
  readonly krylov: Columns;
}

/**
 * Block Lanczos with full reorthogonalisation; with block size 1 it is the classical method. Where the basis would outgrow its budget, it is
 * restarted from the best Ritz vectors and what the space reaches outside of itself (thick restart), which goes on as if the
 * space had been that large.
 *
 * The orthonormal basis Q grows by a block an iteration; C holds the coefficients of H Q in Q, from which Rayleigh–Ritz takes the eigenpairs.
 * What H Q has outside Q is the next block times its coefficients R, so ‖R s‖ is the residual of a Ritz pair at no cost. Kept Ritz vectors
 * y = Q s have H y = θ y + (next block) R s: columns like any other.
 *
 * @returns `count` unit Ritz vectors.
 * @see Wu and Simon, Thick-restart Lanczos method for large symmetric eigenvalue problems, 2000.
 */
export async function lanczos<V>(
  operator: SpaceOperator<V>,
  starts: StartVectors,
  { count, tolerance, minIterations, krylovIterations = 1, maxIterations, basisBudget, signal }: SearchOptions,
): Promise<LanczosFound<V>> {
  const { space, dimension } = operator;
  // A block an iteration, and that of the start.
  const basis = new Basis(space, count, Math.min(maxIterations, dimension) + 1, basisBudget, {
    what: `Lanczos for ${count} eigenvalues of ${dimension} numbers`,
    remedy: 'ask for fewer eigenvalues (count), or use method power',
  });
  try {
    const least = Math.max(minIterations, Math.min(krylovIterations, basis.blocks - 1));
    await startBasis(operator, basis, starts, count, signal);
    let columns: number[][] = [];
    let krylov: Columns | undefined;
    let hvps = 0;
    let magnitude = 0;
    let ritz: { values: Float64Array; vectors: Float64Array } | undefined;
    for (let iteration = 1; ; iteration++) {
      if (basis.full && ritz) {
        krylov ??= columns;
        columns = await restart(operator, basis, columns, ritz, count);
      }
      const done = columns.length;
      const size = basis.vectors.length;
      const block = basis.vectors.slice(done);
      const products = basis.open().slice(0, block.length);
      let work = space.work();
      await operator.append(work, block, products);
      for (const product of products) {
        // The next of the block waits for this one, which may turn out to be nothing.
        const to = products[basis.vectors.length - size];
        const { column, whole, left } = await orthogonalise(work, product, basis.vectors, to, signal);
        if (left > NEGLIGIBLE * whole && basis.vectors.length < dimension) {
          basis.vectors.push(to);
          column.push(left);
        }
        columns.push(column);
        work = space.work();
      }
      hvps += block.length;

      ritz = symmetricEigen(projected(columns, size), size);
      magnitude = Math.max(magnitude, Math.abs(ritz.values[0]), Math.abs(ritz.values[size - 1]));
      let residual = 0;
      for (let i = 0; i < count; i++) {
        const s = ritz.vectors.subarray(i * size, (i + 1) * size);
        residual = Math.max(residual, length(outside(columns, size, s)));
      }
      const converged = iteration >= least && residual <= tolerance * magnitude;
      if (converged || basis.vectors.length === size || iteration === maxIterations) {
        const found = await ritzVectors(operator, basis, ritz.vectors.subarray(0, count * size), size);
        return { ...found, hvps, krylov: krylov ?? columns, dispose: () => basis.dispose() };
      }
    }
  } catch (error) {
    basis.dispose();
    throw error;
  }
}

async function startBasis<V>(
  { space }: SpaceOperator<V>,
  basis: Basis<V>,
  starts: StartVectors,
  count: number,
  signal?: AbortSignal,
): Promise<void> {
  const block = basis.open();
  const [scratch] = basis.open();
  while (basis.vectors.length < count) {
    const candidate = block[basis.vectors.length];
    await starts.next(space, candidate, scratch, signal);
    if (basis.vectors.length > 0) {
      const { left } = await orthogonalise(space.work(), candidate, basis.vectors, candidate, signal);
      if (!(left > NEGLIGIBLE)) continue;
    }
    basis.vectors.push(candidate);
  }
  basis.cut(1, { waits: false });
}

/**
 * Removes from w its part in the basis, twice, because once is not enough in finite precision, and puts what is left, scaled to unit length,
 * into `to`. All in the work that is given, which is run.
 *
 * @returns the coefficients on the basis, the length of w, and that of what was left of it.
 * @see Giraud, Langou and Rozložník, The loss of orthogonality in the Gram–Schmidt orthogonalization process, 2005.
 */
async function orthogonalise<V>(
  work: Work<V>,
  w: V,
  basis: readonly V[],
  to: V,
  signal?: AbortSignal,
): Promise<{ column: number[]; whole: number; left: number }> {
  const without = (first: number): [V, Coefficient][] => basis.map((q, i) => [q, { factor: -1, result: first + i }]);
  const once = work.combine({ terms: [[w, 1]], with: [...basis, w] });
  const twice = work.combine({ to: w, terms: [[w, 1], ...without(once)], with: basis });
  const rest = work.combine({ to: w, terms: [[w, 1], ...without(twice)], with: [w] });
  work.combine({ to, terms: [[w, { factor: 1, result: rest, inverseRoot: true }]] });
  const results = await work.run(signal);
  return {
    column: basis.map((_, i) => results[once + i] + results[twice + i]),
    whole: Math.sqrt(checkFinite(results[once + basis.length])),
    left: Math.sqrt(results[rest]),
  };
}

/** Cuts the basis back to the best half of its Ritz vectors and the block that waits. @returns the columns of those. */
async function restart<V>(
  { space }: SpaceOperator<V>,
  basis: Basis<V>,
  columns: Columns,
  { values, vectors }: { values: Float64Array; vectors: Float64Array },
  width: number,
): Promise<number[][]> {
  const size = columns.length;
  const waiting = basis.vectors.slice(size);
  const blocks = Math.max(1, Math.floor((basis.blocks - 2) / 2));
  const kept = Math.min(size, blocks * width);
  const of = basis.vectors.slice(0, size);
  const to = basis.cut(blocks, { waits: true }).slice(0, kept);
  const work = space.work();
  work.transform(to, of, vectors.subarray(0, kept * size));
  await work.run();
  basis.vectors = [...to, ...waiting];
  return to.map((_, i) => {
    const column: number[] = new Array(kept).fill(0);
    column[i] = values[i];
    return [...column, ...outside(columns, size, vectors.subarray(i * size, (i + 1) * size))];
  });
}

/** QᵀHQ of the first `size` vectors. Both triangles were measured; their mean is symmetric. */
function projected(columns: Columns, size: number): Float64Array {
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

/** H Q s − Q (QᵀHQ) s in the vectors beyond the basis. */
function outside(columns: Columns, size: number, s: Float64Array): number[] {
  const parts: number[] = [];
  for (const [j, column] of columns.entries()) {
    for (let i = size; i < column.length; i++) parts[i - size] = (parts[i - size] ?? 0) + column[i] * s[j];
  }
  return parts;
}

const length = (parts: readonly number[]): number => Math.sqrt(parts.reduce((sum, part) => sum + part * part, 0));

/** The Ritz vectors of these coefficients, a row each, in place of the basis, scaled to unit length. */
async function ritzVectors<V>(
  { space }: SpaceOperator<V>,
  basis: Basis<V>,
  coefficients: Float64Array,
  size: number,
): Promise<{ vectors: V[]; spare: readonly V[] }> {
  const of = basis.vectors.slice(0, size);
  const vectors = basis.cut(1, { waits: false });
  const work = space.work();
  work.transform(vectors, of, coefficients);
  for (const vector of vectors) {
    const square = work.combine({ terms: [[vector, 1]], with: [vector] });
    work.combine({ to: vector, terms: [[vector, { factor: 1, result: square, inverseRoot: true }]] });
  }
  await work.run();
  return { vectors, spare: basis.open() };
}
