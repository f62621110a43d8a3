import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as $ from '../../lib/graph/build.ts';
import type { Graph, Node, Primitive } from '../../lib/graph/node.ts';
import type { TensorSpec } from '../../lib/graph/ops.ts';
import * as t from '../../lib/graph/ops.ts';
import { evaluateReference } from '../../lib/graph/reference.ts';
import { simplify } from '../../lib/graph/simplify.ts';
import { Tensor } from '../../lib/graph/tensor.ts';
import { reachable } from '../../lib/graph/transforms.ts';
import { linear } from '../../lib/nn/linear.ts';
import { squaredLoss } from '../../lib/nn/losses.ts';
import { expectClose, randomSource, traceOf, uniform } from './evaluate.ts';

/** The simplified graph as a formula; the arguments are a, b, c, … */
function formula(f: (...x: Tensor[]) => Tensor, ...specs: TensorSpec[]): string {
  const graph = simplify(traceOf(f, specs));
  const show = (node: Node): string => {
    const argument = graph.inputs.indexOf(node as Node<'input'>);
    if (argument >= 0) return 'abcdef'[argument];
    if (node.op === 'constant') return String((node as Node<'constant'>).attributes.value);
    const attributes = Object.values(node.attributes).map((value) => JSON.stringify(value));
    return `${node.op}(${[...node.inputs.map(show), ...attributes].join(', ')})`;
  };
  return show(graph.outputs[0]);
}

const vector = { shape: [3] };
const matrix = { shape: [2, 3] };

