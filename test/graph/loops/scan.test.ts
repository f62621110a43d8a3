import { describe, expect, it } from 'vitest';
import type { Tensor, TensorSpec } from '../../../lib/graph/ops.ts';
import { grad, jvp, mul, sum, tanh, vjp, vmap } from '../../../lib/graph/ops.ts';
import { count, directionalDifference, expectClose, prepare, randomSource, run, uniform } from '../evaluate.ts';
import { loopCases, looped } from './bodies.ts';
import { unrolled } from './unrolled.ts';

type ManyToMany = (...args: Tensor[]) => Tensor[];

const next = randomSource(21);
const draw = (specs: readonly TensorSpec[]) => specs.map((spec) => uniform(next, count(spec)));

describe.each(loopCases)('a loop with $name', ({ f, specs }) => {
  const same = (make: (f: ManyToMany) => ManyToMany, all: readonly TensorSpec[] = specs) => {
    const inputs = draw(all);
    const received = run(make(f(looped)), all, inputs);
    const expected = run(make(f(unrolled)), all, inputs);
    expect(received).toHaveLength(expected.length);
    received.forEach((values, i) => {
      expectClose(values, expected[i], 1e-10);
    });
  };
  /** A number made of all results, so that each matters in a way of its own. */
  const loss =
    (g: ManyToMany) =>
    (...args: Tensor[]): Tensor =>
      g(...args)
        .map((y, i) => sum(mul(tanh(y), 1 + 0.3 * i)))
        .reduce((a, b) => a.add(b));
  const gradient =
    (g: ManyToMany): ManyToMany =>
    (...args) =>
      grad((list: Tensor[]) => loss(g)(...list))(args);
  const n = specs.length;

  it('gives what its steps give', () => same((g) => g));

  it('has the tangents of its steps, of all operands and of each alone', () => {
    const tangents =
      (which: readonly boolean[]) =>
      (g: ManyToMany): ManyToMany =>
      (...args) =>
        jvp((...x: Tensor[]) => g(...x))(
          args.slice(0, n),
          which.map((yes, i) => (yes ? args[n + i] : null)),
        )[1];
    for (const only of [undefined, ...specs.keys()])
      same(tangents(specs.map((_, i) => only === undefined || i === only)), [...specs, ...specs]);
  });

  it('has the cotangents of its steps, for each operand and from each result alone', () => {
    same(gradient);
    for (const only of specs.keys())
      same((g) => (...args) => [
        grad((x: Tensor) => loss(g)(...args.map((arg, i) => (i === only ? x : arg))))(args[only]),
      ]);
    const results = f(looped);
    const outputs = prepare(results, specs)(draw(specs)).length;
    for (let only = 0; only < outputs; only++)
      same(
        (g) =>
          (...args) =>
            grad((list: Tensor[]) => sum(tanh(g(...list)[only])))(args),
      );
  });

  it('has the second derivatives of its steps: forward over reverse, and reverse over reverse', () => {
    same(
      (g) =>
        (...args) =>
          jvp((...x: Tensor[]) => gradient(g)(...x))(args.slice(0, n), args.slice(n))[1],
      [...specs, ...specs],
    );
    same(
      (g) =>
        (...args) =>
          grad((list: Tensor[]) =>
            gradient(g)(...list)
              .map((x, i) => sum(mul(x, args[n + i])))
              .reduce((a, b) => a.add(b)),
          )(args.slice(0, n)),
      [...specs, ...specs],
    );
  });

  it('agrees with finite differences', () => {
    const inputs = draw(specs);
    const directions = draw(specs);
    const value = prepare((...args) => loss(f(looped))(...args), specs);
    const expected = directionalDifference((x) => value(x)[0], inputs, directions);
    const slope: ManyToMany = (...args) => [
      jvp((...x: Tensor[]) => loss(f(looped))(...x))(args.slice(0, n), args.slice(n))[1],
    ];
    expectClose(run(slope, [...specs, ...specs], [...inputs, ...directions])[0], expected, 1e-8);
  });

  it('has batches that are its problems one by one, whichever operands are batched', () => {
    const size = 3;
    const subsets = Array.from({ length: 2 ** n - 1 }, (_, bits) => specs.map((_, i) => ((bits + 1) >> i) % 2 === 1));
    for (const which of subsets) {
      const wide = specs.map((spec, i) => (which[i] ? { shape: [size, ...spec.shape] } : spec));
      const batch = (g: ManyToMany): ManyToMany =>
        vmap(
          (...x: Tensor[]) => g(...x),
          which.map((yes) => (yes ? 0 : null)),
        );
      same(batch, wide);
    }
  });

  it('has batched derivatives, of second order too', () => {
    const size = 2;
    const wide = specs.map(({ shape }) => ({ shape: [size, ...shape] }));
    same((g) => vmap((...x: Tensor[]) => gradient(g)(...x)), wide);
    same(
      (g) =>
        (...args) =>
          vmap((...v: Tensor[]) => jvp((...x: Tensor[]) => gradient(g)(...x))(args.slice(0, n), v)[1])(
            ...args.slice(n),
          ),
      [...specs, ...wide],
    );
    same(
      (g) =>
        (...args) =>
          vmap((...v: Tensor[]) => vjp((...x: Tensor[]) => g(...x))(...args)[1](v as never))(
            ...g(...args).map((y) => y.reshape([1, ...y.shape])),
          ),
      specs,
    );
  });
});
