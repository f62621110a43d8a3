import { describe, expect, it } from 'vitest';
import * as $ from '../../../lib/graph/build.ts';
import type { Graph, Node } from '../../../lib/graph/node.ts';
import { add, linearRecurrence, mul, scan, sum, type Tensor, tanh, trace } from '../../../lib/graph/ops.ts';
import { evaluateReference } from '../../../lib/graph/reference.ts';
import { simplify } from '../../../lib/graph/simplify.ts';
import { reachable } from '../../../lib/graph/transforms.ts';
import { run } from '../evaluate.ts';
import { expectFaithful, planOf } from '../plan/support.ts';

const v = (...shape: number[]) => ({ shape });
const loopsOf = ({ inputs, outputs }: Graph): Node<'scan'>[] =>
  reachable(outputs, inputs).filter((node): node is Node<'scan'> => $.isOp(node, 'scan'));

describe('scan', () => {
  it('takes and returns trees', () => {
    const f = (h: Tensor, c: Tensor, x: Tensor): Tensor[] => {
      const [{ state, list }, ys] = scan(
        ({ state, list: [c] }: { state: Tensor; list: Tensor[] }, { now }: { now: Tensor }) => [
          { state: state.add(now), list: [c.mul(2)] },
          { sum: state, both: [now, c] },
        ],
        { state: h, list: [c] },
        { now: x },
      );
      return [state, ...list, ys.sum, ...ys.both];
    };
    const [state, doubled, sums, rows, powers] = run(
      f,
      [v(), v(), v(3)],
      [Float64Array.of(1), Float64Array.of(1), Float64Array.of(10, 20, 30)],
    );
    expect([state[0], doubled[0]]).toEqual([61, 8]);
    expect([[...sums], [...rows], [...powers]]).toEqual([
      [1, 11, 31],
      [10, 20, 30],
      [1, 2, 4],
    ]);
  });

  it('goes over nothing where xs is null, gives nothing where y is null, and goes the other way in reverse', () => {
    const [power] = run(
      (x) => scan((c: Tensor) => [c.mul(x), null], x, null, { length: 4 })[0],
      [v()],
      [Float64Array.of(3)],
    );
    expect(power[0]).toBe(3 ** 5);
    const [last, sums] = run(
      (x) => scan((c: Tensor, row: Tensor) => [c.add(row), c.add(row)], sum(x).mul(0), x, { reverse: true }),
      [v(3)],
      [Float64Array.of(1, 10, 100)],
    );
    expect(last[0]).toBe(111);
    expect([...sums]).toEqual([111, 110, 100]);
  });

  it('returns what it was given where it has no steps', () => {
    const [same] = run(
      (x) => scan((c: Tensor) => [c.mul(2), null], x, null, { length: 0 })[0],
      [v(2)],
      [Float64Array.of(3, 4)],
    );
    expect([...same]).toEqual([3, 4]);
  });

  it('traces its step once, whatever the length', () => {
    let calls = 0;
    trace(
      (x: Tensor) =>
        scan(
          (c: Tensor, row: Tensor) => {
            calls++;
            return [tanh(add(c, row)), null];
          },
          sum(x),
          x,
        )[0],
      v(5000),
    );
    expect(calls).toBe(1);
  });

  it('computes before the loop what is the same in all steps, and carries only what is needed', () => {
    const graph = trace(
      (w: Tensor, x: Tensor) =>
        scan(([h, unused], row) => [[tanh(add(mul(h, w.exp()), row)), unused.add(1)], h], [w, w], x)[0][0],
      v(4),
      v(7, 4),
    );
    const made = planOf(graph);
    const loop = made.instructions.find((x) => x.kind === 'loop')!;
    // exp once; the copy of the start; the loop, of one kernel that reads and writes the carry in place; the result is the carry.
    expect(made.instructions.map((x) => x.kind)).toEqual(['map', 'map', 'loop']);
    expect(loop.body.map((x) => x.kind)).toEqual(['map']);
  });

  const refused = (f: (x: Tensor) => unknown, code: string, message: RegExp): void => {
    const failure = (() => {
      try {
        trace(f as (x: Tensor) => Tensor, v(3, 2));
      } catch (error) {
        return error as Error & { code: string };
      }
      return undefined;
    })();
    expect(failure?.code).toBe(code);
    expect(failure?.message).toMatch(message);
  };

  it.each<[string, (x: Tensor) => unknown, string, RegExp]>([
    ['no function', (x) => scan(3 as never, x, x), 'ERR_ZEROTH_ARGUMENT', /scan: f/],
    [
      'an unknown option',
      (x) => scan((c: Tensor) => [c, null], x, null, { steps: 3 } as never),
      'ERR_ZEROTH_ARGUMENT',
      /steps/,
    ],
    ['no length', (x) => scan((c: Tensor) => [c, null], x, null), 'ERR_ZEROTH_ARGUMENT', /length/],
    [
      'a length that is none',
      (x) => scan((c: Tensor) => [c, null], x, null, { length: -1 }),
      'ERR_ZEROTH_ARGUMENT',
      /length/,
    ],
    [
      'another length than the rows',
      (x) => scan((c: Tensor) => [c, null], x, x, { length: 4 }),
      'ERR_ZEROTH_SHAPE',
      /4 rows/,
    ],
    [
      'rows of two lengths',
      (x) => scan((c: Tensor) => [c, null], x, [x, sum(x, 0)]),
      'ERR_ZEROTH_SHAPE',
      /3 rows.*xs\[1\]/,
    ],
    [
      'rows that are one number',
      (x) => scan((c: Tensor) => [c, null], x, sum(x)),
      'ERR_ZEROTH_SHAPE',
      /rows along axis 0/,
    ],
    [
      'a carry of another shape',
      (x) => scan((c: Tensor) => [sum(c, 0), null], x, x),
      'ERR_ZEROTH_SHAPE',
      /\[3, 2\].*\[2\]/,
    ],
    [
      'a carry of another tree',
      (x) => scan((c: { a: Tensor }) => [{ b: c.a } as never, null], { a: x }, x),
      'ERR_ZEROTH_SHAPE',
      /a f32\[3, 2\]/,
    ],
    [
      'a carry too few',
      (x) => scan((c: Tensor[]) => [[c[0]], null], [x, x], x),
      'ERR_ZEROTH_SHAPE',
      /no more tensors|\[1\]/,
    ],
    [
      'a step that returns a tensor',
      (x) => scan(((c: Tensor) => c) as never, x, x),
      'ERR_ZEROTH_ARGUMENT',
      /next carry, y/,
    ],
    [
      'a step that returns no y',
      (x) => scan(((c: Tensor) => [c, undefined]) as never, x, x),
      'ERR_ZEROTH_ARGUMENT',
      /scan: y/,
    ],
    [
      'a carry that is a number',
      (x) => scan((c: Tensor) => [c, null], 3 as never, x),
      'ERR_ZEROTH_ARGUMENT',
      /scan: init/,
    ],
    [
      'rows and no steps',
      (x) => scan((c: Tensor) => [c, c], x, null, { length: 0 }),
      'ERR_ZEROTH_SHAPE',
      /at least one step/,
    ],
  ])('refuses %s', (_, f, code, message) => refused(f, code, message));

  it('refuses a tensor of one step that another step, or nobody, may see', () => {
    refused(
      (x) => {
        let kept = x;
        scan(
          (c: Tensor) => {
            kept = c;
            return [c, null];
          },
          x,
          null,
          { length: 2 },
        );
        return kept;
      },
      'ERR_ZEROTH_TRACE',
      /carry of a step of scan/,
    );
  });
});

