import { greatest, least } from '../extremes.ts';
import { type Axis, ceiling, linearAxis, logAxis, sharedAxis } from './axes.ts';
import { monitorsOf } from './drawing.ts';
import type { PlotRun } from './plot-data.ts';

/** The axes of a report's plots, chosen by the runs that are on them; and what of the runs lies above. */

export function ratioAxis(runs: readonly PlotRun[]): Axis {
  const points = monitorsOf(runs);
  const [, most] = ceiling(points.map(({ ratio, ratioStdErr }) => ratio + 2 * ratioStdErr));
  const bounds = points.map(({ ratioMax }) => ratioMax ?? 0);
  const axis = linearAxis(0, Math.max(1.25, most, Math.min(2, greatest([0, ...bounds]))));
  return { ...axis, scale: { ...axis.scale, nice: axis.top > 1.25 } };
}

export function isRatioClipped(runs: readonly PlotRun[]): boolean {
  const { top } = ratioAxis(runs);
  return monitorsOf(runs).some(({ ratio, ratioMax = ratio }) => ratioMax > top);
}

/** From the least to the greatest of these values; a little around them where they are one. */
function spanOf(values: readonly number[]): Axis {
  if (values.length === 0) return linearAxis(0, 1);
  const [low, high] = [least(values), greatest(values)];
  const around = low < high ? 0 : 0.5 * (Math.abs(high) || 1);
  return linearAxis(low - around, high + around);
}

/** Logarithmic where every loss is positive, up to where losses belong to a run that diverged. */
export function lossAxis(runs: readonly PlotRun[]): Axis {
  const finite = runs.flatMap(({ loss }) => loss.flatMap(([, value]) => value ?? []));
  if (finite.length === 0 || !finite.every((value) => value > 0)) return spanOf(finite);
  const top = lossCeiling(runs);
  return logAxis(finite.filter((value) => value <= top));
}

/** Losses far above where any run began belong to one that diverged: they would flatten all that is worth seeing. */
function lossCeiling(runs: readonly PlotRun[]): number {
  const starts = runs.flatMap(({ loss }) => loss.find(([, value]) => value !== null)?.[1] ?? []);
  return starts.length > 0 && starts.every((value) => value > 0) ? 10 * greatest(starts) : Number.POSITIVE_INFINITY;
}

/** Each run with its band, and as much of its limit as comes near. */
export function traceAxis(runs: readonly PlotRun[]): Axis {
  return sharedAxis(
    runs.map(({ governs, limit, smoothLimit, monitors }) => {
      const values = monitors.map(({ positiveTrace, positiveTraceStdErr }) => positiveTrace + 2 * positiveTraceStdErr);
      if (governs !== 'trace') return values;
      const seen = [...values, ...monitors.map(({ upper }) => upper)];
      const lowest = least(limit.map(([, value]) => value));
      // A smooth schedule's limit may go anywhere, to infinity where η goes to 0.
      const near = (smoothLimit ? 1.5 : 4) * ceiling([...seen, lowest])[1];
      return [...seen, ...limit.map(([, value]) => value).filter((value) => value <= Math.max(lowest, near))];
    }),
  );
}

export function isTraceClipped(runs: readonly PlotRun[]): boolean {
  const { top } = traceAxis(runs);
  return runs.some(({ governs, limit, monitors }) => {
    const seen = monitors.map(({ positiveTrace, upper }) =>
      governs === 'trace' ? Math.max(positiveTrace, upper) : positiveTrace,
    );
    return [...seen, ...(governs === 'trace' ? limit.map(([, value]) => value) : [])].some((value) => value > top);
  });
}

/** An axis for λmax, and what of the limits is near enough to be on it: one far above all that was measured would flatten it. */
export function lambdaMaxAxis(runs: readonly PlotRun[]): { axis: Axis; near: readonly number[] } {
  const values = (run: PlotRun) =>
    run.monitors.map(({ lambdaMax, lambdaMaxResidual }) => lambdaMax + lambdaMaxResidual);
  const near = (run: PlotRun) => {
    const most = 4 * ceiling(values(run))[1];
    const limits = run.governs === 'lambdaMax' ? run.limit.map(([, value]) => value) : [];
    return limits.filter((value) => value <= most);
  };
  const axis = sharedAxis(runs.map((run) => [...values(run), ...near(run)]));
  const measured = monitorsOf(runs).map(({ lambdaMax }) => lambdaMax);
  const bottom = Math.min(0, least(measured.filter(Number.isFinite)));
  return { axis: axis.logarithmic || bottom === 0 ? axis : linearAxis(bottom, axis.top), near: runs.flatMap(near) };
}

export function isLambdaMaxClipped(runs: readonly PlotRun[]): boolean {
  const { top } = lambdaMaxAxis(runs).axis;
  return monitorsOf(runs).some(({ lambdaMax }) => lambdaMax > top);
}

/** ‖θ‖² as noise alone would have made it, where that is known. */
export function noiseOf(runs: readonly PlotRun[]): { step: number; value: number; run: string }[] {
  return runs.flatMap(({ label, startNorm, monitors }) =>
    monitors.flatMap(({ step, diffusion }) =>
      diffusion === null ? [] : [{ step, value: startNorm + diffusion, run: label }],
    ),
  );
}

export function squaredNormAxis(runs: readonly PlotRun[]): Axis {
  const values = [
    ...monitorsOf(runs).map(({ squaredNorm }) => squaredNorm),
    ...noiseOf(runs).map(({ value }) => value),
  ];
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  if (greatest(positive) > 30 * least(positive)) return logAxis(positive);
  return linearAxis(0, ceiling(positive)[1]);
}

export function isSquaredNormClipped(runs: readonly PlotRun[]): boolean {
  const { top } = squaredNormAxis(runs);
  return monitorsOf(runs).some(({ squaredNorm }) => squaredNorm > top);
}

export function isLossClipped(runs: readonly PlotRun[]): boolean {
  const top = lossCeiling(runs);
  return runs.some(({ loss }) => loss.some(([, value]) => value !== null && value > top));
}
