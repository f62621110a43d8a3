import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { zoGD } from '../../lib/optimizers/recipes.ts';
import { stabilityBounds, stepSizeBounds } from '../../lib/stability/bounds.ts';
import { contradictionIn } from '../../lib/stability/contradiction.ts';
import type { Curvature } from '../../lib/stability/curvature.ts';
import { edgeOfStability } from '../../lib/stability/edge.ts';
import { curvatureOf, knowledge, spectra } from './arbitrary.ts';

const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);

type Known = Pick<Curvature, 'trace' | 'lambdaMax' | 'lambdaMin' | 'negativeTrace' | 'dimension'>;
const keyOf = ({ trace, lambdaMax, lambdaMin, negativeTrace, dimension }: Known) =>
  [trace, lambdaMax, lambdaMin, negativeTrace, dimension].map((value) => value ?? '–').join(' ');

/**
 * What may be known of some spectrum of at most 18 whole numbers from −9 to 3. Where all that is known are whole numbers, and some spectrum
 * has them, one of whole numbers does: of each sign take as few as reach the sum, and fill up with zeros. λmin ≥ 0 may be a bound.
 */
function knownOfSpectra(): Set<string> {
  const known = new Set<string>();
  let states = new Map([
    ['', { positive: 0, negative: 0, top: Number.NEGATIVE_INFINITY, bottom: Number.POSITIVE_INFINITY }],
  ]);
  for (const dimension of range(1, 18)) {
    const next: typeof states = new Map();
    for (const { positive, negative, top, bottom } of states.values()) {
      for (const value of range(-9, 3)) {
        const state = {
          positive: positive + Math.max(value, 0),
          negative: negative + Math.max(-value, 0),
          top: Math.max(top, value),
          bottom: Math.min(bottom, value),
        };
        if (state.positive <= 15 && state.negative <= 15) next.set(Object.values(state).join(' '), state);
      }
    }
    states = next;
    for (const { positive, negative, top, bottom } of states.values()) {
      for (const lambdaMin of [undefined, bottom, ...range(0, bottom)])
        for (const negativeTrace of [undefined, negative])
          for (const d of [undefined, dimension])
            known.add(keyOf({ trace: positive - negative, lambdaMax: top, lambdaMin, negativeTrace, dimension: d }));
    }
  }
  return known;
}

describe('a contradiction', () => {
  it('is what no spectrum has, neither more nor less: all small whole numbers against all spectra of such', () => {
    const known = knownOfSpectra();
    const wrong: string[] = [];
    let refused = 0;
    for (const trace of range(-6, 6))
      for (const lambdaMax of range(-3, 3))
        for (const lambdaMin of [undefined, ...range(-3, 3)])
          for (const negativeTrace of [undefined, ...range(0, 6)])
            for (const dimension of [undefined, ...range(1, 4)]) {
              const curvature = { trace, lambdaMax, lambdaMin, negativeTrace, dimension };
              const contradiction = contradictionIn(curvature);
              if (contradiction !== undefined) refused++;
              if ((contradiction === undefined) !== known.has(keyOf(curvature)))
                wrong.push(`${keyOf(curvature)}: ${contradiction}`);
            }
    expect(wrong.slice(0, 20)).toEqual([]);
    expect(refused).toBeGreaterThan(1000);
  });

  it('is in nothing that is known of any spectrum, whatever its scale', () => {
    const scales = fc.double({ min: -30, max: 30, noNaN: true }).map((power) => 10 ** power);
    fc.assert(
      fc.property(spectra, knowledge, scales, fc.boolean(), (lambdas, keys, scale, turned) => {
        const spectrum = lambdas.map((lambda) => lambda * (turned ? -scale : scale));
        const all = curvatureOf(spectrum);
        const some = Object.fromEntries(keys.map((key) => [key, all[key as keyof typeof all]]));
        expect(contradictionIn({ trace: all.trace, lambdaMax: all.lambdaMax, ...some })).toBe(undefined);
      }),
      { seed: 15, numRuns: 3000 },
    );
  });

  it.each<[Known, RegExp]>([
    [{ trace: 38, lambdaMax: 4, lambdaMin: -10, negativeTrace: 1 }, /λmin -10 makes Σ max\(−λ, 0\) at least 10/],
    [{ trace: 38, lambdaMax: 4, lambdaMin: 0, negativeTrace: 1 }, /λmin 0 leaves no negative eigenvalue/],
    [{ trace: 3, lambdaMax: 4, negativeTrace: 0.5 }, /add up to -1 or less/],
    [{ trace: 3, lambdaMax: -1 }, /needs an eigenvalue above λmax -1/],
    [{ trace: -3, lambdaMax: -1, negativeTrace: 4 }, /Σ max\(−λ, 0\) is 3, and it is 4/],
    [{ trace: 9, lambdaMax: 4, dimension: 2 }, /no trace of 9 comes of 2 eigenvalues up to λmax 4/],
    [{ trace: 3, lambdaMax: 4, dimension: 1 }, /one eigenvalue/],
    [{ trace: 8, lambdaMax: 4, negativeTrace: 4, dimension: 3 }, /take 4 eigenvalues, and the dimension is 3/],
    [
      { trace: 9, lambdaMax: 4, lambdaMin: 3, dimension: 4 },
      /no trace of 9 comes of 4 eigenvalues from λmin 3 up to λmax 4/,
    ],
    [{ trace: -3, lambdaMax: -2 }, /no trace of -3 comes of any number of eigenvalues up to λmax -2/],
    [{ trace: 6, lambdaMax: 4, lambdaMin: 4 }, /no trace of 6 comes of any number of eigenvalues/],
  ])('is refused by the calculators with what it is: %j', (curvature, message) => {
    const refusal = expect.objectContaining({
      code: 'ERR_ZEROTH_ARGUMENT',
      message: expect.stringMatching(message),
    });
    for (const ask of [stabilityBounds, stepSizeBounds, edgeOfStability])
      expect(() => ask(curvature, zoGD({ lr: 0.04 }))).toThrow(refusal);
  });

  it('may be in what was measured: its errors are all that is known of it', () => {
    const measured = { trace: 3, lambdaMax: 4, lambdaMin: -1, negativeTrace: 0.5 };
    for (const error of ['traceStdErr', 'negativeTraceStdErr', 'lambdaMaxResidual'])
      expect(edgeOfStability({ ...measured, [error]: 0 }, zoGD({ lr: 0.04 })).governs).toBe('trace');
  });
});
