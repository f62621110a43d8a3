import { createHash } from 'node:crypto';
import { checkF32, checkOptions, invalidArgument } from '../../errors.ts';
import { f32Vector, type NumberArray } from '../../graph/host-array.ts';
import type { UpdateRule } from '../optimizer.ts';

/**
 * Adam with its preconditioner held constant: the linear method that the theory of Adam is about.
 *
 *     m' = β1 m + (1 − β1) ĝ,   θ' = θ − η P⁻¹ m',   P = diag(p)
 *
 * There is no bias correction: whatever is wanted of it belongs in p.
 *
 * @param options.beta1 momentum 0 ≤ β1 < 1. Default 0.9.
 * @param options.preconditioner p, one finite value above 0 a parameter; copied.
 * @returns an update rule with two state vectors: m, and p as given.
 * @throws ERR_ZEROTH_ARGUMENT when β1 or a value of p is out of range.
 * @example
 * frozenAdam({ beta1: 0.9, preconditioner: Float32Array.of(1, 2) }).update(0) // { kind: 'frozenAdam', beta1: 0.9 }
 * @see Song et al., arXiv 2604.14669, eqs 10–11.
 */
export function frozenAdam(options: { beta1?: number; preconditioner: Float32Array | NumberArray }): UpdateRule {
  checkOptions('frozenAdam: options', options, { beta1: true, preconditioner: true });
  const { beta1: momentum = 0.9, preconditioner } = options;
  const beta1 = checkF32('beta1', momentum, { min: 0, below: 1 });
  const expected = 'one value a parameter';
  const p = f32Vector('preconditioner', preconditioner, { expected }).slice();
  if (p.length === 0) invalidArgument('preconditioner', expected, preconditioner);
  for (let i = 0; i < p.length; i++) {
    // 1/p must stay finite in f32, where the update runs.
    if (!(p[i] > 0 && Number.isFinite(p[i]) && Number.isFinite(Math.fround(1 / p[i])))) {
      invalidArgument(`preconditioner[${i}]`, 'a finite number > 0 whose inverse is a finite f32', p[i]);
    }
  }
  return {
    name: 'frozen-adam',
    options: { beta1, preconditioner: digest(p) },
    beta: beta1,
    gradientWeight: 1 - beta1,
    preconditioned: true,
    states: ['m', 'p'],
    fixed: ['p'],
    initial: { p },
    update: () => ({ kind: 'frozenAdam', beta1 }),
    preconditioner: (state) => Float64Array.from(state.p ?? p),
  };
}

/** Enough to tell two preconditioners apart, and no copy of one. */
function digest(values: Float32Array): string {
  const hash = createHash('sha256');
  // One update takes less than 2 GiB.
  const most = 2 ** 26;
  for (let first = 0; first < values.length; first += most) hash.update(values.subarray(first, first + most));
  return `sha256:${hash.digest('hex').slice(0, 16)}`;
}
