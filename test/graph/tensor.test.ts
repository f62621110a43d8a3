import { describe, expect, it } from 'vitest';
import { ZerothError } from '../../lib/errors.ts';
import type { Tensor, TensorSpec } from '../../lib/graph/ops.ts';
import * as t from '../../lib/graph/ops.ts';
import { evaluateReference } from '../../lib/graph/reference.ts';
import { run, traceOf } from './evaluate.ts';

const values = (
  f: (...x: Tensor[]) => Tensor,
  ...inputs: [readonly number[], readonly number[], 'i32'?][]
): number[] => {
  const specs = inputs.map(([shape, , dtype]): TensorSpec => ({ shape, dtype }));
  const arrays = inputs.map(([, data, dtype]) => (dtype === 'i32' ? Int32Array.from(data) : Float64Array.from(data)));
  return [...run(f, specs, arrays)[0]];
};

const shapeOf = (f: (...x: Tensor[]) => Tensor, ...shapes: readonly (readonly number[])[]): readonly number[] =>
  traceOf(
    f,
    shapes.map((shape) => ({ shape })),
  ).outputs[0].shape;

const failure = (body: () => unknown): ZerothError => {
  try {
    body();
  } catch (error) {
    if (error instanceof ZerothError) return error;
    throw error;
  }
  throw new Error('expected an error');
};

describe('broadcasting', () => {
  it('aligns shapes on the right and stretches axes of size 1, on either side', () => {
    const row: [number[], number[]] = [[3], [1, 2, 3]];
    const column: [number[], number[]] = [
      [2, 1],
      [10, 20],
    ];
    expect(values((a, b) => t.add(a, b), row, column)).toEqual([11, 12, 13, 21, 22, 23]);
    expect(shapeOf((a, b) => t.mul(a, b), [5, 1, 3], [2, 1])).toEqual([5, 2, 3]);
  });

  it('takes numbers on either side, and in integer arithmetic', () => {
    expect(values((a) => t.sub(1, t.div(a, 2)), [[2], [4, 6]])).toEqual([-1, -2]);
    expect(values((a) => t.add(t.mul(a, 3), 1), [[2], [4, 6], 'i32'])).toEqual([13, 19]);
  });

  it('refuses shapes that do not fit', () => {
    const error = failure(() => shapeOf((a, b) => t.add(a, b), [2, 3], [2]));
    expect(error.code).toBe('ERR_ZEROTH_SHAPE');
    expect(error.message).toContain('add(f32[2, 3], f32[2])');
  });
});

describe('matmul', () => {
  it.each([
    [
      [2, 3],
      [3, 4],
      [2, 4],
    ],
    [[3], [3], []],
    [[3], [3, 4], [4]],
    [[2, 3], [3], [2]],
    [
      [5, 2, 3],
      [3, 4],
      [5, 2, 4],
    ],
    [
      [2, 3],
      [5, 3, 4],
      [5, 2, 4],
    ],
    [
      [5, 2, 3],
      [5, 3, 4],
      [5, 2, 4],
    ],
    [
      [6, 1, 2, 3],
      [5, 3, 4],
      [6, 5, 2, 4],
    ],
    [[5, 2, 3], [3], [5, 2]],
    [
      [1, 2, 3],
      [1, 3, 4],
      [1, 2, 4],
    ],
  ])('%j × %j → %j, and agrees with a sum of products', (a, b, expected) => {
    expect(shapeOf((x, y) => t.matmul(x, y), a, b)).toEqual(expected);
    const data = (shape: number[], step: number): [number[], number[]] => [
      shape,
      Array.from({ length: shape.reduce((n, k) => n * k, 1) }, (_, i) => Math.sin(1 + step * i)),
    ];
    const [x, y] = [data(a, 0.7), data(b, 1.3)];
    // The same by broadcasting: Σ_k x[..., m, k, 1] y[..., 1, k, n].
    const [left, right] = [a.length === 1 ? [1, ...a] : a, b.length === 1 ? [...b, 1] : b];
    const slow = values(
      (p, q) => {
        const terms = t.mul(p.reshape([...left, 1]), q.reshape([...right.slice(0, -2), 1, ...right.slice(-2)]));
        return t.sum(terms, -2);
      },
      x,
      y,
    );
    values((p, q) => t.matmul(p, q), x, y).forEach((value, i) => {
      expect(value).toBeCloseTo(slow[i], 12);
    });
  });

  it('is one product when a batch shares the right matrix', () => {
    const graph = traceOf((x, w) => t.matmul(x, w), [{ shape: [5, 2, 3] }, { shape: [3, 4] }]);
    expect(graph.outputs[0].inputs[0]).toMatchObject({ op: 'matmul', shape: [10, 4] });
  });
});