describe('identities', () => {
  const cases: [string, (...x: Tensor[]) => Tensor, string][] = [
    ['x · 1', (x) => t.mul(x, 1), 'a'],
    ['1 · x', (x) => t.mul(1, x), 'a'],
    ['x + 0', (x) => t.add(0, x), 'a'],
    ['x − 0', (x) => t.sub(x, 0), 'a'],
    ['0 − x', (x) => t.sub(0, x), 'neg(a)'],
    ['x · 0', (x) => t.mul(x, 0), '0'],
    ['x · −1', (x) => t.mul(x, -1), 'neg(a)'],
    ['−(−x)', (x) => t.neg(t.neg(x)), 'a'],
    ['x + (−y)', (x, y) => t.add(x, t.neg(y)), 'sub(a, b)'],
    ['x − (−y)', (x, y) => t.sub(x, t.neg(y)), 'add(a, b)'],
    ['−(x − y)', (x, y) => t.neg(t.sub(x, y)), 'sub(b, a)'],
    ['(−x)(−y)', (x, y) => t.mul(t.neg(x), t.neg(y)), 'mul(a, b)'],
    ['2 · (3 · x)', (x) => t.mul(2, t.mul(3, x)), 'mul(a, 6)'],
    ['−(3 · x) / 2', (x) => t.div(t.neg(t.mul(3, x)), 2), 'mul(a, -1.5)'],
    ['x⁰', (x) => t.integerPow(x, 0), '1'],
    ['x¹', (x) => t.integerPow(x, 1), 'a'],
    ['(x²)³', (x) => t.integerPow(t.square(x), 3), 'integerPow(a, 6)'],
    ['exp of a constant', (x) => t.mul(x, t.exp(t.full([3], 1))), `mul(a, ${Math.E})`],
    ['stopGradient', (x) => t.stopGradient(x), 'a'],
    ['select by a constant', (x, y) => t.select(t.full([3], 0), x, y), 'b'],
    ['reshape of reshape', (x) => x.reshape([3, 1]).reshape([1, 3]).reshape([3]), 'a'],
    ['broadcast of a number', (x) => t.mul(x, t.broadcastTo(t.full([], 5), [3])), 'mul(a, 5)'],
    ['slice of everything', (x) => x.slice([0], [3]), 'a'],
    ['slice of slice', (x) => x.slice([1]).slice([1]), 'slice(a, [2], [3], [1])'],
    ['slice of a concatenated part', (x, y) => t.concat([x, y]).slice([3]), 'b'],
    ['concatenation of one', (x) => t.concat([x]), 'a'],
    ['sum over no axes', (x) => t.sum(x, []), 'a'],
    ['sum of a repeated vector', (x) => t.sum(t.broadcastTo(x, [4, 3]), 0), 'mul(a, 4)'],
    ['sum of ones', () => t.sum(t.full([4, 3], 1)), '12'],
    ['sum of a multiple', (x) => t.sum(t.mul(x, 3)), 'mul(sum(a, [0]), 3)'],
    [
      'sum of a sum',
      (x, y) => t.sum(t.sum(t.mul(x, t.reshape(y, [3, 1])), 0)),
      'sum(mul(broadcast(a, [1]), broadcast(b, [0])), [0,1])',
    ],
  ];
  it.each(cases)('%s', (_, f, expected) => {
    expect(formula(f, vector, vector)).toBe(expected);
  });

  it('leave constants apart that f32 could not hold as one: what it would hold is 0 or ∞', () => {
    expect(formula((x) => t.mul(t.mul(x, 1e30), 1e30), vector)).toBe('mul(mul(a, 1e+30), 1e+30)');
    expect(formula((x) => t.mul(t.mul(x, 1e-30), 1e-30), vector)).toBe('mul(mul(a, 1e-30), 1e-30)');
    expect(formula((x) => t.div(x, 1e-39), vector)).toBe('div(a, 1e-39)');
    expect(formula((x) => t.div(x, 3e38), vector)).toBe('div(a, 3e+38)');
    expect(formula((x) => t.div(t.mul(x, 1e30), 1e25), vector)).toBe(`mul(a, ${1e30 * 1e-25})`);
  });

  it('turn transpositions that feed a product into flags', () => {
    expect(formula((x, y) => t.matmul(t.transpose(x), y), matrix, matrix)).toBe('matmul(a, b, true, false)');
    expect(formula((x, y) => t.matmul(x, t.transpose(y)), matrix, matrix)).toBe('matmul(a, b, false, true)');
    expect(formula((x) => t.transpose(t.transpose(x)), matrix)).toBe('a');
  });

  it('do the work that a batch shares before it is repeated', () => {
    const f = (v: Tensor, x: Tensor, y: Tensor) =>
      t.vmap((u: Tensor) => t.mul(t.mul(u, x), y).add(t.mul(u, 3).mul(x)))(v);
    expect(formula(f, { shape: [5, 3] }, vector, vector)).toBe('mul(a, broadcast(add(mul(b, c), mul(b, 3)), [1]))');
  });

  it('keep apart what differs only in the sign of zero, infinities and NaN', () => {
    const values = [0, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
    const f = (x: Tensor) => t.concat(values.map((value) => new Tensor($.maximum(x.node, $.constant(value, [1])))));
    const graph = traceOf(f, [{ shape: [1] }]);
    const reached = reachable(simplify(graph).outputs, simplify(graph).inputs);
    expect(reached.filter((node) => node.op === 'constant')).toHaveLength(values.length);
  });
});

const tally = (graph: Graph): Partial<Record<Primitive, number>> => {
  const counts: Partial<Record<Primitive, number>> = {};
  for (const node of reachable(graph.outputs, graph.inputs)) counts[node.op] = (counts[node.op] ?? 0) + 1;
  return counts;
};

describe('a simplified graph', () => {
  it('shares common subexpressions, whichever way around they add and multiply', () => {
    const graph = traceOf((x, y) => t.div(t.exp(t.add(x, y)), t.log(t.exp(t.add(y, x)))), [vector, vector]);
    expect(tally(simplify(graph))).toEqual({ input: 2, add: 1, exp: 1, log: 1, div: 1 });
  });

  it('keeps all inputs, and drops what no output needs', () => {
    const graph = traceOf(
      (x, y) => {
        t.exp(y);
        return t.neg(x);
      },
      [vector, vector],
    );
    const simple = simplify(graph);
    expect(simple.inputs).toBe(graph.inputs);
    expect(tally(simple)).toEqual({ input: 1, neg: 1 });
  });

  it('is the same every time, keeps the types of its outputs, and has nothing more to simplify', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(13), fc.nat(50), fc.nat(50)), { maxLength: 14 }),
        fc.nat(99),
        (steps, seed) => {
          const numbers = [0, 1, -1, 2, 0.5];
          const f = (...x: Tensor[]): Tensor[] => {
            const pool = [...x];
            for (const [op, i, j] of steps) {
              const [a, b] = [pool[i % pool.length], pool[j % pool.length]];
              const results = [
                () => t.add(a, b),
                () => t.sub(a, b),
                () => t.tanh(t.mul(a, b)),
                () => t.mul(numbers[j % 5], a),
                () => t.add(numbers[j % 5], a),
                () => t.neg(a),
                () => t.div(a, 4),
                () => t.integerPow(t.tanh(a), j % 3),
                () => t.broadcastTo(t.mean(a, 0), [2, 2]),
                () => t.broadcastTo(t.sum(t.mul(a, 0.5), 1, { keepDims: true }), [2, 2]),
                () => t.transpose(a),
                () => t.matmul(t.transpose(a), t.tanh(b)),
                () => t.concat([a, b]).slice([j % 3], [(j % 3) + 2]),
                () =>
                  t
                    .pad(a.slice([0, 1]), [0, 0], [0, 1])
                    .reshape([4])
                    .reshape([2, 2]),
              ];
              pool.push(results[op]());
            }
            return pool;
          };
          const specs = [{ shape: [2, 2] }, { shape: [2] }].map(({ shape }) => ({ shape }));
          const graph = traceOf((a, b) => f(a, t.broadcastTo(b, [2, 2])), specs);
          const simple = simplify(graph);
          expect(simple.outputs.map(({ shape, dtype }) => [shape, dtype])).toEqual(
            graph.outputs.map(({ shape, dtype }) => [shape, dtype]),
          );
          expect(tally(simplify(simple))).toEqual(tally(simple));
          const shapeOf = ({ outputs, inputs }: Graph) =>
            reachable(outputs, inputs).map(({ op, shape }) => `${op} ${shape}`);
          expect(shapeOf(simplify(graph))).toEqual(shapeOf(simple));
          const next = randomSource(seed);
          const inputs = [uniform(next, 4), uniform(next, 2)];
          const expected = evaluateReference(graph, inputs);
          evaluateReference(simple, inputs).forEach((values, i) => {
            expectClose(values, expected[i], 1e-9);
          });
        },
      ),
      { seed: 77, numRuns: 150 },
    );
  });

  it('of a batched HVP does the primal work once: only tangents and what meets them carry the batch', () => {
    const [n, width, count] = [7, 5, 3];
    const layer = [{ shape: [width, width] }, { shape: [width] }];
    const loss = (p: Tensor[], x: Tensor, y: Tensor) =>
      squaredLoss(linear(linear(x, p[0], p[1]).gelu(), p[2], p[3]), y);
    const graph = simplify(
      t.trace(
        (p: Tensor[], x: Tensor, y: Tensor, v: Tensor[]) =>
          t.vmap((u: Tensor[]) => t.jvp(t.grad((q: Tensor[]) => loss(q, x, y)))([p], [u])[1])(v),
        [...layer, ...layer],
        { shape: [n, width] },
        { shape: [n], dtype: 'i32' },
        [...layer, ...layer].map(({ shape }) => ({ shape: [count, ...shape] })),
      ),
    );
    const batched = reachable(graph.outputs, graph.inputs).filter(
      (node) => node.shape[0] === count || node.shape[0] === count * n,
    );
    // Elementwise functions of the primal point have no batch; per layer and tangent there are at most four products, as in the R-operator.
    expect(batched.filter(({ op }) => op === 'gelu' || op === 'geluDerivative' || op === 'compare')).toEqual([]);
    expect(batched.filter(({ op }) => op === 'matmul').length).toBeLessThanOrEqual(8);
    // Its value, its first and its second derivative.
    expect([tally(graph).gelu, tally(graph).geluDerivative]).toEqual([1, 2]);
  });
});
