import { describe, expect, it } from 'vitest';
import { type Tensor, trace } from '../../lib/graph/ops.ts';
import { evaluateReference } from '../../lib/graph/reference.ts';
import { linear, linearParameters } from '../../lib/nn/linear.ts';
import { softmaxCrossEntropy, squaredLoss } from '../../lib/nn/losses.ts';
import { accuracy } from '../../lib/nn/metrics.ts';
import { constant, normal, torchUniform, zeros } from '../../lib/nn/parameters.ts';
import { PhiloxStream } from '../../lib/random/philox.ts';

describe('linear', () => {
  it('multiplies by the weight as it is stored, [in, out], and adds the bias to every row', () => {
    const specs = [{ shape: [2, 2] }, { shape: [2, 3] }, { shape: [3] }] as const;
    const graph = trace((x: Tensor, w: Tensor, b: Tensor) => linear(x, w, b), ...specs);
    const [y] = evaluateReference(graph, [
      Float64Array.of(1, 2, 0, -1),
      Float64Array.of(1, 2, 3, 4, 5, 6),
      Float64Array.of(10, 20, 30),
    ]);
    expect([...y]).toEqual([19, 32, 45, 6, 15, 24]);
  });

  it('declares parameters that start like those of PyTorch: U(±1/√inputs)', () => {
    expect(linearParameters(16, 4)).toEqual({
      weight: { shape: [16, 4], init: { kind: 'uniform', bound: 0.25 } },
      bias: { shape: [4], init: { kind: 'uniform', bound: 0.25 } },
    });
  });
});

describe('losses', () => {
  const outputs = Float64Array.of(0.5, -1, 2, 0, 1, 3);
  const labels = Int32Array.of(2, 0);
  const specs = [{ shape: [2, 3] }, { shape: [2], dtype: 'i32' }] as const;

  it('squaredLoss is the mean over examples of half the squared distance to the one-hot label', () => {
    const graph = trace((f: Tensor, y: Tensor) => squaredLoss(f, y), ...specs);
    const [loss] = evaluateReference(graph, [outputs, labels]);
    expect(loss[0]).toBeCloseTo((0.5 * (0.25 + 1 + 1) + 0.5 * (1 + 1 + 9)) / 2, 14);
  });

  it('squaredLoss of sequences is the mean over positions', () => {
    const graph = trace(
      (f: Tensor, y: Tensor) => squaredLoss(f, y),
      { shape: [1, 2, 3] },
      { shape: [1, 2], dtype: 'i32' },
    );
    const [loss] = evaluateReference(graph, [outputs, labels]);
    expect(loss[0]).toBeCloseTo(3.3125, 14);
  });

  const nll = (row: number, label: number): number => {
    const logits = [...outputs.subarray(3 * row, 3 * row + 3)];
    return Math.log(logits.reduce((total, x) => total + Math.exp(x), 0)) - logits[label];
  };

  it('softmaxCrossEntropy is the mean over positions of −log of the softmax at the label', () => {
    const graph = trace((f: Tensor, y: Tensor) => softmaxCrossEntropy(f, y), ...specs);
    const [loss] = evaluateReference(graph, [outputs, labels]);
    expect(loss[0]).toBeCloseTo((nll(0, 2) + nll(1, 0)) / 2, 14);
  });

  it('softmaxCrossEntropy leaves masked positions out of the mean', () => {
    const graph = trace((f: Tensor, y: Tensor, mask: Tensor) => softmaxCrossEntropy(f, y, { mask }), ...specs, {
      shape: [2],
    });
    const [[total], [weight]] = evaluateReference(graph, [outputs, labels, Float64Array.of(0, 1)]);
    expect(total / weight).toBeCloseTo(nll(1, 0), 14);
    const [[sum], [half]] = evaluateReference(graph, [outputs, labels, Float64Array.of(0.25, 0.25)]);
    expect(half).toBe(0.5);
    expect(sum / half).toBeCloseTo((nll(0, 2) + nll(1, 0)) / 2, 14);
  });

  it('squaredLoss takes real targets of the shape of the outputs, and a mask over positions', () => {
    const targets = Float64Array.of(0.5, 1, 2, 1, 1, 0);
    const real = [{ shape: [2, 3] }, { shape: [2, 3] }] as const;
    const graph = trace((f: Tensor, y: Tensor) => squaredLoss(f, y), ...real);
    expect(evaluateReference(graph, [outputs, targets])[0][0]).toBeCloseTo((0.5 * 4 + 0.5 * (1 + 9)) / 2, 14);
    const masked = trace((f: Tensor, y: Tensor, mask: Tensor) => squaredLoss(f, y, { mask }), ...real, { shape: [2] });
    const [[total], [weight]] = evaluateReference(masked, [outputs, targets, Float64Array.of(0, 3)]);
    expect([total, weight]).toEqual([3 * 5, 3]);
  });

  it('refuse targets of another shape, masks that do not fit, and options that they do not know', () => {
    const f = { shape: [2, 3] };
    const y = { shape: [2], dtype: 'i32' } as const;
    expect(() => trace((f: Tensor, y: Tensor) => squaredLoss(f, y), { shape: [2, 1] }, { shape: [2] })).toThrow(
      /outputs \[2, 1\] with f32 targets \[2\]/,
    );
    for (const loss of [squaredLoss, softmaxCrossEntropy]) {
      const masked = (f: Tensor, y: Tensor, mask: Tensor) => loss(f, y, { mask });
      for (const mask of [{ shape: [2, 3] }, { shape: [2], dtype: 'i32' } as const])
        expect(() => trace(masked, f, y, mask)).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_SHAPE' }));
      const misspelt = (f: Tensor, y: Tensor) => loss(f, y, { maks: f } as never);
      expect(() => trace(misspelt, f, y)).toThrow(/options: expected none but mask; received the unknown name "maks"/);
    }
  });

  it('refuse labels that do not fit the outputs', () => {
    const wrong = () =>
      trace((f: Tensor, y: Tensor) => squaredLoss(f, y), { shape: [2, 3] }, { shape: [3], dtype: 'i32' });
    expect(wrong).toThrow(/expected outputs \[\.\.\.n, classes\] with i32 labels .* \[2, 3\] with i32 labels \[3\]/);
  });
});

