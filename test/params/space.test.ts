import { describe, expect, it } from 'vitest';
import { gaussianTwoPoint } from '../../lib/optimizers/estimators/gaussian-two-point.ts';
import { inSpace } from '../../lib/optimizers/in-space.ts';
import type { SpaceSpec } from '../../lib/optimizers/space-spec.ts';
import { Layout } from '../../lib/params/layout.ts';
import { bindSpace } from '../../lib/params/space.ts';

const layout = new Layout({
  'a.w': { shape: [3, 4] },
  'a.b': { shape: [4] },
  'b.w': { shape: [4, 2] },
  'b.b': { shape: [2] },
});

/** Tensors by name, each with its scales. */
const scalesOf = (spec: SpaceSpec) => {
  const space = bindSpace(spec, layout);
  return Object.fromEntries(
    layout.tensors.map(({ name, offset, size }) => [
      name,
      [...new Set(Array.from({ length: size }, (_, i) => space.scaleAt(offset + i)))],
    ]),
  );
};

describe('a specification of a space', () => {
  it('goes by names and patterns, of which the first holds; what none matches is dense', () => {
    expect(scalesOf({ 'a.w': 'skip' })).toEqual({ 'a.w': [0], 'a.b': [1], 'b.w': [1], 'b.b': [1] });
    expect(scalesOf({ 'b.*': 'dense', '*': 'skip' })).toEqual({ 'a.w': [0], 'a.b': [0], 'b.w': [1], 'b.b': [1] });
    expect(scalesOf({ '*.b': { scale: 0.5 }, 'a*': { scale: 4 } })).toEqual({
      'a.w': [4],
      'a.b': [0.5],
      'b.w': [1],
      'b.b': [0.5],
    });
    // A dot is a dot.
    expect(() => bindSpace({ 'a?w': 'skip' }, layout)).toThrow(/matches one of a\.w, a\.b, b\.w, b\.b/);
    expect(() => bindSpace({ axw: 'skip' }, layout)).toThrow(/matches none/);
  });

  it('has a segment for tensors side by side that are moved alike', () => {
    expect(bindSpace({ 'b.b': 'skip' }, layout).segments).toEqual([{ offset: 0, count: 24, scale: 1 }]);
    expect(bindSpace({ 'a.*': { scale: 2 } }, layout).segments.length).toBe(2);
    expect(bindSpace({ '*': { density: 0.5 } }, layout).segments.length).toBe(1);
    expect(bindSpace({ '*.w': { density: 0.5 }, '*': { density: 0.5, seed: 1 } }, layout).segments.length).toBe(4);
    expect(bindSpace({ 'a*': { density: 0.5 }, '*': { density: 0.9 } }, layout).segments.length).toBe(2);
    expect(bindSpace({ '*': 'dense' }, layout).isWhole).toBe(true);
    expect(bindSpace({ '*': { density: 1 } }, layout).isWhole).toBe(true);
  });

  it('draws a mask of its own for each tensor, and another from another seed', () => {
    const wide = new Layout({ v: { shape: [4000] }, w: { shape: [4000] } });
    const kept = (seed: number, first: number) => {
      const space = bindSpace({ '*': { density: 0.25, seed } }, wide);
      return Array.from({ length: 4000 }, (_, i) => space.scaleAt(first + i));
    };
    const share = (scales: number[]) => scales.reduce((sum, scale) => sum + scale, 0) / 4000;
    // 0.25 ± 4 standard deviations.
    for (const scales of [kept(1, 0), kept(1, 4000), kept(2, 0)])
      expect(Math.abs(share(scales) - 0.25)).toBeLessThan(0.028);
    const both = (a: number[], b: number[]) => share(a.map((scale, i) => scale * b[i]));
    expect(both(kept(1, 0), kept(1, 0))).toBeGreaterThan(0.2);
    expect(both(kept(1, 0), kept(1, 4000))).toBeLessThan(0.1);
    expect(both(kept(1, 0), kept(2, 0))).toBeLessThan(0.1);
  });

  it('is refused where it is none, matches nothing, or leaves nothing in', () => {
    const refused = expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' });
    const bad: unknown[] = [
      { '*': 'skip' },
      { nothing: 'dense' },
      { 'a.w': 'frozen' },
      { 'a.w': { scale: 0 } },
      { 'a.w': { scale: -1 } },
      { 'a.w': { scale: 1e39 } },
      { 'a.w': { density: 0 } },
      { 'a.w': { density: 2 } },
      { 'a.w': { density: 0.5, seed: -1 } },
      { 'a.w': { densty: 0.5 } },
      { 'a.w': 2 },
      [],
      null,
    ];
    for (const spec of bad) expect(() => bindSpace(spec as SpaceSpec, layout), JSON.stringify(spec)).toThrow(refused);
  });
});

describe('inSpace', () => {
  it('is the same estimator but for its space, which is part of its options, in order', () => {
    const estimator = gaussianTwoPoint({ mu: 0.01 });
    const spec = { 'a.*': 'skip', '*': { scale: 2 } } as const;
    const inside = inSpace(estimator, spec);
    expect(inside).toEqual({
      ...estimator,
      space: spec,
      options: {
        mu: 0.01,
        space: [
          ['a.*', 'skip'],
          ['*', { scale: 2, density: 1, seed: 0 }],
        ],
      },
    });
    expect(() => inSpace(inside, spec)).toThrow(/no space yet/);
    expect(() => inSpace(estimator, { a: 'frozen' } as never)).toThrow(/space of 'a'/);
  });
});
