import { describe, expect, it } from 'vitest';
import { add, grad, mean, mul, scan, square, sum, type Tensor, tanh, trace } from '../../../lib/graph/ops.ts';
import { lstm } from '../../../lib/nn/lstm.ts';
import { planOf } from '../plan/support.ts';

const v = (...shape: number[]) => ({ shape });

describe('a loop of which only the end is asked for', () => {
  it('works in the memory of one carry, where a step needs no more', () => {
    const [features, line] = [1000, 64];
    for (const steps of [1, 2000]) {
      const loss = (w: Tensor, x: Tensor): Tensor =>
        sum(scan((h: Tensor, row: Tensor) => [tanh(add(mul(h, w), row)), null], w, x)[0]);
      const { arenaBytes } = planOf(trace(loss, v(features), v(steps, features)));
      // The carry, and the loss.
      expect(arenaBytes).toBe(Math.ceil((4 * features) / line) * line + line);
    }
  });

  it('of LSTM cells, works in as much for 2,000 steps as for two, wherever time is among the axes', () => {
    const [n, inputs, units] = [4, 3, 8];
    const weights = { input: v(inputs, 4 * units), state: v(units, 4 * units), bias: v(4 * units) };
    type Weights = { readonly [K in keyof typeof weights]: Tensor };
    const bytes = (steps: number, timeFirst: boolean) =>
      planOf(
        trace(
          (p: Weights, x: Tensor) => mean(square(lstm(timeFirst ? x : x.transpose([1, 0, 2]), p).last.h)),
          weights,
          timeFirst ? v(steps, n, inputs) : v(n, steps, inputs),
        ),
      ).arenaBytes;
    expect(bytes(2000, true)).toBe(bytes(2, true));
    expect(bytes(2000, false)).toBe(bytes(2, false));
    // Two states, the products of a step, its row and the loss.
    const line = 64;
    expect(bytes(2000, false)).toBeLessThan(4 * (2 * n * units + 2 * 4 * n * units + n * inputs) + 4 * line);
  });

  it('keeps carries for its gradient, and nothing that a step computes on the way', () => {
    const features = 1000;
    const gradient = (w: Tensor, x: Tensor): Tensor =>
      grad((u: Tensor) =>
        sum(scan((h: Tensor, row: Tensor) => [tanh(add(mul(tanh(mul(h, u)), u), tanh(row))), null], u, x)[0]),
      )(w);
    const bytes = (steps: number) => planOf(trace(gradient, v(features), v(steps, features))).arenaBytes;
    expect(bytes(201) - bytes(101)).toBe(100 * 4 * features);
  });
});
