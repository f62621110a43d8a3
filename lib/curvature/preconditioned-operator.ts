import { invalidArgument } from '../errors.ts';
import type { LinearOperator } from './operator.ts';

/**
 * P^-½ H P^-½ for a diagonal P: symmetric, with the eigenvalues of P⁻¹H, which are what an Adam-type rule sees.
 *
 * @param operator H.
 * @param diagonalP the diagonal of P, one finite value above 0 a parameter; read now, not later.
 * @returns an operator of the same dimension. Eigenvectors of P⁻¹H are P^-½ times its own.
 * @throws ERR_ZEROTH_ARGUMENT for a wrong length or a value out of range.
 * @example
 * const sharpness = await topEigenvalues(preconditionedOperator(hessian, diagonalP))
 */
export function preconditionedOperator(operator: LinearOperator, diagonalP: Float64Array): LinearOperator {
  const { dimension } = operator;
  if (diagonalP.length !== dimension) invalidArgument('diagonalP', `${dimension} values`, diagonalP);
  const scales = new Float64Array(dimension);
  for (let i = 0; i < dimension; i++) {
    if (!(diagonalP[i] > 0 && diagonalP[i] < Number.POSITIVE_INFINITY)) {
      invalidArgument(`diagonalP[${i}]`, 'a finite number > 0', diagonalP[i]);
    }
    scales[i] = 1 / Math.sqrt(diagonalP[i]);
  }
  const scaled = (vectors: Float32Array, count: number): Float32Array => {
    const result = new Float32Array(vectors.length);
    for (let row = 0; row < count; row++) {
      const offset = row * dimension;
      for (let i = 0; i < dimension; i++) result[offset + i] = vectors[offset + i] * scales[i];
    }
    return result;
  };
  return {
    dimension,
    async apply(vectors, count, signal) {
      return scaled(await operator.apply(scaled(vectors, count), count, signal), count);
    },
  };
}
