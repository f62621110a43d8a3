import { InvalidArgumentError } from 'commander';
import { isWithin, MAX_F32, type NumberRange, rangeText } from '../errors.ts';

/** What the device, which computes in f32, can take. */
export const STEP_SIZE: NumberRange = { above: 0, max: MAX_F32 };

/** One stretch of a step-size schedule: `lr` holds from `step` on. */
export interface SchedulePiece {
  readonly step: number;
  readonly lr: number;
}

/** A parser for an option that is a number within a range. */
export function numberWithin(range: NumberRange = {}): (text: string) => number {
  return (text) => {
    const value = plainNumber(text);
    if (!isWithin(value, range)) throw new InvalidArgumentError(`Expected a number${rangeText(range)}.`);
    return value;
  };
}

/** A parser for an option that is an integer from `min` to `max`. */
export function integerWithin(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const expected = max === Number.MAX_SAFE_INTEGER ? `≥ ${min}` : `from ${min} to ${max}`;
  return (text) => {
    const value = plainNumber(text);
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`Expected an integer ${expected}.`);
    }
    return value;
  };
}

/** Steps between measurements, or when there are any. */
export function monitorInterval(text: string): number | 'auto' | 'off' {
  if (text === 'auto' || text === 'off') return text;
  const value = plainNumber(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('Expected "auto", "off" or an integer ≥ 1.');
  }
  return value;
}

/** `full`, or the number of examples of a mini-batch. */
export function batchSize(text: string): number | 'full' {
  if (text === 'full') return 'full';
  const value = plainNumber(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('Expected "full" or an integer ≥ 1.');
  return value;
}

/** A run's seed: an integer of 64 bits, kept as text because a JavaScript number cannot hold it. */
export function seed(text: string): string {
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 1n << 64n) {
    throw new InvalidArgumentError('Expected an integer from 0 to 18446744073709551615.');
  }
  return String(BigInt(text));
}

/** `0.05`, or `0:0.03,2000:0.05`: from step 0 on 0.03, from step 2000 on 0.05. */
export function learningRate(text: string): readonly SchedulePiece[] {
  if (!text.includes(':')) return [{ step: 0, lr: numberWithin(STEP_SIZE)(text) }];
  const pieces = text.split(',').map((piece) => {
    const parts = piece.split(':');
    const step = plainNumber(parts[0]);
    const lr = plainNumber(parts[1] ?? '');
    if (parts.length !== 2 || !Number.isSafeInteger(step) || step < 0 || !isWithin(lr, STEP_SIZE)) {
      throw new InvalidArgumentError(`"${piece}" is not step:rate, as in 0:0.03,2000:0.05 (steps ≥ 0, rates > 0).`);
    }
    return { step, lr };
  });
  if (pieces[0].step !== 0) throw new InvalidArgumentError('A schedule starts at step 0, as in 0:0.03,2000:0.05.');
  if (pieces.some(({ step }, i) => i > 0 && step <= pieces[i - 1].step)) {
    throw new InvalidArgumentError('The steps of a schedule must increase.');
  }
  return pieces;
}

/** The text that `learningRate` reads back. */
export function learningRateText(pieces: readonly SchedulePiece[]): string {
  return pieces.length === 1 ? String(pieces[0].lr) : pieces.map(({ step, lr }) => `${step}:${lr}`).join(',');
}

/** Decimal notation only: `Number` would also take '', ' 1', '0x10' and 'Infinity'. */
function plainNumber(text: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
}
