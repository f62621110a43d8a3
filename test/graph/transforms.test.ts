import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Tensor, TensorSpec } from '../../lib/graph/ops.ts';
import * as t from '../../lib/graph/ops.ts';
import { linear } from '../../lib/nn/linear.ts';
import { softmaxCrossEntropy, squaredLoss } from '../../lib/nn/losses.ts';
import { directionalDifference, dot, expectClose, first, prepare, randomSource, run, uniform } from './evaluate.ts';

type Step = readonly [op: number, a: number, b: number];

/** A random program over a pool of [2, 3] tensors that starts with the arguments; every step adds one. Smooth, and bounded. */
function program(steps: readonly Step[], kinks: boolean): (...x: Tensor[]) => Tensor {
  const smooth: ((a: Tensor, b: Tensor) => Tensor)[] = [
    (a, b) => t.add(a, b),
    (a, b) => t.sub(a, t.mul(b, 0.5)),
    (a, b) => t.tanh(t.mul(a, b)),
    (a, b) => t.div(a, t.add(t.square(b), 1)),
    (a) => t.exp(t.tanh(a)),
    (a) => t.log(t.add(t.square(a), 1)),
    (a) => t.log1p(t.square(a)),
    (a) => t.expm1(t.sigmoid(a)),
    (a) => t.rsqrt(t.add(t.square(a), 0.5)),
    (a) => t.sqrt(t.add(t.square(a), 0.5)),
    (a) => t.gelu(a),
    (a) => t.integerPow(t.erf(a), 3),
    (a) => t.softmax(a),
    (a) => t.logSoftmax(a, 0),
    (a, b) => t.mul(a, t.mean(b, 1, { keepDims: true })),
    (a, b) => t.add(t.neg(a), t.sum(b, 0)),
    (a, b) => t.tanh(t.matmul(t.matmul(a, t.transpose(b)), b)),
    (a, b) => t.slice(t.concat([a, b], 1), [0, 1], [2, 6], [1, 2]).add(t.reshape(a, [3, 2]).reshape([2, 3])),
    (a, b) => t.add(a, t.pad(t.slice(b, [0, 1], [2, 2]), [0, 1], [0, 1])),
    (a, b) =>
      t
        .matmul(t.reshape(a, [2, 1, 3]), t.reshape(t.tanh(b), [2, 3, 1]))
        .reshape([2, 1])
        .mul(b),
    (a) => t.gather(a, t.iota([2], 0, 'i32')),
    (a) => t.scatterAdd(t.sub(1, t.iota([2], 0, 'i32')), a, 2),
    (a, b) => t.mul(a, t.stopGradient(t.full([2, 3], 0.7))).add(t.logSumExp(b, 1, { keepDims: true })),
    (a, b) => t.select(t.lt(t.iota([2, 3], 1), 1.5), a, t.mul(b, 2)),
  ];
  const kinked: typeof smooth = [
    (a, b) => t.maximum(a, b),
    (a, b) => t.minimum(t.abs(a), b),
    (a, b) => t.sub(a, t.max(b, 1, { keepDims: true })),
    (a, b) => t.select(t.gt(a, b), t.relu(a), t.sign(b)),
  ];
  const ops = kinks ? [...smooth, ...kinked] : smooth;
  return (...x) => {
    const pool = [...x];
    for (const [op, a, b] of steps) pool.push(ops[op % ops.length](pool[a % pool.length], pool[b % pool.length]));
    return t.tanh(pool.slice(-3).reduce((total, y) => t.add(total, y)));
  };
}

const natural = fc.nat({ max: 999 });
const steps = fc.array(fc.tuple(natural, natural, natural), { minLength: 1, maxLength: 8 });
const seeded = { seed: 2604, numRuns: 120 };
const specs: TensorSpec[] = [{ shape: [2, 3] }, { shape: [2, 3] }];
const draw = (seed: number, copies: number, length = 6) => {
  const next = randomSource(seed);
  return Array.from({ length: copies }, () => uniform(next, length, -1.2, 1.2));
};

