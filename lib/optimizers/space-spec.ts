import { checkF32, checkInteger, checkNumber, checkObject, checkOptions, invalidArgument } from '../errors.ts';

/**
 * What directions do to the elements of a tensor: move them (`dense`), leave them (`skip`: a frozen tensor), or move them `scale` times as far,
 * and of them only a random share `density`, the same in every step, drawn from `seed`.
 */
export type TensorSpace =
  | 'dense'
  | 'skip'
  | { readonly scale?: number; readonly density?: number; readonly seed?: number };

/**
 * By the name of a tensor, or a pattern in which `*` stands for any characters. The first that matches holds; a tensor that none matches is
 * `dense`. For example `{ 'adapter.*': 'dense', '*': 'skip' }`.
 */
export type SpaceSpec = Readonly<Record<string, TensorSpace>>;

/** A part of a specification, complete. */
export interface TensorSpaceRule {
  readonly pattern: string;
  readonly skip: boolean;
  readonly scale: number;
  /** 1: no mask. */
  readonly density: number;
  readonly seed: number;
}

/** The rules of a specification, in order. @throws ERR_ZEROTH_ARGUMENT */
export function spaceRules(spec: SpaceSpec): readonly TensorSpaceRule[] {
  const expected = "an object of 'dense', 'skip' or { scale, density, seed }, by names of tensors";
  checkObject('space', spec, expected);
  return Object.entries(spec).map(([pattern, value]) => {
    const name = `space of '${pattern}'`;
    if (typeof value === 'string') {
      if (value !== 'dense' && value !== 'skip')
        invalidArgument(name, "'dense', 'skip' or { scale, density, seed }", value);
      return { pattern, skip: value === 'skip', scale: 1, density: 1, seed: 0 };
    }
    checkOptions(name, value, { scale: true, density: true, seed: true });
    return {
      pattern,
      skip: false,
      scale: checkF32(`scale in ${name}`, value.scale ?? 1, { above: 0 }),
      density: checkNumber(`density in ${name}`, value.density ?? 1, { min: 2 ** -31, max: 1 }),
      seed: checkInteger(`seed in ${name}`, value.seed ?? 0, 0),
    };
  });
}
