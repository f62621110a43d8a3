import { describe, expect, it } from 'vitest';
import { evaluateReference } from '../../lib/graph/reference.ts';
import { type Tensor, trace } from '../../lib/graph/tensor.ts';
import { linear, linearParameters } from '../../lib/nn/linear.ts';
import { softmaxCrossEntropy, squaredLoss } from '../../lib/nn/losses.ts';
import { constant, normal, torchUniform, zeros } from '../../lib/nn/parameters.ts';

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
    const [loss] = evaluateReference(graph, [outputs, labels, Float64Array.of(0, 1)]);
    expect(loss[0]).toBeCloseTo(nll(1, 0), 14);
  });

  it('refuse labels that do not fit the outputs', () => {
    const wrong = () =>
      trace((f: Tensor, y: Tensor) => squaredLoss(f, y), { shape: [2, 3] }, { shape: [3], dtype: 'i32' });
    expect(wrong).toThrow(/expected outputs \[\.\.\.n, classes\] with i32 labels .* \[2, 3\] with i32 labels \[3\]/);
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
