import { ZerothError } from '../errors.ts';
import { reshape, slice } from '../graph/arrange.ts';
import { grad, jvp, valueAndGrad, vmap } from '../graph/derive.ts';
import type { Graph } from '../graph/node.ts';
import type { Tensor } from '../graph/ops.ts';
import { type InputBinding, type Plan, plan } from '../graph/plan/plan.ts';
import type { Target } from '../graph/plan/target.ts';
import { type TensorSpec, trace } from '../graph/trace.ts';
import { reachable } from '../graph/transforms.ts';
import { strictRecord } from '../graph/tree.ts';
import type { Layout } from '../params/layout.ts';
import { type TracedLoss, tracedLoss } from './loss-value.ts';
import type { Problem, Tensors } from './problem.ts';

/** Slots of every program: the flat parameters, then the data arrays in their order, the constants in theirs, (HVP) the tangents. */
const PARAMETER_SLOT = 0;

/** The loss; the weight that it is divided by; the loss and its derivative along a vector, or its gradient; Hessian-vector products of so many vectors. */
export type ProgramKind = 'loss' | 'weight' | 'derivative' | 'gradient' | `hvp${number}`;

/** Shapes and dtypes of named arrays, in their order. */
export type Specs = Readonly<Record<string, TensorSpec>>;

/** A traced function of the objective's tensors, and of `vectors` where there are any. */
type ObjectiveFunction = (
  parameters: Tensors,
  data: Tensors,
  constants: Tensors,
  vectors?: Tensor,
) => readonly Tensor[];

/**
 * How functions of a problem's parameters, data and constants become programs: the loss, its gradient, its Hessian-vector products, for a
 * given number of examples.
 */
export class Compiler {
  readonly #problem: Problem;
  readonly #layout: Layout;
  /** The arrays of the problem's examples. */
  readonly data: Specs;
  readonly #constants: Specs;
  readonly #target: Target;
  /** Whether the loss is a sum to be divided by a weight. */
  readonly weighted: boolean;