describe('loops of one body', () => {
  const [s, row, start, rows] = [
    $.input('s', [2]),
    $.input('row', [2]),
    $.input('start', [2]),
    $.input('rows', [3, 2]),
  ];
  const body = { inputs: [s, row], outputs: [$.add($.mul(s, $.constant(0.5, [2])), row), $.mul(s, row)] };
  const loop = (reverse: boolean, outputs = body.outputs) =>
    $.scan([start, rows], { body: { ...body, outputs }, length: 3, reverse, constants: 0, carries: 1 });
  const simplified = (...outputs: Node[]) => {
    const graph = { inputs: [start, rows], outputs };
    const values = [Float64Array.of(1, -1), Float64Array.of(1, 2, 3, 4, 5, 6)];
    const small = simplify(graph);
    expect(evaluateReference(small, values)).toEqual(evaluateReference(graph, values));
    return loopsOf(small).length;
  };

  it('are one where one does what the other does', () => {
    expect(simplified($.result(loop(false), 0), $.result(loop(false), 1))).toBe(1);
    expect(simplified($.result(loop(false), 1), $.result(loop(false, body.outputs.slice(0, 1)), 1))).toBe(1);
  });

  it('are two where they go different ways', () => {
    expect(simplified($.result(loop(false), 0), $.result(loop(true), 0))).toBe(2);
    expect(simplified($.result(loop(false), 1), $.result(loop(true, body.outputs.slice(0, 1)), 0))).toBe(2);
  });
});

describe('linearRecurrence', () => {
  it('is the loop that it says, either way', () => {
    const specs = [v(4, 2), v(4, 2), v(2)];
    const inputs = [
      Float64Array.of(0.5, -1, 2, 0, 1, 1, -0.5, 3),
      Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8),
      Float64Array.of(10, -10),
    ];
    for (const reverse of [false, true]) {
      const [states] = run((a, b, start) => linearRecurrence(a, b, start, { reverse }), specs, inputs);
      const [, looped] = run(
        (a, b, start) =>
          scan(
            (h: Tensor, [x, y]: Tensor[]) => {
              const next = h.mul(x).add(y);
              return [next, next];
            },
            start,
            [a, b],
            { reverse },
          ),
        specs,
        inputs,
      );
      expect([...states]).toEqual([...looped]);
    }
  });

  it('is one instruction, and so are its tangents and cotangents', () => {
    const graph = trace((a: Tensor, b: Tensor, start: Tensor) => linearRecurrence(a, b, start), v(5, 3), v(5, 3), v(3));
    expect(planOf(graph).instructions.map((x) => x.kind)).toEqual(['recurrence']);
    expect(loopsOf(graph)).toEqual([]);
  });

  it('of numbers starts with a number, whether it is given or computed', () => {
    for (const start of [(s: Tensor) => s, (s: Tensor) => s.exp(), (s: Tensor) => sum(s)])
      expectFaithful(trace((a: Tensor, b: Tensor, s: Tensor) => linearRecurrence(a, b, start(s)), v(5), v(5), v()));
  });

  it('refuses operands that do not fit, and what is no tensor', () => {
    expect(() => trace((a: Tensor, b: Tensor) => linearRecurrence(a, b, b), v(3, 2), v(3, 2))).toThrow(/start/);
    expect(() => trace((a: Tensor, b: Tensor) => linearRecurrence(a, b, b), v(3, 2), v(2))).toThrow(/one shape/);
    expect(() => trace((a: Tensor) => linearRecurrence(a, a, 3 as never), v(3))).toThrow(/start/);
    expect(() => trace((a: Tensor) => linearRecurrence(a, a, sum(a), { back: true } as never), v(3))).toThrow(/back/);
  });
});
