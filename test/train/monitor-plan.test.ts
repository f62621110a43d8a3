import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { ZerothError } from '../../lib/errors.ts';
import { compile, type Objective } from '../../lib/objective/objective.ts';
import { exactGradient } from '../../lib/optimizers/estimators/exact-gradient.ts';
import { gaussianTwoPoint } from '../../lib/optimizers/estimators/gaussian-two-point.ts';
import type { Estimator } from '../../lib/optimizers/optimizer.ts';
import { gd, zoGD } from '../../lib/optimizers/recipes.ts';
import type { RunEvent, TrainEvent } from '../../lib/train/events.ts';
import { readRunLog } from '../../lib/train/log.ts';
import { planMonitor } from '../../lib/train/monitor-plan.ts';
import { runSettings, type TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from './small-problem.ts';

const device = openDevice();
afterAll(() => device.dispose());

let folder = '';
let objective: Objective;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-monitor-plan-'));
  objective = await compile(device, smallProblem(), { seed: 1 });
});
afterEach(async () => {
  await objective.dispose();
  await rm(folder, { recursive: true, force: true });
});

const planOf = (options: TrainOptions, estimator: Estimator = gaussianTwoPoint(), on = objective) =>
  planMonitor(on, estimator, runSettings(options, on.examples));

async function run(options: TrainOptions, optimizer = zoGD({ lr: 0.02 }), on = objective): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of train(on, optimizer, options)) events.push(event);
  return events;
}
const opening = (events: readonly TrainEvent[]) => events[0] as RunEvent;
const measuredAt = (events: readonly TrainEvent[]) =>
  events.flatMap((event) => (event.type === 'monitor' ? [event.step] : []));

/** In evaluations of the full-batch loss: itself, the probes, the ends of the spectrum, and work on vectors of 80 numbers. */
const costOf = (probes: number) => 1 + 5 * probes + 6 * 21 + 0.8;

