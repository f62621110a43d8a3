import { isOp } from '../build.ts';
import { type Node, sizeOf } from '../node.ts';
import { stridesOf } from '../ops/strided.ts';
import { MAX_MAP_OPS, MAX_MAP_READS, MAX_MAP_WRITES, MAX_RANK } from './format.ts';
import type { MapOp, MapRead, MapWrite } from './instruction.ts';
import { isView, scalarCall, type ViewNode } from './kinds.ts';
import { Path } from './path.ts';
import type { Place, Stored } from './storage.ts';
import { type Atom, commonSpace, flatAtoms, normalized } from './views.ts';

/** A value that a chain computes, and where it goes. */
export interface Target {
  readonly node: Node;
  readonly place: Place;
  /** Whether `place` is the value's own memory; else a stored value is read from there. */
  readonly own: boolean;
  /** Row-major atoms of a strided write; none: dense. */
  readonly atoms?: readonly Atom[];
}

export interface Chain {
  readonly dims: number[];
  readonly reads: MapRead<Place>[];
  readonly ops: MapOp[];
  readonly writes: MapWrite<Place>[];
  /** The values read, which must exist before. */
  readonly leaves: Set<Node>;
  /** The values that have no memory of their own and are computed here. */
  readonly computed: Set<Node>;
}

/** A chain, or the value that needs memory before there can be one. */
export type ChainResult = { readonly chain: Chain } | { readonly store: Node };

interface Read {
  readonly place: Place;
  readonly atoms: readonly Atom[];
  readonly leaf: Node;
  readonly path: readonly ViewNode[];
}

/** A value whose operands are being computed. */
interface Frame {
  readonly node: Node;
  readonly path: Path;
  readonly key: string;
  readonly operands: number[];
  /** How long the chain was when it began. */
  readonly ops: number;
  readonly reads: number;
}

/** An elementwise value computed in the chain: what it added to it, to choose where to cut a chain that is too long. */
interface Extent {
  readonly node: Node;
  readonly ops: number;
  readonly reads: number;
}

/** A chain so much longer than a kernel can be is cut before all of it is seen: what a cut costs must not grow with the program. */
const FAR_TOO_LONG = 4;

/**
 * Builds the register program of one kernel that computes `targets`, all of `elements` elements. A view above an elementwise operation
 * is pushed down to what the operation reads: `path` is the chain of views between a value and the kernel's index space.
 */
