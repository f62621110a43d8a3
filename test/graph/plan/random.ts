import * as $ from '../../../lib/graph/build.ts';
import { type Graph, type Node, sizeOf } from '../../../lib/graph/node.ts';
import { random } from './support.ts';

/** A graph that composes `steps` random operations, every kind of them, on small tensors. */
export function randomGraph(seed: number, steps: number): Graph {
  const next = random(seed);
  const below = (n: number) => Math.floor(next() * n);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)];
  const shapes = [[], [6], [2, 3], [4, 6], [3, 4], [2, 3, 4], [1, 6], [4, 1, 3]];
  const inputs = [
    ...Array.from({ length: 4 }, (_, i) => $.input(`x${i}`, pick(shapes))),
    $.input('i', pick([[], [4], [2, 3]]), 'i32'),
  ];
  let pool: Node[] = inputs.slice(0, 4);
  let indices: Node = inputs[4];
  let depth = 0;
  const alike = (x: Node) => pool.filter((y) => y.shape.join() === x.shape.join());
  const bounded = (x: Node) => $.tanh(x);

  const structural = (x: Node): Node => {
    const rank = x.shape.length;
    switch (below(7)) {
      case 0:
        return $.transpose(
          x,
          x.shape.map((_, i) => i).sort(() => next() - 0.5),
        );
      case 1: {
        const starts = x.shape.map((n) => below(n));
        const limits = x.shape.map((n, i) => starts[i] + 1 + below(n - starts[i]));
        return $.slice(
          x,
          starts,
          limits,
          x.shape.map(() => 1 + below(2)),
        );
      }
      case 2: {
        const axis = below(rank + 1);
        const shape = [...x.shape.slice(0, axis), 1 + below(3), ...x.shape.slice(axis)];
        return $.broadcast(
          x,
          shape,
          x.shape.map((_, i) => (i < axis ? i : i + 1)),
        );
      }
      case 3:
        return $.pad(
          x,
          x.shape.map(() => below(2)),
          x.shape.map(() => below(2)),
          x.shape.map(() => below(2)),
        );
      case 4:
        return rank > 0 ? $.concat([x, pick(alike(x))], below(rank)) : $.reshape(x, [1]);
      default: {
        const size = sizeOf(x.shape);
        const divisors = Array.from({ length: size }, (_, i) => i + 1).filter((n) => size % n === 0);
        const first = pick(divisors);
        const second = pick(divisors.filter((n) => (size / first) % n === 0));
        return $.reshape(x, pick([[size], [first, size / first], [first, second, size / first / second]]));
      }
    }
  };

  const reducing = (x: Node): Node => {
    const axes = x.shape.map((_, i) => i).filter(() => next() < 0.5);
    return next() < 0.6 ? $.sum(x, axes) : $.max(x, axes);
  };

  const contracting = (x: Node): Node => {
    const rank = x.shape.length;
    if (next() < 0.3 && rank > 0) {
      const rows = $.minimum(indices, $.constant(x.shape[0] - 1, indices.shape, 'i32'));
      const gathered = $.gather(x, rows);
      return next() < 0.5 ? gathered : $.scatterAdd(rows, gathered, x.shape[0] + below(2));
    }
    if (rank < 2) return $.exp(bounded(x));
    const [m, n] = x.shape.slice(-2);
    const partners = pool.filter((y) => y.shape.length >= 2 && [y.shape.at(-1), y.shape.at(-2)].includes(n));
    if (next() < 0.3 || partners.length === 0) return m > n ? $.matmul(x, x, true, false) : $.matmul(x, x, false, true);
    const y = pick(partners);
    const batchesFit =
      y.shape.length === 2 || rank === 2 || y.shape.slice(0, -2).join() === x.shape.slice(0, -2).join();
    return batchesFit ? $.matmul(x, y, false, y.shape.at(-2) !== n) : $.neg(x);
  };

  const elementwise = (x: Node): Node => {
    const y = pick(alike(x));
    const z = pick(alike(x));
    const unary = [$.neg, $.tanh, $.sigmoid, $.erf, $.gelu, $.abs, $.sign, $.stopGradient];
    const binary = [$.add, $.sub, $.mul, $.minimum];
    switch (below(4)) {
      case 0:
        return pick(unary)(x);
      case 1:
        return $.select($.compare(pick(['lt', 'ge', 'ne'] as const), x, y), y, z);
      case 2:
        return $.add($.mul(x, $.constant(next(), x.shape)), $.integerPow(bounded(y), 1 + below(4)));
      default:
        return pick(binary)(x, y);
    }
  };

  const extend = (count: number, kinds: readonly ((x: Node) => Node)[]): void => {
    for (let i = 0; i < count; i++) {
      const made = pick(kinds)(pick(pool));
      if (sizeOf(made.shape) <= 200 && made.shape.length <= 6) pool.push(next() < 0.3 ? bounded(made) : made);
    }
  };

  /** A loop over the rows of x and of whatever has as many, with a body of random operations, loops among them. */
  const looping = (x: Node): Node => {
    if (x.shape.length === 0 || depth > 1) return elementwise(x);
    const [length] = x.shape;
    const [closed, carried, rows] = [
      Array.from({ length: below(3) }, () => pick(pool)),
      Array.from({ length: below(4) }, () => pick(pool)),
      [x, ...pool.filter((y) => y.shape[0] === length && next() < 0.2)],
    ];
    const constants = [indices, ...closed];
    const outer = { pool, indices };
    const stand = ({ shape, dtype }: Node, from = 0) => $.input('of a body', shape.slice(from), dtype);
    const ofCarries = carried.map((y) => stand(y));
    const body = [...constants.map((y) => stand(y)), ...ofCarries, ...rows.map((y) => stand(y, 1))];
    [indices, ...pool] = body;
    depth++;
    extend(1 + below(8), [elementwise, elementwise, structural, reducing, contracting, looping]);
    depth--;
    const outputs = [
      ...ofCarries.map((y) => (next() < 0.7 ? bounded(pick(alike(y))) : pick(alike(y)))),
      ...Array.from({ length: 1 + below(3) }, () => pick(pool)),
    ];
    ({ pool, indices } = outer);
    const loop = $.scan([...constants, ...carried, ...rows], {
      body: { inputs: body, outputs },
      length,
      reverse: next() < 0.5,
      constants: constants.length,
      carries: carried.length,
    });
    const results = Array.from({ length: outputs.length + carried.length }, (_, i) => $.result(loop, i));
    for (const y of results) if (sizeOf(y.shape) <= 200 && y.shape.length <= 6 && next() < 0.5) pool.push(y);
    return pick(results);
  };

  extend(steps, [elementwise, elementwise, elementwise, structural, structural, reducing, contracting, looping]);
  return { inputs, outputs: [pool[pool.length - 1], ...Array.from({ length: 1 + below(4) }, () => pick(pool))] };
}
