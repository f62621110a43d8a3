import type { Graph } from '../../lib/graph/node.ts';
import { grad, jvp, sum, type Tensor, type TensorSpec, trace } from '../../lib/graph/ops.ts';

/** What `withDerivatives` computes, in its order. */
export const DERIVATIVES = ['value', 'gradient', 'jvp', 'jvp of the gradient'] as const;

/**
 * A function with its derivatives, each by its own transform. Inputs are x and a tangent v of its shape, outputs
 * f(x), ∇Σf, f′v and (∇Σf)′v. Of an elementwise f with v = 1 these are f, f′, f′ and f″.
 */
export function withDerivatives(f: (x: Tensor) => Tensor, spec: TensorSpec): Graph {
  const gradient = grad((x: Tensor) => sum(f(x)));
  return trace(
    (x: Tensor, v: Tensor) => [f(x), gradient(x), jvp(f)([x], [v])[1], jvp(gradient)([x], [v])[1]],
    spec,
    spec,
  );
}
