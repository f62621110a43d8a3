import { describe, expect, it } from 'vitest';
import { expectFaithful, kinds, mlp, planOf } from './support.ts';

describe('the loss program of a plain MLP', () => {
  it('computes the loss', () => {
    expectFaithful(mlp(10, [5, 7, 6, 3]).graph);
  });

  it('of sorting-mlp is three matrix products, two maps in place, one fused sum and one scalar', () => {
    const made = planOf(mlp(1000, [32, 64, 64, 32]).graph);
    expect(kinds(made)).toEqual(['matmul', 'map', 'matmul', 'map', 'matmul', 'mapSum', 'map']);
    for (const at of [1, 3]) {
      const map = made.instructions[at];
      if (map.kind !== 'map') throw new Error('not a map');
      expect(map.ops.map(({ op }) => op)).toEqual(['add', 'gelu']);
      expect(map.dims).toEqual([1000, 64]);
      expect(map.writes[0].ref).toEqual(map.reads[0].ref);
    }
    const sum = made.instructions[5];
    if (sum.kind !== 'mapSum') throw new Error('not a fused sum');
    expect(sum.ops.map(({ op }) => op)).toEqual(['add', 'sub', 'integerPow']);
    const scalar = made.instructions[6];
    if (scalar.kind !== 'map') throw new Error('not a map');
    expect(scalar.dims).toEqual([]);
  });

  it('never holds more than two live activations', () => {
    for (const widths of [
      [4, 8, 8, 2],
      [4, 32, 16, 8, 32, 2],
      [3, 5, 5, 5, 5, 5, 5, 5, 5, 5, 1],
      [1, 100, 1, 100, 1, 100, 1],
    ]) {
      const rows = 48;
      const made = planOf(mlp(rows, widths).graph);
      const activations = made.allocations.filter(({ elements }) => elements > 1);
      for (let at = 0; at < made.instructions.length; at++) {
        // Values in place of each other are one piece of memory.
        const live = new Set(activations.filter(({ start, end }) => start <= at && at <= end).map((x) => x.offset));
        expect(live.size).toBeLessThanOrEqual(2);
      }
      const pairs = widths.slice(1).map((width, i) => rows * (width + (i > 0 ? widths[i] : 0)));
      // Two neighbouring layers, and a scalar beside them.
      expect(made.arenaBytes).toBeLessThanOrEqual(4 * Math.max(...pairs) + 64);
    }
  });
});
