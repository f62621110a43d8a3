import { checkInteger, checkNumber } from '../errors.ts';
import type { Shape } from '../graph/node.ts';

/** How a parameter starts, as data: `lib/params` draws the values from the run's seed. */
export type Initialiser =
  /** Uniform on (−bound, bound). */
  | { readonly kind: 'uniform'; readonly bound: number }
  /** N(0, std²). */
  | { readonly kind: 'normal'; readonly std: number }
  | { readonly kind: 'constant'; readonly value: number };

/** Declares one named parameter of a model. */
export interface ParameterSpec {
  readonly shape: Shape;
  readonly init: Initialiser;
}

/** PyTorch's default for weights and biases of linear layers: U(−1/√fanIn, 1/√fanIn). */
export function torchUniform(fanIn: number): Initialiser {
  return { kind: 'uniform', bound: 1 / Math.sqrt(checkInteger('fanIn', fanIn, 1)) };
}

/** N(0, std²). */
export function normal(std: number): Initialiser {
  return { kind: 'normal', std: checkNumber('std', std, { min: 0 }) };
}

export function constant(value: number): Initialiser {
  return { kind: 'constant', value: checkNumber('value', value) };
}

export const zeros: Initialiser = { kind: 'constant', value: 0 };
