import { describe, expect, it } from 'vitest';
import type { Primitive } from '../../lib/graph/node.ts';
import { opTable } from '../../lib/graph/ops/table.ts';
import { grad, jvp, max, maximum, minimum, type TensorSpec, vjp, vmap } from '../../lib/graph/ops.ts';
import { Tensor } from '../../lib/graph/tensor.ts';
import {
  count,
  directionalDifference,
  dot,
  expectClose,
  first,
  prepare,
  randomSource,
  run,
  traceOf,
  uniform,
  type Values,
} from './evaluate.ts';
import { type Sample, type SampleOperand, samples } from './samples.ts';

const next = randomSource(11);

function draw({ shape, dtype, range = [-1.5, 1.5] }: SampleOperand, copies = 1): Values {
  const length = count({ shape }) * copies;
  if (dtype !== 'i32') return uniform(next, length, ...range);
  return Int32Array.from({ length }, () => range[0] + Math.floor(next() * (range[1] - range[0] + 1)));
}

const specOf = ({ shape, dtype }: SampleOperand): TensorSpec => ({ shape, dtype });
const functionOf =
  ({ build }: Sample) =>
  (...x: Tensor[]): Tensor =>
    new Tensor(build(...x.map((t) => t.node)));

interface Case {
  readonly name: string;
  readonly sample: Sample;
  readonly f: (...x: Tensor[]) => Tensor;
  readonly specs: readonly TensorSpec[];
  readonly inputs: readonly Values[];
  /** A tangent for every f32 operand. */
  readonly directions: readonly (Float64Array | null)[];
}

const cases: Case[] = Object.entries(samples).flatMap(([op, list]) =>
  list.map((sample, i): Case => {
    const inputs = sample.operands.map((operand) => draw(operand));
    const shapes = sample.operands.map(({ shape }) => `[${shape.join(', ')}]`).join(' ');
    return {
      name: `${op} ${i}: ${shapes}`,
      sample,
      f: functionOf(sample),
      specs: sample.operands.map(specOf),
      inputs,
      directions: inputs.map((x) => (x instanceof Int32Array ? null : uniform(next, x.length))),
    };
  }),
);

/** jvp of f, with the f32 operands' tangents appended to its arguments. */
function pushed({ f, specs }: Case): (...args: Tensor[]) => Tensor {
  return (...args) => {
    const primals = args.slice(0, specs.length);
    let used = specs.length;
    const tangents = specs.map(({ dtype }) => (dtype === 'i32' ? null : args[used++]));
    return jvp(f)(primals, tangents)[1];
  };
}

const moving = ({ directions }: Case): Float64Array[] => directions.filter((d) => d !== null);
const movingSpecs = ({ specs }: Case): TensorSpec[] => specs.filter(({ dtype }) => dtype !== 'i32');

