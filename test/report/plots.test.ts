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

  it('do not let a diverged loss flatten the others, and say that it is cut off', () => {
    const loss = plots.find((plot) => plot.id === 'loss');
    const calm = summaryOf();
    const wild = summaryOf({ loss: (step) => (step < 900 ? 1 : 1e17) });
    expect(Math.max(...ticks(svgOf('loss.svg', calm, wild)))).toBeLessThanOrEqual(20);
    expect(loss?.isClipped?.(plotRuns([calm, wild]))).toBe(true);
    expect(loss?.isClipped?.(plotRuns([calm]))).toBe(false);
  });

  it('say of every plot whether something of it is cut off', () => {
    const spike = summaryOf({}, (event) =>
      event.type === 'monitor' && event.step === 500
        ? { ...monitorAt(500, { lr: event.lr, trace: 1e6 }), squaredNorm: 1e3 }
        : event,
    );
    for (const id of ['ratio', 'trace', 'lambda-max', 'squared-norm']) {
      const plot = plots.find((each) => each.id === id);
      expect([id, plot?.isClipped?.(plotRuns([spike]))]).toEqual([id, true]);
      expect([id, plot?.isClipped?.(plotRuns([summaryOf()]))]).toEqual([id, false]);
    }
  });

  it.each(['trace.svg', 'lambda-max.svg'])('share a logarithmic axis in %s where runs are far apart', (file) => {
    const far = firstOrder(2e6);
    const apart = svgOf(file, summaryOf(), far);
    expect(apart.body.textContent).toContain('logarithmic');
    // Both are seen: each goes over a good part of the height, and every tick has its label.
    expect(Math.max(...ticks(apart))).toBeGreaterThanOrEqual(3e5);
    expect(Math.min(...ticks(apart))).toBeLessThanOrEqual(7);
    const heights = [...apart.querySelectorAll('g[aria-label="dot"] circle')].map((dot) =>
      Number(dot.getAttribute('cy')),
    );
    expect(heights).toHaveLength(20);
    expect(Math.max(...heights) - Math.min(...heights.slice(0, 10))).toBeGreaterThan(30);
    const near = svgOf(file, summaryOf(), firstOrder(24));
    expect(near.body.textContent).not.toContain('logarithmic');
  });

  it('label every tick of a logarithmic axis', () => {
    for (const least of [1e-1, 1e-3, 1e-9, 1e-30]) {
      const loss = (step: number) => least ** (step / 999);
      const shown = [
        ...svgOf('loss.svg', summaryOf({ loss, monitorEvery: 0 })).querySelectorAll(
          'g[aria-label="y-axis tick label"] text',
        ),
      ].map(({ textContent }) => textContent);
      expect(shown.length).toBeLessThanOrEqual(13);
      expect(shown.length).toBeGreaterThanOrEqual(3);
      for (const text of shown) expect(text).toMatch(/^(\d[\d.,]*|\de-?\d+)$/);
    }
  });

  it('give ticks to whole steps only, in labels that do not meet', () => {
    const stepTicks = (steps: number) =>
      [
        ...svgOf('loss.svg', summaryOf({ steps, monitorEvery: 0 })).querySelectorAll(
          'g[aria-label="x-axis tick label"] text',
        ),
      ].map(({ textContent }) => textContent);
    expect(stepTicks(1)).toEqual(['0', '1']);
    expect(stepTicks(3)).toEqual(['0', '1', '2', '3']);
    expect(stepTicks(3000).at(-1)).toBe('3,000');
    const long = plotRuns([summaryOf({ steps: 10, monitorEvery: 0 })]).map((run) => ({ ...run, steps: 20_000_000 }));
    const { document } = parseHTML(`<html><body>${svgPlots(long)[0].svg}</body></html>`);
    const labels = [...document.querySelectorAll('g[aria-label="x-axis tick label"] text')].map((t) => t.textContent);
    expect(labels.at(-1)).toBe('2e7');
  });

  it('draw the curvature that the limit is about: the trace of the positive part', () => {
    const indefinite = summaryOf({}, (event) =>
      event.type === 'monitor'
        ? { ...event, trace: event.trace - 3, negativeTrace: 3, negativeTraceStdErr: 0.5 }
        : event,
    );
    const points = (summary: typeof indefinite) =>
      [...svgOf('trace.svg', summary).querySelectorAll('g[aria-label="dot"] circle')].map((dot) =>
        dot.getAttribute('cy'),
      );
    const [run] = plotRuns([indefinite]);
    expect(run.monitors[0]).toMatchObject({ trace: 4, positiveTrace: 7 });
    // The same heights as without negative eigenvalues, whose limit is the same; the axis differs by the errors only.
    expect(Number(points(indefinite)[0])).toBeCloseTo(Number(points(summaryOf())[0]), -1);
  });

  it('show what noise has added to ‖θ‖², where it is known', () => {
    const dashed = (...summaries: ReturnType<typeof summaryOf>[]) =>
      svgOf('squared-norm.svg', ...summaries).querySelectorAll('g[stroke-dasharray="6 4"] path').length;
    expect(dashed(summaryOf())).toBe(1);
    const unknown = summaryOf({}, (event) => (event.type === 'monitor' ? { ...event, diffusion: null } : event));
    expect(dashed(unknown)).toBe(0);
  });
});