describe('random programs', () => {
  it('have a jvp that agrees with finite differences', () => {
    fc.assert(
      fc.property(steps, natural, (list, seed) => {
        const f = program(list, false);
        const [x, y, u, v] = draw(seed, 4);
        const expected = directionalDifference(first(prepare(f, specs)), [x, y], [u, v]);
        const [tangent] = run((a, b, c, d) => t.jvp(f)([a, b], [c, d])[1], [...specs, ...specs], [x, y, u, v]);
        expectClose(tangent, expected, 1e-7);
      }),
      seeded,
    );
  });

  it('satisfy ⟨u, Jv⟩ = ⟨Jᵀu, v⟩', () => {
    fc.assert(
      fc.property(steps, natural, (list, seed) => {
        const f = program(list, true);
        const [x, y, v, w, u] = draw(seed, 5);
        const [tangent] = run((a, b, c, d) => t.jvp(f)([a, b], [c, d])[1], [...specs, ...specs], [x, y, v, w]);
        const pulled = run((a, b, c) => [...t.vjp(f)(a, b)[1](c)], [...specs, specs[0]], [x, y, u]);
        expectClose([dot(pulled[0], v) + dot(pulled[1], w)], [dot(u, tangent)], 1e-10);
      }),
      seeded,
    );
  });

  it('have a symmetric Hessian that agrees whether it comes forward or reverse over reverse', () => {
    fc.assert(
      fc.property(steps, natural, (list, seed) => {
        const f = program(list, false);
        const g = (a: Tensor, b: Tensor) => t.sum(f(a, b));
        const [x, y, u, v] = draw(seed, 4);
        const forward = (a: Tensor, b: Tensor, c: Tensor) => t.jvp(t.grad(g))([a, b], [c, null])[1];
        const reverse = (a: Tensor, b: Tensor, c: Tensor) => t.grad((z: Tensor) => t.sum(t.mul(t.grad(g)(z, b), c)))(a);
        const inputs = [...specs, specs[0]];
        const [hu] = run(forward, inputs, [x, y, u]);
        const [hv] = run(forward, inputs, [x, y, v]);
        expectClose([dot(hu, v)], [dot(hv, u)], 1e-9);
        expectClose(run(reverse, inputs, [x, y, u])[0], hu, 1e-9);
      }),
      seeded,
    );
  });

  it('give under vmap what a loop gives, for any set of batched arguments and axes', () => {
    fc.assert(
      fc.property(steps, natural, fc.constantFrom([0, 0], [0, null], [null, 0]), (list, seed, axes) => {
        const f = program(list, true);
        const size = 3;
        const inputs = axes.map((axis, i) => draw(seed + i, 1, axis === null ? 6 : 6 * size)[0]);
        const [all] = run(
          t.vmap(f, axes),
          axes.map((axis) => ({ shape: axis === null ? [2, 3] : [size, 2, 3] })),
          inputs,
        );
        for (let k = 0; k < size; k++) {
          const one = inputs.map((x, i) => (axes[i] === null ? x : x.slice(6 * k, 6 * k + 6)));
          expectClose(all.slice(6 * k, 6 * k + 6), run(f, specs, one)[0], 1e-11);
        }
      }),
      seeded,
    );
  });

  it('give under vmap(jvp(grad)) what a loop over tangents gives', () => {
    fc.assert(
      fc.property(steps, natural, (list, seed) => {
        const f = program(list, true);
        const gradient = t.grad((a: Tensor, b: Tensor) => t.sum(f(a, b)));
        const product = (a: Tensor, b: Tensor, c: Tensor) => t.jvp(gradient)([a, b], [c, null])[1];
        const [x, y] = draw(seed, 2);
        const [vectors] = draw(seed + 1, 1, 18);
        const batchedSpecs = [...specs, { shape: [3, 2, 3] }];
        const [all] = run((a, b, c) => t.vmap((v: Tensor) => product(a, b, v))(c), batchedSpecs, [x, y, vectors]);
        for (let k = 0; k < 3; k++) {
          const v = vectors.slice(6 * k, 6 * k + 6);
          expectClose(all.slice(6 * k, 6 * k + 6), run(product, [...specs, specs[0]], [x, y, v])[0], 1e-10);
        }
      }),
      { ...seeded, numRuns: 60 },
    );
  });

  it('may be batched twice', () => {
    fc.assert(
      fc.property(steps, natural, (list, seed) => {
        const f = program(list, true);
        const [x] = draw(seed, 1, 12);
        const [y] = draw(seed + 1, 1, 12);
        const outer = (a: Tensor, b: Tensor) => t.vmap((p: Tensor) => t.vmap((q: Tensor) => f(p, q))(b))(a);
        const [all] = run(outer, [{ shape: [2, 2, 3] }, { shape: [2, 2, 3] }], [x, y]);
        for (let i = 0; i < 2; i++) {
          for (let j = 0; j < 2; j++) {
            const one = run(f, specs, [x.slice(6 * i, 6 * i + 6), y.slice(6 * j, 6 * j + 6)])[0];
            expectClose(all.slice(6 * (2 * i + j), 6 * (2 * i + j) + 6), one, 1e-11);
          }
        }
      }),
      { ...seeded, numRuns: 60 },
    );
  });
});

