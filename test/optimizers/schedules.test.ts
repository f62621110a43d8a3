import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { zoGD } from '../../lib/optimizers/recipes.ts';
import {
  constant,
  learningRateAt,
  piecewise,
  warmupCosineDecay,
  warmupLinearDecay,
} from '../../lib/optimizers/schedules.ts';

describe('piecewise', () => {
  it('holds each value until the next entry, in whatever order they are given', () => {
    const lr = piecewise({ 2000: 0.05, 0: 0.03, 500: 0 });
    expect([0, 1, 499, 500, 1999, 2000, 1e9].map(lr.at)).toEqual([0.03, 0.03, 0.03, 0, 0, 0.05, 0.05]);
  });

  it('agrees with a linear search for random pieces', () => {
    const pieces = fc.dictionary(
      fc.integer({ min: 1, max: 50 }).map(String),
      fc.float({ min: 0, max: 1, noNaN: true }),
    );
    fc.assert(
      fc.property(pieces, fc.nat(60), (later, step) => {
        const all: Record<number, number> = { 0: 0.5, ...later };
        const from = Math.max(
          ...Object.keys(all)
            .map(Number)
            .filter((key) => key <= step),
        );
        expect(piecewise(all).at(step)).toBe(all[from]);
      }),
      { seed: 8 },
    );
  });

  it.each<[string, Record<string, number>]>([
    ['no pieces', {}],
    ['no step 0', { 1: 0.1 }],
    ['a fraction of a step', { 0: 0.1, 1.5: 0.1 }],
    ['a negative step', { 0: 0.1, '-1': 0.1 }],
    ['a step that is no number', { 0: 0.1, x: 0.1 }],
    ['an empty step', { 0: 0.1, '': 0.1 }],
    ['a negative value', { 0: -0.1 }],
    ['NaN', { 0: Number.NaN }],
  ])('refuses %s', (_name, pieces) => {
    expect(() => piecewise(pieces)).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
  });
});

describe('warm-up and decay', () => {
  const shape = { peak: 0.4, warmupSteps: 10, steps: 110, end: 0.1 };

  it.each([
    ['linear', warmupLinearDecay, 0.325],
    ['cosine', warmupCosineDecay, 0.4 - 0.3 * (0.5 - Math.SQRT1_2 / 2)],
  ] as const)('rises by equal amounts, peaks, and decays to the end along the %s shape', (_name, make, quarter) => {
    const lr = make(shape);
    expect([0, 4, 9, 10].map(lr.at)).toEqual([0.04, 0.2, 0.4, 0.4].map((value) => expect.closeTo(value, 14)));
    expect(lr.at(35)).toBeCloseTo(quarter, 14);
    expect(lr.at(60)).toBeCloseTo(0.25, 14);
    expect([110, 111, 1e6].map(lr.at)).toEqual([0.1, 0.1, 0.1]);
    for (let step = 10; step < 110; step++) expect(lr.at(step + 1)).toBeLessThan(lr.at(step));
  });

  it('may have no warm-up, and ends at 0 unless told', () => {
    const lr = warmupLinearDecay({ peak: 1, warmupSteps: 0, steps: 4 });
    expect([0, 1, 2, 3, 4, 5].map(lr.at)).toEqual([1, 0.75, 0.5, 0.25, 0, 0]);
  });

  it.each([
    { ...shape, peak: -1 },
    { ...shape, end: Number.NaN },
    { ...shape, warmupSteps: 0.5 },
    { ...shape, steps: 10 },
  ])('refuses $peak, $end, $warmupSteps, $steps', (bad) => {
    expect(() => warmupCosineDecay(bad)).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
  });
});

describe('learningRateAt', () => {
  it('reads a number or a schedule', () => {
    expect(learningRateAt(zoGD({ lr: 0.05 }), 7)).toBe(0.05);
    expect(learningRateAt(zoGD({ lr: constant(0.02) }), 7)).toBe(0.02);
    expect(learningRateAt(zoGD({ lr: (step) => 1 / (step + 1) }), 3)).toBe(0.25);
  });

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY, undefined as unknown as number])(
    'names the step at which a schedule returns %s',
    (bad) => {
      const optimizer = zoGD({ lr: (step) => (step === 3 ? bad : 0.1) });
      expect(learningRateAt(optimizer, 2)).toBe(0.1);
      expect(() => learningRateAt(optimizer, 3)).toThrow(/^lr\(3\): expected a finite number ≥ 0/);
    },
  );

  it('refuses a step that is not a count, and a constant that is not a rate', () => {
    for (const step of [-1, 0.5, Number.NaN])
      expect(() => learningRateAt(zoGD({ lr: 1 }), step)).toThrow(/^step: expected/);
    expect(() => constant(-1)).toThrow(/^lr: expected/);
  });
});
