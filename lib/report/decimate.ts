/**
 * Chooses at most `maxPoints` of a long series for drawing, so that no spike is lost: the series is cut into equal bins of
 * positions and each bin keeps its first, least, greatest and last value. Short series are kept whole.
 *
 * @param values NaN and ±Infinity are gaps: a bin that has any keeps one, so that a drawn line breaks there.
 * @returns positions in `values`, ascending; the first and the last are always among them.
 */
export function decimate(values: ArrayLike<number>, maxPoints: number): number[] {
  const { length } = values;
  if (length <= maxPoints) return Array.from({ length }, (_, i) => i);
  const bins = Math.max(1, Math.floor(maxPoints / 5));
  const kept: number[] = [];
  for (let bin = 0; bin < bins; bin++) {
    const start = Math.floor((bin * length) / bins);
    const end = Math.floor(((bin + 1) * length) / bins);
    let least = -1;
    let greatest = -1;
    let gap = -1;
    for (let i = start; i < end; i++) {
      const value = values[i];
      if (!Number.isFinite(value)) gap = i;
      else {
        if (least < 0 || value < values[least]) least = i;
        if (greatest < 0 || value > values[greatest]) greatest = i;
      }
    }
    const chosen = new Set([start, end - 1, least, greatest, gap].filter((i) => i >= 0));
    kept.push(...[...chosen].sort((a, b) => a - b));
  }
  return kept;
}
