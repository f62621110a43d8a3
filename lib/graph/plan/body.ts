import type { Graph } from '../node.ts';
import { sizeOf } from '../node.ts';
import { draftsOf } from './drafts.ts';
import { type AnyInstruction, destinationsOf, mapRefs, sourcesOf } from './instruction.ts';
import { inPlace, memoryProblem } from './jobs.ts';
import { layOut, ordered, smallest } from './layout.ts';
import type { BodyInput, BodyOf, Step } from './lowering.ts';
import { simulate } from './schedule.ts';
import type { Draft } from './share.ts';
import { type Buffer, isInArena, type Place } from './storage.ts';
import type { Target } from './target.ts';
import { spanOf } from './views.ts';

/** The body of a loop: a plan whose inputs and outputs are memory of the plan around it. */

/** One trip's end: the next carries are in `outputs`, and have to be in `carries`. */
interface Handover {
  readonly carry: Buffer;
  readonly next: Buffer;
}

/**
 * Whether the next carry may be written where the carry is: nothing reads the old one after, and what writes the new one does so element by element.
 */
function mayBeInPlace(instructions: readonly AnyInstruction<Place>[], { carry, next }: Handover): boolean {
  const touches = (places: readonly Place[], buffer: Buffer) => places.some((place) => place.buffer === buffer);
  const first = instructions.findIndex((x) => touches(destinationsOf(x), next));
  const later = instructions.slice(first + 1);
  if (later.some((x) => touches(sourcesOf(x), carry))) return false;
  const writer = instructions[first];
  return (
    !touches(sourcesOf(writer), carry) || inPlace(writer).some(({ write, read }) => write === next && read === carry)
  );
}

function copy({ carry, next }: Handover): AnyInstruction<Place> {
  const { dtype, elements } = carry;
  const [dims, strides] = dtype === 'f64' ? [[], []] : [[elements], [1]];
  return {
    kind: 'map',
    dims,
    reads: [{ dtype, ref: { buffer: next, element: 0 }, strides }],
    ops: [],
    writes: [{ dtype, ref: { buffer: carry, element: 0 }, register: 0, strides }],
  };
}

/**
 * Plans the body of a loop. Stacked results are computed where their rows go, and next carries in place of the old ones where that disturbs no
 * one who still reads those; else they are copied at the end of the trip.
 *
 * @param stored how each input of the body is: carries of rank 0 are f64.
 * @param carries which inputs are carries: their next values are the first outputs, rows of stacked results the others.
 * @returns instructions whose places are in a scratch buffer, in slot i for input i of the body, or in slot inputs + j for stacked result j.
 */
export function planBody(
  { inputs, outputs }: Graph,
  stored: readonly BodyInput[],
  carries: { readonly first: number; readonly count: number },
  target: Target,
): readonly AnyInstruction<Place>[] {
  const slots: Buffer[] = stored.map(({ dtype, view }, slot) => ({ dtype, elements: spanOf(view), slot }));
  const stacked = outputs.slice(carries.count);
  const rows: Buffer[] = stacked.map(({ dtype, shape }, j) => ({
    dtype,
    elements: sizeOf(shape),
    slot: inputs.length + j,
  }));
  const ofCarries = slots.slice(carries.first, carries.first + carries.count);
  const bodyOf: BodyOf = (graph, inner, which) => planBody(graph, inner, which, target);
  const { drafts, outputs: placed } = draftsOf(
    { inputs, outputs },
    {
      places: new Map(inputs.map((node, i) => [node, { buffer: slots[i], element: 0, view: stored[i].view }])),
      dtypes: outputs.map(({ dtype }, i) => ofCarries[i]?.dtype ?? dtype),
      target,
      bodyOf,
    },
  );

  const delivered = ({ problem, schedule: { order } }: Draft) => {
    let instructions = order.map((j) => problem.steps[j].instruction);
    const moveTo = (from: Buffer, to: Buffer): void => {
      instructions = instructions.map((x) =>
        mapRefs(x, ({ buffer, element }) => ({ buffer: buffer === from ? to : buffer, element })),
      );
    };
    rows.forEach((row, j) => {
      moveTo(placed[carries.count + j].buffer, row);
    });
    const copies: AnyInstruction<Place>[] = [];
    ofCarries.forEach((carry, i) => {
      const handover = { carry, next: placed[i].buffer };
      if (mayBeInPlace(instructions, handover)) moveTo(handover.next, carry);
      else copies.push(copy(handover));
    });
    const steps: Step[] = [...instructions, ...copies].map((instruction) => ({ instruction, after: [], roots: [] }));
    const given = memoryProblem(steps, [], target.alignment);
    return layOut({
      problem: given,
      schedule: simulate(
        given,
        steps.map((_, i) => i),
      ),
    });
  };
  const layout = smallest(drafts.map(delivered));
  const scratch: Buffer = { dtype: 'f32', elements: layout.arena.bytes / 4 };
  return ordered(layout, (place) =>
    isInArena(place.buffer) ? { buffer: scratch, element: layout.offsetOf(place.buffer) / 4 + place.element } : place,
  );
}
