import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { runLabels } from '../../lib/report/labels.ts';
import { plotRuns } from '../../lib/report/plot-data.ts';
import { plots, plotsOf } from '../../lib/report/plots.ts';
import { stepSizeText, summarizeRun } from '../../lib/report/summary.ts';
import { svgPlots } from '../../lib/report/svg.ts';
import type { TrainEvent } from '../../lib/train/events.ts';
import { monitorAt, type SyntheticRun, syntheticRun } from './synthetic-run.ts';

const summaryOf = (options: SyntheticRun = {}, change: (event: TrainEvent) => TrainEvent = (event) => event) =>
  summarizeRun('a', syntheticRun(options).map(change));

/** A run that λmax governs, whose trace goes where it likes. */
const firstOrder = (trace: number, options: SyntheticRun = {}) =>
  summaryOf(options, (event) =>
    event.type === 'monitor' ? monitorAt(event.step, { lr: event.lr, trace, governs: 'lambdaMax' }) : event,
  );

const svgOf = (name: string, ...summaries: ReturnType<typeof summaryOf>[]) => {
  const svg = svgPlots(plotRuns(summaries)).find((file) => file.name === name)?.svg ?? '';
  return parseHTML(`<html><body>${svg}</body></html>`).document;
};

const ticks = (document: ReturnType<typeof svgOf>) =>
  [...document.querySelectorAll('g[aria-label="y-axis tick label"] text')].map(({ textContent }) =>
    Number(textContent?.replaceAll(',', '')),
  );

describe('the plots of a report', () => {
  it('lead with every measured run against its own limit, and keep H and P⁻¹H apart', () => {
    const runs = plotRuns([
      summaryOf(),
      summaryOf({ preconditioned: true }),
      firstOrder(50),
      summaryOf({ monitorEvery: 0 }),
    ]);
    const shown = plotsOf(runs).map(({ plot, runs: of }) => [plot.id, of.map(({ series }) => series[0])]);
    expect(shown).toEqual([
      ['ratio', [0, 1, 2]],
      ['loss', [0, 1, 2, 3]],
      ['trace', [0, 2]],
      ['trace-preconditioned', [1]],
      ['lambda-max', [0, 2]],
      ['lambda-max-preconditioned', [1]],
      ['squared-norm', [0, 1, 2]],
    ]);
  });

  it('draw a run in its colour also where others are not shown', () => {
    const two = [summaryOf(), summaryOf({ preconditioned: true })];
    const [all] = [svgOf('loss.svg', ...two)];
    const colours = [...all.querySelectorAll('g[aria-label="line"] path')].map((path) => path.getAttribute('stroke'));
    const alone = svgOf('trace-preconditioned.svg', ...two);
    expect(alone.querySelector('g[aria-label="line"] path')?.getAttribute('stroke')).toBe(colours[1]);
  });

  it('have ticks as far as the data, on linear and logarithmic axes', () => {
    expect(Math.max(...ticks(svgOf('trace.svg', firstOrder(130))))).toBeGreaterThanOrEqual(130);
    expect(Math.max(...ticks(svgOf('ratio.svg', summaryOf({ settle: 1.6 }))))).toBeGreaterThanOrEqual(1.6);
    const loss = (step: number) => 0.031 + 0.9 * Math.exp(-step / 50);
    expect(ticks(svgOf('loss.svg', summaryOf({ loss }))).sort((a, b) => a - b)).toEqual([0.02, 0.05, 0.1, 0.2, 0.5, 1]);
    const flat = ticks(svgOf('loss.svg', summaryOf({ loss: () => 0.3 })));
    expect([Math.min(...flat), Math.max(...flat)]).toEqual([0.2, 0.5]);
  });

  it('draw dots whole: none is clipped, none lies above the axis', () => {
    for (const file of ['ratio.svg', 'trace.svg', 'lambda-max.svg', 'squared-norm.svg']) {
      const document = svgOf(file, summaryOf({ settle: 3 }), firstOrder(4000, { lr: 0.01 }));
      const top = Math.min(
        ...[...document.querySelectorAll('g[aria-label="y-axis tick"] path')].map((path) =>
          Number(/translate\([^,]*,([-\d.]+)\)/.exec(path.getAttribute('transform') ?? '')?.[1]),
        ),
      );
      const dots = [...document.querySelectorAll('g[aria-label="dot"]')];
      expect(dots.length).toBeGreaterThan(0);
      for (const group of dots) {
        expect(group.getAttribute('clip-path')).toBeNull();
        for (const dot of group.querySelectorAll('circle'))
          expect(Number(dot.getAttribute('cy'))).toBeGreaterThanOrEqual(top - 1);
      }
    }
  });

  it('do not let a diverged loss, or a trace that limits nothing, flatten the others, and say that they are cut off', () => {
    const [loss, trace] = ['loss', 'trace'].map((id) => plots.find((plot) => plot.id === id));
    const calm = summaryOf();
    const wild = summaryOf({ loss: (step) => (step < 900 ? 1 : 1e17) });
    expect(Math.max(...ticks(svgOf('loss.svg', calm, wild)))).toBeLessThanOrEqual(20);
    expect(loss?.isClipped?.(plotRuns([calm, wild]))).toBe(true);
    expect(loss?.isClipped?.(plotRuns([calm]))).toBe(false);
    const far = firstOrder(2e6);
    expect(Math.max(...ticks(svgOf('trace.svg', calm, far)))).toBeLessThan(250);
    expect(trace?.isClipped?.(plotRuns([calm, far]))).toBe(true);
    expect(trace?.isClipped?.(plotRuns([calm, firstOrder(60)]))).toBe(false);
  });

  it('show what noise has added to ‖θ‖², where it is known', () => {
    const dashed = (...summaries: ReturnType<typeof summaryOf>[]) =>
      svgOf('squared-norm.svg', ...summaries).querySelectorAll('g[stroke-dasharray="6 4"] path').length;
    expect(dashed(summaryOf())).toBe(1);
    const unknown = summaryOf({}, (event) => (event.type === 'monitor' ? { ...event, diffusion: null } : event));
    expect(dashed(unknown)).toBe(0);
  });
});

describe('the step size in words', () => {
  const cosine = (event: TrainEvent): TrainEvent => {
    if (event.type === 'run') {
      const stepSize = { name: 'cosine', options: { lr: 0.05, steps: 1000 } };
      return { ...event, optimizer: { ...event.optimizer, stepSize } };
    }
    return event.type === 'step' ? { ...event, lr: 0.05 * Math.cos((event.step / 2000) * Math.PI) } : event;
  };

  it('is the name of a smooth schedule and its ends, not all its values', () => {
    const smooth = summaryOf({ monitorEvery: 0 }, cosine);
    expect(stepSizeText(smooth)).toBe('cosine, 0.05 → 7.854e-5');
    expect(runLabels([smooth])[0].length).toBeLessThan(40);
  });

  it('is a rate, or each of a few', () => {
    expect(stepSizeText(summaryOf({ monitorEvery: 0 }))).toBe('0.05');
    const raised = summaryOf({ monitorEvery: 0 }, (event) =>
      event.type === 'step' && event.step >= 500 ? { ...event, lr: 0.1 } : event,
    );
    expect(stepSizeText(raised)).toBe('0.05 → 0.1');
  });
});
