import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode } from '../../../lib/graph/plan/decode.ts';
import { encode } from '../../../lib/graph/plan/encode.ts';
import { randomGraph } from './random.ts';
import { expectFaithful, planOf } from './support.ts';

describe('random graphs', () => {
  const cases = fc.record({ seed: fc.nat(), steps: fc.integer({ min: 1, max: 40 }) });

  it('compute what the reference says', () => {
    fc.assert(
      fc.property(cases, ({ seed, steps }) => {
        expectFaithful(randomGraph(seed, steps));
      }),
      { seed: 7, numRuns: 400 },
    );
  });

  it('survive encoding and decoding, and give the same bytes again', () => {
    fc.assert(
      fc.property(cases, ({ seed, steps }) => {
        const made = planOf(randomGraph(seed, steps));
        const program = decode(made.bytes);
        expect(program.instructions).toEqual(made.instructions);
        expect(program.arenaBytes).toBe(made.arenaBytes);
        expect(encode(program)).toEqual(made.bytes);
        expect(planOf(randomGraph(seed, steps)).bytes).toEqual(made.bytes);
      }),
      { seed: 8, numRuns: 60 },
    );
  });
});
