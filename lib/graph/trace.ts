import { invalidArgument, ZerothError } from '../errors.ts';
import { isTensor } from './broadcasting.ts';
import * as $ from './build.ts';
import type { DType, Graph, Node, Shape } from './node.ts';
import './methods.ts';
import { Tensor } from './tensor.ts';
import { reachable } from './transforms.ts';
import { flatten, mapTree, type Tree } from './tree.ts';

/** The type of an argument of a traced function. */
export interface TensorSpec {
  readonly shape: Shape;
  /** Default f32. */
  readonly dtype?: DType;
}

/** Tensors of a result or an argument, in order. */
export function tensorsOf(what: string, tree: unknown): Tensor[] {
  return flatten(tree, isTensor, (path, value) =>
    invalidArgument(what + path, 'a tensor, or arrays and records of tensors', value),
  );
}

/** The same tree with other tensors. */
export function mapTensors(what: string, tree: unknown, map: (x: Tensor, path: string) => unknown): unknown {
  return mapTree(
    tree,
    isTensor,
    (path, value) => invalidArgument(what + path, 'a tensor, or arrays and records of tensors', value),
    map,
  );
}

const isSpec = (value: unknown): value is TensorSpec =>
  typeof value === 'object' && value !== null && 'shape' in value && Array.isArray(value.shape);

/**
 * Records a function once, as a graph.
 *
 * @param f a pure function of tensors; it may return a tensor, or arrays and records of tensors.
 * @param specs one spec, or tree of specs, an argument of f.
 * @returns a graph whose inputs are the leaves of the arguments, and whose outputs are the leaves of the result, in order.
 * @throws ERR_ZEROTH_SHAPE where operands do not fit, with the operation, the shapes and the source line;
 *   ERR_ZEROTH_TRACE where the result depends on a tensor of another traced function.
 *
 * @example
 * const graph = trace((w, x) => sum(matmul(x, w)), { shape: [3, 2] }, { shape: [5, 3] });
 */
export function trace<Arguments extends readonly unknown[]>(
  f: (...args: Arguments) => unknown,
  ...specs: { readonly [I in keyof Arguments]: Tree<TensorSpec> }
): Graph {
  const inputs: Node<'input'>[] = [];
  const rejectSpec = (path: string, value: unknown) => invalidArgument(`specs${path}`, '{ shape, dtype? }', value);
  const args = mapTree<TensorSpec>(specs, isSpec, rejectSpec, ({ shape, dtype = 'f32' }, path) => {
    if (dtype !== 'f32' && dtype !== 'i32') invalidArgument(`specs${path}.dtype`, "'f32' or 'i32'", dtype);
    const node = $.input(`argument${path}`, [...shape], dtype);
    inputs.push(node);
    return new Tensor(node);
  }) as unknown as Arguments;
  const outputs = tensorsOf('result of the traced function', f(...args)).map((x) => x.node);
  if (outputs.length === 0) throw new ZerothError('ERR_ZEROTH_TRACE', 'the traced function returned no tensor.');
  reachable(outputs, inputs);
  return { inputs, outputs };
}
