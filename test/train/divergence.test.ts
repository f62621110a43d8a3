import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Divergence } from '../../lib/train/divergence.ts';

/** Whether a run is found to have diverged, which has stayed near where it began, or has not. */
function hasDiverged(divergence: Divergence, loss: number, near = true): boolean {
  const found = divergence.look(loss);
  if (found !== 'perhaps') return found;
  if (near) divergence.forgetFirst();
  return !near;
}

/** The step, from 0, at which a run with these losses is found to have diverged; -1 where it is not. */
function divergedAt(losses: readonly number[], limit = 1000, near = true): number {
  const divergence = new Divergence(limit);
  return losses.findIndex((loss) => hasDiverged(divergence, loss, near));
}

const series = (length: number, at: (i: number) => number) => Array.from({ length }, (_, i) => at(i));
const anyLosses = fc.array(fc.double({ min: -1e12, max: 1e12, noNaN: true }), { maxLength: 80 });

describe('a divergence', () => {
  it.each<[string, number[]]>([
    ['a loss that starts at 0 and falls to −1', series(400, (i) => -i / 400)],
    ['a negative loss that falls without end', series(400, (i) => -1 - i * 1e6)],
    ['a loss that never moves', series(400, () => 0.7)],
    ['a loss that is 0', series(400, () => 0)],
    ['a loss that is −0 and then 0', series(400, (i) => (i < 200 ? -0 : 0))],
    [
      'one that starts at 0 for long, then moves at its own scale',
      series(400, (i) => (i < 100 ? 0 : 0.5 + Math.sin(i))),
    ],
    [
      'one that starts at its optimum and is then lifted by the noise of steps',
      series(400, (i) => (i < 2 ? 1e-14 : 1e-3)),
    ],
    ['a catapult to a hundred times the first losses', series(400, (i) => (i > 200 && i < 260 ? 100 : 1 / (1 + i)))],
    ['a batch with an outlier, now and then', series(400, (i) => (i % 50 === 49 ? 1e9 : 1))],
    ['a batch with an outlier, now and then, from the second on', series(400, (i) => (i % 9 === 1 ? 1e9 : 1))],
    ['batches of two kinds', series(400, (i) => (i % 3 === 1 || i % 5 === 1 || i % 7 > 2 ? 1e4 : 1))],
    [
      'batches of two kinds in turn, then one kind in a row',
      series(400, (i) => (i < 40 ? (i % 2 === 0 ? 1 : 1e4) : i < 200 ? 1 : 1e4)),
    ],
    ['a loss that returns to half of where it began', series(400, (i) => (i < 1 ? 1e8 : i < 50 ? 1 : 5e7))],
    ['batches of which most have no loss', series(400, (i) => (i % 7 === 3 ? 500 : 0))],
    ['a loss that returns from below to where it was', series(400, (i) => Math.cos(i / 50) - 1)],
  ])('is not %s', (_, losses) => {
    expect(divergedAt(losses)).toBe(-1);
  });

  it.each<[string, number[], number]>([
    ['exponential growth from the first step', series(100, (i) => 0.5 * 9 ** i), 13],
    ['slow exponential growth', series(100, (i) => 1.5 ** i), 45],
    ['a jump after a long quiet', series(100, (i) => (i < 60 ? 1 : 2000)), 68],
    ['a jump of a loss that had fallen below 0', series(100, (i) => (i < 60 ? -i / 10 : 5000)), 68],
    ['growth from a negative loss', series(100, (i) => -1 + 1e-3 * 2 ** i), 45],
    ['growth after many steps at exactly 0', series(120, (i) => (i < 60 ? 0 : 3 ** (i - 60))), 90],
    ['growth from exactly 0', series(100, (i) => (i < 5 ? 0 : 3 ** (i - 5))), 30],
    ...[1, 2, 3, 4, 5, 8, 15].flatMap((at) =>
      [2e3, 1e8].map((high): [string, number[], number] => [
        `a jump at step ${at} to ${high} times the loss, which stays there`,
        series(100, (i) => (i < at ? 1 : high)),
        at + 7,
      ]),
    ),
    ['a jump at step 9 to what is beyond all rounding', series(100, (i) => (i < 9 ? 1 : 1e15)), 16],
    ['a jump of a negative loss at step 1', series(100, (i) => (i < 1 ? -1 : 1e5)), 8],
    ['a jump after a spike', series(100, (i) => (i === 1 ? 1e4 : i < 40 ? 1 : 1e5)), 47],
    [
      'a jump after two spikes in the first steps',
      series(100, (i) => ([1, 4].includes(i) ? 1e6 : i < 40 ? 1 : 2e3)),
      47,
    ],
    ['a jump soon after a spike', series(100, (i) => (i === 1 ? 1e4 : i < 6 ? 1 : 1e8)), 13],
  ])('is %s', (_, losses, latest) => {
    const step = divergedAt(losses);
    expect(step).toBeGreaterThan(0);
    expect(step).toBeLessThanOrEqual(latest);
  });

  it.each([1, 2, 5, 7])('is a jump at step %d beyond all rounding of a run that has left where it began', (at) => {
    for (const high of [2 ** 32 + 2, 1e15, 1e300]) {
      const losses = series(100, (i) => (i < at ? 1 : high));
      expect(divergedAt(losses, 1000, false)).toBe(at + 7);
      expect(divergedAt(losses, 1000, true)).toBe(-1);
    }
  });

  it('is found at the same step whatever the unit of the loss', () => {
    const unit = fc.integer({ min: -900, max: 800 }).map((exponent) => 2 ** exponent);
    fc.assert(
      fc.property(anyLosses, fc.integer({ min: 1, max: 30 }), unit, (losses, limit, scale) => {
        const clean = losses.map((loss) => (Math.abs(loss) < 1e-20 ? 0 : loss));
        expect(
          divergedAt(
            clean.map((loss) => loss * scale),
            limit,
          ),
        ).toBe(divergedAt(clean, limit));
      }),
    );
  });

  it('is never a loss that stays below its first ones', () => {
    fc.assert(
      fc.property(anyLosses, (losses) => {
        const falling = losses.toSorted((a, b) => b - a);
        expect(divergedAt(falling, 1)).toBe(-1);
      }),
    );
  });

  it('that is not found leaves a last loss far above the first one, which the end may say', () => {
    const lifted = new Divergence(1000);
    for (const loss of [0, 1e-14, 1e-14, ...series(50, () => 1e-3)]) hasDiverged(lifted, loss);
    expect(lifted.usualBelow(1e-3)).toBe(1e-14);
    expect(lifted.usualBelow(1e-12)).toBeUndefined();
    const rising = new Divergence(1000);
    for (const loss of [3, 1, 1, 1, 1e6]) rising.look(loss);
    expect(rising.usualBelow(1e6)).toBe(2);
    const negative = new Divergence(1000);
    for (const loss of [-1, -5]) negative.look(loss);
    expect(negative.usualBelow(-5)).toBeUndefined();
    expect(negative.usualBelow(1e4)).toBe(-1);
    expect(new Divergence(Number.POSITIVE_INFINITY, { ...lifted.state }).usualBelow(1e-3)).toBeUndefined();
  });

  it('is not looked for with a limit of Infinity, and found earlier with a smaller one', () => {
    const growth = series(300, (i) => 2 ** i);
    expect(divergedAt(growth, Number.POSITIVE_INFINITY)).toBe(-1);
    expect(divergedAt(growth, 10)).toBeLessThan(divergedAt(growth, 1000));
  });

  it('is found by a run that was stopped and resumed at any step exactly where it would have been', () => {
    fc.assert(
      fc.property(anyLosses, fc.nat(79), fc.integer({ min: 1, max: 5 }), (losses, cut, limit) => {
        const first = new Divergence(limit);
        const before = losses.slice(0, cut).findIndex((loss) => hasDiverged(first, loss));
        if (before >= 0) return expect(before).toBe(divergedAt(losses, limit));
        const second = new Divergence(limit, JSON.parse(JSON.stringify(first.state)));
        const after = losses.slice(cut).findIndex((loss) => hasDiverged(second, loss));
        expect(after < 0 ? -1 : after + cut).toBe(divergedAt(losses, limit));
      }),
    );
  });
});
