/** How numbers and lists stand in a sentence. */

/** Three digits. */
export const brief = (value: number): string => String(Number(value.toPrecision(3)));

/** 1 step, 2 steps. */
export const stepsText = (count: number): string => `${count} ${count === 1 ? 'step' : 'steps'}`;

/** A, b or c. */
export function orList(words: readonly string[]): string {
  const last = words.at(-1) ?? '';
  return words.length > 1 ? `${words.slice(0, -1).join(', ')} or ${last}` : last;
}