describe('arranging', () => {
  it('reshapes with one size left open', () => {
    expect(shapeOf((x) => x.reshape([-1, 4]), [2, 3, 2])).toEqual([3, 4]);
    expect(failure(() => shapeOf((x) => x.reshape([-1, 5]), [2, 3])).message).toContain('reshape(f32[2, 3])');
    expect(failure(() => shapeOf((x) => x.reshape([-1, -1]), [2, 3])).message).toContain('at most one -1');
  });

  it('slices from the end, with steps, and leaves trailing axes whole', () => {
    const x: [number[], number[]] = [[5], [0, 1, 2, 3, 4]];
    expect(values((a) => a.slice([-2]), x)).toEqual([3, 4]);
    expect(values((a) => a.slice([0], [-1], [2]), x)).toEqual([0, 2]);
    expect(shapeOf((a) => a.slice([1]), [3, 4])).toEqual([2, 4]);
  });

  it('makes one-hot rows of integers', () => {
    expect(values((i) => t.oneHot(i, 3), [[2], [2, 0], 'i32'])).toEqual([0, 0, 1, 1, 0, 0]);
    expect(failure(() => shapeOf((x) => t.oneHot(x, 3), [2])).message).toContain('i32 indices');
  });

  it('counts axes from the end', () => {
    expect(shapeOf((x) => t.sum(x, -1), [2, 3])).toEqual([2]);
    expect(shapeOf((x) => t.max(x, [-1, 0], { keepDims: true }), [2, 3])).toEqual([1, 1]);
    expect(shapeOf((x) => t.concat([x, x], -1), [2, 3])).toEqual([2, 6]);
    expect(shapeOf((x) => x.transpose([-1, 0]), [2, 3])).toEqual([3, 2]);
    expect(failure(() => shapeOf((x) => t.sum(x, 2), [2, 3])).message).toContain('axis from -2 to 1');
    expect(failure(() => shapeOf((x) => t.sum(x, [0, -2]), [2, 3])).message).toContain('distinct axes');
  });
});

describe('soft maxima', () => {
  it('of infinities: log Σ exp is −∞ where all are −∞, and ∞ where one is ∞', () => {
    const [low, high] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    const x: [number[], number[]] = [
      [5, 2],
      [low, low, high, 2, high, high, low, 3, high, low],
    ];
    expect(values((a) => t.logSumExp(a), x)).toEqual([low, high, high, 3, high]);
    expect(values((a) => t.logSumExp(a, -1, { keepDims: true }), x)).toEqual([low, high, high, 3, high]);
    expect(values((a) => t.logSumExp(a, 0), [[2], [low, low]])).toEqual([low]);
  });

  it('do not overflow', () => {
    const x: [number[], number[]] = [[3], [1000, 999, -1000]];
    const [p, q] = [Math.E / (1 + Math.E), 1 / (1 + Math.E)];
    values((a) => t.softmax(a), x).forEach((value, i) => {
      expect(value).toBeCloseTo([p, q, 0][i], 14);
    });
    expect(values((a) => t.logSumExp(a), x)[0]).toBeCloseTo(1000 + Math.log1p(1 / Math.E), 10);
    expect(values((a) => t.logSoftmax(a), x)[2]).toBeCloseTo(-2000 - Math.log1p(1 / Math.E), 10);
  });
});

