import * as $ from '../build.ts';
import type { Node } from '../node.ts';
import { type Op, swapFirst, withBatch } from './op.ts';

/** Rows from `from` to before `to` along axis 0. */
function rows(x: Node, from: number, to: number): Node {
  const rest = x.shape.slice(1);
  return $.slice(x, [from, ...rest.map(() => 0)], [to, ...rest]);
}

/** What each step receives, given what each returns and what the first one starts with: one step later along the direction of time. */
function received(returned: Node, first: Node, reverse: boolean): Node {
  const [n] = returned.shape;
  const start = $.reshape(first, [1, ...first.shape]);
  if (n === 1) return start;
  return reverse ? $.concat([rows(returned, 1, n), start], 0) : $.concat([start, rows(returned, 0, n - 1)], 0);
}

/**
 * h_t = a_t h_{t−1} + b_t. Its derivatives are such recurrences too: ḣ_t = a_t ḣ_{t−1} + (ȧ_t h_{t−1} + ḃ_t), and cotangents
 * λ_t = g_t + a_{t+1} λ_{t+1} run the other way.
 */
const linearRecurrence: Op<'linearRecurrence'> = {
  jvp: (h, [ta, tb, tStart]) => {
    const { reverse } = h.attributes;
    const [a, b, start] = h.inputs;
    const moved = ta && $.mul(ta, received(h, start, reverse));
    const input = moved && tb ? $.add(moved, tb) : (moved ?? tb ?? $.constant(0, b.shape));
    return $.linearRecurrence(a, input, tStart ?? $.constant(0, start.shape), reverse);
  },
  vjp: (h, g, [wantA, , wantStart]) => {
    const { reverse } = h.attributes;
    const [a, , start] = h.inputs;
    const none = $.constant(0, start.shape);
    const adjoint = $.linearRecurrence(received(a, none, !reverse), g, none, !reverse);
    const first = reverse ? a.shape[0] - 1 : 0;
    const ofFirst = (x: Node): Node => $.reshape(rows(x, first, first + 1), start.shape);
    return [
      wantA ? $.mul(adjoint, received(h, start, reverse)) : undefined,
      adjoint,
      wantStart ? $.mul(ofFirst(a), ofFirst(adjoint)) : undefined,
    ];
  },
  batch: (h, operands, batched, size) => {
    const [a, b, start] = operands.map((x, i) => withBatch(x, batched[i], size));
    return swapFirst($.linearRecurrence(swapFirst(a), swapFirst(b), start, h.attributes.reverse));
  },
  reference: (h, [a, b, start]) => {
    const [n] = h.shape;
    const width = start.length;
    const result = new Float64Array(a.length);
    let state = start;
    for (let step = 0; step < n; step++) {
      const at = width * (h.attributes.reverse ? n - 1 - step : step);
      state = state.map((x, j) => a[at + j] * x + b[at + j]);
      result.set(state, at);
    }
    return result;
  },
};

export const recurrenceOps = { linearRecurrence };
