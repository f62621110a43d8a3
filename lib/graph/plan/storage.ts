import { isOp, reshape } from '../build.ts';
import { type DType, type Graph, type Node, type Shape, sizeOf } from '../node.ts';
import { ELEMENT_BYTES } from './format.ts';
import { isView, kindOf, type ViewNode } from './kinds.ts';
import type { StorageType } from './schema.ts';
import { applyView, denseView, normalized, type View } from './views.ts';

/** Which values have memory of their own, of what type, and how a value is found in the memory of another. */

/** The values with memory of their own: inputs, results of everything but elementwise operations and views, and those added. */
export class Stored {
  readonly #added = new Set<Node>();
  readonly #inputs: ReadonlyMap<Node, Source>;

  /** @param inputs where the graph's inputs are. */
  constructor(inputs: ReadonlyMap<Node, Source>) {
    this.#inputs = inputs;
  }

  has(node: Node): boolean {
    const kind = kindOf(node);
    return this.#added.has(node) || kind === 'source' || kind === 'result';
  }

  /** Gives a value memory of its own. False if it had. */
  add(node: Node): boolean {
    if (this.has(node)) return false;
    this.#added.add(node);
    return true;
  }

  /** The view that a chain of views makes of a value's memory; undefined where only a copy can do it. */
  viewAlong(node: Node, path: readonly ViewNode[]): View | undefined {
    let view: View | undefined = this.#inputs.get(node)?.view ?? denseView(node.shape);
    for (const next of path) view = view && applyView(view, next);
    return view;
  }

  /** The type of a value's memory. */
  typeOf(node: Node): StorageType {
    return this.#inputs.get(node)?.buffer.dtype ?? storageType(node);
  }
}

/** A computed scalar is f64; gathers and the like keep their own type. */
function storageType(node: Node): StorageType {
  return node.shape.length === 0 && kindOf(node) !== 'source' ? 'f64' : node.dtype;
}

/** The value below a chain of views: the first one with memory, or an elementwise result or constant that has none. */
export function baseOf(node: Node, stored: Stored): { base: Node; path: ViewNode[] } {
  const path: ViewNode[] = [];
  let base = node;
  while (isView(base) && !stored.has(base)) {
    path.push(base);
    base = base.inputs[0];
  }
  return { base, path: path.reverse() };
}

/**
 * How an operand that an instruction takes whole lies in memory; undefined where it must be copied first.
 * @param dtype that it needs there.
 */
export function locate<T>(
  node: Node,
  dtype: DType | 'any',
  stored: Stored,
  accept: (view: View) => T | undefined,
): { base: Node; path: readonly ViewNode[]; element: number; access: T } | undefined {
  const { base, path } = baseOf(node, stored);
  if (isOp(base, 'constant') && !stored.has(base)) return undefined;
  if (dtype !== 'any' && stored.typeOf(base) !== dtype) return undefined;
  const view = stored.viewAlong(base, path);
  const access = view && accept(view);
  return view && access !== undefined ? { base, path, element: view.offset, access } : undefined;
}

export interface MatrixAccess {
  /** Whether the two last axes lie in memory the other way round. */
  readonly transposed: boolean;
  /** In elements; 0 where every matrix of the batch is the same. */
  readonly batchStride: number;
}

/** A batch of dense row-major matrices, or undefined. */
export function asMatrices(view: View): MatrixAccess | undefined {
  const batch = normalized(view.axes.slice(0, -2).flat());
  const [rows, columns] = view.axes.slice(-2);
  if (batch.length > 1 || rows.length > 1 || columns.length > 1) return undefined;
  const [rowCount, columnCount] = [rows[0]?.size ?? 1, columns[0]?.size ?? 1];
  const strided = (axis: typeof rows, stride: number) => axis.length === 0 || axis[0].stride === stride;
  const batchStride = batch[0]?.stride ?? 0;
  if (strided(columns, 1) && strided(rows, columnCount)) return { transposed: false, batchStride };
  if (strided(rows, 1) && strided(columns, rowCount)) return { transposed: true, batchStride };
  return undefined;
}

export interface PlannedOutput {
  /** The value whose memory holds the output, dense. No two outputs share one. */
  readonly node: Node;
  readonly shape: Shape;
  readonly dtype: StorageType;
}

/**
 * Gives every output memory of its own: the memory of the value itself where that is possible, else a copy's.
 * @param dtypes how each is delivered. A computed scalar is f64 in memory; one that is to be f32 is stored as a vector of one element.
 */
export function placeOutputs(graph: Graph, dtypes: readonly StorageType[], stored: Stored): PlannedOutput[] {
  const claimed = new Set<Node>();
  return graph.outputs.map((output, i) => {
    const dtype = dtypes[i];
    const value = output.shape.length === 0 && dtype !== 'f64' ? reshape(output, [1]) : output;
    const scalar = value.shape.length === 0;
    let node = value;
    while (isOp(node, 'reshape') && (node.inputs[0].shape.length === 0) === scalar) node = node.inputs[0];
    const usable = !isOp(node, 'input') && !isOp(node, 'constant') && !isView(node) && stored.typeOf(node) === dtype;
    if (!usable || claimed.has(node)) node = reshape(value, value.shape);
    claimed.add(node);
    stored.add(node);
    return { node, shape: output.shape, dtype };
  });
}

/** Memory of one value, one program input, or what the window of a loop shows. */
export interface Buffer {
  readonly dtype: StorageType;
  readonly elements: number;
  /** The program input that it is. */
  readonly slot?: number;
  /** The window that it is, of those of the loops around: the outermost loop's come first. */
  readonly window?: number;
}

export const isInArena = ({ slot, window }: Buffer): boolean => slot === undefined && window === undefined;

export interface Place {
  readonly buffer: Buffer;
  /** In elements of the buffer. */
  readonly element: number;
}

/** Where a graph's input is. */
export interface Source extends Place {
  /** How it lies there, beginning at the place. Default: dense. */
  readonly view?: View;
}

/** None for a program input or a window. */
export const arenaBytesOf = (buffer: Buffer): number =>
  isInArena(buffer) ? buffer.elements * ELEMENT_BYTES[buffer.dtype] : 0;

export const bufferFor = (node: Node): Buffer => ({ dtype: storageType(node), elements: sizeOf(node.shape) });