describe('the Hessian of a multilayer perceptron', () => {
  const [n, inputs, hidden, classes] = [5, 3, 4, 3];
  interface Parameters {
    readonly w1: Tensor;
    readonly b1: Tensor;
    readonly w2: Tensor;
    readonly b2: Tensor;
  }
  const shapes = { w1: [inputs, hidden], b1: [hidden], w2: [hidden, classes], b2: [classes] } as const;
  const sizes = [inputs * hidden, hidden, hidden * classes, classes];
  const dimension = sizes.reduce((a, b) => a + b);
  const parameterSpecs = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, { shape }]),
  ) as unknown as {
    [K in keyof Parameters]: TensorSpec;
  };
  const next = randomSource(3);
  const theta = uniform(next, dimension);
  const x = uniform(next, n * inputs);
  const labels = Int32Array.from({ length: n }, () => Math.floor(next() * classes));

  /** Unpacks a flat vector, as the objective does. */
  const unpack = (flat: Tensor): Parameters => {
    let offset = 0;
    const entries = Object.entries(shapes).map(([name, shape]) => {
      const size = shape.reduce((a: number, b: number) => a * b, 1);
      offset += size;
      return [name, flat.slice([offset - size], [offset]).reshape(shape)];
    });
    return Object.fromEntries(entries);
  };

  for (const [name, criterion] of Object.entries({ squaredLoss, softmaxCrossEntropy })) {
    const loss = (p: Parameters, features: Tensor, targets: Tensor): Tensor =>
      criterion(linear(linear(features, p.w1, p.b1).gelu(), p.w2, p.b2), targets);
    const flatLoss = (flat: Tensor, features: Tensor, targets: Tensor) => loss(unpack(flat), features, targets);
    const flatSpecs: TensorSpec[] = [{ shape: [dimension] }, { shape: [n, inputs] }, { shape: [n], dtype: 'i32' }];
    const data = [x, labels];

    const denseHessian = (): number[][] => {
      const prepared = prepare(flatLoss, flatSpecs);
      const at = (v: Float64Array) => prepared([v, ...data])[0][0];
      const h = 2e-3;
      const shift = (i: number, j: number, a: number, b: number) => {
        const v = theta.slice();
        v[i] += a * h;
        v[j] += b * h;
        return at(v);
      };
      return Array.from({ length: dimension }, (_, i) =>
        Array.from({ length: dimension }, (_, j) => {
          if (j < i) return 0;
          return (shift(i, j, 1, 1) - shift(i, j, 1, -1) - shift(i, j, -1, 1) + shift(i, j, -1, -1)) / (4 * h * h);
        }),
      );
    };

    it(`under ${name}: jvp(grad) agrees with a dense matrix of second differences of the loss`, () => {
      const upper = denseHessian();
      const identity = Float64Array.from({ length: dimension ** 2 }, (_, i) => (i % (dimension + 1) === 0 ? 1 : 0));
      const rows = (flat: Tensor, features: Tensor, targets: Tensor, vectors: Tensor) => {
        const gradient = t.grad((v: Tensor) => flatLoss(v, features, targets));
        return t.vmap((v: Tensor) => t.jvp(gradient)([flat], [v])[1])(vectors);
      };
      const vectorSpec = { shape: [dimension, dimension] };
      const [hessian] = run(rows, [...flatSpecs, vectorSpec], [theta, ...data, identity]);
      for (let i = 0; i < dimension; i++) {
        for (let j = 0; j < dimension; j++) {
          expectClose([hessian[i * dimension + j]], [upper[Math.min(i, j)][Math.max(i, j)]], 2e-5);
          expectClose([hessian[i * dimension + j]], [hessian[j * dimension + i]], 1e-13);
        }
      }
    });

    it(`under ${name}: a tree of parameters gives the same product as the flat vector`, () => {
      const v = uniform(next, dimension);
      const cut = (flat: Float64Array) => {
        let offset = 0;
        return sizes.map((size) => {
          offset += size;
          return flat.slice(offset - size, offset);
        });
      };
      const graph = t.trace(
        (p: Parameters, q: Parameters, features: Tensor, targets: Tensor) =>
          t.jvp(t.grad((r: Parameters) => loss(r, features, targets)))([p], [q])[1],
        parameterSpecs,
        parameterSpecs,
        flatSpecs[1],
        flatSpecs[2],
      );
      expect(graph.outputs.map((node) => [...node.shape])).toEqual(Object.values(shapes).map((shape) => [...shape]));
      const names = graph.inputs.map((node) => node.attributes.name);
      expect(names.slice(0, 2)).toEqual(['argument[0].w1', 'argument[0].b1']);
      const product = (flat: Tensor, features: Tensor, targets: Tensor, direction: Tensor) =>
        t.jvp(t.grad((r: Tensor) => flatLoss(r, features, targets)))([flat], [direction])[1];
      const [expected] = run(product, [...flatSpecs, flatSpecs[0]], [theta, ...data, v]);
      const treeRun = (...args: Tensor[]): Tensor[] => {
        const record = (list: Tensor[]) => Object.fromEntries(Object.keys(shapes).map((key, i) => [key, list[i]]));
        const [p, q] = [record(args.slice(0, 4)), record(args.slice(4, 8))] as unknown as Parameters[];
        return Object.values(t.jvp(t.grad((r: Parameters) => loss(r, args[8], args[9])))([p], [q])[1]);
      };
      const leafSpecs = Object.values(parameterSpecs);
      const outputs = run(
        treeRun,
        [...leafSpecs, ...leafSpecs, ...flatSpecs.slice(1)],
        [...cut(theta), ...cut(v), ...data],
      );
      expectClose(
        outputs.flatMap((values) => [...values]),
        expected,
        1e-12,
      );
    });
  }
});

