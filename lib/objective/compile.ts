import { shown, ZerothError } from '../errors.ts';
import { reshape, slice } from '../graph/arrange.ts';
import { grad, jvp, valueAndGrad, vmap } from '../graph/derive.ts';
import type { Graph, Shape } from '../graph/node.ts';
import { type InputBinding, type Plan, plan } from '../graph/plan/plan.ts';
import { Tensor } from '../graph/tensor.ts';
import { trace } from '../graph/trace.ts';
import type { Layout } from '../params/layout.ts';
import { dtypeOf, type Problem } from './problem.ts';

/** Slots of every program: the flat parameters, then the data arrays in their order, then (HVP) the tangents. */
const PARAMETER_SLOT = 0;

/** The loss; the loss and its gradient; Hessian-vector products of so many vectors. */
export type ProgramKind = 'loss' | 'gradient' | `hvp${number}`;

type Tensors = Record<string, Tensor>;

/** How a problem becomes programs: the loss, its gradient, its Hessian-vector products, for a given number of examples. */
export class Compiler {
  readonly #problem: Problem;
  readonly #layout: Layout;
  readonly #dataNames: readonly string[];

  constructor(problem: Problem, layout: Layout) {
    this.#problem = problem;
    this.#layout = layout;
    this.#dataNames = Object.keys(problem.data);
  }

  /** The program of a kind for some examples. */
  build(kind: ProgramKind, examples: number): Plan {
    if (kind === 'loss') return this.loss(examples);
    if (kind === 'gradient') return this.gradient(examples);
    return this.hessianVector(examples, Number(kind.slice('hvp'.length)));
  }

  /** The loss as a graph. @throws ERR_ZEROTH_SHAPE, ERR_ZEROTH_TRACE, ERR_ZEROTH_ARGUMENT for a loss that does not fit together. */
  trace(examples: number): Graph {
    const specs = [this.#parameterSpecs(), this.#dataSpecs(examples)] as const;
    return trace((parameters: Tensors, data: Tensors) => this.#loss(parameters, data), ...specs);
  }

  /** Output: the loss. */
  loss(examples: number): Plan {
    const graph = this.trace(examples);
    return plan(graph, { inputs: this.#inputs(graph, false) });
  }

  /** Outputs: the loss, then its gradient with respect to each parameter tensor. */
  gradient(examples: number): Plan {
    const specs = [this.#parameterSpecs(), this.#dataSpecs(examples)] as const;
    const graph = trace(
      (parameters: Tensors, data: Tensors) => {
        const [loss, gradient] = valueAndGrad((p: Tensors) => this.#loss(p, data))(parameters);
        return [loss, ...this.#layout.tensors.map(({ name }) => gradient[name])];
      },
      ...specs,
    );
    return plan(graph, { inputs: this.#inputs(graph, false) });
  }

  /**
   * Outputs: for each parameter tensor, `count` rows of H·v. jvp(grad(loss)), vmapped over the tangents, so that the primal work is
   * done once for all of them.
   */
  hessianVector(examples: number, count: number): Plan {
    const tensors = this.#layout.tensors;
    const specs = [
      this.#parameterSpecs(),
      this.#dataSpecs(examples),
      { shape: [count, this.#layout.length] as Shape, dtype: 'f32' as const },
    ] as const;
    const graph = trace(
      (parameters: Tensors, data: Tensors, vectors: Tensor) => {
        const gradient = grad((p: Tensors) => this.#loss(p, data));
        const tangents = Object.fromEntries(
          tensors.map(({ name, shape, offset, size }) => [
            name,
            reshape(slice(vectors, [0, offset], [count, offset + size]), [count, ...shape]),
          ]),
        );
        const product = vmap((tangent: Tensors) => jvp(gradient)([parameters], [tangent])[1])(tangents);
        return tensors.map(({ name, size }) => reshape(product[name], [count, size]));
      },
      ...specs,
    );
    return plan(graph, { inputs: this.#inputs(graph, true) });
  }

  #loss(parameters: Tensors, data: Tensors): Tensor {
    const loss: unknown = this.#problem.loss(parameters, data);
    if (!(loss instanceof Tensor) || loss.dtype !== 'f32') {
      const received = loss instanceof Tensor ? `a tensor of ${loss.dtype}` : shown(loss);
      throw new ZerothError(
        'ERR_ZEROTH_TRACE',
        `loss: expected a function that returns a scalar f32 tensor, received ${received}; compute it by \`ops\`, without await.`,
      );
    }
    if (loss.shape.length !== 0) {
      throw new ZerothError(
        'ERR_ZEROTH_SHAPE',
        `loss: expected a scalar (shape []), received shape [${loss.shape.join(', ')}]; take the mean over the examples.`,
      );
    }
    return loss;
  }

  #parameterSpecs(): Record<string, { shape: Shape; dtype: 'f32' }> {
    return Object.fromEntries(this.#layout.tensors.map(({ name, shape }) => [name, { shape, dtype: 'f32' as const }]));
  }

  #dataSpecs(examples: number): Record<string, { shape: Shape; dtype: 'f32' | 'i32' }> {
    return Object.fromEntries(
      Object.entries(this.#problem.data).map(([name, { shape, data }]) => [
        name,
        { shape: [examples, ...shape.slice(1)], dtype: dtypeOf(data) },
      ]),
    );
  }

  #inputs(graph: Graph, tangents: boolean): InputBinding[] {
    const bindings: InputBinding[] = [
      ...this.#layout.tensors.map(({ offset }) => ({ slot: PARAMETER_SLOT, offset })),
      ...this.#dataNames.map((_, i) => ({ slot: 1 + i, offset: 0 })),
    ];
    if (tangents) bindings.push({ slot: 1 + this.#dataNames.length, offset: 0 });
    if (bindings.length !== graph.inputs.length)
      throw new Error(`${graph.inputs.length} graph inputs, ${bindings.length} bindings`);
    return bindings;
  }
}
