import type { Loop, Node } from '../node.ts';
import { type ShapeRule, sameShape, shapeText, type ValueType } from './shape.ts';

/** The shapes of loops and of what they give. */

export const linearRecurrence: ShapeRule<'linearRecurrence'> = (inputs, _, reject) => {
  if (inputs.length !== 3) reject(`expected 3 operands, received ${inputs.length}`);
  if (inputs.some((x) => x.dtype !== 'f32')) reject('expected f32 operands, received i32');
  const [a, b, start] = inputs;
  if (a.shape.length < 1 || !sameShape(a.shape, b.shape)) reject('expected two operands of one shape [n, …]');
  if (!sameShape(start.shape, a.shape.slice(1))) reject('expected a start of the shape of one step');
  return { shape: a.shape, dtype: 'f32' };
};

const same = (x: ValueType, { shape, dtype }: ValueType): boolean => sameShape(x.shape, shape) && x.dtype === dtype;

/** The types of a loop's results, in their order. */
export function loopResults({ body, length, carries }: Loop): ValueType[] {
  const stacked = ({ shape, dtype }: Node): ValueType => ({ shape: [length, ...shape], dtype });
  const next = body.outputs.slice(0, carries);
  return [...next, ...body.outputs.slice(carries).map(stacked), ...next.map(stacked)];
}

/** The value of a scan itself is no array. */
export const scan: ShapeRule<'scan'> = (inputs, { body, length, constants, carries }, reject) => {
  if (!Number.isSafeInteger(length) || length < 1) reject(`expected a length of at least 1, received ${length}`);
  if (inputs.length !== body.inputs.length)
    reject(`expected ${body.inputs.length} operands, received ${inputs.length}`);
  inputs.forEach((x, i) => {
    const { shape, dtype } = body.inputs[i];
    const expected = i < constants + carries ? shape : [length, ...shape];
    if (!same(x, { shape: expected, dtype }))
      reject(`operand ${i}: expected ${dtype}${shapeText(expected)}, received ${x.dtype}${shapeText(x.shape)}`);
  });
  for (let i = 0; i < carries; i++) {
    const [start, next] = [body.inputs[constants + i], body.outputs[i]];
    if (next === undefined || !same(next, start)) reject(`carry ${i}: expected a step to return what it received`);
  }
  return { shape: [], dtype: 'f32' };
};

export const result: ShapeRule<'result'> = ([loop], { index }, reject) =>
  loopResults((loop as Node<'scan'>).attributes)[index] ?? reject(`expected the number of a result, received ${index}`);