describe('transforms', () => {
  const spec = { shape: [2] };
  const x = Float64Array.of(3, -2);

  it('take what a function closes over for a constant, even if it is the argument itself', () => {
    expect([...run((a) => t.grad((b: Tensor) => t.sum(t.mul(a, b)))(a), [spec], [x])[0]]).toEqual([3, -2]);
  });

  it('nest: the third derivative of x⁴ is 24 x', () => {
    const total = (f: (z: Tensor) => Tensor) => (z: Tensor) => t.sum(f(z));
    const third = t.grad(total(t.grad(total(t.grad(total((z) => t.integerPow(z, 4)))))));
    expect([...run(third, [spec], [x])[0]]).toEqual([72, -48]);
  });

  it('give the value with the gradient', () => {
    const outputs = run((a) => t.valueAndGrad((b: Tensor) => t.sum(t.square(b)))(a), [spec], [x]);
    expect(outputs.map((values) => [...values])).toEqual([[13], [6, -4]]);
  });

  it('give zeros where nothing depends on an argument', () => {
    const f = (p: { a: Tensor; b: Tensor }) => t.sum(p.a);
    const outputs = run((a, b) => Object.values(t.grad(f)({ a, b })), [spec, spec], [x, x]);
    expect(outputs.map((values) => [...values])).toEqual([
      [1, 1],
      [0, 0],
    ]);
  });

  it('move the batch axis of vmap to the front, wherever it was', () => {
    const values = Float64Array.of(1, 2, 3, 4, 5, 6);
    const [result] = run((a) => t.vmap((row: Tensor) => t.sum(row), [-1])(a), [{ shape: [2, 3] }], [values]);
    expect([...result]).toEqual([5, 7, 9]);
  });

  it('repeat under vmap what does not depend on the batch', () => {
    const f = t.vmap((_: Tensor, b: Tensor) => b, [0, null]);
    expect([...run(f, [{ shape: [2] }, spec], [x, x])[0]]).toEqual([3, -2, 3, -2]);
  });
});
