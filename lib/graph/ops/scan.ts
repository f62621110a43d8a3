import * as $ from '../build.ts';
import { type Node, sizeOf } from '../node.ts';
import { loopOf, type Pair, pairsOf, partsOf, resultsOf } from './loop-parts.ts';
import { loopResults } from './loop-shapes.ts';
import { type Batched, type MaybeZero, type MultiOp, swapFirst, withBatch } from './op.ts';

const zeros = ({ shape }: Node): Node => $.constant(0, shape);
const anew = (x: Node<'input'>, what: string): Node<'input'> => $.input(`${what} of ${x.attributes.name}`, x.shape);
const placeOfTrue = (list: readonly boolean[], i: number): number => list.slice(0, i).filter((yes) => yes).length;

/** The least set of carries that holds `start` and all that `more` finds where it is taken for the set. */
function closure<T extends { readonly found: readonly boolean[] }>(
  start: readonly boolean[],
  more: (carries: readonly boolean[]) => T,
): T & { readonly carries: readonly boolean[] } {
  let carries = start;
  for (;;) {
    const result = more(carries);
    const grown = carries.map((yes, i) => yes || result.found[i]);
    if (grown.every((yes, i) => yes === carries[i])) return { ...result, carries };
    carries = grown;
  }
}

/** A loop over the step and its tangent together. A carry has a tangent where that of its start or of any step is not zero. */
function jvp(
  node: Node<'scan'>,
  tangents: readonly MaybeZero[],
  { pushForward }: Parameters<MultiOp['jvp']>[2],
): MaybeZero[] {
  const loop = node.attributes;
  const { body, length, reverse } = loop;
  const [operands, inputs, given] = [partsOf(loop, node.inputs), partsOf(loop, body.inputs), partsOf(loop, tangents)];
  const moved = body.inputs.map((x) => anew(x, 'tangent'));
  const { carries: moving, out } = closure(
    given.carries.map((t) => t !== undefined),
    (carries) => {
      const moves = [
        ...given.constants.map((t) => t !== undefined),
        ...carries,
        ...given.rows.map((t) => t !== undefined),
      ];
      const out = pushForward(
        body.outputs,
        body.inputs,
        moved.map((x, i) => (moves[i] ? x : undefined)),
      );
      return { out, found: out.slice(0, loop.carries).map((t) => t !== undefined) };
    },
  );
  const movedParts = partsOf(loop, moved);
  const extra = (list: readonly MaybeZero[], fresh: readonly Node<'input'>[]): Pair[] =>
    list.flatMap((operand, i) => (operand ? [{ operand, input: fresh[i] }] : []));
  const carry = (pair: Pair, i: number) => ({ ...pair, next: body.outputs[i] });
  const results = loopOf(
    {
      constants: [...pairsOf(operands.constants, inputs.constants), ...extra(given.constants, movedParts.constants)],
      carries: [
        ...pairsOf(operands.carries, inputs.carries).map(carry),
        ...movedParts.carries.flatMap((input, i) =>
          moving[i] ? [{ operand: given.carries[i] ?? zeros(input), input, next: out[i] ?? zeros(input) }] : [],
        ),
      ],
      rows: [...pairsOf(operands.rows, inputs.rows), ...extra(given.rows, movedParts.rows)],
      stacked: [...body.outputs.slice(loop.carries), ...out.slice(loop.carries).filter((t) => t !== undefined)],
    },
    length,
    reverse,
  );
  const stackedMoves = out.slice(loop.carries).map((t) => t !== undefined);
  const ofCarry = (list: readonly Node[]) =>
    moving.map((yes, i) => (yes ? list[loop.carries + placeOfTrue(moving, i)] : undefined));
  return [
    ...ofCarry(results.last),
    ...stackedMoves.map((yes, i) =>
      yes ? results.stacked[stackedMoves.length + placeOfTrue(stackedMoves, i)] : undefined,
    ),
    ...ofCarry(results.history),
  ];
}

/**
 * A loop the other way. Each step computes the forward step again from the carries that it received, of which the history is kept, and pulls
 * back through it; the cotangents of constants are sums that the loop carries.
 */
