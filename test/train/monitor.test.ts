import { afterAll, describe, expect, it } from 'vitest';
import { preconditionedOperator } from '../../lib/curvature/preconditioned-operator.ts';
import { symmetricEigen } from '../../lib/curvature/symmetric-eigen.ts';
import { openDevice } from '../../lib/device/device.ts';
import { compile } from '../../lib/objective/objective.ts';
import { gaussianTwoPoint } from '../../lib/optimizers/estimators/gaussian-two-point.ts';
import type { Estimator, Optimizer } from '../../lib/optimizers/optimizer.ts';
import { adam, frozenZoAdam, gd, gdm, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import { criticalStepSize } from '../../lib/stability/critical-step-size.ts';
import type { EndEvent, MonitorEvent, RunEvent, TrainEvent } from '../../lib/train/events.ts';
import { Monitor } from '../../lib/train/monitor.ts';
import type { TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from './small-problem.ts';

const device = openDevice({ threads: 1 });
afterAll(() => device.dispose());
const dimension = 6 * 8 + 8 + 8 * 3;

/** A run's events, and the whole spectrum of H (of P⁻¹H) where it ended: a column of H a product, diagonalised in f64. */
async function run(optimizer: Optimizer, options: TrainOptions) {
  const objective = await compile(device, smallProblem(), { seed: 1 });
  const events: TrainEvent[] = [];
  for await (const event of train(objective, optimizer, options)) events.push(event);
  const hessian = await objective.hessian();
  const { rule } = optimizer;
  const state = {
    ...(rule.states.includes('v') && { v: await objective.params.readState('v') }),
    ...(rule.states.includes('p') && { p: await objective.params.readState('p') }),
  };
  const operator = rule.preconditioner
    ? preconditionedOperator(hessian, rule.preconditioner(state, options.steps))
    : hessian;
  const identity = Float32Array.from({ length: dimension ** 2 }, (_, i) => (i % (dimension + 1) === 0 ? 1 : 0));
  const dense = Float64Array.from(await operator.apply(identity, dimension));
  hessian.dispose();
  await objective.dispose();
  const spectrum = [...symmetricEigen(dense, dimension).values];
  const monitors = events.filter((event) => event.type === 'monitor') as MonitorEvent[];
  return { spectrum, monitors, events, last: monitors[monitors.length - 1] };
}

const optimizers: [string, Optimizer][] = [
  ['zoGD', zoGD({ lr: 0.05 })],
  ['zoGDM', zoGDM({ lr: 0.005 })],
  ['zoAdam', zoAdam({ lr: 0.003 })],
  [
    'frozenZoAdam',
    frozenZoAdam({ lr: 0.02, preconditioner: Float32Array.from({ length: dimension }, (_, i) => 1 + (i % 3)) }),
  ],
  ['gd', gd({ lr: 0.1 })],
  ['gdm', gdm({ lr: 0.02 })],
  ['adam', adam({ lr: 0.01 })],
];

describe('a measurement', () => {
  it.each(optimizers)('of a run of %s agrees with the whole spectrum, early and late', async (_, optimizer) => {
    for (const steps of [1, 300]) {
      const { spectrum, last } = await run(optimizer, { steps, monitorEvery: steps, probes: 64, seed: 3 });
      const sum = (of: (lambda: number) => number) => spectrum.reduce((total, lambda) => total + of(lambda), 0);
      const negative = sum((lambda) => Math.max(-lambda, 0));
      expect(Math.abs(last.trace - sum((lambda) => lambda))).toBeLessThan(4 * last.traceStdErr);
      expect(Math.abs(last.lambdaMax - spectrum[0])).toBeLessThan(2e-3 * spectrum[0]);
      expect(last.lambdaMin).toBeGreaterThan(spectrum[dimension - 1] - 1e-5 * spectrum[0]);
      const near = Math.min(...spectrum.map((lambda) => Math.abs(lambda - last.lambdaMin)));
      expect(near).toBeLessThan(last.lambdaMinResidual + 1e-5 * spectrum[0]);
      expect(Math.abs(last.negativeTrace - negative)).toBeLessThan(3 * last.negativeTraceStdErr);
      // The error is small beside the trace that it serves.
      expect(last.negativeTraceStdErr).toBeLessThan(0.35 * (last.trace + last.negativeTrace));

      // The limit lies in the band, two errors allowed for, at the η* of this spectrum.
      const eta = criticalStepSize(spectrum, optimizer);
      const limitThere = (last.limit * last.lr) / eta;
      const error = 2 * last.ratioStdErr * last.limit + 1e-5 * last.upper; // f32 products
      expect(limitThere).toBeGreaterThan(last.lower - error);
      expect(limitThere).toBeLessThan(last.upper + error);
      const measured = last.governs === 'trace' ? last.trace + last.negativeTrace : last.lambdaMax;
      expect(last.ratio * last.limit).toBeCloseTo(measured, 9);
      expect(last.governs).toBe(optimizer.estimator.name === 'exact-gradient' ? 'lambdaMax' : 'trace');
      if (last.governs === 'lambdaMax') expect([last.lower, last.upper]).toEqual([last.lambdaMax, last.lambdaMax]);
    }
  });

  it.each(optimizers)('of a run of %s leaves no memory behind', async (_, optimizer) => {
    await using device = openDevice({ threads: 1 });
    const objective = await compile(device, smallProblem(), { seed: 1 });
    for await (const _ of train(objective, optimizer, { steps: 3, monitorEvery: 'off' }));
    const monitor = new Monitor(objective, optimizer, { probes: 4, seed: 1n, run: 0, batch: 'full' });
    const held = device.memory().bufferBytes;
    for (let i = 0; i < 2; i++) expect((await monitor.measure(3, 0.01))?.trace).toBeGreaterThan(0);
    expect(device.memory().bufferBytes).toBe(held);
  });

  it('costs its probes and 21 products or a few more', async () => {
    const { monitors } = await run(zoGD({ lr: 0.05 }), { steps: 4, monitorEvery: 1, probes: 16 });
    for (const { hvps } of monitors) {
      expect(hvps).toBeGreaterThanOrEqual(16 + 21);
      expect(hvps).toBeLessThan(16 + 30);
    }
  });

  it('is a function of parameters, seed and step: it does not matter what was measured before', async () => {
    const often = await run(zoGD({ lr: 0.02 }), { steps: 12, monitorEvery: 3, probes: 4, seed: 9 });
    const seldom = await run(zoGD({ lr: 0.02 }), { steps: 12, monitorEvery: 6, probes: 4, seed: 9 });
    const at = (monitors: readonly MonitorEvent[]) => monitors.filter(({ step }) => step % 6 === 0);
    expect(at(often.monitors)).toEqual(seldom.monitors);
  });
});

describe('with mini-batches', () => {
  it.each<[string, Optimizer]>([
    ['zoGD', zoGD({ lr: 0.02 })],
    ['zoGDM', zoGDM({ lr: 0.002 })],
    ['gd', gd({ lr: 0.1 })],
  ])(
    '%s is told the bounds of theory and no one number, and never that it is at the edge between them',
    async (_, optimizer) => {
      const full = await run(optimizer, { steps: 1, monitorEvery: 1, probes: 8, seed: 2 });
      const batched = await run(optimizer, { steps: 1, monitorEvery: 1, probes: 8, seed: 2, batch: 8 });
      // Before the first step both stand at the same place.
      const [whole, part] = [full.monitors[0], batched.monitors[0]];
      expect(whole.ratioMax).toBeUndefined();
      expect([part.trace, part.lambdaMax, part.limit, part.ratio]).toEqual([
        whole.trace,
        whole.lambdaMax,
        whole.limit,
        whole.ratio,
      ]);
      expect(part.lower).toBe(whole.lower);
      // n/b = 8. With momentum λmax alone may count for more: ((n/b)(1 + β) − 2β)/(1 − β).
      const { beta } = optimizer.rule;
      const most = part.governs === 'trace' ? 8 : (8 * (1 + beta) - 2 * beta) / (1 - beta);
      expect((part.ratioMax ?? 0) / part.ratio).toBeCloseTo(most, 9);
      const between = await run(
        { ...optimizer, lr: (whole.lr * 0.4) / whole.ratio },
        { steps: 0, monitorEvery: 1, batch: 8 },
      );
      expect(between.monitors).toEqual([]);
      const { monitors } = await run(
        { ...optimizer, lr: (whole.lr * 0.4) / whole.ratio },
        { steps: 1, monitorEvery: 1, probes: 8, seed: 2, batch: 8 },
      );
      expect(monitors[0].ratio).toBeCloseTo(0.4, 9);
      expect(monitors[0].verdict).toBe('undecided');
    },
  );
});

describe('an estimator of one’s own that does not know its moments', () => {
  const { moments: _, ...estimate } = gaussianTwoPoint();
  it.each<[string, Estimator]>([
    ['says so', { ...estimate, name: 'mine', moments: () => null }],
    ['says nothing', { ...estimate, name: 'mine' }],
  ])('and %s is trained and measured, and nothing is claimed about its edge', async (_name, estimator) => {
    const { events, monitors } = await run(
      { ...zoGD({ lr: 0.02 }), estimator },
      { steps: 20, monitorEvery: 10, probes: 4 },
    );
    expect((events[0] as RunEvent).optimizer.moments).toBeNull();
    expect(monitors).toHaveLength(3);
    for (const monitor of monitors) {
      expect(monitor).toMatchObject({ governs: null, verdict: 'undecided', limit: Number.NaN, ratio: Number.NaN });
      expect(monitor.trace).toBeGreaterThan(0);
      expect(monitor.lambdaMax).toBeGreaterThan(0);
    }
    expect(events.at(-1) as EndEvent).toMatchObject({ type: 'end', reason: 'completed' });
  });

  it('and diverges, is told what was measured and that its limit is not known', async () => {
    const estimator = { ...estimate, name: 'mine', moments: () => null };
    const { events } = await run({ ...zoGD({ lr: 5 }), estimator }, { steps: 2000, monitorEvery: 1, probes: 2 });
    const { reason, message } = events.at(-1) as EndEvent;
    expect(reason).toBe('diverged');
    expect(message).toMatch(/the trace was [\d.e+-]+; what the noise of this estimator allows is not known/);
  });
});
