import { shown } from '../errors.ts';

/** What was read from a file, as far as it is a record at all. */
type Unknowns = Record<string, unknown>;

export const isRecord = (value: unknown): value is Unknowns =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @throws Error, which says what is wrong, for what is no record. */
export function recordOf(name: string, value: unknown): Unknowns {
  if (isRecord(value)) return value;
  throw new Error(`${name} ${shown(value)}`);
}
