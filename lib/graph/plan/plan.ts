import { ZerothError } from '../../errors.ts';
import type { Graph, Node, Shape } from '../node.ts';
import { sizeOf } from '../node.ts';
import { shapeText } from '../ops/shape.ts';
import { planBody } from './body.ts';
import { type Drafts, draftsOf } from './drafts.ts';
import { encode } from './encode.ts';
import type { Instruction } from './instruction.ts';
import { type Layout, layOut, ordered, smallest } from './layout.ts';
import type { BodyOf } from './lowering.ts';
import type { StorageType } from './schema.ts';
import type { Buffer, Place } from './storage.ts';
import { ANY_TARGET, type Target } from './target.ts';

// Words of this folder, in the order in which a plan is made:
//   stored      a value that has memory of its own. All others are views, or are computed inside the kernels that use them.
//   view        a value that is another's memory, read with other strides; its base is what lies below all its views, and
//               its path the views between.
//   chain       the register program of one map kernel: it reads leaves and computes its targets. A target that is a stored
//               value, and goes to its own memory, is a root.
//   atom        a size and a stride. An axis of a view is a list of them, for a reshape may merge axes whose strides do not.
//   access      how an operand that an instruction takes whole may lie in memory: dense, or matrices.
//   unit        a part of the work of one stored value (of a concatenation, each operand), lowered by itself.
//   step        an instruction between buffers, placed neither in time nor in the arena.
//   buffer      the memory of one stored value, a program input (which has a slot) or a window; a place is an element of a buffer.
//   window      rows of a buffer as the body of a loop sees them, one a trip.
//   body        what a loop does in a trip: a plan whose inputs and outputs are memory of the plan around it.
//   job         a step as the scheduler sees it: numbers of buffers that it reads and writes. `after` are jobs that write to
//               the same buffer before it; a reuse is a write that may take over the memory of a read that ends there.
//   footprint   the arena buffers of a step, each once.
//   draft       a problem with an order; a layout is a draft with a place for each buffer.
//   block       buffers that follow one another in one piece of the arena, each by a reuse of the one before.
//   allowance   work that a search may still do, counted and not timed.
//   ref         where an operand is in the finished program: a space (the arena or an input) and an offset in words.

/** Where a graph input is found when the program runs. */
export interface InputBinding {
  /** The program input that holds it. */
  readonly slot: number;
  /** Its first element there. */
  readonly offset: number;
}

/** A value in the arena while it is needed. */
export interface Allocation {
  readonly dtype: StorageType;
  readonly elements: number;
  /** In bytes from the start of the arena. */
  readonly offset: number;
  /** The first and the last instruction that use it; an output's last is one past the program's end. */
  readonly start: number;
  readonly end: number;
}

export interface Plan {
  /**
   * The encoded program, for the native executors and `runProgramReference`; made when it is first read.
   * @throws ERR_ZEROTH_PROGRAM where the program is larger than one can be: `arenaBytes` says by how much.
   */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Memory of a run beside its inputs. */
  readonly arenaBytes: number;
  /** Program inputs in the order of their slots: what a binding must at least hold. */
  readonly inputs: readonly { readonly dtype: 'f32' | 'i32'; readonly elements: number }[];
  /** In the order of the graph's outputs. */
  readonly outputs: readonly { readonly dtype: StorageType; readonly shape: Shape; readonly elements: number }[];
  readonly instructions: readonly Instruction[];
  /** Most bytes live at once, each value rounded up to the target's alignment: `arenaBytes` is at least this. */
  readonly peakLiveBytes: number;
  readonly allocations: readonly Allocation[];
}

/**
 * Compiles a graph to a program: simplify, fuse elementwise chains, schedule for least peak memory, place values in one arena, encode.
 * The same graph always gives the same bytes.
 *
 * @param options.inputs for each graph input, in order, where it is when the program runs. Inputs of one slot have one dtype.
 * @param options.outputs how each graph output is delivered: in its own dtype, or f64 for a scalar, such as a loss. Default: scalars f64.
 * @param options.target what the device likes. Default: every composite by one instruction, where there is one.
 * @throws ERR_ZEROTH_ARGUMENT where the bindings do not fit the graph.
 */
