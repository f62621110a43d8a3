import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { CommandList } from '../../lib/device/commands.ts';
import { openDevice } from '../../lib/device/device.ts';
import { fillDirection } from '../../lib/random/host-direction.ts';
import { type Segment, Space } from '../../lib/random/space.ts';

const devices = [1, 2, 3].map((threads) => openDevice({ threads }));
afterAll(() => Promise.all(devices.map((one) => one.dispose())));

const LENGTH = 5000;

/** Segments in order, with gaps and without, scaled and masked or not. */
const segments: fc.Arbitrary<Segment[]> = fc
  .array(
    fc.record({
      gap: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 900 })),
      count: fc.integer({ min: 1, max: 1500 }),
      scale: fc.oneof(
        fc.constant(1),
        fc.double({ min: -3, max: 3, noNaN: true }).filter((x) => Math.abs(x) > 1e-3),
      ),
      density: fc.option(fc.double({ min: 0.01, max: 1, noNaN: true })),
      seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((parts) => {
    let at = 0;
    return parts.flatMap(({ gap, count, scale, density, seed }) => {
      const offset = at + gap;
      if (offset >= LENGTH) return [];
      const kept = Math.min(count, LENGTH - offset);
      at = offset + kept;
      const mask = density === null ? {} : { mask: { density, seed, stream: seed ^ 5n } };
      return [{ offset, count: kept, scale: Math.fround(scale), ...mask }];
    });
  })
  .filter((all) => all.some(({ count, mask }) => !mask || count > 500));

const scales = (space: Space) => Array.from({ length: space.length }, (_, e) => space.scaleAt(e));

describe('a space', () => {
  it('has as many elements as its definition says, and the same ones unscaled', () => {
    fc.assert(
      fc.property(segments, (given) => {
        const space = new Space(LENGTH, given);
        const all = scales(space);
        expect(space.dimension).toBe(all.filter((scale) => scale !== 0).length);
        expect(space.squaredScale).toBeCloseTo(
          all.reduce((sum, scale) => sum + scale ** 2, 0),
          6,
        );
        expect(scales(space.unscaled)).toEqual(all.map((scale) => (scale === 0 ? 0 : 1)));
        expect(space.isWhole).toBe(false);
      }),
      { seed: 1, numRuns: 15 },
    );
  });

  it('makes of directions what its definition says, to the bit, on devices and in arrays', async () => {
    await fc.assert(
      fc.asyncProperty(
        segments,
        fc.constantFrom('rademacher' as const, 'uniform' as const),
        fc.constantFrom(...devices),
        async (given, distribution, device) => {
          const space = new Space(LENGTH, given);
          const direction = { distribution, seed: 7n, stream: 9n };
          const whole = new Float32Array(LENGTH);
          fillDirection(whole, direction);
          const expected = whole.map((z, e) => (space.scaleAt(e) === 0 ? 0 : z * space.scaleAt(e)));
          const inArray = new Float32Array(LENGTH);
          fillDirection(inArray, { ...direction, space });
          expect(inArray).toEqual(expected);
          // By a fill, in two pieces, and by a pass; a second space in the same job is another.
          const other = new Space(LENGTH, [{ offset: 3, count: 1 }]);
          const [filled, passed] = [device.allocate(4 * LENGTH), device.allocate(4 * LENGTH)];
          const list = new CommandList()
            .fill(filled, 0, { ...direction, space: other }, 0, 10)
            .fill(filled, 0, { ...direction, space }, 0, 1234)
            .fill(filled, 4 * 1234, { ...direction, space }, 1234, LENGTH - 1234)
            .pass(passed, passed, LENGTH, [
              { kind: 'add', terms: [{ direction: { ...direction, space }, coefficient: 1 }] },
            ]);
          await device.submit(list);
          expect(await filled.readF32()).toEqual(expected);
          expect(await passed.readF32()).toEqual(expected);
          filled.dispose();
          passed.dispose();
        },
      ),
      { seed: 2, numRuns: 25 },
    );
  });

  it('is whole where it has everything, as it is', () => {
    expect(new Space(10, [{ offset: 0, count: 10 }]).isWhole).toBe(true);
    const mask = { density: 1, seed: 0n, stream: 0n };
    for (const other of [
      { offset: 0, count: 9 },
      { offset: 0, count: 10, scale: 2 },
      { offset: 0, count: 10, mask },
    ])
      expect(new Space(10, [other]).isWhole).toBe(false);
  });

  it('refuses segments that overlap, leave the vector, move nothing or too much, and masks that keep nothing', () => {
    const mask = (density: number) => ({ density, seed: 0n, stream: 0n });
    const bad: Segment[][] = [
      [],
      [{ offset: 0, count: 0 }],
      [{ offset: 5, count: 6 }],
      [{ offset: 10, count: 1 }],
      [{ offset: -1, count: 2 }],
      [{ offset: 0.5, count: 1 }],
      [
        { offset: 0, count: 3 },
        { offset: 2, count: 1 },
      ],
      ...[0, Number.NaN, 1e39].map((scale) => [{ offset: 0, count: 10, scale }]),
      ...[0, 1e-12, 1.5, -1, Number.NaN].map((density) => [{ offset: 0, count: 10, mask: mask(density) }]),
      // One element, which a mask of 1 in 2³¹ does not keep.
      [{ offset: 0, count: 1, mask: mask(2 ** -31) }],
    ];
    for (const segments of bad)
      expect(() => new Space(10, segments), JSON.stringify(segments.map(({ offset }) => offset))).toThrow(
        expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }),
      );
  });
});