describe('errors at trace time', () => {
  it('name the operation, the shapes and the line of the caller', () => {
    const [a, b] = [{ shape: [2, 3] }, { shape: [4, 5] }];
    const error = failure(() => {
      traceOf((x, y) => t.matmul(t.tanh(x), y), [a, b]);
    });
    const twoLinesBelow = Number(new Error().stack?.match(/tensor\.test\.ts:(\d+)/)?.[1]);
    expect(error.message).toContain('matmul(f32[2, 3], f32[4, 5]): inner dimensions 3 and 4 differ');
    expect(error.message).toMatch(new RegExp(`test/graph/tensor\\.test\\.ts:${twoLinesBelow - 2}:\\d+$`));
  });

  it('come from the operation table too, and a node remembers its line', () => {
    const error = failure(() => traceOf((x) => t.gather(x, x), [{ shape: [2] }]));
    expect(error.message).toMatch(
      /^gather\(f32\[2\], f32\[2\]\): expected i32 indices\. At .*tensor\.test\.ts:\d+:\d+$/,
    );
    expect(traceOf((x) => t.grad((y: Tensor) => t.sum(t.exp(y)))(x), [{ shape: [2] }]).outputs[0].where).toMatch(
      /tensor\.test\.ts:\d+/,
    );
  });

  it('refuse mixed dtypes, derivatives of integers and gradients of what is not a scalar', () => {
    const integers: TensorSpec = { shape: [2], dtype: 'i32' };
    expect(failure(() => traceOf((x, i) => t.add(x, i), [{ shape: [2] }, integers])).message).toContain('one dtype');
    expect(failure(() => traceOf((i) => t.exp(i), [integers])).message).toContain('expected f32 operands');
    expect(
      failure(() => traceOf((i) => t.grad((j: Tensor) => t.sum(t.oneHot(j, 2)))(i), [integers])).message,
    ).toContain('no derivative');
    expect(failure(() => traceOf((x) => t.grad((y: Tensor) => y)(x), [{ shape: [2] }])).message).toContain('f32[2]');
  });

  it('refuse tensors of another traced function', () => {
    let leaked: Tensor | undefined;
    traceOf(
      (x) => {
        leaked = x;
        return x;
      },
      [{ shape: [2] }],
    );
    const error = failure(() => traceOf((x) => t.add(x, leaked as Tensor), [{ shape: [2] }]));
    expect(error.code).toBe('ERR_ZEROTH_TRACE');
    expect(error.message).toContain('another traced function');
  });

  it('refuse what is not a tensor, and say where it stood', () => {
    const tree = () => t.trace((x: Tensor) => ({ loss: x, extra: [1] }), { shape: [2] });
    expect(failure(tree).message).toContain('result of the traced function.extra[0]');
    expect(failure(() => t.trace((x: Tensor) => x, { shape: [0] })).code).toBe('ERR_ZEROTH_SHAPE');
    expect(failure(() => t.trace((x: Tensor) => x, 3 as never)).code).toBe('ERR_ZEROTH_ARGUMENT');
    expect(failure(() => traceOf((x) => t.add(x, '1' as never), [{ shape: [2] }])).code).toBe('ERR_ZEROTH_ARGUMENT');
  });

  it('refuse tangents and batches that do not fit', () => {
    const tangents = () => traceOf((x) => t.jvp((a: Tensor) => a)([x], [t.full([3], 1)])[1], [{ shape: [2] }]);
    expect(failure(tangents).message).toContain('tangents[0]: expected an f32 tensor of shape [2], or null');
    const sizes = () =>
      traceOf(
        (x, y) => t.vmap((a: Tensor, b: Tensor) => t.add(t.sum(a), t.sum(b)))(x, y),
        [{ shape: [2] }, { shape: [3] }],
      );
    expect(failure(sizes).message).toContain('one batch size, received 2, 3');
    expect(failure(() => traceOf((x) => t.vmap((a: Tensor) => a, [3])(x), [{ shape: [2] }])).message).toContain(
      'no axis 3',
    );
    expect(failure(() => traceOf((x) => t.vmap((a: Tensor) => a, [null])(x), [{ shape: [2] }])).message).toContain(
      'at least one',
    );
  });
});

