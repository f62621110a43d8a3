import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { div, log, matmul, max, mean, mul, neg, softmax, sub, sum, type Tensor } from '../../lib/graph/ops.ts';
import { linear } from '../../lib/nn/linear.ts';
import { softmaxCrossEntropy, squaredLoss } from '../../lib/nn/losses.ts';
import { compile } from '../../lib/objective/objective.ts';
import type { LossValue } from '../../lib/objective/problem.ts';
import { PhiloxStream } from '../../lib/random/philox.ts';

const device = openDevice({ threads: 2 });
afterAll(() => device.dispose());

const N = 24;
const random = new PhiloxStream(9n, 9n);
const normals = (length: number) => Float32Array.from({ length }, () => random.normal());
const data = {
  x: { shape: [N, 3], data: normals(N * 3) },
  y: { shape: [N], data: Int32Array.from({ length: N }, (_, i) => i % 2) },
  // Nothing of the first example.
  late: { shape: [N, 3], data: Float32Array.from({ length: N * 3 }, (_, e) => Number(e > 3)) },
  // Of the first two examples the second has one position of three.
  mask: { shape: [N, 3], data: Float32Array.from({ length: N * 3 }, (_, e) => Number(e % 6 < 4)) },
};
type P = Readonly<Record<'w' | 'b', Tensor>>;
type D = Readonly<Record<'x' | 'y' | 'mask' | 'late', Tensor>>;

const parameters = {
  w: { shape: [3, 2], init: { kind: 'normal', std: 0.5 } },
  b: { shape: [2], init: { kind: 'constant', value: 0.1 } },
} as const;
const build = (loss: (p: P, d: D) => LossValue, change: object = {}) =>
  compile(device, { parameters, data, loss, ...change }, { seed: 4 });
const scores = (p: P, d: D) => linear(d.x, p.w, p.b);
const errors = (p: P, d: D) => sub(scores(p, d), 1).square();
const decay = (p: P) => mul(sum(p.w.square()), 0.1);

describe('a loss that is no mean over its examples is refused when it is compiled, with what to write', () => {
  it.each<[string, (p: P, d: D) => LossValue, RegExp]>([
    ['a sum', (p, d) => sum(errors(p, d)), /received a sum: .*divide by x\.shape\[0\]\), or return \{ sum, weight \}/],
    ['a sum over positions of a mean over features', (p, d) => sum(mean(errors(p, d), 1)), /received a sum/],
    ['a sum divided by the number of all examples', (p, d) => mul(sum(errors(p, d)), 1 / N), /received a sum/],
    ['minus a sum of logarithms', (p, d) => neg(sum(log(softmax(scores(p, d))))), /received a sum/],
    [
      'a masked mean of its own',
      (p, d) => div(sum(mul(d.mask, d.x.mul(p.w.sum()))), sum(d.mask)),
      /something else: .*mask.*return \{ sum, weight \}/,
    ],
    [
      'a masked mean of its own, of an example in which nothing counts',
      (p, d) => div(sum(mul(d.late, d.x.mul(p.w.sum()))), sum(d.late)),
      /gives NaN, .*return \{ sum, weight \}/,
    ],
    ['the square of a mean', (p, d) => mean(scores(p, d)).square(), /something else/],
    ['the worst example', (p, d) => max(errors(p, d)), /something else/],
    [
      'a loss of a normalised batch',
      (p, d) => mean(sub(scores(p, d), mean(scores(p, d), 0)).square()),
      /examples bear on one another, pass the data as constants/,
    ],
    ['a sum with decay', (p, d) => sum(errors(p, d)).add(decay(p)), /something else/],
    [
      '{ sum, weight } whose sum has a decay',
      (p, d) => ({ sum: sum(errors(p, d)).add(decay(p).mul(100)), weight: d.x.shape[0] }),
      /loss\.sum: .*as often as there are examples/,
    ],
    ['{ sum, weight } whose sum is a mean', (p, d) => ({ sum: mean(errors(p, d)), weight: d.x.shape[0] }), /loss\.sum/],
    ['{ sum, weight } whose weight does not grow', (p, d) => ({ sum: sum(errors(p, d)), weight: 1 }), /loss\.weight/],
  ])('%s', async (_, loss, message) => {
    const before = device.memory();
    await expect(build(loss)).rejects.toMatchObject({
      code: 'ERR_ZEROTH_LOSS',
      message: expect.stringMatching(message),
    });
    expect(device.memory()).toEqual(before);
  });

  it('with the numbers that show it', async () => {
    const loss = (_: unknown, { q }: { q: Tensor }) => sum(q);
    const attempt = compile(device, { parameters, data: { q: [3, 0.5, 7] }, loss });
    await expect(attempt).rejects.toThrow('the first example gives 3, the second 0.5, both together 3.5.');
  });

  it('and one that is written for one number of examples, with its line', async () => {
    const hard = ({ w }: P, { x }: D) => mean(matmul(x.reshape([N, 3]), w));
    await expect(build(hard)).rejects.toMatchObject({
      code: 'ERR_ZEROTH_SHAPE',
      message: expect.stringMatching(/any number of examples, .* of 24, which with 1 fails; .*check-mean\.test\.ts/),
    });
  });
});

