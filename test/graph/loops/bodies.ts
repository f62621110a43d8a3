import type { Tensor, TensorSpec } from '../../../lib/graph/ops.ts';
import * as t from '../../../lib/graph/ops.ts';
import type { Direction, Step } from './unrolled.ts';

/** How lists of tensors are looped over: by `scan`, or unrolled. */
export type Loop = (
  f: Step,
  init: Tensor[],
  xs: Tensor[],
  direction: Direction,
) => readonly [carry: Tensor[], ys: Tensor[]];

export const looped: Loop = (f, init, xs, direction) => t.scan(f, init, xs.length > 0 ? xs : [], direction);

export interface LoopCase {
  readonly name: string;
  /** What the loop closes over, then its init, then its xs. */
  readonly specs: readonly TensorSpec[];
  /** All results, however the loop is made. */
  readonly f: (loop: Loop) => (...args: Tensor[]) => Tensor[];
}

const v = (...shape: number[]): TensorSpec => ({ shape });
const flat = ([carry, ys]: readonly [Tensor[], Tensor[]]): Tensor[] => [...carry, ...ys];
const both = (make: (reverse: boolean) => LoopCase): LoopCase[] => [make(false), make(true)];
const named = (name: string, reverse: boolean): string => (reverse ? `${name}, in reverse` : name);