describe('the monitor, when nothing is said', () => {
  it('is on, and says in the first line of the log how often it measures and what that costs', async () => {
    const events = await run({ steps: 2000, out: folder });
    // 207.8 losses a measurement, 2 a step: 940 steps are nine times as much.
    expect(opening(events).monitor).toEqual({
      every: 940,
      probes: 16,
      auto: true,
      share: expect.closeTo(costOf(16) / (costOf(16) + 1880), 12),
    });
    expect(readRunLog(folder)[0]).toEqual(JSON.parse(JSON.stringify(opening(events))));
    expect(measuredAt(events)).toEqual([940, 1880]);
  });

  it('costs a tenth of the run at most, whatever a step costs and however many there are', () => {
    const costs = fc.record({ losses: fc.integer({ min: 0, max: 50 }), gradients: fc.integer({ min: 0, max: 5 }) });
    const probes = fc.option(fc.integer({ min: 2, max: 300 }), { nil: undefined });
    const batch = fc.oneof(fc.constant('full' as const), fc.integer({ min: 1, max: 64 }));
    fc.assert(
      fc.property(costs, probes, batch, fc.integer({ min: 0, max: 200_000 }), (cost, probes, batch, steps) => {
        fc.pre(cost.losses + cost.gradients > 0);
        const estimator = { ...gaussianTwoPoint(), cost };
        const plan = planOf({ steps, probes, batch }, estimator);
        const step = (cost.losses + 2.5 * cost.gradients) * (batch === 'full' ? 1 : batch / 64);
        const measurements = Math.floor(steps / plan.every);
        const spent = measurements * costOf(plan.probes);
        expect(spent).toBeLessThanOrEqual(0.1 * (spent + steps * step) * (1 + 1e-9));
        expect(plan.share).toBeLessThanOrEqual(0.1);
        // No more seldom than it has to be, but for two digits.
        expect(plan.every * step).toBeLessThanOrEqual(9 * costOf(plan.probes) * 1.1 + step);
        expect(plan.note === undefined).toBe(measurements > 0);
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  it('counts the work on vectors where it weighs, beside the products', async () => {
    const wide = (dimension: number, examples: number) => {
      const fields = {
        dimension: { value: dimension },
        examples: { value: examples },
        checkHessian: { value: () => {} },
      };
      return planOf({ steps: 1e6 }, gaussianTwoPoint(), Object.create(objective, fields) as Objective).every;
    };
    // 7,000 examples' worth a measurement: 7 losses of 1,000 examples, and nearly nothing of a million.
    expect(wide(8352, 1000)).toBe(970);
    expect(wide(8352, 500)).toBe(1000);
    expect(wide(8352, 1_000_000)).toBe(940);
  });

  it('counts a gradient as two and a half losses, a mini-batch by its share, and an estimator that does not say as one loss', () => {
    const every = (options: Partial<TrainOptions>, estimator: Estimator) =>
      planOf({ steps: 1e6, ...options }, estimator).every;
    const { cost: _, ...silent } = gaussianTwoPoint();
    expect(every({}, exactGradient())).toBe(750);
    expect(every({}, gaussianTwoPoint())).toBe(940);
    expect(every({}, silent)).toBe(1900);
    expect(every({ batch: 32 }, gaussianTwoPoint())).toBe(1900);
    expect(every({ probes: 64 }, gaussianTwoPoint())).toBe(2100);
  });

  it('says so where a run is too short to be measured at that cost, and how to have it', async () => {
    const events = await run({ steps: 939 });
    expect(measuredAt(events)).toEqual([]);
    expect(opening(events).monitor).toMatchObject({ every: 940, note: expect.stringContaining('Say monitorEvery') });
  });

  it('says so where the loss has no Hessian-vector products, and trains', async () => {
    const refuse = () => {
      throw new ZerothError('ERR_ZEROTH_TRACE', 'vmap: this cannot be.');
    };
    vi.spyOn(objective, 'checkHessian').mockImplementation(refuse);
    const events = await run({ steps: 1000 });
    expect(opening(events).monitor).toMatchObject({
      every: 0,
      share: 0,
      note: expect.stringContaining('this cannot be'),
    });
    expect(measuredAt(events)).toEqual([]);
    expect(events.at(-1)).toMatchObject({ reason: 'completed' });
    // Asked for, it is an error before anything begins.
    await expect(run({ steps: 1, monitorEvery: 1, out: join(folder, 'run') })).rejects.toMatchObject({
      code: 'ERR_ZEROTH_TRACE',
    });
    expect(() => readRunLog(join(folder, 'run'))).toThrow('no such file');
    // What is not wanted is not asked.
    expect(measuredAt(await run({ steps: 3, monitorEvery: 'off' }))).toEqual([]);
  });

  it('does not take memory that nobody asked for, and says so', () => {
    const large = Object.create(objective, {
      dimension: { value: 20_000_000 },
      checkHessian: { value: () => {} },
    }) as Objective;
    const plan = planOf({ steps: 1e6 }, gaussianTwoPoint(), large);
    expect(plan).toMatchObject({ every: 0, auto: true, note: expect.stringMatching(/1145 MiB.*Say monitorEvery/) });
    expect(planOf({ steps: 1e6, monitorEvery: 9 }, gaussianTwoPoint(), large)).toMatchObject({ every: 9, auto: false });
  });

  it('chooses from arithmetic alone: the same on every device, and the same again', async () => {
    await using single = openDevice({ threads: 1 });
    await using other = await compile(single, smallProblem(), { seed: 9 });
    expect(planOf({ steps: 5000 }, gaussianTwoPoint(), other)).toEqual(planOf({ steps: 5000 }));
  });

  it('keeps its interval when the run is resumed, with more steps and with nothing said', async () => {
    const optimizer = gd({ lr: 0.05 });
    await using other = await compile(device, smallProblem(), { seed: 1 });
    const whole = await run({ steps: 1600, out: join(folder, 'whole') }, optimizer);
    expect(measuredAt(whole)).toEqual([750, 1500]);
    const out = join(folder, 'cut');
    await run({ steps: 1000, out }, optimizer, other);
    await run({ steps: 1600, out, resume: true }, optimizer, other);
    const trajectory = (path: string) => readRunLog(path).filter(({ type }) => type === 'step' || type === 'monitor');
    expect(trajectory(out)).toEqual(trajectory(join(folder, 'whole')));
  });

  it('is what the run began with when it is resumed', async () => {
    const out = join(folder, 'set');
    await run({ steps: 4, monitorEvery: 2, probes: 4, out });
    expect(measuredAt(await run({ steps: 8, out, resume: true }))).toEqual([4, 6, 8]);
    for (const [options, message] of [
      [{ monitorEvery: 'auto' }, /monitor.auto was false and is true/],
      [{ monitorEvery: 'off' }, /monitor.every was 2 and is 0/],
      [{ monitorEvery: 3 }, /monitor.every was 2 and is 3/],
      [{ probes: 5 }, /monitor.probes was 4 and is 5/],
    ] as const) {
      await expect(run({ steps: 9, out, resume: true, ...options })).rejects.toMatchObject({
        code: 'ERR_ZEROTH_CHECKPOINT',
        message: expect.stringMatching(message),
      });
    }
  });
});

describe('monitorEvery', () => {
  it('as a number measures before the first step, before every k-th, and after the last', async () => {
    const events = await run({ steps: 5, monitorEvery: 2, probes: 2 });
    expect(measuredAt(events)).toEqual([0, 2, 4, 5]);
    expect(opening(events).monitor).toMatchObject({ every: 2, probes: 2, auto: false });
    expect(opening(events).monitor.share).toBeCloseTo(costOf(2) / (costOf(2) + 4), 12);
  });

  it("'off' measures never", async () => {
    const events = await run({ steps: 1000, monitorEvery: 'off' });
    expect(measuredAt(events)).toEqual([]);
    expect(opening(events).monitor).toEqual({ every: 0, probes: 64, auto: false, share: 0 });
  });

  it.each([0, -1, 0.5, Number.NaN, 'on', null, true])('refuses %j, and says what there is', async (monitorEvery) => {
    const refused = run({ steps: 1, monitorEvery: monitorEvery as 'auto' });
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ARGUMENT',
      message: /^monitorEvery: expected an integer/,
    });
    if (monitorEvery === 0) await expect(refused).rejects.toThrow("'off'");
  });

  it.each([{ losses: -1 }, { losses: 0 }, { gradients: Number.NaN }, {}])(
    'does not go by an estimator that costs %j',
    (cost) => {
      const estimator = { ...gaussianTwoPoint(), cost };
      expect(() => planOf({ steps: 10 }, estimator)).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
    },
  );
});