describe('every operation', () => {
  it('has samples that use it', () => {
    expect(Object.keys(samples).sort()).toEqual(Object.keys(opTable).sort());
    for (const [op, list] of Object.entries(samples)) {
      for (const { operands, build } of list) {
        const graph = traceOf((...x) => new Tensor(build(...x.map((t) => t.node))), operands.map(specOf));
        const found = new Set<Primitive>();
        const walk = (node: Tensor['node']): void => {
          found.add(node.op);
          node.inputs.forEach(walk);
        };
        graph.outputs.forEach(walk);
        expect(found).toContain(op);
      }
    }
  });

  it.each(cases)('$name: the value agrees with a naive computation', ({ f, specs, inputs, sample }) => {
    const expected = [sample.naive(...inputs.map((x) => [...x]))].flat(Number.POSITIVE_INFINITY as 1) as number[];
    expectClose(run(f, specs, inputs)[0], expected, 1e-10);
  });

  const differentiable = cases.filter((c) => moving(c).length > 0 && !c.name.startsWith('stopGradient'));

  it.each(differentiable)('$name: jvp agrees with finite differences, for all and for single operands', (c) => {
    for (const only of [undefined, ...c.directions.keys()]) {
      if (only !== undefined && c.directions[only] === null) continue;
      const directions = c.directions.map((d, i) => (only === undefined || i === only ? d : d?.map(() => 0)) ?? null);
      const expected = directionalDifference(first(prepare(c.f, c.specs)), c.inputs, directions);
      const tangents = directions.filter((d) => d !== null);
      const [tangent] = run(pushed(c), [...c.specs, ...movingSpecs(c)], [...c.inputs, ...tangents]);
      expectClose(tangent, expected, 1e-8);
    }
    // Symbolic zeros: one operand moves, null for the others.
    for (const only of c.directions.keys()) {
      if (c.directions[only] === null) continue;
      const f = (...args: Tensor[]) =>
        jvp(c.f)(
          args.slice(0, -1),
          c.specs.map((_, i) => (i === only ? args[args.length - 1] : null)),
        )[1];
      const directions = c.directions.map((d, i) => (i === only ? d : null));
      const expected = directionalDifference(first(prepare(c.f, c.specs)), c.inputs, directions);
      expectClose(run(f, [...c.specs, c.specs[only]], [...c.inputs, c.directions[only]])[0], expected, 1e-8);
    }
  });

  it.each(differentiable)('$name: vjp is the transpose of jvp', (c) => {
    const [value] = run(c.f, c.specs, c.inputs);
    const shape = traceOf(c.f, c.specs).outputs[0].shape;
    const u = uniform(next, value.length);
    const [tangent] = run(pushed(c), [...c.specs, ...movingSpecs(c)], [...c.inputs, ...moving(c)]);
    const pulled = run(
      (...args) => vjp(c.f)(...args.slice(0, -1))[1](args[args.length - 1]).filter((_, i) => c.directions[i] !== null),
      [...c.specs, { shape }],
      [...c.inputs, u],
    );
    const right = pulled.reduce((total, g, i) => total + dot(g, moving(c)[i]), 0);
    expectClose([right], [dot(u, tangent)], 1e-10);
  });

  it.each(differentiable)(
    '$name: second derivatives, forward over reverse, agree with finite differences of the first',
    (c) => {
      const shape = traceOf(c.f, c.specs).outputs[0].shape;
      const u = uniform(next, count({ shape }));
      // u is held in a closure-like argument that does not move.
      const gradient = (...args: Tensor[]): Tensor[] =>
        vjp(c.f)(...args.slice(0, -1))[1](args[args.length - 1]).filter((_, i) => c.directions[i] !== null);
      const specs = [...c.specs, { shape }];
      const inputs = [...c.inputs, u];
      const secondOrder = (...args: Tensor[]): Tensor[] => {
        let used = specs.length;
        const tangents = [...c.directions.map((d) => (d === null ? null : args[used++])), null];
        return jvp(gradient)(args.slice(0, specs.length), tangents)[1];
      };
      const actual = run(secondOrder, [...specs, ...movingSpecs(c)], [...inputs, ...moving(c)]);
      const prepared = prepare(gradient, specs);
      actual.forEach((values, i) => {
        const expected = directionalDifference((x) => prepared(x)[i], inputs, [...c.directions, null]);
        expectClose(values, expected, 1e-7);
      });
    },
  );

  it.each(cases)(
    '$name: the batching rule agrees with a loop, whichever operands are batched',
    ({ f, specs, sample }) => {
      const size = 3;
      for (let subset = 1; subset < 1 << specs.length; subset++) {
        const isBatched = specs.map((_, i) => (subset & (1 << i)) !== 0);
        const inputs = sample.operands.map((operand, i) => draw(operand, isBatched[i] ? size : 1));
        const batchedSpecs = specs.map((spec, i) => (isBatched[i] ? { ...spec, shape: [size, ...spec.shape] } : spec));
        const [all] = run(
          vmap(
            f,
            isBatched.map((yes) => (yes ? 0 : null)),
          ),
          batchedSpecs,
          inputs,
        );
        const length = all.length / size;
        for (let k = 0; k < size; k++) {
          const one = inputs.map((x, i) => {
            const n = count(specs[i]);
            return isBatched[i] ? x.slice(k * n, (k + 1) * n) : x;
          });
          expectClose(all.subarray(k * length, (k + 1) * length), run(f, specs, one)[0], 1e-12);
        }
      }
    },
  );
});

describe('ties', () => {
  const slope = (f: (x: Tensor) => Tensor, x: number[], v: number[]): number[] => {
    const spec = { shape: [x.length] };
    const [tangent] = run((a, b) => jvp(f)([a], [b])[1], [spec, spec], [Float64Array.from(x), Float64Array.from(v)]);
    return [...tangent];
  };
  const builders = samples.max[1].build;

  it('share the derivative of a maximum equally', () => {
    const f = (x: Tensor) => new Tensor(builders(new Tensor(x.node).reshape([2, 2]).node));
    expect(slope(f, [1, 3, 3, 3], [10, 1, 2, 6])).toEqual([3]);
  });

  it('share the gradient of a maximum equally', () => {
    const [gradient] = run((x) => grad((y: Tensor) => max(y))(x), [{ shape: [4] }], [Float64Array.of(1, 3, 3, 3)]);
    expectClose(gradient, [0, 1 / 3, 1 / 3, 1 / 3], 1e-15);
  });

  it('give half of the derivative of maximum and minimum to each side, and none of relu', () => {
    expect(slope((x) => maximum(x, 0), [0, -1, 2], [1, 1, 1])).toEqual([0.5, 0, 1]);
    expect(slope((x) => minimum(0, x), [0, -1, 2], [1, 1, 1])).toEqual([0.5, 1, 0]);
    expect(slope((x) => x.relu(), [0, -1, 2], [1, 1, 1])).toEqual([0, 0, 1]);
  });

  it('give abs the derivative 0 at 0', () => {
    expect(slope((x) => new Tensor(samples.abs[0].build(x.node)), [0, -2], [1, 1])).toEqual([0, -1]);
  });
});

it('stopGradient has no derivative', () => {
  const f = functionOf(samples.stopGradient[0]);
  const spec = { shape: [3] };
  const x = Float64Array.of(1, 2, 3);
  const [tangent] = run((a, b) => jvp(f)([a], [b])[1], [spec, spec], [x, Float64Array.of(1, 1, 1)]);
  expect([...tangent]).toEqual([1, 2, 3]);
});
