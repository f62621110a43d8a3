import { ZerothError } from '../errors.ts';

/**
 * Eigenvalues and eigenvectors of a small dense symmetric matrix in f64: Householder reduction to tridiagonal form, then QL with implicit
 * Wilkinson shifts. O(n³), meant for n up to a few hundred.
 *
 * @param matrix n × n, row-major; only symmetric input makes sense, and only the lower triangle decides.
 * @returns eigenvalues in descending order; row i of `vectors` is the unit eigenvector of value i.
 * @see Golub and Van Loan, Matrix Computations, 4th edition, sections 8.3.1 and 8.3.3.
 */
export function symmetricEigen(matrix: Float64Array, n: number): { values: Float64Array; vectors: Float64Array } {
  const { diagonal, coupling, basis } = tridiagonalise(matrix, n);
  diagonaliseTridiagonal(diagonal, coupling, basis, n, n);
  const order = Array.from(diagonal.keys()).sort((i, j) => diagonal[j] - diagonal[i]);
  const values = Float64Array.from(order, (i) => diagonal[i]);
  const vectors = new Float64Array(n * n);
  for (const [row, i] of order.entries()) vectors.set(basis.subarray(i * n, (i + 1) * n), row * n);
  return { values, vectors };
}

/**
 * Gauss quadrature of a symmetric tridiagonal matrix T: e₁ᵀ f(T) e₁ = Σ weights · f(nodes), for any f. O(n²).
 *
 * @param diagonal n values.
 * @param coupling n − 1 values beside it.
 * @returns the eigenvalues of T, in no order, and the squared first components of its eigenvectors, which add up to 1.
 * @see Golub and Welsch, Calculation of Gauss quadrature rules, 1969.
 */
export function gaussQuadrature(
  diagonal: ArrayLike<number>,
  coupling: ArrayLike<number>,
): { nodes: Float64Array; weights: Float64Array } {
  const n = diagonal.length;
  const nodes = Float64Array.from(diagonal);
  const first = new Float64Array(n);
  first[0] = 1;
  diagonaliseTridiagonal(
    nodes,
    Float64Array.from({ length: n }, (_, i) => (i + 1 < n ? coupling[i] : 0)),
    first,
    1,
    n,
  );
  return { nodes, weights: first.map((component) => component * component) };
}

/** A = Bᵀ T B with T tridiagonal and the rows of B orthonormal. */
function tridiagonalise(matrix: Float64Array, n: number) {
  const a = matrix.slice();
  const basis = new Float64Array(n * n);
  for (let i = 0; i < n; i++) basis[i * n + i] = 1;
  const coupling = new Float64Array(n);
  const v = new Float64Array(n);
  const w = new Float64Array(n);
  for (let k = 0; k + 1 < n; k++) {
    let tail = 0;
    for (let i = k + 2; i < n; i++) tail += a[i * n + k] ** 2;
    const head = a[(k + 1) * n + k];
    if (tail === 0) {
      coupling[k] = head;
      continue;
    }
    // The reflection I − f v vᵀ sends column k below the diagonal to a multiple of its first unit vector.
    const length = Math.sqrt(head ** 2 + tail);
    const image = head > 0 ? -length : length;
    v.fill(0);
    for (let i = k + 1; i < n; i++) v[i] = a[i * n + k];
    v[k + 1] -= image;
    const f = 2 / (v[k + 1] ** 2 + tail);
    coupling[k] = image;
    let vw = 0;
    for (let i = k + 1; i < n; i++) {
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += (j <= i ? a[i * n + j] : a[j * n + i]) * v[j];
      w[i] = f * sum;
      vw += w[i] * v[i];
    }
    for (let i = k + 1; i < n; i++) w[i] -= (f / 2) * vw * v[i];
    for (let i = k + 1; i < n; i++) {
      for (let j = k + 1; j <= i; j++) a[i * n + j] -= v[i] * w[j] + w[i] * v[j];
    }
    for (let column = 0; column < n; column++) {
      let sum = 0;
      for (let i = k + 1; i < n; i++) sum += v[i] * basis[i * n + column];
      for (let i = k + 1; i < n; i++) basis[i * n + column] -= f * sum * v[i];
    }
  }
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i * n + i]);
  return { diagonal, coupling, basis };
}

/**
 * Turns T (diagonal, coupling[i] between i and i + 1) into its eigenvalues, in place, and the n rows of `basis`, `width` long, into the
 * coordinates of its eigenvectors.
 */
function diagonaliseTridiagonal(
  diagonal: Float64Array,
  coupling: Float64Array,
  basis: Float64Array,
  width: number,
  n: number,
): void {
  let size = 0;
  for (let i = 0; i < n; i++) size = Math.max(size, Math.abs(diagonal[i]) + Math.abs(coupling[i]));
  const negligible = (i: number): boolean => {
    const local = Math.abs(diagonal[i]) + Math.abs(diagonal[i + 1]);
    return Math.abs(coupling[i]) <= Number.EPSILON * Math.max(local, Number.EPSILON * size);
  };
  // Two or three sweeps an eigenvalue are usual; only input that is not finite never ends.
  let sweepsLeft = 60 * n;
  for (let first = 0; first < n; ) {
    let last = first;
    while (last + 1 < n && !negligible(last)) last++;
    if (last === first) {
      coupling[first] = 0;
      first++;
      continue;
    }
    if (sweepsLeft-- === 0) {
      throw new ZerothError(
        'ERR_ZEROTH_DIVERGED',
        'symmetricEigen: expected a finite matrix, but QL does not converge on this one.',
      );
    }
    qlSweep(diagonal, coupling, basis, width, first, last);
  }
}

/** One implicit QL sweep on the unreduced block first … last: the bulge is chased from the last row up. */
function qlSweep(
  diagonal: Float64Array,
  coupling: Float64Array,
  basis: Float64Array,
  width: number,
  first: number,
  last: number,
): void {
  // Wilkinson's shift: the eigenvalue of the leading 2 × 2 block that is nearer to its first entry.
  const half = (diagonal[first + 1] - diagonal[first]) / 2;
  const off = coupling[first];
  const root = Math.hypot(half, off);
  const shift = diagonal[first] - off * (off / (half + (half < 0 ? -root : root)));
  let x = diagonal[last] - shift;
  let bulge = coupling[last - 1];
  for (let i = last - 1; i >= first; i--) {
    const r = Math.hypot(x, bulge);
    const c = r === 0 ? 1 : x / r;
    const s = r === 0 ? 0 : bulge / r;
    if (i + 1 < last) coupling[i + 1] = r;
    // The rotation of rows and columns i, i + 1 of T.
    const upper = diagonal[i];
    const lower = diagonal[i + 1];
    const middle = coupling[i];
    const turned = s * (upper - lower) + 2 * c * middle;
    diagonal[i + 1] = lower + s * turned;
    diagonal[i] = upper - s * turned;
    coupling[i] = c * turned - middle;
    if (i > first) {
      x = coupling[i];
      bulge = s * coupling[i - 1];
      coupling[i - 1] *= c;
    }
    for (let k = 0; k < width; k++) {
      const a = basis[i * width + k];
      const b = basis[(i + 1) * width + k];
      basis[(i + 1) * width + k] = c * b + s * a;
      basis[i * width + k] = c * a - s * b;
    }
  }
}