export function plan(
  graph: Graph,
  options: {
    readonly inputs: readonly InputBinding[];
    readonly outputs?: readonly StorageType[];
    readonly target?: Target;
  },
): Plan {
  const { target = ANY_TARGET } = options;
  const { slots, places } = bindInputs(graph, options.inputs);
  const dtypes = outputTypes(graph, options.outputs);
  const bodyOf: BodyOf = (body, types, carries) => planBody(body, types, carries, target);
  const { drafts, outputs } = draftsOf(graph, { places, dtypes, target, bodyOf });
  return finish(smallest(drafts.map(layOut)), slots, outputs);
}

function finish(layout: Layout, slots: Plan['inputs'], outputs: Drafts['outputs']): Plan {
  const { problem, schedule, lifetimes, arena, byStart, offsetOf } = layout;
  const ref = ({ buffer, element }: Place) => {
    if (buffer.slot !== undefined) return { space: 1 + buffer.slot, offset: element };
    if (buffer.window !== undefined) return { space: 1 + slots.length + buffer.window, offset: element };
    return { space: 0, offset: offsetOf(buffer) / 4 + element };
  };
  const instructions = ordered(layout, ref);
  const results = outputs.map(({ dtype, shape, buffer }) => ({
    dtype,
    shape,
    elements: sizeOf(shape),
    ref: ref({ buffer, element: 0 }),
  }));
  let bytes: Plan['bytes'] | undefined;
  return {
    get bytes() {
      bytes ??= encode({ arenaBytes: arena.bytes, inputs: slots, outputs: results, instructions });
      return bytes;
    },
    arenaBytes: arena.bytes,
    inputs: slots,
    outputs: results.map(({ dtype, shape, elements }) => ({ dtype, shape, elements })),
    instructions,
    peakLiveBytes: schedule.peak,
    allocations: byStart.map((b) => {
      const { dtype, elements } = problem.buffers[b];
      return {
        dtype,
        elements,
        offset: offsetOf(problem.buffers[b]),
        start: lifetimes[b].start,
        end: lifetimes[b].end,
      };
    }),
  };
}

function outputTypes(
  { outputs }: Graph,
  dtypes: readonly StorageType[] = outputs.map(({ shape, dtype }) => (shape.length === 0 ? 'f64' : dtype)),
): readonly StorageType[] {
  const fits = ({ shape, dtype }: Node, i: number) =>
    dtypes[i] === dtype || (dtypes[i] === 'f64' && shape.length === 0);
  if (dtypes.length === outputs.length && outputs.every(fits)) return dtypes;
  throw new ZerothError(
    'ERR_ZEROTH_ARGUMENT',
    `outputs: expected a dtype for each of ${outputs.map((x) => `${x.dtype}${shapeText(x.shape)}`).join(', ')}, its own or f64 for a scalar; received ${dtypes.join(', ')}.`,
  );
}

function bindInputs(
  graph: Graph,
  bindings: readonly InputBinding[],
): { slots: Plan['inputs']; places: Map<Node, Place> } {
  const reject = (message: string): never => {
    throw new ZerothError('ERR_ZEROTH_ARGUMENT', `inputs: ${message}`);
  };
  if (bindings.length !== graph.inputs.length) {
    reject(`expected one binding for each of the ${graph.inputs.length} graph inputs, received ${bindings.length}.`);
  }
  const slots: { dtype: 'f32' | 'i32'; elements: number }[] = [];
  graph.inputs.forEach((node, i) => {
    const { slot, offset } = bindings[i];
    const name = `binding ${i} (${node.attributes.name})`;
    if (!Number.isInteger(slot) || slot < 0 || slot >= bindings.length) {
      reject(`${name}: expected a slot from 0 to ${bindings.length - 1}, received ${slot}.`);
    }
    if (!Number.isInteger(offset) || offset < 0)
      reject(`${name}: expected an offset of 0 or more, received ${offset}.`);
    const elements = offset + sizeOf(node.shape);
    const known = slots[slot];
    if (known && known.dtype !== node.dtype)
      reject(`${name}: slot ${slot} holds ${known.dtype}, the input is ${node.dtype}.`);
    slots[slot] = { dtype: node.dtype, elements: Math.max(elements, known?.elements ?? 0) };
  });
  for (let slot = 0; slot < slots.length; slot++)
    if (!slots[slot]) reject(`no binding uses slot ${slot}; number slots without gaps.`);
  const buffers: Buffer[] = slots.map((input, slot) => ({ ...input, slot }));
  return {
    slots,
    places: new Map(
      graph.inputs.map((node, i) => [node, { buffer: buffers[bindings[i].slot], element: bindings[i].offset }]),
    ),
  };
}
