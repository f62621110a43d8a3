import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stream } from '../../lib/random/direction.ts';
import {
  MAX_RUNS,
  MAX_STEPS,
  MAX_VECTORS,
  type RunPlace,
  type RunPurpose,
  runStream,
  stepDirections,
} from '../../lib/random/run-streams.ts';

const edged = (max: number) => fc.oneof(fc.nat(max - 1), fc.constantFrom(0, 1, 2, max - 2, max - 1));
const purposes: RunPurpose[] = ['step', 'probe', 'lanczos', 'batch'];
const place = fc.record({
  purpose: fc.constantFrom(...purposes),
  run: edged(MAX_RUNS),
  step: edged(MAX_STEPS),
  index: edged(MAX_VECTORS),
});
const streamOf = ({ purpose, run, step, index }: RunPlace & { purpose: RunPurpose }) =>
  runStream(purpose, { run, step, index: purpose === 'batch' ? 0 : index });

describe('the streams of runs', () => {
  it('differ where the purpose, the run, the step or the index differ, and only there', () => {
    fc.assert(
      fc.property(place, place, fc.constantFrom(...purposes), (a, b, purpose) => {
        // Pairs that differ in one thing alone, and pairs that differ in all.
        const pairs = [b, { ...a, purpose }, { ...a, run: b.run }, { ...a, step: b.step }, { ...a, index: b.index }];
        for (const other of pairs) {
          const batches = a.purpose === 'batch' && other.purpose === 'batch';
          const same =
            a.purpose === other.purpose &&
            a.run === other.run &&
            a.step === other.step &&
            (batches || a.index === other.index);
          expect(streamOf(a) === streamOf(other)).toBe(same);
        }
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  it('are none of those of data and initialisations, and fit into 64 bits', () => {
    fc.assert(
      fc.property(place, fc.constantFrom('data', 'initialisation'), fc.bigInt(0n, (1n << 56n) - 1n), (a, other, i) => {
        expect(streamOf(a)).not.toBe(stream(other, i));
        expect(streamOf(a) >> 56n).toBe(stream(a.purpose, 0) >> 56n);
      }),
      { seed: 2 },
    );
  });

  it('of the first run are purpose · 2^56 + step · 2^16 + index, and step alone for batches', () => {
    expect(runStream('step', { run: 0, step: 3, index: 5 })).toBe(stream('step', 3 * 65536 + 5));
    expect(runStream('probe', { run: 0, step: 3, index: 5 })).toBe(stream('probe', 3 * 65536 + 5));
    expect(runStream('batch', { run: 0, step: 3 })).toBe(stream('batch', 3));
  });

  it.each<[string, RunPurpose, RunPlace]>([
    ['run', 'step', { run: MAX_RUNS, step: 0 }],
    ['run', 'batch', { run: -1, step: 0 }],
    ['run', 'probe', { run: 0.5, step: 0 }],
    ['step', 'step', { run: 0, step: MAX_STEPS }],
    ['step', 'batch', { run: 0, step: MAX_STEPS }],
    ['step', 'lanczos', { run: 0, step: Number.NaN }],
    ['index of a step vector', 'step', { run: 0, step: 0, index: MAX_VECTORS }],
    ['index of a probe vector', 'probe', { run: 0, step: 0, index: -1 }],
    ['index of a batch vector', 'batch', { run: 0, step: 0, index: 1 }],
  ])('end where a %s is out of range', (name, purpose, at) => {
    const refused = {
      code: 'ERR_ZEROTH_ARGUMENT',
      message: expect.stringContaining(`${name}: expected an integer from 0`),
    };
    expect(() => runStream(purpose, at)).toThrow(expect.objectContaining(refused));
  });

  it('give a step 2^16 directions, and none beyond', () => {
    const directions = stepDirections(7n, 2, 9);
    expect(directions(65535)).toEqual({
      distribution: 'normal',
      seed: 7n,
      stream: runStream('step', { run: 2, step: 9, index: 65535 }),
    });
    for (const index of [65536, -1, 0.5, Number.NaN, 2 ** 40])
      expect(() => directions(index)).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
  });

  it('give a step those of earlier ones again, and none of later ones', () => {
    const directions = stepDirections(7n, 2, 9);
    for (const then of [0, 8, 9]) expect(directions(3, then)).toEqual(stepDirections(7n, 2, then)(3));
    for (const then of [10, -1, 0.5, Number.NaN])
      expect(() => directions(3, then)).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
  });
});
