/*
 * The ends of a list. `Math.max(...list)` passes each number as an argument, of which an engine takes some hundred thousand: a list whose
 * length a user decides is reduced instead.
 */

/** The least of some numbers; Infinity of none, NaN where one is. */
export function least(values: Iterable<number>): number {
  let end = Number.POSITIVE_INFINITY;
  for (const value of values) end = Math.min(end, value);
  return end;
}

/** The greatest of some numbers; −Infinity of none, NaN where one is. */
export function greatest(values: Iterable<number>): number {
  let end = Number.NEGATIVE_INFINITY;
  for (const value of values) end = Math.max(end, value);
  return end;
}