  /**
   * @param examples of all data.
   * @param target the device that programs are for.
   * @throws ERR_ZEROTH_SHAPE, ERR_ZEROTH_TRACE, ERR_ZEROTH_ARGUMENT for a loss that does not fit together.
   */
  constructor(problem: Problem, layout: Layout, data: Specs, constants: Specs, examples: number, target: Target) {
    this.#problem = problem;
    this.#layout = layout;
    this.data = data;
    this.#constants = constants;
    this.#target = target;
    const graph = this.trace(data, examples, (p, d, c) => scalarsOf(this.#call(p, d, c)));
    this.weighted = graph.outputs.length > 1;
    if (this.weighted) checkWeight(graph, layout);
  }

  /** The program of a kind for some examples. */
  build(kind: ProgramKind, examples: number): Plan {
    if (kind === 'loss') return this.#loss(examples);
    if (kind === 'weight') return this.#weight(examples);
    if (kind === 'derivative') return this.#derivative(examples);
    if (kind === 'gradient') return this.#gradient(examples);
    return this.#hessianVector(examples, Number(kind.slice('hvp'.length)));
  }

  /** A function of the parameters, of so many examples of `data`, of the constants, and of `vectors` rows as long as θ, as a graph. */
  trace(data: Specs, examples: number, f: ObjectiveFunction, vectors = 0): Graph {
    const specs = [
      Object.fromEntries(this.#layout.tensors.map(({ name, shape }) => [name, { shape }])),
      Object.fromEntries(
        Object.entries(data).map(([name, { shape, dtype }]) => [name, { shape: [examples, ...shape.slice(1)], dtype }]),
      ),
      this.#constants,
    ] as const;
    const named = (p: Tensors, d: Tensors, c: Tensors) =>
      [strictRecord('parameters', p), strictRecord('data', d), strictRecord('constants', c)] as const;
    if (vectors === 0) return trace((p: Tensors, d: Tensors, c: Tensors) => f(...named(p, d, c)), ...specs);
    const rows = { shape: [vectors, this.#layout.length] };
    return trace((p: Tensors, d: Tensors, c: Tensors, v: Tensor) => f(...named(p, d, c), v), ...specs, rows);
  }

  /** A graph of `trace` as a program. `outputs` are f64 scalars, which go to result slots, or f32, which go to buffers. */
  plan(graph: Graph, data: Specs, outputs: readonly ('f64' | 'f32')[]): Plan {
    const inputs: InputBinding[] = [
      ...this.#layout.tensors.map(({ offset }) => ({ slot: PARAMETER_SLOT, offset })),
      ...[...Object.keys(data), ...Object.keys(this.#constants)].map((_, i) => ({ slot: 1 + i, offset: 0 })),
    ];
    // What is left are the tangents.
    if (inputs.length < graph.inputs.length)
      inputs.push({ slot: inputs.length - this.#layout.tensors.length + 1, offset: 0 });
    return plan(graph, { inputs, outputs, target: this.#target });
  }

  /** Output: the mean; or sum and weight. */
  #loss(examples: number): Plan {
    const graph = this.trace(this.data, examples, (p, d, c) => scalarsOf(this.#tracedLoss(p, d, c)));
    return this.plan(graph, this.data, this.weighted ? ['f64', 'f64'] : ['f64']);
  }

  /** Output: the weight. */
  #weight(examples: number): Plan {
    const graph = this.trace(this.data, examples, (p, d, c) => [this.#tracedLoss(p, d, c).weight!]);
    return this.plan(graph, this.data, ['f64']);
  }

  /** Outputs: the mean; or sum and weight; then the derivative of mean or sum along the vector. */
  #derivative(examples: number): Plan {
    const graph = this.trace(
      this.data,
      examples,
      (parameters, data, constants, vectors) => {
        const value = (p: Tensors) => this.#tracedLoss(p, data, constants).value;
        const [, derivative] = jvp(value)([parameters], [this.#tensorsOf(vectors!, [])]);
        return [...scalarsOf(this.#tracedLoss(parameters, data, constants)), derivative];
      },
      1,
    );
    return this.plan(
      graph,
      this.data,
      graph.outputs.map(() => 'f64' as const),
    );
  }

  /** Outputs: the mean, or the sum, then its gradient with respect to each parameter tensor. */
  #gradient(examples: number): Plan {
    const graph = this.trace(this.data, examples, (parameters, data, constants) => {
      const value = (p: Tensors) => this.#tracedLoss(p, data, constants).value;
      const [loss, gradient] = valueAndGrad(value)(parameters);
      return [loss, ...this.#layout.tensors.map(({ name }) => gradient[name])];
    });
    return this.plan(graph, this.data, ['f64', ...this.#layout.tensors.map(() => 'f32' as const)]);
  }

  /**
   * Outputs: for each parameter tensor, `count` rows of H·v, of the mean or of the sum. jvp(grad(loss)), vmapped over the tangents, so that
   * the primal work is done once for all of them.
   */
  hessianVectorGraph(examples: number, count: number): Graph {
    const tensors = this.#layout.tensors;
    const products: ObjectiveFunction = (parameters, data, constants, vectors) => {
      const gradient = grad((p: Tensors) => this.#tracedLoss(p, data, constants).value);
      const product = vmap((tangent: Tensors) => jvp(gradient)([parameters], [tangent])[1])(
        this.#tensorsOf(vectors!, [count]),
      );
      return tensors.map(({ name, size }) => reshape(product[name], [count, size]));
    };
    return this.trace(this.data, examples, products, count);
  }

  #hessianVector(examples: number, count: number): Plan {
    const outputs = this.#layout.tensors.map(() => 'f32' as const);
    return this.plan(this.hessianVectorGraph(examples, count), this.data, outputs);
  }

  /** Rows as long as θ as the tensors that they hold, each with `rows` before its shape. */
  #tensorsOf(vectors: Tensor, rows: readonly number[]): Tensors {
    const count = vectors.shape[0];
    return Object.fromEntries(
      this.#layout.tensors.map(({ name, shape, offset, size }) => [
        name,
        reshape(slice(vectors, [0, offset], [count, offset + size]), [...rows, ...shape]),
      ]),
    );
  }

  #call(parameters: Tensors, data: Tensors, constants: Tensors): TracedLoss {
    return tracedLoss(this.#problem.loss(strictRecord('parameters', parameters), data, constants));
  }

  /** @throws ERR_ZEROTH_TRACE where a loss returns one thing for some number of examples, and another for another. */
  #tracedLoss(parameters: Tensors, data: Tensors, constants: Tensors): TracedLoss {
    const loss = this.#call(parameters, data, constants);
    if ((loss.weight !== undefined) === this.weighted) return loss;
    throw new ZerothError(
      'ERR_ZEROTH_TRACE',
      'loss: expected a mean for every number of examples, or { sum, weight } for every number; received now the one and now the other.',
    );
  }
}

const scalarsOf = ({ value, weight }: TracedLoss): Tensor[] => (weight ? [value, weight] : [value]);

/** The derivative of a quotient is taken with the weight of all examples, which is no function of the parameters. */
function checkWeight({ inputs, outputs: [, weight] }: Graph, { tensors }: Layout): void {
  const needed = new Set(reachable([weight], inputs));
  const moved = tensors.find((_, i) => needed.has(inputs[i]));
  if (!moved) return;
  throw new ZerothError(
    'ERR_ZEROTH_TRACE',
    `loss.weight: expected a function of data and constants, received one of the parameter '${moved.name}'; ` +
      'what moves with the parameters belongs into `sum`.',
  );
}