describe('accuracy', () => {
  const share = (outputs: number[], labels: number[], classes: number) => {
    const n = labels.length;
    const specs = [{ shape: [n, classes] }, { shape: [n], dtype: 'i32' }] as const;
    const graph = trace((f: Tensor, y: Tensor) => accuracy(f, y), ...specs);
    return evaluateReference(graph, [Float64Array.from(outputs), Int32Array.from(labels)])[0][0];
  };

  it('is the share of labels with the greatest output, as counted by hand', () => {
    const random = new PhiloxStream(1n, 1n);
    const labels = Array.from({ length: 200 }, () => random.below(5));
    const outputs = Array.from({ length: 1000 }, () => random.normal());
    const hits = labels.filter((label, i) => {
      const row = outputs.slice(5 * i, 5 * i + 5);
      return row.indexOf(Math.max(...row)) === label;
    });
    expect(share(outputs, labels, 5)).toBeCloseTo(hits.length / 200, 14);
    expect(hits.length).toBeGreaterThan(20);
  });

  it('gives a tie to the first, a NaN to nobody, and no hit to a label that is no class', () => {
    expect(share([0, 0, 0], [0], 3)).toBe(1);
    expect(share([0, 0, 0], [1], 3)).toBe(0);
    expect(share([-1, 2, 2], [1], 3)).toBe(1);
    expect(share([-1, 2, 2], [2], 3)).toBe(0);
    for (const label of [0, 1, 2]) expect(share([Number.NaN, 2, 1], [label], 3)).toBe(0);
    expect(share([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 1], [1], 3)).toBe(1);
    for (const label of [-1, 3]) expect(share([1, 2, 3], [label], 3)).toBe(0);
  });

  it('counts positions of sequences, and refuses labels that do not fit', () => {
    const graph = trace(
      (f: Tensor, y: Tensor) => accuracy(f, y),
      { shape: [1, 2, 2] },
      { shape: [1, 2], dtype: 'i32' },
    );
    expect(evaluateReference(graph, [Float64Array.of(1, 2, 4, 3), Int32Array.of(1, 1)])[0][0]).toBe(0.5);
    expect(() => trace((f: Tensor, y: Tensor) => accuracy(f, y), { shape: [2, 2] }, { shape: [2] })).toThrow(
      expect.objectContaining({ code: 'ERR_ZEROTH_SHAPE' }),
    );
  });
});

it('initialisers are plain data', () => {
  expect([torchUniform(4), normal(0.02), constant(1), zeros]).toEqual([
    { kind: 'uniform', bound: 0.5 },
    { kind: 'normal', std: 0.02 },
    { kind: 'constant', value: 1 },
    { kind: 'constant', value: 0 },
  ]);
  expect(() => normal(-1)).toThrow(/std: expected a finite number ≥ 0/);
});
