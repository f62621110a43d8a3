import * as $ from '../build.ts';
import type { Loop, Node } from '../node.ts';
import { loopResults } from './loop-shapes.ts';

/** A loop's operands and results by what they are, and loops made of them. */

/** A list with an entry for each operand of a loop, or each input of its body, by what they are. */
export interface Parts<T> {
  readonly constants: readonly T[];
  readonly carries: readonly T[];
  readonly rows: readonly T[];
}

export const partsOf = <T>({ constants, carries }: Loop, list: readonly T[]): Parts<T> => ({
  constants: list.slice(0, constants),
  carries: list.slice(constants, constants + carries),
  rows: list.slice(constants + carries),
});

/** A list with an entry for each result of a loop, by what they are. */
export interface Results<T> {
  readonly last: readonly T[];
  readonly stacked: readonly T[];
  readonly history: readonly T[];
}

export function resultsOf<T>({ carries, body }: Loop, list: readonly T[]): Results<T> {
  const { length } = body.outputs;
  return { last: list.slice(0, carries), stacked: list.slice(carries, length), history: list.slice(length) };
}

/** A loop in the making: pairs of an operand and the body's input for it, and what the body returns. */
interface Draft {
  readonly constants: readonly Pair[];
  readonly carries: readonly (Pair & { readonly next: Node })[];
  readonly rows: readonly Pair[];
  readonly stacked: readonly Node[];
}
export interface Pair {
  readonly operand: Node;
  readonly input: Node<'input'>;
}

export function loopOf({ constants, carries, rows, stacked }: Draft, length: number, reverse: boolean): Results<Node> {
  const pairs = [...constants, ...carries, ...rows];
  const loop: Loop = {
    body: {
      inputs: pairs.map(({ input }) => input),
      outputs: [...carries.map(({ next }) => next), ...stacked],
    },
    length,
    reverse,
    constants: constants.length,
    carries: carries.length,
  };
  const node = $.scan(
    pairs.map(({ operand }) => operand),
    loop,
  );
  return resultsOf(
    loop,
    loopResults(loop).map((_, i) => $.result(node, i)),
  );
}

export const pairsOf = (operands: readonly Node[], inputs: readonly Node<'input'>[]): Pair[] =>
  operands.map((operand, i) => ({ operand, input: inputs[i] }));
