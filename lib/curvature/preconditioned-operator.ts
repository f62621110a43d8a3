import { invalidArgument } from '../errors.ts';
import type { Space } from '../random/space.ts';
import { onVectors } from './host-operator.ts';
import type { LinearOperator } from './operator.ts';
import type { Block, MemoryPurpose, VectorSpace, Work } from './space.ts';
import { SpaceOperator } from './space-operator.ts';

/** An operator with vectors of its own. */
export interface PreconditionedOperator extends LinearOperator {
  /** Frees them; also done on garbage collection. H itself is not touched. */
  dispose(): void;
}

/** Some elements of a diagonal, from `offset` on. */
export interface DiagonalPiece {
  readonly offset: number;
  readonly values: Float64Array;
}

/**
 * P^-½ H P^-½ for a diagonal P: symmetric, with the eigenvalues of P⁻¹H, which are what an Adam-type rule sees.
 *
 * @param operator H.
 * @param diagonalP the diagonal of P, one finite value above 0 a parameter; read now, not later.
 * @returns an operator of the same dimension. Eigenvectors of P⁻¹H are P^-½ times its own.
 * @throws ERR_ZEROTH_ARGUMENT for a wrong length or a value out of range; ERR_ZEROTH_MEMORY.
 * @example
 * const sharpness = await topEigenvalues(preconditionedOperator(hessian, diagonalP))
 */
export function preconditionedOperator(operator: LinearOperator, diagonalP: Float64Array): PreconditionedOperator {
  const { dimension } = operator;
  if (diagonalP.length !== dimension) invalidArgument('diagonalP', `${dimension} values`, diagonalP);
  const scales = inverseRoots(diagonalP, 0);
  return new Preconditioned(onVectors(operator), (space, to) => space.write([to], scales));
}

/** The same of a diagonal that comes piece by piece, so that no more than a piece of it is in JavaScript's memory. */
export async function preconditionedByPieces(
  operator: LinearOperator,
  pieces: AsyncIterable<DiagonalPiece>,
): Promise<PreconditionedOperator> {
  const preconditioned = new Preconditioned(onVectors(operator), async (space, to) => {
    for await (const { offset, values } of pieces) await space.writePiece(to, offset, inverseRoots(values, offset));
  });
  try {
    await preconditioned.ready;
    return preconditioned;
  } catch (error) {
    preconditioned.dispose();
    throw error;
  }
}

/**
 * S H S for the scales S of a space of directions, up to the signs of its rows and columns, which change no eigenvalue and no trace: the
 * curvature that an estimator in that space meets. What the space leaves out has eigenvalues 0.
 */
export function operatorInSpace(operator: LinearOperator, space: Space): PreconditionedOperator {
  return new Preconditioned(onVectors(operator), async (vectors, to) => {
    const work = vectors.work();
    // ±S: a direction of signs in the space.
    work.fill(to, { distribution: 'rademacher', seed: 0n, stream: 0n, space });
    await work.run();
  });
}

/** @throws ERR_ZEROTH_ARGUMENT */
function inverseRoots(diagonal: Float64Array, offset: number): Float32Array {
  const bad = diagonal.findIndex((value) => !(value > 0 && value < Number.POSITIVE_INFINITY));
  if (bad >= 0) invalidArgument(`diagonalP[${offset + bad}]`, 'a finite number > 0', diagonal[bad]);
  return Float32Array.from(diagonal, (value) => 1 / Math.sqrt(value));
}

class Preconditioned<V> extends SpaceOperator<V> implements PreconditionedOperator {
  readonly dimension: number;
  readonly space: VectorSpace<V>;
  readonly batch: number;
  /** When P^-½ is where it belongs. */
  readonly ready: Promise<void>;
  readonly #operator: SpaceOperator<V>;
  readonly #scales: Block<V>;
  /** Free memory for P^-½ V: of works under way at the same time, each has its own. */
  readonly #scaled: Block<V>[] = [];

  constructor(operator: SpaceOperator<V>, write: (space: VectorSpace<V>, to: V) => Promise<void>) {
    super();
    this.dimension = operator.dimension;
    this.space = operator.space;
    this.batch = operator.batch;
    this.#operator = operator;
    this.#scales = this.space.allocate(1, this.#purpose(1));
    this.ready = write(this.space, this.#scales.vectors[0]);
    // Whoever applies it hears of a failure.
    this.ready.catch(() => {});
  }

  async append(work: Work<V>, from: readonly V[], to: readonly V[]): Promise<void> {
    await this.ready;
    const [factor] = this.#scales.vectors;
    const block = this.#take(from.length);
    work.after(() => this.#scaled.push(block));
    const scaled = block.vectors.slice(0, from.length);
    for (const [i, vector] of from.entries()) work.combine({ to: scaled[i], terms: [[vector, 1]], factor });
    await this.#operator.append(work, scaled, to);
    for (const vector of to) work.combine({ to: vector, terms: [[vector, 1]], factor });
  }

  dispose(): void {
    this.#scales.dispose();
    for (const block of this.#scaled.splice(0)) block.dispose();
  }

  #take(vectors: number): Block<V> {
    const block = this.#scaled.pop();
    if (block && block.vectors.length >= vectors) return block;
    block?.dispose();
    return this.space.allocate(vectors, this.#purpose(vectors));
  }

  #purpose(vectors: number): MemoryPurpose {
    return { what: `${vectors} preconditioned vectors of ${this.dimension} numbers`, remedy: 'use a smaller batch' };
  }
}
