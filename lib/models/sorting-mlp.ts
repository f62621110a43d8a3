import { SORTING_LENGTH, SORTING_SYMBOLS } from '../data/sorting.ts';
import { checkOptions, invalidArgument } from '../errors.ts';
import { mlp } from './mlp.ts';
import type { Model } from './model.ts';

export interface SortingMlpOptions {
  /** Units of each hidden layer. Default [64, 64]. */
  readonly hidden?: readonly number[];
  /** Default 'sorting-mlp'. */
  readonly name?: string;
}

/**
 * The MLP that sorts: by default 32→64→64→32, 8,352 parameters. x [n, 32], eight one-hot symbols (`sortingMlpData`) → [n, 8, 4], a score
 * a symbol for each of the eight sorted positions.
 *
 * @throws ERR_ZEROTH_ARGUMENT
 */
export function sortingMlp(options: SortingMlpOptions = {}): Model {
  checkOptions('options', options, { hidden: true, name: true });
  const { hidden = [64, 64], name = 'sorting-mlp' } = options;
  if (!Array.isArray(hidden)) invalidArgument('hidden', 'the sizes of the hidden layers', hidden);
  const features = SORTING_LENGTH * SORTING_SYMBOLS;
  const { parameters, apply } = mlp({ name, sizes: [features, ...hidden, features] });
  return {
    name,
    parameters,
    apply: (p, x) => apply(p, x).reshape([x.shape[0], SORTING_LENGTH, SORTING_SYMBOLS]),
  };
}
