import { availableBytes } from '../host-memory.ts';
import { checkFinite } from './checks.ts';
import type { SpaceOperator } from './space-operator.ts';

export interface SearchOptions {
  readonly count: number;
  readonly tolerance: number;
  /** Do not trust a small residual before. */
  readonly minIterations: number;
  /** Iterations that are made before a basis is cut back, as far as its budget holds them. Default 1. */
  readonly krylovIterations?: number;
  readonly maxIterations: number;
  /** Bytes that a basis may take. */
  readonly basisBudget: number;
  readonly signal?: AbortSignal;
}

/** What a search has found, in memory that it holds until it is disposed. */
export interface Found<V> {
  /** Unit vectors, one after the other. */
  readonly vectors: readonly V[];
  /** As many vectors for anything. */
  readonly spare: readonly V[];
  /** Products taken. */
  readonly hvps: number;
  dispose(): void;
}

/** Bytes that a basis may take where nobody says: 1 GiB, or a quarter of the machine's memory where that is less. */
export const defaultBasisBudget = (): number => Math.min(2 ** 30, availableBytes() / 4);

/** λ and the residual of each vector from one fresh product, in descending order of λ. */
export async function rayleigh<V>(
  operator: SpaceOperator<V>,
  { vectors, spare: products }: Found<V>,
  signal?: AbortSignal,
): Promise<{ value: number; residual: number; vector: V }[]> {
  const { space } = operator;
  const work = space.work();
  await operator.append(work, vectors, products);
  for (const [i, vector] of vectors.entries()) work.combine({ terms: [[vector, 1]], with: [vector, products[i]] });
  const sums = await work.run(signal);
  const values = vectors.map((_, i) => checkFinite(sums[2 * i + 1]) / sums[2 * i]);
  const rest = space.work();
  for (const [i, vector] of vectors.entries()) {
    const to = products[i];
    rest.combine({
      to,
      terms: [
        [to, 1],
        [vector, -values[i]],
      ],
      with: [to],
    });
  }
  const squares = await rest.run(signal);
  const pairs = vectors.map((vector, i) => {
    return { value: values[i], residual: Math.sqrt(checkFinite(squares[i]) / sums[2 * i]), vector };
  });
  return pairs.sort((a, b) => b.value - a.value);
}
