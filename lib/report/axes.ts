import type { ScaleOptions } from '@observablehq/plot';
import { greatest, least } from '../extremes.ts';
import { formatNumber } from './format.ts';

/** What an axis shows: its scale, and the least and the greatest value that are drawn. */
export interface Axis {
  readonly scale: ScaleOptions;
  readonly bottom: number;
  readonly top: number;
  readonly logarithmic: boolean;
}

/** Runs whose greatest values are farther apart than this share a logarithmic axis: on a linear one the lower of them would be flat. */
const FAR_APART = 5;

/** Ticks of a logarithmic axis. */
const MOST_TICKS = 10;

/** An axis for the values ≥ 0 of several runs, each given by all that is to be seen of it: from 0, or logarithmic where they are far apart. */
export function sharedAxis(runs: readonly (readonly number[])[]): Axis {
  const tops = runs.filter((values) => values.some(Number.isFinite)).map((values) => ceiling(values)[1]);
  const [lowest, top] = [least(tops), greatest(tops)];
  const positive = runs.flat().filter((value) => Number.isFinite(value) && value > 0 && value <= top);
  if (tops.length > 1 && lowest > 0 && top > FAR_APART * lowest && positive.length > 0) {
    // What is a thousandth of its run's size is a zero that noise has moved.
    return logAxis([...positive.filter((value) => value >= lowest / 1000), top]);
  }
  const [, all] = ceiling(runs.flat());
  return linearAxis(0, tops.length > 1 ? Math.max(all, top) : all);
}

export function linearAxis(bottom: number, top: number): Axis {
  return { scale: { domain: [bottom, top], tickFormat: tickFormat([bottom, top]) }, bottom, top, logarithmic: false };
}

/** A logarithmic axis from 1, 2 or 5 times a power of ten to another, with ticks there: they reach the data whatever its range. */
export function logAxis(values: readonly number[]): Axis {
  const [low, high] = [least(values), greatest(values)];
  const decades = Math.log10(high / low);
  const digits = decades > 3 ? [1] : [1, 2, 5];
  const every = Math.max(1, Math.ceil(decades / MOST_TICKS));
  const round = [];
  for (
    let power = every * (Math.floor(Math.log10(low) / every) - 1);
    power <= Math.ceil(Math.log10(high)) + every;
    power += every
  ) {
    round.push(...digits.map((digit) => Number(`${digit}e${power}`)));
  }
  const bottom = round.filter((value) => value <= low).at(-1) ?? low;
  const top = round.find((value) => value >= high) ?? high;
  const ticks = round.filter((value) => value >= bottom && value <= top);
  const scale = {
    type: 'log',
    domain: [bottom, top],
    nice: false,
    ticks: ticks as never,
    tickFormat: tickFormat([]),
  };
  return { scale: scale as ScaleOptions, bottom, top, logarithmic: true };
}

/** The axis of steps from 0 to `last`: only whole steps have ticks. */
export function stepAxis(last: number, most: number): ScaleOptions {
  const ticks = last <= most ? Array.from({ length: last + 1 }, (_, i) => i) : most;
  return { domain: [0, last], ticks: ticks as never, tickFormat: tickFormat([last]) };
}

/**
 * [0, top]: the greatest value and a little, but at most four times what nine tenths of them stay under: a diverging run must not flatten all
 * the others.
 */
export function ceiling(values: readonly number[]): [number, number] {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return [0, 1];
  const usual = sorted[Math.floor(0.9 * (sorted.length - 1))];
  const top = Math.min(sorted[sorted.length - 1], 4 * usual);
  return top > 0 ? [0, 1.1 * top] : [0, Math.max(1, sorted[sorted.length - 1])];
}

/** Tick labels narrow enough for the margin: thousands grouped, powers of ten where an axis of these values, or without them a tick, goes far beyond. */
function tickFormat(values: readonly number[]): (value: number) => string {
  const size = greatest(values.map(Math.abs));
  const isPlain = (value: number) => value < 1e6 && value >= 1e-3;
  return (value) => {
    if (value === 0) return '0';
    if (isPlain(values.length > 0 ? size : Math.abs(value)) && Math.abs(value) >= 1e-4) return formatNumber(value);
    return value.toExponential(3).replace(/\.?0*e\+?/, 'e');
  };
}
