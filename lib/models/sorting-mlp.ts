import { SORTING_LENGTH, SORTING_SYMBOLS } from '../data/sorting.ts';
import { mlp } from './mlp.ts';
import type { Model } from './model.ts';

/**
 * The MLP that sorts: 32→64→64→32, 8,352 parameters. x [n, 32], eight one-hot symbols (`sortingMlpData`) → [n, 8, 4], a score a symbol
 * for each of the eight sorted positions.
 */
export function sortingMlp(): Model {
  const features = SORTING_LENGTH * SORTING_SYMBOLS;
  const { parameters, apply } = mlp({ sizes: [features, 64, 64, features] });
  return {
    name: 'sorting-mlp',
    parameters,
    apply: (p, x) => apply(p, x).reshape([x.shape[0], SORTING_LENGTH, SORTING_SYMBOLS]),
  };
}
