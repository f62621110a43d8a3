import { describe, expect, it } from 'vitest';
import * as $ from '../../../lib/graph/build.ts';
import { decode } from '../../../lib/graph/plan/decode.ts';
import { runProgramReference } from '../../../lib/graph/plan/interpret.ts';
import { type InputBinding, plan } from '../../../lib/graph/plan/plan.ts';
import { expectFaithful, graphOf, kinds, planOf } from './support.ts';

const x = $.input('x', [4, 6]);
const i = $.input('i', [4], 'i32');
const refused = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe('input bindings', () => {
  const attempt = (inputs: InputBinding[]) => () => plan(graphOf([x, i], $.exp(x), $.neg(i)), { inputs });

  it('that do not fit are refused with what was expected', () => {
    const code = 'ERR_ZEROTH_ARGUMENT';
    expect(attempt([{ slot: 0, offset: 0 }])).toThrow(refused(code, /each of the 2 graph inputs, received 1/));
    expect(
      attempt([
        { slot: 0, offset: 0 },
        { slot: 0, offset: 24 },
      ]),
    ).toThrow(refused(code, /slot 0 holds f32/));
    expect(
      attempt([
        { slot: 0, offset: 0 },
        { slot: 2, offset: 0 },
      ]),
    ).toThrow(refused(code, /slot from 0 to 1/));
    expect(
      attempt([
        { slot: 1, offset: 0 },
        { slot: 0, offset: -1 },
      ]),
    ).toThrow(refused(code, /offset/));
  });

  it('without gaps between slots', () => {
    const two = graphOf([x, $.input('y', [2])], x);
    const inputs = [
      { slot: 1, offset: 0 },
      { slot: 1, offset: 24 },
    ];
    expect(() => plan(two, { inputs })).toThrow(refused('ERR_ZEROTH_ARGUMENT', /no binding uses slot 0/));
  });

  it('declare the largest extent of each slot, used or not', () => {
    const made = plan(graphOf([x, i], $.exp(x)), {
      inputs: [
        { slot: 1, offset: 10 },
        { slot: 0, offset: 2 },
      ],
    });
    expect(made.inputs).toEqual([
      { dtype: 'i32', elements: 6 },
      { dtype: 'f32', elements: 34 },
    ]);
  });
});

describe('outputs', () => {
  it('have memory of their own, even twice the same value or an input', () => {
    const y = $.exp(x);
    const made = expectFaithful(graphOf([x, i], y, y, $.reshape(y, [24]), x, x, i, $.sum(x, [0, 1])));
    const refs = decode(made.bytes).outputs.map(({ ref }) => ref);
    expect(refs.every(({ space }) => space === 0)).toBe(true);
    expect(new Set(refs.map(({ offset }) => offset)).size).toBe(refs.length);
    expect(made.outputs.map(({ dtype }) => dtype)).toEqual(['f32', 'f32', 'f32', 'f32', 'f32', 'i32', 'f64']);
  });
});

describe('a program larger than its form can say', () => {
  it('is planned, so that one knows by how much, and refused with a code when its bytes are asked for', () => {
    const large = $.input('large', [2 ** 18, 2 ** 15]);
    const made = planOf(graphOf([large], $.exp($.matmul(large, large, true)), $.sum(large, [0, 1])));
    expect(made.arenaBytes).toBe(4 * 2 ** 30 + 64);
    const wide = planOf(graphOf([large], $.neg(large), $.exp(large)));
    expect(wide.arenaBytes).toBe(2 * 4 * 2 ** 33);
    expect(() => wide.bytes).toThrow(
      refused('ERR_ZEROTH_PROGRAM', /below 2\^32 words.*68719476736 bytes.*fewer examples/),
    );
  });
});

describe('kernels with several results', () => {
  it('one kernel computes a value and what follows from it when both are needed whole', () => {
    const w = $.input('w', [6, 6]);
    const a = $.tanh(x);
    const b = $.exp(a);
    expect(kinds(expectFaithful(graphOf([x, w], $.matmul(a, w), $.matmul(b, w))))).toEqual(['map', 'matmul', 'matmul']);
  });

  it('values that depend on each other through another instruction are not joined', () => {
    const w = $.input('w', [6, 6]);
    const a = $.tanh(x);
    const c = $.add($.matmul(a, w), a);
    expect(kinds(expectFaithful(graphOf([x, w], c)))).toEqual(['map', 'matmul', 'map']);
  });
});

describe('a value that turns out to need memory', () => {
  it('is read by all kernels from then on, also by those that were made before it was known', () => {
    const inputs = Array.from({ length: 36 }, (_, i) => $.input(`x${i}`, [5]));
    const chosen = (from: number) => $.select(inputs[from], inputs[from + 1], inputs[from + 2]);
    const nine = (from: number) => $.select(chosen(from), chosen(from + 3), chosen(from + 6));
    const [a, b, c, d] = [0, 9, 18, 27].map(nine);
    // Too many operands for one kernel: a gets memory. exp(a) alone would repeat it.
    const large = $.add($.add(a, b), $.add(c, d));
    for (const outputs of [
      [large, $.exp(a)],
      [$.exp(a), large],
    ]) {
      const { instructions } = expectFaithful(graphOf(inputs, ...outputs));
      const selects = instructions
        .flatMap((one) => (one.kind === 'map' ? one.ops : []))
        .filter(({ op }) => op === 'select');
      expect(selects).toHaveLength(16);
    }
  });
});

describe('scalars and tensors', () => {
  it('of one element are computed in kernels of their own: scalars in f64, tensors in f32', () => {
    const s = $.input('s', []);
    const down = expectFaithful(graphOf([s], $.exp($.reshape($.neg(s), [1]))));
    expect(down.instructions.map((map) => map.kind === 'map' && map.dims)).toEqual([[], [1]]);
    const one = $.input('one', [1]);
    const up = expectFaithful(graphOf([one], $.exp($.reshape($.neg(one), []))));
    expect(up.instructions.map((map) => map.kind === 'map' && map.dims)).toEqual([[1], []]);
  });
});

describe('a result in place of an operand', () => {
  const a = $.input('a', [5, 5]);

  it('is written where every read of the operand is in the same order', () => {
    const m = $.matmul(a, a);
    const made = expectFaithful(graphOf([a], $.mul($.exp(m), $.add(m, a))));
    expect(made.arenaBytes).toBe(128);
  });

  it('is not where the same kernel reads the operand in another order too', () => {
    const m = $.matmul(a, a);
    const made = expectFaithful(graphOf([a], $.sub($.mul(m, a), $.transpose(m, [1, 0]))));
    expect(made.arenaBytes).toBe(256);
  });
});

describe('the reference executor', () => {
  it('refuses bytes that are no program and inputs that are too short', () => {
    const { bytes } = planOf(graphOf([x], $.exp(x)));
    const program = /program: expected/;
    expect(() => decode(bytes.subarray(0, bytes.length - 4))).toThrow(refused('ERR_ZEROTH_PROGRAM', program));
    expect(() => decode(bytes.subarray(0, 8))).toThrow(refused('ERR_ZEROTH_PROGRAM', program));
    const changed = bytes.slice();
    changed[4] = 9;
    expect(() => decode(changed)).toThrow(refused('ERR_ZEROTH_PROGRAM', /version 1, found 9/));
    expect(() => runProgramReference(bytes, [new Float64Array(3)])).toThrow(
      refused('ERR_ZEROTH_ARGUMENT', /at least 24 values, received 3/),
    );
  });
});
