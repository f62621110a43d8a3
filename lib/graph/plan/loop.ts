import { type Node, sizeOf } from '../node.ts';
import { type AnyInstruction, mapRefs, type Window } from './instruction.ts';
import type { Context, Step, Taken } from './lowering.ts';
import { asMatrices, type Buffer, type Place } from './storage.ts';
import { denseView, isContiguous, rowsOf, spanOf, type View } from './views.ts';

/** How a scan becomes a loop. */

const isCarry = ({ attributes: { constants, carries } }: Node<'scan'>, i: number): boolean =>
  i >= constants && i < constants + carries;

/** How an operand of the loop lies, and how what a trip sees of it does. */
interface Lies {
  readonly step: number;
  readonly view: View;
}

/** A trip reads as they lie what is closed over, matrices or dense, and rows that are at one distance from each other; numbers may be in f64. */
const taken = ({ attributes: { constants } }: Node<'scan'>, operand: Node, i: number): Taken<Lies> => ({
  operand,
  dtype: operand.shape.length === 0 ? 'any' : operand.dtype,
  accept: (view) => {
    const from = { ...view, offset: 0 };
    // What a product in the body could not take would be copied at every trip.
    const usable = isContiguous(from) || (from.axes.length > 1 && asMatrices(from) !== undefined);
    if (i < constants) return usable ? { step: 0, view: from } : undefined;
    const rows = rowsOf(from);
    return rows && { step: rows.step, view: rows.row };
  },
});

/** Carries are copied to where the trips hand them on, so that they may be anywhere. */
export const takenByLoop = (node: Node<'scan'>): Taken[] =>
  node.inputs.map((x, i) => taken(node, x, i)).filter((_, i) => !isCarry(node, i));

/** Memory that a carry has to itself; like every computed scalar it is f64 where its rank is 0. */
const carryPlace = ({ shape, dtype }: Node): Place => ({
  buffer: { dtype: shape.length === 0 ? 'f64' : dtype, elements: sizeOf(shape) },
  element: 0,
});

export function loopSteps(node: Node<'scan'>, { whole, map, results, bodyOf }: Context): Step[] {
  const { body, length, reverse, constants, carries } = node.attributes;
  const { inputs, outputs } = body;
  const begin: Step[] = [];
  const found = node.inputs.map((operand, i) => {
    if (!isCarry(node, i)) return whole(taken(node, operand, i));
    const place = results.get(i - constants) ?? carryPlace(inputs[i]);
    begin.push(...map([{ node: operand, own: false, place }]));
    return { place, access: { step: 0, view: denseView(operand.shape) } };
  });
  const given = found.filter((x) => x !== undefined);
  if (given.length < found.length) return [];

  // Stacked results, then histories of carries, which are what a trip receives.
  const stacked = [...outputs.slice(carries), ...inputs.slice(constants, constants + carries)]
    .map((value, j) => ({ value, place: results.get(carries + j) }))
    .filter((x): x is { value: Node; place: Place } => x.place !== undefined);
  const instructions = bodyOf(
    { inputs, outputs: [...outputs.slice(0, carries), ...stacked.map(({ value }) => value)] },
    given.map(({ place, access: { view } }) => ({ dtype: place.buffer.dtype, view })),
    { first: constants, count: carries },
  );

  const windows: Window<Place>[] = [];
  /** What a trip sees of rows. */
  const window = (ref: Place, { step, view }: Lies, written: boolean): Place => {
    const { dtype } = ref.buffer;
    const elements = spanOf(view);
    const number = windows.push({ ref, step, words: elements, written }) - 1;
    return { buffer: { dtype, elements, window: number }, element: 0 };
  };
  const dense = ({ shape }: Node): Lies => ({ step: sizeOf(shape), view: denseView(shape) });
  const seen = [
    ...given.map(({ place, access }, i) => (i < constants + carries ? place : window(place, access, false))),
    ...stacked.map(({ value, place }) => window(place, dense(value), true)),
  ];
  const outer = windows.length;
  const outside = ({ buffer, element }: Place): Place => {
    if (buffer.slot !== undefined) return { ...seen[buffer.slot], element: seen[buffer.slot].element + element };
    if (buffer.window === undefined) return { buffer, element };
    const inner: Buffer = { ...buffer, window: outer + buffer.window };
    return { buffer: inner, element };
  };
  const instruction: AnyInstruction<Place> = {
    kind: 'loop',
    trips: length,
    reverse,
    windows,
    body: instructions.map((x) => mapRefs(x, outside)),
  };
  return [...begin, { instruction, after: begin, roots: [] }];
}