describe('the limit of a run', () => {
  const cosine =
    (steps: number) =>
    (event: TrainEvent): TrainEvent => {
      if (event.type !== 'step' && event.type !== 'monitor') return event;
      const lr = 0.025 * (1 + Math.cos((event.step / (steps - 1)) * Math.PI));
      return event.type === 'step' ? { ...event, lr } : monitorAt(event.step, { lr, trace: 30 });
    };
  const limitLabels = (document: ReturnType<typeof svgOf>) =>
    [...document.querySelectorAll('g[aria-label="text"] text')].map(({ textContent }) => textContent);
  const changing = (pieces: readonly number[], options: SyntheticRun = {}) =>
    summaryOf({ steps: 1000, ...options }, (event) => {
      if (event.type !== 'step' && event.type !== 'monitor') return event;
      const lr = pieces[Math.floor((event.step * pieces.length) / 1000)];
      return event.type === 'step' ? { ...event, lr } : monitorAt(event.step, { lr, trace: 30 });
    });

  it('is one curve for a smooth schedule, without labels, on an axis for what was measured, whatever it goes to', () => {
    const steps = 3000;
    const smooth = summaryOf({ steps }, cosine(steps));
    const [run] = plotRuns([smooth]);
    expect(run.smoothLimit).toBe(true);
    expect(run.limit.length).toBeLessThanOrEqual(401);
    expect(run.limit.every(([, value]) => Number.isFinite(value))).toBe(true);
    const document = svgOf('trace.svg', smooth);
    expect(limitLabels(document)).toEqual([]);
    expect(Math.max(...ticks(document))).toBeLessThanOrEqual(80);
    const [path] = document.querySelectorAll('g[stroke-dasharray] path');
    const heights = [...(path.getAttribute('d') ?? '').matchAll(/[ML][\d.]+,(-?[\d.]+)/g)].map(([, y]) => Number(y));
    // A dashed line that goes too far is drawn without dashes.
    expect(Math.min(...heights)).toBeGreaterThan(-2000);
  });

  it('has a label where one fits: none over another, none in a stretch that is too short', () => {
    expect(limitLabels(svgOf('trace.svg', changing([0.05, 0.04])))).toEqual(['2/η = 40', '2/η = 50']);
    expect(limitLabels(svgOf('trace.svg', changing(Array.from({ length: 100 }, (_, i) => 0.05 + i / 1e4))))).toEqual(
      [],
    );
    // Two limits of nearly one height: their labels stand on different sides, and of three one stands beside another.
    for (const rates of [
      [0.05, 0.0495],
      [0.05, 0.0495, 0.0498],
    ]) {
      const close = svgOf('trace.svg', ...rates.map((lr, i) => changing([lr], { seed: String(i) })));
      const placeOf = (element: Element | null) =>
        (/translate\((-?[\d.]+),(-?[\d.]+)/.exec(element?.getAttribute('transform') ?? '') ?? []).slice(1).map(Number);
      // Above or below their lines: a matter of the group they are in.
      const places = [...close.querySelectorAll('g[aria-label="text"] text')].map((text) => {
        const [[x, y], [, offset]] = [placeOf(text), placeOf(text.closest('g'))];
        return [x, y + offset];
      });
      expect(places).toHaveLength(rates.length);
      places.forEach(([x, y], i) => {
        for (const [left, top] of places.slice(i + 1))
          expect(Math.abs(x - left) > 60 || Math.abs(y - top) >= 10).toBe(true);
      });
    }
  });

  it('is said to be above the plot where it is', () => {
    const text = (settle: number) =>
      svgOf('trace.svg', summaryOf({ settle })).querySelector('[aria-label="legend"]')?.textContent;
    expect(text(0.05)).toContain('limit 2/η (above the plot)');
    expect(text(0.5)).toMatch(/limit 2\/η(?! \(above)/);
  });

  it('is none where η is 0', () => {
    const still = summaryOf({}, (event) => {
      if (event.type === 'step') return { ...event, lr: 0 };
      return event.type === 'monitor' ? monitorAt(event.step, { lr: 0, trace: 30 }) : event;
    });
    expect(plotRuns([still])[0].limit).toEqual([]);
    for (const { svg } of svgPlots(plotRuns([still]))) expect(svg).not.toMatch(/NaN|Infinity|–/);
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
    expect(stepSizeText(smooth)).toBe('0.05 → 7.854e-5 (cosine)');
    expect(runLabels([smooth])).toEqual(['η = 0.05 → 7.854e-5 (cosine)']);
  });

  it('shows where a schedule turns: the peak after a warm-up is no end', () => {
    const peak = summaryOf({ monitorEvery: 0 }, (event) =>
      event.type === 'step'
        ? { ...event, lr: 0.001 + 0.08 * Math.sin((event.step / 1998) * Math.PI * 1.5) ** 2 }
        : event,
    );
    expect(stepSizeText(peak)).toMatch(/^0\.001 → 0\.081 → 0\.041 \(constant\)$/);
  });

  it('is a rate, or each of a few', () => {
    expect(stepSizeText(summaryOf({ monitorEvery: 0 }))).toBe('0.05');
    const raised = summaryOf({ monitorEvery: 0 }, (event) =>
      event.type === 'step' && event.step >= 500 ? { ...event, lr: 0.1 } : event,
    );
    expect(stepSizeText(raised)).toBe('0.05 → 0.1');
  });
});
