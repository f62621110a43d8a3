import { describe, expect, it } from 'vitest';
import { sortingMlpData } from '../../lib/data/sorting.ts';

const decode = (x: Float32Array, i: number) =>
  Array.from({ length: 8 }, (_, position) => [0, 1, 2, 3].findIndex((s) => x[i * 32 + position * 4 + s] > 0));

describe('sortingMlpData', () => {
  it('pairs one-hot sequences, less their mean of 1/4, with the same symbols sorted', () => {
    const data = sortingMlpData({ seed: 3n });
    const [x, y] = [data.x.data, data.y.data];
    expect([data.x.shape, data.y.shape]).toEqual([
      [1000, 32],
      [1000, 8],
    ]);
    expect([x.length, y.length]).toEqual([32_000, 8_000]);
    for (let i = 0; i < 1000; i++) {
      const symbols = decode(x, i);
      expect([...y.subarray(i * 8, i * 8 + 8)]).toEqual(symbols.sort());
      for (let j = 0; j < 32; j += 4) {
        expect([...x.subarray(i * 32 + j, i * 32 + j + 4)].sort()).toEqual([-0.25, -0.25, -0.25, 0.75]);
      }
    }
  });

  it('draws every symbol equally often, and independently of its neighbour', () => {
    const x = sortingMlpData({ n: 4000, seed: 5n }).x.data;
    const counts = new Array<number>(16).fill(0);
    for (let i = 0; i < 4000; i++) {
      const symbols = decode(x, i);
      for (let j = 0; j < 8; j += 2) counts[symbols[j] * 4 + symbols[j + 1]] += 1;
    }
    // 16,000 pairs: χ² with 15 degrees of freedom exceeds 37.7 with probability 0.001.
    const chiSquare = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeLessThan(37.7);
  });

  it('depends on the seed and on the number of the example only', () => {
    const whole = sortingMlpData({ n: 30, seed: 1n });
    const tail = sortingMlpData({ n: 10, first: 20, seed: 1n });
    expect(tail.x.data).toEqual(whole.x.data.slice(20 * 32));
    expect(tail.y.data).toEqual(whole.y.data.slice(20 * 8));
    expect(sortingMlpData({ n: 30, seed: 2n }).y.data).not.toEqual(whole.y.data);
  });

  it('refuses bad options', () => {
    for (const bad of [{ n: 0 }, { n: 1.5 }, { first: -1 }, { seed: -1n }]) {
      expect(() => sortingMlpData({ seed: 0n, ...bad })).toThrow(
        expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }),
      );
    }
  });
});
