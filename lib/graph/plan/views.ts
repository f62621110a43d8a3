import { type Node, type Shape, sizeOf } from '../node.ts';
import { stridesOf } from '../ops/strided.ts';
import type { ViewNode } from './kinds.ts';

/**
 * Strided views. An axis of a view is a list of atoms, outer to inner, because a reshape may merge axes whose strides do not merge:
 * a view then stays a view, and only the index space that finally reads it decides how far it must be split.
 */
export interface Atom {
  readonly size: number;
  /** In elements of the storage. */
  readonly stride: number;
}

export interface View {
  readonly offset: number;
  /** One list of atoms for each axis of the shape. Normalised: no atom of size 1, and neighbours that could be one atom are one. */
  readonly axes: readonly (readonly Atom[])[];
}

export function denseView(shape: Shape, offset = 0): View {
  const strides = stridesOf(shape);
  return { offset, axes: shape.map((size, axis) => normalized([{ size, stride: strides[axis] }])) };
}

/** Drops atoms of size 1 and merges neighbours that together are one stride. */
export function normalized(atoms: readonly Atom[]): Atom[] {
  const result: Atom[] = [];
  for (const atom of atoms) {
    if (atom.size === 1) continue;
    const outer = result.at(-1);
    if (outer !== undefined && outer.stride === atom.stride * atom.size) {
      result[result.length - 1] = { size: outer.size * atom.size, stride: atom.stride };
    } else {
      result.push(atom);
    }
  }
  return result;
}

/** All atoms in row-major order of the view's elements. */
export const flatAtoms = (view: View): Atom[] => normalized(view.axes.flat());

/** Elements of the storage from the first to the last of a view's. */
export const spanOf = (view: View): number =>
  flatAtoms(view).reduce((span, { size, stride }) => span + (size - 1) * stride, 1);

/** The rows along axis 0: how far each is from the one before, and how one lies. Undefined where they are at no one distance. */
export function rowsOf({ axes: [first, ...rest] }: View): { readonly step: number; readonly row: View } | undefined {
  return first.length > 1 ? undefined : { step: first[0]?.stride ?? 0, row: { offset: 0, axes: rest } };
}

/** Whether the elements lie one after another, in order. */
export function isContiguous(view: View): boolean {
  const atoms = flatAtoms(view);
  return atoms.length === 0 || (atoms.length === 1 && atoms[0].stride === 1);
}

/** The view of `node`'s value given the view of its operand's; undefined where only a copy can do it. */
export function applyView(view: View, node: ViewNode): View | undefined {
  switch (node.op) {
    case 'reshape':
      return reshaped(view, node.shape);
    case 'transpose': {
      const { permutation } = node.attributes;
      return { offset: view.offset, axes: permutation.map((axis) => view.axes[axis]) };
    }
    case 'broadcast': {
      const { axes } = node.attributes;
      return {
        offset: view.offset,
        axes: node.shape.map((size, axis) => {
          const source = axes.indexOf(axis);
          return source >= 0 ? view.axes[source] : normalized([{ size, stride: 0 }]);
        }),
      };
    }
    case 'slice':
      return sliced(view, node);
  }
}

function sliced(view: View, node: Node<'slice'>): View | undefined {
  const { starts, strides } = node.attributes;
  let offset = view.offset;
  const axes: (readonly Atom[])[] = [];
  for (let axis = 0; axis < node.shape.length; axis++) {
    const atoms = view.axes[axis];
    const size = node.shape[axis];
    const full = sizeOf(atoms.map((atom) => atom.size));
    if (size === full) {
      axes.push(atoms);
    } else if (size === 1) {
      let rest = starts[axis];
      for (const atom of atoms.toReversed()) {
        offset += (rest % atom.size) * atom.stride;
        rest = Math.floor(rest / atom.size);
      }
      axes.push([]);
    } else {
      const inner = full / atoms[0].size;
      if (inner !== 1 && (strides[axis] !== 1 || starts[axis] % inner !== 0 || size % inner !== 0)) return undefined;
      offset += (starts[axis] / inner) * atoms[0].stride;
      const outer = { size: size / inner, stride: atoms[0].stride * strides[axis] };
      axes.push(normalized([outer, ...atoms.slice(1)]));
    }
  }
  return { offset, axes };
}

function reshaped(view: View, shape: Shape): View | undefined {
  const rest = flatAtoms(view);
  const axes: Atom[][] = [];
  for (const size of shape.toReversed()) {
    const taken: Atom[] = [];
    let needed = size;
    while (needed > 1) {
      const atom = rest.pop()!;
      if (needed % atom.size === 0) {
        taken.unshift(atom);
        needed /= atom.size;
      } else if (atom.size % needed === 0) {
        taken.unshift({ size: needed, stride: atom.stride });
        rest.push({ size: atom.size / needed, stride: atom.stride * needed });
        needed = 1;
      } else {
        return undefined;
      }
    }
    axes.unshift(normalized(taken));
  }
  return { offset: view.offset, axes };
}

/**
 * The coarsest index space in which every one of the given accesses (row-major atoms over the same elements) has one stride a dimension.
 * Undefined where two accesses split the elements in ways that do not nest.
 */
export function commonSpace(
  elements: number,
  accesses: readonly (readonly Atom[])[],
): { dims: number[]; strides: number[][] } | undefined {
  const boundaries = new Set<number>([1, elements]);
  for (const atoms of accesses) {
    let inner = 1;
    for (const atom of atoms.toReversed()) {
      inner *= atom.size;
      boundaries.add(inner);
    }
  }
  const sorted = [...boundaries].sort((a, b) => a - b);
  const dims: number[] = [];
  for (let i = 1; i < sorted.length; i++) {
    if (sorted[i] % sorted[i - 1] !== 0) return undefined;
    dims.unshift(sorted[i] / sorted[i - 1]);
  }
  return { dims, strides: accesses.map((atoms) => expanded(atoms, dims)) };
}

function expanded(atoms: readonly Atom[], dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length);
  let dim = dims.length;
  for (const atom of atoms.toReversed()) {
    let stride = atom.stride;
    for (let left = atom.size; left > 1; left /= dims[dim]) {
      dim--;
      strides[dim] = stride;
      stride *= dims[dim];
    }
  }
  return strides;
}
