import * as Plot from '@observablehq/plot';
import type { SvgNode } from './dom.ts';
import { draw, limitLines, limitName, measured, monitorsOf, type PlotFrame, tip } from './drawing.ts';
import { formatNumber as short } from './format.ts';
import type { PlotRun } from './plot-data.ts';
import { lambdaMaxAxis, lossAxis, noiseOf, ratioAxis, squaredNormAxis, traceAxis } from './run-axes.ts';

/** Each run's curvature against its own limit, on one axis. */
export function drawRatio(runs: readonly PlotRun[], frame: PlotFrame): SvgNode {
  const points = monitorsOf(runs);
  const bounded = points.filter(({ ratioMax }) => ratioMax !== undefined);
  const axis = ratioAxis(runs);
  return draw(runs, frame, {
    legend: [
      ...runs.map((_, i) => ({ kind: 'point', series: i }) as const),
      { kind: 'dashed', text: '1: the edge of stability' },
    ],
    yLabel: 'curvature ÷ its limit',
    axis,
    marks: [
      Plot.areaY(bounded, {
        x: 'step',
        y1: 'ratio',
        y2: 'ratioMax',
        z: 'run',
        fill: 'run',
        fillOpacity: 0.16,
        clip: true,
      }),
      Plot.ruleY([1], { stroke: frame.theme.muted, strokeDasharray: '6 4', strokeWidth: 1.8 }),
      ...measured(points, 'ratio', axis, frame, ({ ratioStdErr }) => 2 * ratioStdErr),
      ...tip(points, 'ratio', frame, ({ ratio, ratioStdErr, ratioMax, verdict }) =>
        ratioMax === undefined
          ? `${short(ratio)} ± ${short(2 * ratioStdErr)} of the limit: ${verdict}`
          : `${short(ratio)} to ${short(ratioMax)} of the limit: ${verdict}`,
      ),
    ],
  });
}

/** Loss against step, on a logarithmic axis where every loss is positive. */
export function drawLoss(runs: readonly PlotRun[], frame: PlotFrame): SvgNode {
  const points = runs.flatMap((run) =>
    run.loss.map(([step, loss]) => ({ step, loss: loss ?? Number.NaN, run: run.label })),
  );
  const finite = points.filter(({ loss }) => Number.isFinite(loss));
  const axis = lossAxis(runs);
  const options = {
    x: 'step',
    y: 'loss',
    stroke: 'run',
    strokeWidth: 1.3,
    strokeLinejoin: 'round',
    clip: true,
  } as const;
  return draw(runs, frame, {
    legend: runs.map((_, i) => ({ kind: 'line', series: i })),
    yLabel: axis.logarithmic ? 'loss, logarithmic' : 'loss',
    axis,
    marks: [
      Plot.line(points, { ...options, z: 'run' }),
      // A run that is one point, or whose neighbours are not finite, has no line to show.
      Plot.dot(finite.length <= runs.length * 2 ? finite : [], { x: 'step', y: 'loss', fill: 'run', r: 3 }),
      ...(frame.interactive
        ? [
            Plot.tip(
              finite,
              Plot.pointerX({
                x: 'step',
                y: 'loss',
                stroke: 'run',
                title: (d) => `${d.run}\nstep ${d.step}\nloss ${short(d.loss)}`,
              }),
            ),
          ]
        : []),
    ],
  });
}

