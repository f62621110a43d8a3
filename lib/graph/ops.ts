/** The layer's face: whoever writes a loss imports from here. */
export * from './arrange.ts';
export * from './contract.ts';
export * from './derive.ts';
export * from './loops.ts';
export * from './pointwise.ts';
export type { Axes, Operand, ReductionOptions, Tensor } from './tensor.ts';
export { type TensorSpec, trace } from './trace.ts';
