import { ZerothError } from '../../errors.ts';
import type { Graph, Node, Shape } from '../node.ts';
import { sizeOf } from '../node.ts';
import { shapeText } from '../ops/shape.ts';
import { simplify } from '../simplify.ts';
import { type Arena, allocate } from './arena.ts';
import { expandComposites } from './composites.ts';
import { encode } from './encode.ts';
import { chooseStored } from './fuse.ts';
import type { Instruction } from './instruction.ts';
import { mapRefs } from './instruction.ts';
import { memoryProblem } from './jobs.ts';
import { legalize, topological } from './legalize.ts';
import { lower } from './lower.ts';
import type { Step } from './lowerings.ts';
import { type Lifetime, lifetimesOf, schedule } from './schedule.ts';
import type { StorageType } from './schema.ts';
import { type Draft, shareKernels } from './share.ts';
import { type Buffer, type Place, type PlannedOutput, placeOutputs, Stored } from './storage.ts';
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
//   buffer      the memory of one stored value, or a program input (which has a slot); a place is an element of a buffer.
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
  const legal = legalize(simplify(expandComposites(graph, target.composites)));
  const stored = new Stored();
  const outputs = placeOutputs(legal, dtypes, stored);
  const targets = outputs.map(({ node }) => node);
  chooseStored(targets, stored);

  const { steps, bufferOf, together } = lower(topological(targets), targets, stored, places);
  const problemOf = (list: readonly Step[]) => memoryProblem(list, targets.map(bufferOf), target.alignment);
  const problem = problemOf(steps);
  const quick = schedule(problem, 'quick');
  if (!quick) throw new Error('the instructions of a plan depend on each other in a circle');
  const shared = shareKernels({ problem, schedule: quick }, { problemOf, together }, { left: SHARING });
  const thorough = schedule(shared.problem, 'thorough')!;
  // The lowest peak is not always the smallest arena: what is left between blocks decides too.
  const drafts = [shared.schedule, thorough].map((order) => layOut({ problem: shared.problem, schedule: order }));
  return finish(drafts[1].arena.bytes < drafts[0].arena.bytes ? drafts[1] : drafts[0], slots, outputs);
}

/** What the trials of `shareKernels` may look at; programs of a few hundred instructions use half of it. */
const SHARING = 400_000;

/** A draft with a place for every buffer: buffers of one block share its memory, one after the other. */
interface Layout extends Draft {
  readonly lifetimes: readonly Lifetime[];
  readonly blockOf: readonly number[];
  readonly offsetOf: ReadonlyMap<number, number>;
  readonly arena: Arena;
  /** Buffers in the order in which they begin. */
  readonly byStart: readonly number[];
}

function layOut({ problem, schedule }: Draft): Layout {
  const lifetimes = lifetimesOf(problem, schedule.order);
  // A value that takes over the memory of one that dies shares its block.
  const blockOf = lifetimes.map((_, b) => b);
  const byStart = blockOf.toSorted((a, b) => lifetimes[a].start - lifetimes[b].start);
  for (const b of byStart) if (lifetimes[b].reuses !== undefined) blockOf[b] = blockOf[lifetimes[b].reuses!];
  const blocks = new Map<number, { bytes: number; start: number; end: number }>();
  for (const b of byStart) {
    const block = blocks.get(blockOf[b]);
    if (block) block.end = Math.max(block.end, lifetimes[b].end);
    else blocks.set(blockOf[b], { bytes: problem.bytes[b], start: lifetimes[b].start, end: lifetimes[b].end });
  }
  const arena = allocate([...blocks.values()]);
  const offsetOf = new Map([...blocks.keys()].map((block, i) => [block, arena.offsets[i]]));
  return { problem, schedule, lifetimes, blockOf, offsetOf, arena, byStart };
}

function finish(
  { problem, schedule: { order, peak }, lifetimes, blockOf, offsetOf, arena, byStart }: Layout,
  slots: Plan['inputs'],
  outputs: readonly PlannedOutput[],
): Plan {
  const number = new Map(problem.buffers.map((buffer, b) => [buffer, b]));
  const byteOffset = (buffer: Buffer) => offsetOf.get(blockOf[number.get(buffer)!])!;
  const ref = ({ buffer, element }: Place) =>
    buffer.slot !== undefined
      ? { space: 1 + buffer.slot, offset: element }
      : { space: 0, offset: byteOffset(buffer) / 4 + element };
  const instructions = order.map((j) => mapRefs(problem.steps[j].instruction, ref));
  const results = outputs.map(({ dtype, shape }, i) => ({
    dtype,
    shape,
    elements: sizeOf(shape),
    ref: ref({ buffer: problem.outputs[i], element: 0 }),
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
    peakLiveBytes: peak,
    allocations: byStart.map((b) => {
      const { dtype, elements } = problem.buffers[b];
      return { dtype, elements, offset: offsetOf.get(blockOf[b])!, start: lifetimes[b].start, end: lifetimes[b].end };
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