function vjp(
  node: Node<'scan'>,
  cotangents: readonly MaybeZero[],
  wanted: readonly boolean[],
  { pullBack }: Parameters<MultiOp['vjp']>[3],
): MaybeZero[] {
  const loop = node.attributes;
  const { body, length, reverse, constants: count } = loop;
  const [operands, inputs, want] = [partsOf(loop, node.inputs), partsOf(loop, body.inputs), partsOf(loop, wanted)];
  const given = resultsOf(loop, cotangents);
  const adjoint = inputs.carries.map((x) => anew(x, 'cotangent'));
  const rowCotangents = given.stacked.map(
    (g, j) => g && $.input(`cotangent of output ${j}`, body.outputs[loop.carries + j].shape),
  );
  const historyCotangents = given.history.map((g, i) => g && anew(inputs.carries[i], 'cotangent of the history'));
  const from = body.inputs.filter(
    (x, i) => x.dtype === 'f32' && (wanted[i] || (i >= count && i < count + loop.carries)),
  );
  const { carries: active, out } = closure(
    inputs.carries.map((_, i) => given.last[i] !== undefined || given.history[i] !== undefined),
    (carries) => {
      const found = pullBack(body.outputs, from, [
        ...adjoint.map((x, i) => (carries[i] ? x : undefined)),
        ...rowCotangents,
      ]);
      const of = new Map(from.map((x, i) => [x as Node, found[i]]));
      const out = partsOf(
        loop,
        body.inputs.map((x) => of.get(x)),
      );
      return { out, found: out.carries.map((g) => g !== undefined) };
    },
  );

  const sums = inputs.constants.flatMap((x, k) => {
    const term = want.constants[k] ? out.constants[k] : undefined;
    if (!term) return [];
    const input = anew(x, 'sum of cotangents');
    return [{ k, operand: zeros(x), input, next: $.add(input, term) }];
  });
  const back = inputs.carries.flatMap((x, i) => {
    if (!active[i]) return [];
    const later = historyCotangents[i];
    const next = out.carries[i] && later ? $.add(out.carries[i], later) : (out.carries[i] ?? later ?? zeros(x));
    return [{ i, operand: given.last[i] ?? zeros(x), input: adjoint[i], next }];
  });
  const rows = inputs.rows.flatMap((_, j) => {
    const row = want.rows[j] ? out.rows[j] : undefined;
    return row ? [{ j, row }] : [];
  });
  const history = loopResults(loop).length - loop.carries;
  const pairs = (list: readonly MaybeZero[], fresh: readonly (Node<'input'> | undefined)[]): Pair[] =>
    list.flatMap((operand, i) => (operand ? [{ operand, input: fresh[i]! }] : []));
  const results = loopOf(
    {
      constants: pairsOf(operands.constants, inputs.constants),
      carries: [...back, ...sums],
      rows: [
        ...pairsOf(operands.rows, inputs.rows),
        ...inputs.carries.map((input, i) => ({ operand: $.result(node, history + i), input })),
        ...pairs(given.stacked, rowCotangents),
        ...pairs(given.history, historyCotangents),
      ],
      stacked: rows.map(({ row }) => row),
    },
    length,
    !reverse,
  );
  const found = new Map<number, Node>([
    ...back.map(({ i }, at): [number, Node] => [count + i, results.last[at]]),
    ...sums.map(({ k }, at): [number, Node] => [k, results.last[back.length + at]]),
    ...rows.map(({ j }, at): [number, Node] => [count + loop.carries + j, results.stacked[at]]),
  ]);
  return node.inputs.map((_, i) => found.get(i));
}

/** A loop over a whole batch. A carry is batched where its start or what any step returns is. */
function batch(
  node: Node<'scan'>,
  operands: readonly Node[],
  isBatched: readonly boolean[],
  size: number,
  { batched }: Parameters<MultiOp['batch']>[4],
): Batched[] {
  const loop = node.attributes;
  const { body, length, reverse } = loop;
  const [given, which] = [partsOf(loop, operands), partsOf(loop, isBatched)];
  const wide = body.inputs.map(({ shape, dtype, attributes }) => $.input(attributes.name, [size, ...shape], dtype));
  const { carries, out, all } = closure(which.carries, (carries) => {
    const all = [...which.constants, ...carries, ...which.rows];
    const from = body.inputs.filter((_, i) => all[i]);
    const batch = wide.filter((_, i) => all[i]);
    const out = batched(body.outputs, from, batch, size);
    return { out, all, found: out.slice(0, loop.carries).map((x) => x.batched) };
  });
  const inputs = partsOf(
    loop,
    body.inputs.map((x, i) => (all[i] ? wide[i] : x)),
  );
  const results = loopOf(
    {
      constants: pairsOf(given.constants, inputs.constants),
      carries: inputs.carries.map((input, i) => ({
        input,
        operand: carries[i] ? withBatch(given.carries[i], which.carries[i], size) : given.carries[i],
        next: carries[i] ? withBatch(out[i].node, out[i].batched, size) : out[i].node,
      })),
      rows: inputs.rows.map((input, i) => ({
        input,
        operand: which.rows[i] ? swapFirst(given.rows[i]) : given.rows[i],
      })),
      stacked: out.slice(loop.carries).map((x) => x.node),
    },
    length,
    reverse,
  );
  const stacked = (x: Node, yes: boolean): Batched => ({ node: yes ? swapFirst(x) : x, batched: yes });
  return [
    ...results.last.map((x, i) => ({ node: x, batched: carries[i] })),
    ...results.stacked.map((x, j) => stacked(x, out[loop.carries + j].batched)),
    ...results.history.map((x, i) => stacked(x, carries[i])),
  ];
}

export const scan: MultiOp<'scan'> = {
  jvp,
  vjp,
  batch,
  reference: ({ attributes: loop }, operands, evaluate) => {
    const { body, length, reverse } = loop;
    const { constants, carries: start, rows } = partsOf(loop, operands);
    const results = loopResults(loop).map(({ shape }) => new Float64Array(sizeOf(shape)));
    const { last, stacked, history } = resultsOf(loop, results);
    let carries = start;
    for (let step = 0; step < length; step++) {
      const t = reverse ? length - 1 - step : step;
      const row = (x: Float64Array): Float64Array => x.subarray((t * x.length) / length, ((t + 1) * x.length) / length);
      carries.forEach((x, i) => {
        row(history[i]).set(x);
      });
      const out = evaluate(body, [...constants, ...carries, ...rows.map(row)]);
      carries = out.slice(0, loop.carries);
      stacked.forEach((x, j) => {
        row(x).set(out[loop.carries + j]);
      });
    }
    last.forEach((x, i) => {
      x.set(carries[i]);
    });
    return results;
  },
};

/** Operations with several results. */
export const multiOps = { scan };