export function buildChain(targets: readonly Target[], stored: Stored, placeOf: (node: Node) => Place): ChainResult {
  const roots = new Set(targets.filter((target) => target.own).map((target) => target.node));
  const scalar = targets[0].node.shape.length === 0;
  const elements = sizeOf(targets[0].node.shape);
  const whole = Path.root();
  const reads: Read[] = [];
  const ops: MapOp[] = [];
  const registers = new Map<string, number>();
  const extents: Extent[] = [];
  const computed = new Set<Node>();
  let store: Node | undefined;

  // While building, op i is register i and read i is register −1 − i: how many reads there will be is not yet known.
  const push = (op: MapOp): number => ops.push(op) - 1;

  const memo = (key: string, make: () => number): number => {
    const known = registers.get(key);
    if (known !== undefined) return known;
    const register = make();
    registers.set(key, register);
    return register;
  };

  const read = (leaf: Node, path: readonly ViewNode[]): number => {
    if (roots.has(leaf)) {
      store ??= path[path.length - 1] ?? leaf;
      return 0;
    }
    const view = stored.viewAlong(leaf, path);
    if (view === undefined) {
      let end = 1;
      while (stored.viewAlong(leaf, path.slice(0, end)) !== undefined) end++;
      store ??= path[end - 1].inputs[0];
      return 0;
    }
    const at = placeOf(leaf);
    const place = { buffer: at.buffer, element: at.element + view.offset };
    const atoms = flatAtoms(view);
    const same = (other: Read) =>
      other.place.buffer === place.buffer &&
      other.place.element === place.element &&
      other.atoms.length === atoms.length &&
      other.atoms.every((atom, i) => atom.size === atoms[i].size && atom.stride === atoms[i].stride);
    const known = reads.findIndex(same);
    return -1 - (known >= 0 ? known : reads.push({ place, atoms, leaf, path }) - 1);
  };

  /** The register of a value that needs no computing here, or of one that has been computed. */
  const known = (node: Node, path: Path): number | undefined => {
    if (isOp(node, 'constant')) {
      return memo(`constant ${Object.is(node.attributes.value, -0) ? '-0' : node.attributes.value}`, () =>
        push({ op: 'constant', operands: [], immediate: node.attributes.value }),
      );
    }
    const key = `${node.id}: ${path.key}`;
    return stored.has(node) ? memo(key, () => read(node, path.views())) : registers.get(key);
  };

  const frame = (node: Node, path: Path): Frame => {
    computed.add(node);
    return { node, path, key: `${node.id}: ${path.key}`, operands: [], ops: ops.length, reads: reads.length };
  };

  const longerThan = (kernels: number) => reads.length > kernels * MAX_MAP_READS || ops.length > kernels * MAX_MAP_OPS;

  /** Operands first. The stack is explicit, for a chain may be deeper than the call stack. */
  const compute = (root: Node): number => {
    const stack = [frame(root, whole)];
    let register = 0;
    while (stack.length > 0 && !longerThan(FAR_TOO_LONG)) {
      const { node, path, key, operands, ops: opsBefore, reads: readsBefore } = stack[stack.length - 1];
      const inner = isView(node) ? path.below(node) : path;
      if (operands.length < node.inputs.length) {
        const operand = node.inputs[operands.length];
        const found = known(operand, inner);
        if (found !== undefined) operands.push(found);
        else stack.push(frame(operand, inner));
        continue;
      }
      const call = scalarCall(node);
      if (call === undefined) {
        [register] = operands;
      } else {
        register = push({ ...call, operands });
        extents.push({ node, ops: ops.length - opsBefore, reads: reads.length - readsBefore });
      }
      registers.set(key, register);
      stack.pop();
      stack[stack.length - 1]?.operands.push(register);
    }
    return register;
  };

  const results = targets.map(({ node }) => {
    if (!roots.has(node)) return known(node, whole) ?? compute(node);
    return registers.get(`${node.id}: 0`) ?? (isOp(node, 'constant') ? known(node, whole)! : compute(node));
  });
  if (store) return { store };
  if (longerThan(1) || targets.length > MAX_MAP_WRITES) return { store: cut(extents, roots) ?? targets[0].node };

  const accesses = [...reads, ...targets].map((access) => access.atoms ?? normalized([{ size: elements, stride: 1 }]));
  const space = commonSpace(elements, accesses);
  if (space === undefined || space.dims.length > MAX_RANK) return { store: copyInstead(reads, targets, roots) };
  const dims = scalar ? [] : space.dims.length > 0 ? space.dims : [1];
  const strides = (index: number, repeated: boolean): number[] => {
    if (scalar) return [];
    return space.dims.length > 0 ? space.strides[index] : [repeated ? 0 : 1];
  };
  const final = (register: number) => (register < 0 ? -1 - register : reads.length + register);
  return {
    chain: {
      dims,
      reads: reads.map(({ place }, i) => {
        const { dtype } = place.buffer;
        return { dtype, ref: place, strides: strides(i, dtype === 'f64') };
      }),
      ops: ops.map((op) => ({ ...op, operands: op.operands.map(final) })),
      writes: targets.map(({ place }, i) => ({
        dtype: place.buffer.dtype,
        ref: place,
        register: final(results[i]),
        strides: strides(reads.length + i, false),
      })),
      leaves: new Set(reads.map((x) => x.leaf)),
      computed,
    },
  };
}

/** Where to cut a chain that is too long: the largest part that is at most half of what one kernel may hold. */
function cut(extents: readonly Extent[], roots: ReadonlySet<Node>): Node | undefined {
  const candidates = extents.filter(
    ({ node, ops, reads }) => !roots.has(node) && ops <= MAX_MAP_OPS / 2 && reads <= MAX_MAP_READS / 2,
  );
  const weight = ({ ops, reads }: Extent) => Math.max(ops / MAX_MAP_OPS, reads / MAX_MAP_READS);
  let best: Extent | undefined = candidates[0];
  for (const extent of candidates) if (weight(extent) > weight(best)) best = extent;
  return best?.node;
}

/** Accesses that split the index space in ways that do not nest: one of them becomes a dense copy. */
function copyInstead(reads: readonly Read[], targets: readonly Target[], roots: ReadonlySet<Node>): Node {
  const byAtoms = reads.filter((x) => x.path.length > 0).sort((x, y) => y.atoms.length - x.atoms.length);
  for (const { path } of byAtoms) {
    const last = path[path.length - 1];
    if (!roots.has(last)) return last;
  }
  return byAtoms[0]?.path[byAtoms[0].path.length - 1].inputs[0] ?? targets[0].node;
}

/** Row-major atoms of a rectangle of `shape` inside a dense tensor, `step` elements apart along each axis. */
export function rectangle(shape: readonly number[], within: readonly number[], step: readonly number[]): Atom[] {
  const strides = stridesOf(within);
  return normalized(shape.map((size, axis) => ({ size, stride: strides[axis] * step[axis] })));
}
