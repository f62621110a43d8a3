import type { Tensor } from '../graph/tensor.ts';
import type { ParameterSpec } from '../nn/parameters.ts';

/** A model: its parameters as data, and a pure function of traced tensors. */
export interface Model {
  /** For logs and reports. */
  readonly name: string;
  readonly parameters: Readonly<Record<string, ParameterSpec>>;
  /** x [examples, …] → outputs [examples, …]. */
  readonly apply: (parameters: Record<string, Tensor>, x: Tensor) => Tensor;
}
