import type { Tensor } from '../graph/ops.ts';
import type { ParameterSpec } from '../nn/parameters.ts';

/** A model: its parameters as data, and a pure function of traced tensors. */
export interface Model<Name extends string = string> {
  /** For logs and reports. */
  readonly name: string;
  readonly parameters: Readonly<Record<Name, ParameterSpec>>;
  /** x [examples, …] → outputs [examples, …]. */
  apply(parameters: Readonly<Record<Name, Tensor>>, x: Tensor): Tensor;
}
