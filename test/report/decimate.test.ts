import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decimate } from '../../lib/report/decimate.ts';

const series = fc.array(fc.double({ noNaN: false }), { minLength: 1, maxLength: 400 });

describe('decimate', () => {
  it('keeps a short series whole', () => {
    expect(decimate([3, 1, 2], 3)).toEqual([0, 1, 2]);
    expect(decimate([], 10)).toEqual([]);
  });

  it('never exceeds the limit, is ascending, and keeps both ends', () => {
    fc.assert(
      fc.property(series, fc.integer({ min: 5, max: 100 }), (values, most) => {
        const kept = decimate(values, most);
        expect(kept.length).toBeLessThanOrEqual(most);
        for (let i = 1; i < kept.length; i++) expect(kept[i]).toBeGreaterThan(kept[i - 1]);
        expect(kept[0]).toBe(0);
        expect(kept.at(-1)).toBe(values.length - 1);
      }),
      { seed: 1 },
    );
  });

  it('keeps the least and the greatest value of the whole series', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1, maxLength: 400 }), (values) => {
        const kept = decimate(values, 20).map((i) => values[i]);
        expect(Math.min(...kept)).toBe(Math.min(...values));
        expect(Math.max(...kept)).toBe(Math.max(...values));
      }),
      { seed: 2 },
    );
  });

  it('keeps a spike of one step in a hundred thousand', () => {
    const values = Float64Array.from({ length: 100_000 }, (_, i) => (i === 77_777 ? 50 : Math.exp(-i / 1e4)));
    const kept = decimate(values, 2000);
    expect(kept).toContain(77_777);
    expect(kept.length).toBeLessThanOrEqual(2000);
  });

  it('keeps a gap where values are not finite', () => {
    const values = Array.from({ length: 1000 }, (_, i) => (i === 500 ? Number.NaN : i));
    expect(decimate(values, 50)).toContain(500);
  });
});
