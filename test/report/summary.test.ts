import { describe, expect, it } from 'vitest';
import { formatDuration, formatNumber } from '../../lib/report/format.ts';
import { runLabels } from '../../lib/report/labels.ts';
import { plotRuns } from '../../lib/report/plot-data.ts';
import { summarizeRun } from '../../lib/report/summary.ts';
import { verdictOf } from '../../lib/report/verdict.ts';
import type { TrainEvent } from '../../lib/train/events.ts';
import { monitorAt, resumeOf, runOf, syntheticRun } from './synthetic-run.ts';

const summary = (options: Parameters<typeof syntheticRun>[0] = {}) => summarizeRun('a', syntheticRun(options));

describe('summarizeRun', () => {
  it('takes facts from the run, the end and the last step', () => {
    const { steps, finalLoss, end, seconds, monitors, learningRates } = summary();
    expect({ steps, end, seconds, monitors: monitors.length, learningRates }).toEqual({
      steps: 1000,
      end: 'completed',
      seconds: 2,
      monitors: 10,
      learningRates: [{ step: 0, lr: 0.05 }],
    });
    expect(finalLoss).toBeCloseTo(0.02 + Math.exp(-999 / 200), 12);
  });

  it('calls a log without an end unfinished, and knows how far it came', () => {
    const unfinished = summary({ end: 'none', steps: 37 });
    expect(unfinished.end).toBe('unfinished');
    expect(unfinished.steps).toBe(37);
    expect(unfinished.seconds).toBeNull();
    expect(unfinished.finalLoss).toBeCloseTo(0.02 + Math.exp(-36 / 200), 12);
  });

  it('refuses a log that does not say what was run', () => {
    expect(() => summarizeRun('runs/x', [])).toThrowError(/runs\/x.*"run" line/);
    expect(() => summarizeRun('runs/x', syntheticRun().slice(1))).toThrowError(
      expect.objectContaining({ code: 'ERR_ZEROTH_LOG' }),
    );
  });

  it('drops what a resume has cut off, and takes the time of the last sitting', () => {
    const events = syntheticRun({ steps: 100, monitorEvery: 10, end: 'aborted' });
    const again = syntheticRun({ steps: 100, monitorEvery: 10 }).filter((event) => 'step' in event && event.step >= 50);
    const end = events.at(-1) as TrainEvent;
    const resumed = summarizeRun('a', [
      ...events,
      resumeOf(events, 50, { steps: 160, device: { ...runOf(events).device, threads: 7 } }),
      ...again,
      { ...end, reason: 'completed' } as TrainEvent,
    ]);
    expect(resumed.loss.map(({ step }) => step)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(resumed.monitors.map(({ step }) => step)).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
    expect(resumed).toMatchObject({ end: 'completed', seconds: 2, resumes: 1 });
    // What may change when a run goes on is what it is now.
    expect(resumed.run).toMatchObject({ steps: 160, device: { threads: 7 }, startedAt: runOf(events).startedAt });
  });

  it('keeps at most 2,000 points of a long loss curve, with its spike', () => {
    const long = summary({ steps: 30_000, monitorEvery: 0, loss: (step) => (step === 12_345 ? 99 : 1 / (1 + step)) });
    expect(long.loss.length).toBeLessThanOrEqual(2000);
    expect(long.loss).toContainEqual({ step: 12_345, loss: 99 });
  });
});

describe('verdictOf', () => {
  it('sees a run reach its edge, and since when', () => {
    const verdict = verdictOf(summary({ settle: 1 }));
    expect(verdict.kind).toBe('edge');
    expect(verdict.atEdgeFraction).toBe(1);
    // Trace 7 + 33(1 − exp(−s/120)); at the edge from tr (1 + 1/3 + 0.06) + 0.02 ≥ 40, tr ≥ 28.7, that is s ≥ 129: the point at 200.
    expect(verdict.since).toBe(200);
    expect(verdict.ratio).toBeCloseTo(1, 1);
    expect(verdict.sentence).toMatch(/reached the edge of stability by step 200.*of its limit 2\/η = 40/);
  });

  it('sees a run stay below its edge', () => {
    const verdict = verdictOf(summary({ lr: 0.03, settle: 0.45 }));
    expect(verdict).toMatchObject({ kind: 'below', atEdgeFraction: 0 });
    expect(verdict.sentence).toMatch(/below the edge.*4\d % of its limit 2\/η = 66\.7/);
  });

  it('sees a run beyond its edge, a diverged one, and one that was not measured', () => {
    expect(verdictOf(summary({ settle: 1.6 })).kind).toBe('beyond');
    expect(verdictOf(summary({ end: 'diverged', settle: 1.6 }))).toMatchObject({
      kind: 'diverged',
      sentence: expect.stringMatching(/diverged after 1,000 steps.*16\d|15\d %/),
    });
    expect(verdictOf(summary({ monitorEvery: 0 })).kind).toBe('unmeasured');
    expect(verdictOf(summary({ monitorEvery: 0, end: 'diverged' })).kind).toBe('diverged');
  });

  it('names the range of a limit that moves, and no limit where η goes to 0', () => {
    const moving = (to: number) =>
      syntheticRun().map((event) => {
        if (event.type !== 'step' && event.type !== 'monitor') return event;
        const lr = event.step < 900 ? 0.05 : to;
        return event.type === 'step' ? { ...event, lr } : monitorAt(event.step, { lr, trace: 10 });
      });
    const sentence = (to: number) => verdictOf(summarizeRun('a', moving(to))).sentence;
    expect(sentence(0.05)).toContain('of its limit 2/η = 40, 25 % at most');
    expect(sentence(0.02)).toContain('of its limit 2/η, which lay between 40 and 100, 25 % at most');
    expect(sentence(0)).toContain('of its limit 2/η, which lay between 40 and ∞, 25 % at most');
    const still = syntheticRun().map((event) =>
      event.type === 'monitor' ? monitorAt(event.step, { lr: 0, trace: 10 }) : event,
    );
    expect(verdictOf(summarizeRun('a', still))).toMatchObject({
      kind: 'below',
      sentence: expect.stringMatching(/^took steps of size 0/),
    });
  });

  it('does not say of a run that it stayed where it was for a part of the time', () => {
    const events = syntheticRun({ settle: 1 }).map((event) =>
      event.type === 'monitor' && [700, 900].includes(event.step)
        ? monitorAt(event.step, { lr: 0.05, trace: 20 })
        : event,
    );
    const { kind, sentence } = verdictOf(summarizeRun('a', events));
    expect(kind).toBe('edge');
    expect(sentence).toContain('and was there in 3 of the 5 measurements of its second half, over which its curvature');
    expect(verdictOf(summary({ settle: 1 })).sentence).toContain(
      'and stayed there: over the second half its curvature',
    );
  });

  it('does not make a half of one measurement', () => {
    const one = (settle: number) => verdictOf(summary({ steps: 1, monitorEvery: 1, settle })).sentence;
    expect(one(0.97)).toMatch(
      /^was below the edge of stability when measured: at step 0 its curvature tr₊\(H\) was 18 % of its limit 2\/η = 40$/,
    );
    const at = (trace: number) => [...syntheticRun({ steps: 1, monitorEvery: 0 }), monitorAt(1, { lr: 0.05, trace })];
    expect(verdictOf(summarizeRun('a', at(38))).sentence).toMatch(
      /^was at the edge of stability when measured: at step 1 .* was 95 %/,
    );
    expect(verdictOf(summarizeRun('a', at(90))).sentence).toMatch(/^was beyond the edge of stability when measured/);
    expect(verdictOf(summarizeRun('a', at(32))).sentence).not.toMatch(/half/);
  });

  it('says how far a run came that is not at its end, and that one took no step', () => {
    const cut = { ...summary({ end: 'none' }), steps: 600 };
    expect(verdictOf(cut).sentence).toMatch(/ \(600 of 1,000 steps so far\)$/);
    expect(verdictOf({ ...cut, end: 'aborted' }).sentence).toMatch(/ \(stopped after 600 of 1,000 steps\)$/);
    expect(verdictOf(summary()).sentence).not.toMatch(/so far|stopped/);
    expect(verdictOf(summary({ steps: 0, monitorEvery: 0 })).sentence).toMatch(/^took no step; /);
    expect(verdictOf(summary({ steps: 1, monitorEvery: 0 })).sentence).toMatch(/^ran 1 step; /);
  });

  it('does not call a run at the edge for one early visit', () => {
    const events = syntheticRun({ settle: 0.3 });
    events.splice(1, 0, monitorAt(0, { lr: 0.05, trace: 40 }));
    expect(verdictOf(summarizeRun('a', events)).kind).toBe('below');
  });

  it('holds first-order runs against λmax', () => {
    const events = syntheticRun({ settle: 3 }).map((event) =>
      event.type === 'run'
        ? { ...event, optimizer: { ...event.optimizer, name: 'gd', moments: { s1: 1, s2: 0 } } }
        : event.type === 'monitor'
          ? monitorAt(event.step, { lr: event.lr, trace: event.trace, governs: 'lambdaMax' })
          : event,
    );
    const verdict = verdictOf(summarizeRun('a', events));
    // λmax = trace/6 = 20 at the end, limit 40.
    expect(verdict.ratio).toBeCloseTo(0.5, 1);
    expect(verdict.sentence).toMatch(/λmax\(H\)/);
  });
});

describe('runLabels', () => {
  it('names runs by their step size where only that differs', () => {
    expect(runLabels([summary({ lr: 0.05 }), summary({ lr: 0.03 })])).toEqual(['η = 0.05', 'η = 0.03']);
    expect(runLabels([summary()])).toEqual(['η = 0.05']);
  });

  it('takes no more than it needs: what follows from the optimizer tells nothing apart', () => {
    const zo = summary();
    const first = {
      ...zo,
      run: { ...zo.run, optimizer: { ...zo.run.optimizer, name: 'gd', mu: undefined, lr: 1 } },
      learningRates: [],
    };
    expect(runLabels([zo, first])).toEqual(['zo-gd, η = 0.05', 'gd, η = 1']);
    expect(runLabels([zo, first, { ...zo, run: { ...zo.run, seed: '2' } }])).toEqual([
      'zo-gd, η = 0.05, seed 1',
      'gd, η = 1, seed 1',
      'zo-gd, η = 0.05, seed 2',
    ]);
  });

  it('tells runs apart by their steps, and else by their folders', () => {
    expect(runLabels([summary({ steps: 1 }), summary({ steps: 2 })])).toEqual(['1 step', '2 steps']);
    expect(runLabels(['runs/a', 'runs/b'].map((source) => ({ ...summary(), source })))).toEqual(['runs/a', 'runs/b']);
    expect(runLabels([summary(), summary()])).toEqual(['run 1', 'run 2']);
  });

  it('keeps both ends of long names, and what comes after them', () => {
    const long = (end: string) => summary({ name: `${'a-name-'.repeat(20)}${end}`, lr: end.length / 100 });
    const labels = runLabels([long('one'), long('three')]);
    expect(labels).toEqual([
      'a-name-a-name-a-na…a-name-a-name-one, η = 0.03',
      'a-name-a-name-a-na…name-a-name-three, η = 0.05',
    ]);
  });

  it('names whatever differs, and numbers twins', () => {
    expect(runLabels([summary({ seed: '1' }), summary({ seed: '2' })])).toEqual(['seed 1', 'seed 2']);
    const twins = runLabels([summary(), summary()]);
    expect(new Set(twins).size).toBe(2);
  });
});

describe('plotRuns', () => {
  it('follows a schedule with the limit, also between monitor points', () => {
    const events = syntheticRun({ lr: 0.05, steps: 1000 }).map((event) =>
      event.type === 'step' && event.step >= 550
        ? { ...event, lr: 0.1 }
        : event.type === 'monitor' && event.step >= 550
          ? { ...event, lr: 0.1, limit: 20 }
          : event,
    );
    expect(plotRuns([summarizeRun('a', events)])[0].limit).toEqual([
      [0, 40],
      [550, 20],
      [1000, 20],
    ]);
  });

  it('is JSON, with null for a loss that was not finite', () => {
    const runs = plotRuns([summary({ steps: 3, loss: (step) => (step === 1 ? Number.NaN : 1) })]);
    expect(JSON.parse(JSON.stringify(runs))[0].loss).toEqual([
      [0, 1],
      [1, null],
      [2, 1],
    ]);
  });
});

describe('formatting', () => {
  it('writes numbers as people read them', () => {
    expect([0, 5000, 0.0312345, 1e-6, 123456.7, 2e9, Number.NaN].map((value) => formatNumber(value))).toEqual([
      '0',
      '5,000',
      '0.03123',
      '1e-6',
      '123,500',
      '2e9',
      '–',
    ]);
    expect(formatNumber(1_234_567, 15)).toBe('1,234,567');
    expect(formatNumber(66.666_666, 3)).toBe('66.7');
  });

  it('writes durations', () => {
    expect([12.345, 245, 7380, null].map(formatDuration)).toEqual(['12.3 s', '4 min 05 s', '2 h 03 min', '–']);
  });
});
