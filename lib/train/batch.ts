import { PhiloxStream } from '../random/philox.ts';
import { type RunPlace, runStream } from '../random/run-streams.ts';

/** Whether each step sees all examples: a batch of all of them is drawn without replacement. */
export const isFullBatch = (batch: number | 'full', examples: number): boolean => batch === 'full' || batch >= examples;

/** The mini-batch of a step: `count` distinct examples of `n`, by a partial Fisher–Yates shuffle from the step's own stream. */
export function sampleExamples(n: number, count: number, seed: bigint, place: RunPlace): Uint32Array {
  const random = new PhiloxStream(seed, runStream('batch', place));
  const rows = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = 0; i < count; i++) {
    const j = i + random.below(n - i);
    [rows[i], rows[j]] = [rows[j], rows[i]];
  }
  return rows.slice(0, count);
}