describe('nothing else is refused', () => {
  const tiny = (scale: number) => ({ ...data, x: { ...data.x, data: data.x.data.map((value) => value * scale) } });
  it.each<[string, (p: P, d: D) => LossValue, object?]>([
    ['a mean', (p, d) => mean(errors(p, d))],
    ['a mean with decay', (p, d) => mean(errors(p, d)).add(decay(p))],
    ['squared loss', (p, d) => squaredLoss(scores(p, d), d.y)],
    ['cross entropy', (p, d) => softmaxCrossEntropy(scores(p, d), d.y)],
    ['cross entropy of large logits', (p, d) => softmaxCrossEntropy(scores(p, d).mul(1e4), d.y)],
    ['a masked mean as sum and weight', (p, d) => ({ sum: sum(mul(d.mask, d.x.mul(p.w.sum()))), weight: sum(d.mask) })],
    [
      'one whose first two examples do not count',
      (p, d) => ({ sum: sum(mul(d.mask, d.x.mul(p.w.sum()))), weight: sum(d.mask) }),
      { data: { ...data, mask: { ...data.mask, data: data.mask.data.map((m, e) => (e < 6 ? 0 : m)) } } },
    ],
    ['a loss below zero', (p, d) => neg(mean(errors(p, d)))],
    ['a loss of both signs', (p, d) => mean(scores(p, d))],
    ['a loss that is zero', (p, d) => mul(mean(scores(p, d)), 0)],
    ['a loss that is constant', (p, d) => mean(scores(p, d)).mul(0).add(3)],
    ['a loss of tiny numbers', (p, d) => mean(matmul(d.x, p.w).square()), { data: tiny(1e-12) }],
    ['a loss of large numbers', (p, d) => mean(matmul(d.x, p.w).square()), { data: tiny(1e12) }],
    ['a loss that overflows', (p, d) => mean(matmul(d.x, p.w).square()), { data: tiny(1e25) }],
    ['a loss that is not a number', (p, d) => mean(matmul(d.x, p.w).mul(0).div(0))],
    ['a sum of one example', (p, d) => sum(errors(p, d)), { data: { x: [[1, 2, 3]], y: [0] } }],
    [
      'parameters that are zero',
      (p, d) => mean(errors(p, d)),
      { parameters: { w: { shape: [3, 2], init: [0, 0, 0, 0, 0, 0] }, b: { shape: [2], init: [0, 0] } } },
    ],
  ])('%s', async (_, loss, change) => {
    await using objective = await build(loss, change);
    expect(objective.dimension).toBe(8);
  });

  it('a fit so good that its loss is rounding, which is another for every number of examples', async () => {
    // The mean of 3 w x − y, which cancel but for their roundings, of sums in f32.
    const residual = ({ w }: { w: Tensor }, { x, y }: { x: Tensor; y: Tensor }) =>
      mean(sub(mul(sum(mul(mul(x, w), 3), 0), 1 / x.shape[0]), mul(sum(y, 0), 1 / x.shape[0])));
    for (let seed = 0; seed < 20; seed++) {
      const stream = new PhiloxStream(BigInt(seed), 1n);
      const w = Float32Array.from({ length: 5 }, () => stream.normal());
      const x = Float32Array.from({ length: 4 * 5 }, () => stream.normal());
      const y = x.map((value, e) => 3 * w[e % 5] * value);
      await using objective = await compile(device, {
        parameters: { w: { shape: [5], init: w } },
        data: { x: { shape: [4, 5], data: x }, y: { shape: [4, 5], data: y } },
        loss: residual,
      });
      expect(Math.abs((await objective.losses([[]]))[0])).toBeLessThan(1e-6);
    }
  });

  it('and the check moves no parameter and leaves no program behind', async () => {
    await using objective = await build((p, d) => mean(scores(p, d)));
    expect(objective.params.passes).toBe(0);
    expect(device.memory().arenaBytes).toBe(0);
  });
});
