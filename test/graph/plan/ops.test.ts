import { describe, expect, it } from 'vitest';
import * as $ from '../../../lib/graph/build.ts';
import type { Comparison, Node } from '../../../lib/graph/node.ts';
import { expectFaithful, graphOf, kinds, valuesFor } from './support.ts';

const x = $.input('x', [4, 6]);
const y = $.input('y', [4, 6]);
const s = $.input('s', []);
const indices = $.input('indices', [5], 'i32');
const full = (value: number, like: Node) => $.constant(value, like.shape);

describe('every elementwise operation survives planning', () => {
  const positive = $.add($.integerPow(x, 2), full(0.1, x));
  const cases: Record<string, Node> = {
    neg: $.neg(x),
    exp: $.exp(x),
    log: $.log(positive),
    log1p: $.log1p(positive),
    expm1: $.expm1(x),
    tanh: $.tanh(x),
    erf: $.erf(x),
    sigmoid: $.sigmoid(x),
    sqrt: $.sqrt(positive),
    rsqrt: $.rsqrt(positive),
    abs: $.abs(x),
    sign: $.sign(x),
    gelu: $.gelu(x),
    cube: $.integerPow(x, 3),
    inverse: $.integerPow(positive, -1),
    add: $.add(x, y),
    sub: $.sub(x, y),
    mul: $.mul(x, y),
    div: $.div(x, positive),
    maximum: $.maximum(x, y),
    minimum: $.minimum(x, y),
    select: $.select($.compare('lt', x, y), x, full(-0, x)),
    stopGradient: $.stopGradient($.mul(x, y)),
    ...Object.fromEntries(
      (['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as Comparison[]).map((name) => [name, $.compare(name, x, y)]),
    ),
  };
  for (const [name, node] of Object.entries(cases)) {
    it(`${name}, in one map`, () => {
      expect(kinds(expectFaithful(graphOf([x, y], node)))).toEqual(['map']);
    });
  }

  it('scalars are computed in f64, in maps of rank 0', () => {
    const made = expectFaithful(graphOf([s], $.div($.exp(s), $.add(s, $.constant(3)))));
    expect(made.outputs[0].dtype).toBe('f64');
    expect(made.instructions.map((i) => i.kind === 'map' && i.dims)).toEqual([[]]);
  });
});

describe('structure costs no copy where strides can say it', () => {
  const oneMap = (name: string, node: Node, inputs: Node<'input'>[] = [x, y]) =>
    it(name, () => {
      expect(kinds(expectFaithful(graphOf(inputs, node)))).toEqual(['map']);
    });
  const row = $.input('row', [6]);
  const cube = $.input('cube', [2, 2, 6]);
  oneMap('transpose between elementwise operations', $.exp($.transpose($.mul(x, y), [1, 0])));
  oneMap('a strided slice', $.neg($.slice($.mul(x, y), [1, 0], [4, 6], [2, 3])));
  oneMap('a broadcast row', $.add(x, $.broadcast(row, [4, 6], [1])), [x, row]);
  oneMap('a reshape in a chain', $.exp($.add($.reshape($.mul(x, y), [2, 2, 6]), cube)), [x, y, cube]);
  oneMap('a reshape that merges broadcast axes', $.add(x, $.reshape($.broadcast(row, [2, 2, 6], [2]), [4, 6])), [
    x,
    row,
  ]);
  oneMap('a broadcast scalar', $.mul(x, $.broadcast(s, [4, 6], [])), [x, s]);
  oneMap('a transposed reshape', $.exp($.transpose($.reshape(x, [2, 2, 6]), [2, 0, 1])), [x]);
  oneMap('an output that is an input', x, [x]);
  oneMap('an output that is a transposed input', $.transpose(x, [1, 0]), [x]);
  oneMap('a constant as output', $.constant(2.5, [3]), [x]);

  it('reshapes that split the elements differently are copied, and right', () => {
    const a = $.transpose($.reshape(x, [2, 12]), [1, 0]);
    const b = $.transpose($.reshape(y, [3, 8]), [1, 0]);
    expectFaithful(graphOf([x, y], $.add($.reshape(a, [24]), $.reshape(b, [24]))));
  });

  it('a slice through a reshape of a transpose is copied, and right', () => {
    const merged = $.reshape($.transpose(x, [1, 0]), [24]);
    expectFaithful(graphOf([x], $.neg($.slice(merged, [3], [17], [1]))));
    expectFaithful(graphOf([x, y], $.exp($.slice($.reshape($.transpose($.mul(x, y), [1, 0]), [24]), [3], [17], [2]))));
  });

  it('an expensive result that a broadcast repeats is computed once', () => {
    const made = expectFaithful(graphOf([x, row], $.mul(x, $.broadcast($.exp(row), [4, 6], [1]))));
    expect(kinds(made)).toEqual(['map', 'map']);
  });

  it('iota becomes a line that is read with strides', () => {
    const mask = $.compare('eq', $.broadcast($.reshape(indices, [5]), [5, 3], [0]), $.iota([5, 3], 1, 'i32'));
    expect(kinds(expectFaithful(graphOf([indices], mask)))).toEqual(['iota', 'map']);
    expectFaithful(graphOf([indices], $.iota([2, 3, 4], 1), $.iota([3], 0), $.iota([3], 0)));
  });
});

describe('padding and joining', () => {
  it('pad writes zeros, then its operand between them', () => {
    const made = expectFaithful(graphOf([x, y], $.pad($.mul(x, y), [1, 0], [0, 2], [2, 1])));
    expect(kinds(made)).toEqual(['map', 'map']);
  });

  it('concat writes every operand, computed on the way, to its place', () => {
    const made = expectFaithful(graphOf([x, y], $.concat([$.exp(x), y, $.transpose($.reshape(x, [6, 4]), [1, 0])], 1)));
    expect(kinds(made)).toEqual(['map', 'map', 'map']);
    expectFaithful(graphOf([x, y], $.concat([x, $.mul(x, y), x], 0)));
    expectFaithful(graphOf([x], $.concat([x], 0)));
  });

  it('pad and concat can be read, padded and joined again', () => {
    const inner = $.concat([$.pad(x, [0, 1], [1, 0], [0, 0]), $.pad(y, [1, 0], [0, 1], [0, 0])], 0);
    expectFaithful(
      graphOf([x, y], $.exp($.pad($.transpose(inner, [1, 0]), [1, 1], [1, 1], [1, 0])), $.sum(inner, [0])),
    );
  });
});

describe('reductions', () => {
  it('a sum over everything is fused with what it sums', () => {
    const made = expectFaithful(graphOf([x, y], $.sum($.mul($.exp(x), y), [0, 1])));
    expect(kinds(made)).toEqual(['mapSum']);
  });

  it('any axes, of sum and max', () => {
    const t = $.input('t', [2, 3, 4, 5]);
    for (const axes of [
      [0],
      [1],
      [3],
      [0, 1],
      [1, 2],
      [2, 3],
      [0, 2],
      [1, 3],
      [0, 2, 3],
      [0, 1, 3],
      [0, 1, 2, 3],
      [],
    ]) {
      expectFaithful(graphOf([t], $.sum(t, axes), $.max(t, axes)));
      expectFaithful(graphOf([t], $.max($.exp($.transpose(t, [3, 1, 0, 2])), axes)));
    }
    expect(kinds(expectFaithful(graphOf([t], $.sum(t, [1, 2]))))).toEqual(['reduce']);
    expect(kinds(expectFaithful(graphOf([t], $.sum(t, [0, 2]))))).toEqual(['reduce', 'reduce']);
  });

  it('of a scalar and of one element', () => {
    const one = $.input('one', [1, 1]);
    expectFaithful(
      graphOf([s, one], $.sum(s, []), $.max(s, []), $.sum(one, [0]), $.max(one, [0, 1]), $.sum(one, [0, 1])),
    );
    expectFaithful(
      graphOf([s, one], $.add($.reshape($.exp($.reshape($.neg(one), [])), [1, 1]), one), $.mul(s, $.reshape(one, []))),
    );
    expectFaithful(graphOf([s], $.reshape($.exp(s), [1, 1]), $.exp($.reshape($.neg(s), [1]))));
  });
});

describe('matrix products', () => {
  const a = $.input('a', [4, 6]);
  const b = $.input('b', [6, 3]);
  const batchA = $.input('A', [2, 5, 4, 6]);
  const batchB = $.input('B', [2, 5, 6, 3]);

  it('a transposed operand is a flag', () => {
    const made = expectFaithful(graphOf([a], $.matmul($.transpose(a, [1, 0]), a), $.matmul(a, $.transpose(a, [1, 0]))));
    expect(kinds(made)).toEqual(['matmul', 'matmul']);
    const flagged = $.matmul($.transpose(a, [1, 0]), $.transpose(b, [1, 0]), true, true);
    const both = expectFaithful(graphOf([a, b], flagged));
    expect(both.instructions).toMatchObject([{ transposeA: false, transposeB: false }]);
  });

  it('batches, shared operands and folding of a batch into rows', () => {
    expectFaithful(graphOf([batchA, batchB], $.matmul(batchA, batchB)));
    expectFaithful(graphOf([a, batchB], $.matmul(a, batchB)));
    const folded = expectFaithful(graphOf([batchA, b], $.matmul(batchA, b)));
    expect(folded.instructions).toMatchObject([{ kind: 'matmul', batch: 1, m: 40 }]);
    const flagged = $.matmul($.transpose(batchA, [0, 1, 3, 2]), b, true);
    expect(expectFaithful(graphOf([batchA, b], flagged)).instructions).toMatchObject([{ batch: 1, m: 40 }]);
    expectFaithful(graphOf([batchA, b], $.matmul(batchA, $.broadcast(b, [2, 5, 6, 3], [2, 3]))));
  });

  it('slices of dense storage are read where they are', () => {
    const flat = $.input('flat', [2, 40]);
    const sliced = $.reshape($.slice(flat, [0, 7], [2, 31], [1, 1]), [2, 6, 4]);
    const made = expectFaithful(graphOf([a, flat], $.matmul(a, sliced)));
    expect(made.instructions).toMatchObject([
      { kind: 'matmul', batch: 2, bBatchStride: 40, b: { space: 2, offset: 7 } },
    ]);
    const last = $.slice(batchB, [1, 2, 0, 0], [2, 4, 6, 3], [1, 1, 1, 1]);
    expect(kinds(expectFaithful(graphOf([a, batchB], $.matmul(a, last))))).toEqual(['matmul']);
  });

  it('what no flag can say is copied', () => {
    const columns = $.slice(a, [0, 0], [4, 6], [1, 2]);
    expect(kinds(expectFaithful(graphOf([a], $.matmul(columns, columns, true))))).toEqual(['map', 'matmul']);
    const square = $.input('square', [5, 5, 4, 6]);
    const swapped = expectFaithful(graphOf([square], $.matmul(square, $.transpose(square, [1, 0, 2, 3]), true)));
    expect(kinds(swapped)).toEqual(['map', 'matmul']);
    expectFaithful(graphOf([a], $.matmul($.constant(2, [3, 4]), a), $.matmul($.exp($.transpose(a, [1, 0])), a)));
  });

  it('vectors as matrices', () => {
    const v = $.input('v', [6]);
    const column = $.reshape(v, [6, 1]);
    const rowVector = $.reshape(v, [1, 6]);
    expectFaithful(graphOf([a, v], $.matmul(a, column), $.matmul(column, rowVector), $.matmul(rowVector, column)));
  });
});

describe('gather and scatter-add', () => {
  const table = $.input('table', [3, 4]);
  const one = $.input('one', [], 'i32');
  const grid = $.input('grid', [2, 3], 'i32');
  const updates = $.input('updates', [2, 3, 4]);

  it('rows of a table, and rows added to one', () => {
    expect(kinds(expectFaithful(graphOf([table, grid], $.gather(table, grid))))).toEqual(['gather']);
    expect(kinds(expectFaithful(graphOf([grid, updates], $.scatterAdd(grid, updates, 3))))).toEqual(['scatterAdd']);
    expectFaithful(graphOf([table, grid], $.gather($.exp($.transpose(table, [1, 0])), $.transpose(grid, [1, 0]))));
  });

  it('single and computed indices, integer tables', () => {
    expectFaithful(graphOf([table, one], $.gather(table, one)));
    expectFaithful(
      graphOf(
        [table, one],
        $.gather($.sum(table, [1]), $.minimum($.add(one, $.constant(1, [], 'i32')), $.constant(2, [], 'i32'))),
      ),
    );
    expectFaithful(graphOf([one, table], $.scatterAdd(one, $.slice($.reshape(table, [12]), [2], [6], [1]), 3)));
    expectFaithful(graphOf([one], $.scatterAdd(one, $.constant(2), 3)));
    const wrapped = $.minimum($.add(grid, $.constant(1, [2, 3], 'i32')), $.constant(2, [2, 3], 'i32'));
    expectFaithful(graphOf([table, grid, indices], $.gather(table, wrapped), $.gather(indices, grid)));
    expectFaithful(graphOf([one, indices], $.gather(indices, one), $.add(one, $.gather(indices, one))));
  });
});

describe('limits of one kernel', () => {
  it('long chains are split', () => {
    let long: Node = x;
    for (let i = 0; i < 250; i++) long = i % 3 ? $.add($.tanh(long), y) : $.mul(long, $.constant(1 + i, [4, 6]));
    const made = expectFaithful(graphOf([x, y], long));
    expect(made.instructions.length).toBeGreaterThan(3);
    for (const map of made.instructions) expect(map.kind === 'map' && map.ops.length <= 96).toBe(true);
  });

  it('many operands are split', () => {
    const many = Array.from({ length: 70 }, (_, i) => $.input(`x${i}`, [3]));
    const made = expectFaithful(
      graphOf(
        many,
        many.map((node) => $.exp(node)).reduce((a, b) => $.add(a, b)),
      ),
    );
    for (const map of made.instructions) expect(map.kind === 'map' && map.reads.length <= 24).toBe(true);
    const pairs = (list: Node[]): Node =>
      list.length === 1 ? list[0] : $.add(pairs(list.slice(0, list.length >> 1)), pairs(list.slice(list.length >> 1)));
    expectFaithful(graphOf(many, pairs(many)));
  });

  it('many results are split', () => {
    const outputs = Array.from({ length: 20 }, (_, i) => $.mul(x, $.constant(i, [4, 6])));
    const made = expectFaithful(graphOf([x], ...outputs, outputs[3], $.reshape(outputs[4], [24])));
    for (const map of made.instructions) expect(map.kind === 'map' && map.writes.length <= 8).toBe(true);
  });

  it('tensors of rank 9 are merged into fewer dimensions', () => {
    const shape = [2, 1, 2, 1, 2, 1, 2, 1, 3];
    const deep = $.input('deep', shape);
    expectFaithful(graphOf([deep], $.exp(deep), $.neg($.transpose(deep, [8, 7, 6, 5, 4, 3, 2, 1, 0]))));
  });
});

it('a value that is not finite stays what it is', () => {
  const graph = graphOf([x], $.mul(x, $.constant(Number.POSITIVE_INFINITY, [4, 6])), $.max(x, [1]));
  expectFaithful(graph, valuesFor(graph, 5));
});