/** tr₊ with its standard error; for the runs that it governs against the band [lower, upper] and the limit. */
export function drawTrace(runs: readonly PlotRun[], frame: PlotFrame, name: string): SvgNode {
  const points = monitorsOf(runs);
  const governed = runs.filter(({ governs }) => governs === 'trace');
  const banded = monitorsOf(governed);
  const axis = traceAxis(runs);
  const limits = governed.flatMap(({ limit }) => limit.map(([, value]) => value));
  const isSeen = limits.length === 0 || limits.some((value) => value <= axis.top);
  return draw(runs, frame, {
    legend: [
      ...runs.map((_, i) => ({ kind: 'point', series: i }) as const),
      ...(governed.length > 0
        ? ([
            { kind: 'band', text: 'band' },
            { kind: 'dashed', text: `${limitName(governed)}${isSeen ? '' : ' (above the plot)'}` },
          ] as const)
        : []),
    ],
    yLabel: `${name} ± 2 standard errors${axis.logarithmic ? ', logarithmic' : ''}`,
    axis,
    marks: [
      Plot.areaY(banded, {
        x: 'step',
        y1: ({ lower }) => Math.max(axis.bottom, lower),
        y2: 'upper',
        z: 'run',
        fill: 'run',
        fillOpacity: 0.16,
        clip: true,
      }),
      ...limitLines(governed, axis, frame),
      ...measured(points, 'positiveTrace', axis, frame, ({ positiveTraceStdErr }) => 2 * positiveTraceStdErr),
      ...tip(points, 'positiveTrace', frame, (d) => {
        const all = name.replace('₊', '');
        const known = `${name} ${short(d.positiveTrace)} ± ${short(2 * d.positiveTraceStdErr)}\n${all} ${short(d.trace)} ± ${short(2 * d.traceStdErr)}`;
        if (!banded.some(({ run }) => run === d.run)) return known;
        return `${known}\nband ${short(d.lower)} … ${short(d.upper)}\nlimit ${short(d.limit)}`;
      }),
    ],
  });
}

/** The largest eigenvalue with its residual; for first-order runs with the value that it must not pass. */
export function drawLambdaMax(runs: readonly PlotRun[], frame: PlotFrame, name: string): SvgNode {
  const points = monitorsOf(runs);
  const governed = runs.filter(({ governs }) => governs === 'lambdaMax');
  const { axis, near } = lambdaMaxAxis(runs);
  return draw(runs, frame, {
    legend: [
      ...runs.map((_, i) => ({ kind: 'point', series: i }) as const),
      ...(near.length > 0 ? [{ kind: 'dashed', text: `first-order ${limitName(governed)}` } as const] : []),
    ],
    yLabel: `${name} ± residual${axis.logarithmic ? ', logarithmic' : ''}`,
    axis,
    marks: [
      ...limitLines(governed, axis, frame),
      ...measured(points, 'lambdaMax', axis, frame, ({ lambdaMaxResidual }) => lambdaMaxResidual),
      ...tip(
        points,
        'lambdaMax',
        frame,
        (d) => `${name} ${short(d.lambdaMax)}\nresidual ${short(d.lambdaMaxResidual)}`,
      ),
    ],
  });
}

/** ‖θ‖² beside what noise alone would have made of it. */
export function drawSquaredNorm(runs: readonly PlotRun[], frame: PlotFrame): SvgNode {
  const points = monitorsOf(runs).filter(({ squaredNorm }) => squaredNorm > 0);
  const noise = noiseOf(runs);
  const axis = squaredNormAxis(runs);
  return draw(runs, frame, {
    legend: [
      ...runs.map((_, i) => ({ kind: 'point', series: i }) as const),
      ...(noise.length > 0 ? [{ kind: 'dashed', text: 'start + noise' } as const] : []),
    ],
    yLabel: axis.logarithmic ? '‖θ‖², logarithmic' : '‖θ‖²',
    axis,
    marks: [
      Plot.lineY(noise, {
        x: 'step',
        y: 'value',
        z: 'run',
        stroke: 'run',
        strokeDasharray: '6 4',
        strokeWidth: 1.3,
        clip: true,
      }),
      ...measured(points, 'squaredNorm', axis, frame),
      ...tip(points, 'squaredNorm', frame, ({ squaredNorm, diffusion }) =>
        [`‖θ‖² ${short(squaredNorm)}`, ...(diffusion === null ? [] : [`noise has added ${short(diffusion)}`])].join(
          '\n',
        ),
      ),
    ],
  });
}