describe("JavaScript's own operators", () => {
  const misuses: [string, (x: Tensor) => unknown][] = [
    ['x * 2', (x) => (x as never as number) * 2],
    ['2 - x', (x) => 2 - (x as never as number)],
    ['x + 1', (x) => (x as never as number) + 1],
    ['x ** 2', (x) => (x as never as number) ** 2],
    ['-x', (x) => -(x as never as number)],
    ['x > 0', (x) => (x as never as number) > 0],
    ['0 <= x', (x) => 0 <= (x as never as number)],
    // biome-ignore lint/suspicious/noDoubleEquals: this is the misuse
    ['x == 0', (x) => (x as never as number) == 0],
    // biome-ignore lint/suspicious/noDoubleEquals: this is the misuse
    ["x != 'a'", (x) => (x as never as string) != 'a'],
    ['Math.exp(x)', (x) => Math.exp(x as never)],
    ['Math.max(x, 0)', (x) => Math.max(x as never, 0)],
    ['Number(x)', (x) => Number(x)],
    ['parseFloat(x)', (x) => Number.parseFloat(x as never)],
    ['[1, 2][x]', (x) => [1, 2][x as never]],
    // biome-ignore lint/style/useTemplate: another way to the same
    ["'' + x", (x) => '' + x],
    ['`x`', (x) => `${x}`],
    ['String(x)', (x) => String(x)],
    ['[x].join()', (x) => [x, x].join()],
  ];

  it.each(misuses)('%s throws, with the functions to use instead and the line', (_, misuse) => {
    const error = failure(() => traceOf((x) => [x, misuse(x) as Tensor], [{ shape: [] }]));
    expect(error.code).toBe('ERR_ZEROTH_TRACE');
    expect(error.message).toMatch(/add, sub, mul, div.*select\(condition, a, b\).*tensor\.test\.ts:\d+/);
  });

  it('show in JSON what a tensor is, and nothing of the graph below it', () => {
    traceOf(
      (x) => {
        expect(JSON.stringify({ y: t.exp(x) })).toBe('{"y":"Tensor f32[2, 3]"}');
        return x;
      },
      [{ shape: [2, 3] }],
    );
  });

  it('leave no NaN in a graph: a number is refused that is NaN or that f32 cannot hold', () => {
    const refused: ((x: Tensor) => Tensor)[] = [
      (x) => t.add(x, Number.NaN),
      (x) => t.sub(Number.NaN, x),
      (x) => x.mul(Number.NaN),
      (x) => t.maximum(x, Number.NaN),
      (x) => t.gt(x, Number.NaN),
      (x) => t.select(t.gt(x, 0), x, Number.NaN),
      () => t.exp(Number.NaN),
      () => t.full([2], Number.NaN),
      (x) => t.mul(x, 1e39),
      (x) => t.add(x, undefined as never),
      (x) => t.add(x, '1' as never),
      (x) => t.integerPow(x, Number.NaN),
    ];
    for (const f of refused) {
      const error = failure(() => traceOf(f, [{ shape: [2] }]));
      expect(['ERR_ZEROTH_ARGUMENT', 'ERR_ZEROTH_SHAPE']).toContain(error.code);
      expect(error.message).toMatch(/expected .* received/);
    }
    expect(values((x) => t.minimum(x, Number.POSITIVE_INFINITY), [[2], [1, -1]])).toEqual([1, -1]);
    expect(values((x) => t.maximum(x, -3.4028234663852886e38), [[2], [1, -1]])).toEqual([1, -1]);
  });
});

describe('the reference executor', () => {
  const graph = traceOf((table, i) => t.gather(table, i), [{ shape: [3] }, { shape: [2], dtype: 'i32' }]);

  it('refuses arrays that do not fit the inputs', () => {
    expect(failure(() => evaluateReference(graph, [new Float64Array(3)])).message).toContain('expected 2 arrays');
    expect(failure(() => evaluateReference(graph, [new Float64Array(4), new Int32Array(2)])).message).toContain(
      'inputs[0] (argument[0])',
    );
  });

  it('refuses indices outside the table', () => {
    const error = failure(() => evaluateReference(graph, [new Float64Array(3), Int32Array.of(0, 3)]));
    expect(error.code).toBe('ERR_ZEROTH_DATA');
    expect(error.message).toContain('index 3 is outside a table of 3 rows');
  });
});