/** Loops of every kind that rules treat in a way of its own. */
export const loopCases: readonly LoopCase[] = [
  ...both((reverse) => ({
    name: named('a recurrent network', reverse),
    specs: [v(3, 3), v(2, 3), v(2, 3), v(4, 2, 2)],
    f: (loop) => (w, u, h, x) =>
      flat(
        loop(
          ([state], [now]) => {
            const next = t.tanh(t.add(t.matmul(state, w), t.matmul(now, u)));
            return [[next], [t.sum(next, 1)]];
          },
          [h],
          [x],
          { length: 4, reverse },
        ),
      ),
  })),
  ...both((reverse) => ({
    name: named('an LSTM cell that closes over a bias made outside', reverse),
    specs: [v(2, 8), v(8), v(2), v(3, 2)],
    f: (loop) => (w, b, start, x) => {
      const bias = t.mul(b, 0.5);
      return flat(
        loop(
          ([h, c], [now]) => {
            const gates = t.add(t.matmul(t.add(h, now), w), bias);
            const gate = (k: number) => t.slice(gates, [2 * k], [2 * k + 2]);
            const memory = t.add(t.mul(t.sigmoid(gate(0)), c), t.mul(t.sigmoid(gate(1)), t.tanh(gate(2))));
            const next = t.mul(t.sigmoid(gate(3)), t.tanh(memory));
            return [
              [next, memory],
              [next, memory],
            ];
          },
          [start, t.mul(start, 2)],
          [x],
          { length: 3, reverse },
        ),
      );
    },
  })),
  {
    name: 'no rows, and an output that is the carry received',
    specs: [v(3), v(3)],
    f: (loop) => (a, x) => flat(loop(([s]) => [[t.mul(t.tanh(s), a)], [s]], [x], [], { length: 4 })),
  },
  {
    name: 'no carries, and a row handed through',
    specs: [v(3), v(5, 3)],
    f: (loop) => (a, x) => flat(loop((_, [row]) => [[], [t.mul(t.exp(row), a), row]], [], [x], { length: 5 })),
  },
  {
    name: 'carries that swap, one that stays, one that is forgotten',
    specs: [v(2), v(2), v(2), v(2), v(3, 2)],
    f: (loop) => (a, b, c, d, x) =>
      flat(
        loop(
          ([p, q, r, s], [row]) => [
            [t.mul(q, r), t.add(p, row), r, t.mul(row, row)],
            [t.mul(s, p), r],
          ],
          [a, b, c, d],
          [x],
          { length: 3 },
        ),
      ),
  },
  {
    name: 'scalars',
    specs: [v(), v(), v(4)],
    f: (loop) => (w, start, x) =>
      flat(
        loop(
          ([s, total], [row]) => {
            const next = t.sigmoid(t.add(t.mul(s, w), row));
            return [[next, t.add(total, t.square(next))], [t.mul(next, row)]];
          },
          [start, t.mul(start, 0)],
          [x],
          { length: 4 },
        ),
      ),
  },
  {
    name: 'one step',
    specs: [v(2, 2), v(2), v(1, 2)],
    f: (loop) => (w, h, x) =>
      flat(loop(([s], [row]) => [[t.tanh(t.matmul(s, w).add(row))], [t.mul(s, row)]], [h], [x], { length: 1 })),
  },
  {
    name: 'next carries that are read from the old ones in another order',
    specs: [v(2, 2), v(2, 2), v(2, 2), v(3, 2, 2)],
    f: (loop) => (w, a, b, x) =>
      flat(
        loop(
          ([p, q, r], [row]) => [
            [t.matmul(p, w), t.mul(q.transpose([1, 0]), row), t.mul(r, r.reshape([4]).slice([1], [3]))],
            [p],
          ],
          [a, b, t.mul(a, b)],
          [x],
          { length: 3 },
        ),
      ),
  },
  {
    name: 'rows of a transposed array, rows at no one distance, and every third column',
    specs: [v(2), v(2, 4, 2), v(2, 3, 2), v(2, 12)],
    f: (loop) => (h, x, y, z) =>
      flat(
        loop(
          ([s], [a, b, c]) => [
            [t.tanh(t.add(t.mul(s, t.sum(a, 0)), b))],
            [t.matmul(t.transpose(a, [1, 0]), a), t.mul(c, b)],
          ],
          [h],
          [
            t.transpose(x, [1, 0, 2]),
            t.slice(t.transpose(y, [1, 0, 2]).reshape([6, 2]), [0, 0], [4, 2]),
            t.transpose(t.slice(z, [0, 0], [2, 12], [1, 3]), [1, 0]),
          ],
          { length: 4 },
        ),
      ),
  },
  {
    name: 'numbers that products and gathers take whole',
    specs: [v(), v(1, 3), v(4)],
    f: (loop) => (start, w, x) => {
      const [[last], ys] = loop(
        ([s, i], [row]) => [
          [t.tanh(t.add(t.mul(s, row), t.sum(t.matmul(s.reshape([1, 1]), w)))), t.add(i, t.full([], 1, 'i32'))],
          [t.gather(x, i), t.matmul(t.mul(s, row).reshape([1, 1]), w)],
        ],
        [start, t.full([], 0, 'i32')],
        [x],
        { length: 4 },
      );
      return [last, ...ys];
    },
  },
  {
    name: 'a carry that reaches another one only after some steps',
    specs: [v(2), v(2), v(4, 2)],
    f: (loop) => (a, b, x) =>
      flat(
        loop(
          ([p, q, r], [row]) => [[t.mul(t.tanh(p), row), t.add(q, p), t.mul(t.add(r, q), 0.5)], [r]],
          [a, b, t.mul(b, 0)],
          [x],
          { length: 4 },
        ),
      ),
  },
  {
    name: 'a loop in a loop',
    specs: [v(2, 2), v(2), v(3, 2)],
    f: (loop) => (w, h, x) =>
      flat(
        loop(
          ([s], [row]) => {
            const [[inner], [trace]] = loop(
              ([z]) => [[t.tanh(t.add(t.matmul(z, w), row))], [t.sum(t.mul(z, s))]],
              [s],
              [],
              { length: 2 },
            );
            return [[inner], [t.mul(inner, t.sum(trace))]];
          },
          [h],
          [x],
          { length: 3 },
        ),
      ),
  },
  {
    name: 'numbers, iotas, rows that are all alike, and values that no step changes',
    specs: [v(3), v(2, 3)],
    f: (loop) => (a, x) =>
      flat(
        loop(
          ([s], [row, same]) => {
            const fixed = t.mul(t.exp(a), t.iota([3]));
            return [[t.add(t.mul(s, same), fixed)], [fixed, t.add(row, same), t.full([3], 2)]];
          },
          [t.full([3], 1)],
          [x, t.broadcastTo(t.mul(a, 2), [2, 3])],
          { length: 2 },
        ),
      ),
  },
];
