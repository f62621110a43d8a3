import { add, matmul, type Tensor } from '../graph/ops.ts';
import { type Initialiser, type ParameterSpec, torchUniform } from './parameters.ts';

/** x W + b. x [..., in], weight [in, out] (stored as it is used: no transposition), bias [out]; result [..., out]. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const product = matmul(x, weight);
  return bias === undefined ? product : add(product, bias);
}

/** Parameters of `linear`; both start as U(±1/√inputs) unless told otherwise. */
export function linearParameters(
  inputs: number,
  outputs: number,
  init: Initialiser = torchUniform(inputs),
): { weight: ParameterSpec; bias: ParameterSpec } {
  return { weight: { shape: [inputs, outputs], init }, bias: { shape: [outputs], init } };
}
