import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sortingMlpData } from '../../lib/data/sorting.ts';
import { openDevice } from '../../lib/device/device.ts';
import type { Tensor } from '../../lib/graph/ops.ts';
import { add, log, mul, neg, relu, sqrt, square, sub, sum } from '../../lib/graph/ops.ts';
import { sortingMlp } from '../../lib/models/sorting-mlp.ts';
import { squaredLoss } from '../../lib/nn/losses.ts';
import { compile, type ObjectiveOptions } from '../../lib/objective/objective.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import { supervised } from '../../lib/objective/supervised.ts';
import type { Estimator, Optimizer, Term } from '../../lib/optimizers/optimizer.ts';
import { adam, frozenZoAdam, gd, gdm, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import { plain } from '../../lib/optimizers/rules/plain.ts';
import type { EndEvent, MonitorEvent, TrainEvent, WarningEvent } from '../../lib/train/events.ts';
import { whyFlat } from '../../lib/train/flatness.ts';
import { readRunLog } from '../../lib/train/log.ts';
import type { TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from './small-problem.ts';

const device = openDevice({ threads: 1 });
afterAll(() => device.dispose());

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-endings-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A loss of `size` equal parameters w that looks at no data. */
function lossOf(loss: (w: Tensor) => Tensor, value = 1, size = 1): Problem {
  return {
    parameters: { w: { shape: [size], init: { kind: 'constant', value } } },
    data: { x: { shape: [1], data: Float32Array.of(1) } },
    loss: (p) => loss(p.w),
  };
}

async function run(problem: Problem, optimizer: Optimizer, options: TrainOptions, compileOptions?: ObjectiveOptions) {
  await using objective = await compile(device, problem, compileOptions);
  const events: TrainEvent[] = [];
  for await (const event of train(objective, optimizer, options)) events.push(event);
  const of = <T extends TrainEvent>(type: T['type']) => events.filter((event) => event.type === type) as T[];
  const theta = await objective.params.read();
  return {
    events,
    end: events.at(-1) as EndEvent,
    warnings: of<WarningEvent>('warning'),
    monitors: of<MonitorEvent>('monitor'),
    losses: events.flatMap((event) => (event.type === 'step' ? [event.loss] : [])),
    theta,
  };
}

const p = Float32Array.of(1);
const slow: [string, Optimizer][] = [
  ['gd', gd({ lr: 0.01 })],
  ['gdm', gdm({ lr: 0.01 })],
  ['adam', adam({ lr: 0.01 })],
  ['zoGD', zoGD({ lr: 0.01 })],
  ['zoGDM', zoGDM({ lr: 0.01 })],
  ['zoAdam', zoAdam({ lr: 0.01 })],
  ['frozenZoAdam', frozenZoAdam({ lr: 0.01, preconditioner: p })],
];
const linear = (w: Tensor) => sum(w);

describe('a run whose loss', () => {
  it('jumps beyond all rounding in its first step has diverged, and one that noise lifts from a minimum has not', async () => {
    const once = (step: number) => (step === 0 ? 1e8 : 0);
    const bowl = lossOf((w) => sum(square(w)));
    const jump = await run(bowl, zoGD({ lr: once }), { steps: 40, monitorEvery: 'off' });
    expect(jump.losses[1]).toBeGreaterThan(2 ** 32 * jump.losses[0]);
    expect(jump.end).toMatchObject({ reason: 'diverged', cause: 'loss-rose', steps: 9 });
    expect(jump.end.message).toMatch(/^The loss rose to .* scale of the first loss/);
    const far = lossOf((w) => sum(square(sub(w, 1000))), 1000 + 2 ** -13);
    const lifted = await run(far, gd({ lr: (step) => (step === 0 ? 1e6 : 0) }), { steps: 40, monitorEvery: 'off' });
    expect(lifted.losses[1]).toBeGreaterThan(2 ** 32 * lifted.losses[0]);
    expect(lifted.end).toMatchObject({ reason: 'completed', steps: 40 });
    expect(lifted.end.message).toMatch(/far above/);
  });

  it.each(slow)('starts at 0 and falls without end goes on, with %s', async (_, optimizer) => {
    const { end, losses } = await run(lossOf(linear, 0), optimizer, { steps: 300 });
    expect(end).toMatchObject({ reason: 'completed', steps: 300 });
    expect(end.message).toMatch(/^Completed 300 steps\./);
    expect(losses.at(-1)).toBeLessThan(-1);
  });

  it.each([
    ['of 1e-30', 1e-30],
    ['of 1', 1],
    ['of 1e15', 1e15],
  ])('rises a thousandfold has diverged at the same step in a unit %s', async (_, unit) => {
    // The loss of ½w² grows by (1 − η)² = 9 a step.
    const problem = lossOf((w) => mul(unit / 2, sum(square(w))));
    const { end, losses } = await run(problem, gd({ lr: 4 / unit }), { steps: 100 });
    expect(end).toMatchObject({ reason: 'diverged', cause: 'loss-rose', steps: 12 });
    expect(end.message).toContain('The loss rose to');
    expect(end.message).toContain('a smaller η');
    expect(end.message).toContain('divergenceLimit');
    expect((losses.at(-1) ?? 0) / unit).toBeCloseTo(0.5 * 9 ** 11, -7);
  });

  it('rises goes on until f32 ends, where the limit is off, and further with a larger one', async () => {
    const problem = lossOf((w) => mul(0.5, sum(square(w))));
    const off = await run(problem, gd({ lr: 4 }), { steps: 300, divergenceLimit: 'off' });
    expect(off.end).toMatchObject({ reason: 'diverged' });
    expect(off.end.cause).not.toBe('loss-rose');
    const larger = await run(problem, gd({ lr: 4 }), { steps: 300, divergenceLimit: 1e9 });
    expect(larger.end).toMatchObject({ reason: 'diverged', cause: 'loss-rose', steps: 24 });
  });

  it('rises in the last steps of a run says so, although it is completed', async () => {
    const { end } = await run(
      lossOf((w) => mul(0.5, sum(square(w)))),
      gd({ lr: 4 }),
      { steps: 9 },
    );
    expect(end).toMatchObject({ reason: 'completed' });
    expect(end.message).toMatch(/Completed 9 steps, with a loss of 21500000, far above its first ones/);
  });

  it('rises after a resume is held against the losses of the start', async () => {
    const problem = lossOf((w) => mul(0.5, sum(square(w))));
    await run(problem, gd({ lr: 4 }), { steps: 9, out: folder });
    await run(problem, gd({ lr: 4 }), { steps: 100, out: folder, resume: true });
    expect(readRunLog(folder).at(-1)).toMatchObject({ reason: 'diverged', cause: 'loss-rose', steps: 12 });
  });

  it('rose too far can go on from its last checkpoint with another limit', async () => {
    const problem = lossOf((w) => mul(0.5, sum(square(w))));
    const options = { steps: 20, out: folder, checkpointEvery: 5 };
    expect((await run(problem, gd({ lr: 4 }), options)).end).toMatchObject({ cause: 'loss-rose', steps: 12 });
    const rest = await run(problem, gd({ lr: 4 }), { ...options, resume: true, divergenceLimit: 'off' });
    expect(rest.events[0]).toMatchObject({ type: 'resume', step: 10 });
    expect(rest.end).toMatchObject({ reason: 'completed', steps: 20 });
    expect(rest.end.message).not.toContain('far above');
  });

  it.each([0, 0.5, Number.NaN, 'on', null])('has a divergenceLimit of %s is refused', async (divergenceLimit) => {
    const options = { steps: 1, divergenceLimit } as TrainOptions;
    await expect(run(lossOf(linear), gd({ lr: 1 }), options)).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ARGUMENT',
      message: expect.stringContaining('divergenceLimit'),
    });
  });
});

describe('a run that is not finite', () => {
  const first = [gd({ lr: 0.1 }), gdm({ lr: 0.1 }), adam({ lr: 0.1 })];

  it.each([1, 5])(
    'in its gradient, with a finite loss, ends before the first step and does not blame η (%i steps)',
    async (steps) => {
      for (const optimizer of first) {
        const { end, theta } = await run(
          lossOf((w) => sum(sqrt(w)), 0, 3),
          optimizer,
          { steps, out: join(folder, optimizer.name) },
        );
        expect(end).toMatchObject({ reason: 'diverged', cause: 'gradient-not-finite', steps: 1 });
        expect(end.message).toContain("gradient of 'w'");
        expect(end.message).toContain('element 0');
        expect(end.message).not.toContain('What may help');
        expect([...theta]).toEqual([0, 0, 0]);
        expect(readRunLog(join(folder, optimizer.name)).filter(({ type }) => type === 'checkpoint')).toHaveLength(1);
      }
    },
  );

  it('in a gradient of a form that has none there, √(w²) at 0, is either finite or said not to be', async () => {
    for (const optimizer of first) {
      for (const steps of [1, 5]) {
        const { end, theta } = await run(
          lossOf((w) => sum(sqrt(square(w))), 0),
          optimizer,
          { steps },
        );
        expect(theta[0]).not.toBeNaN();
        expect([undefined, 'gradient-not-finite']).toContain(end.cause);
      }
    }
  });

  it("in Adam's second moment names it and says to scale the loss", async () => {
    for (const options of [{ steps: 5 }, { steps: 500 }, { steps: 5, out: folder, checkpointEvery: 2 }]) {
      const { end } = await run(
        lossOf((w) => mul(1e20, sum(square(w)))),
        adam({ lr: 0.1 }),
        options,
      );
      expect(end).toMatchObject({ reason: 'diverged', cause: 'state-not-finite' });
      expect(end.steps).toBe('out' in options ? 2 : Math.min(options.steps, 64));
      expect(end.message).toContain("second moment of the gradient (v) of 'w' is Infinity");
      expect(end.message).toContain('scale the loss');
      expect(end.message).not.toContain('What may help');
    }
  });

  it('in the second moment of a zeroth-order Adam names it, too', async () => {
    const { end } = await run(
      lossOf((w) => mul(1e25, sum(w))),
      zoAdam({ lr: 1e-3 }),
      { steps: 70 },
    );
    expect(end).toMatchObject({ reason: 'diverged', cause: 'state-not-finite', steps: 64 });
  });

  it('in its momentum names that, not the parameters that it has spoilt', async () => {
    // m grows tenfold on its way to 10 · 2e38.
    const problem = lossOf((w) => mul(2e38, sum(w)));
    const { end } = await run(problem, gdm({ lr: 1e-30, beta: 0.9 }), { steps: 70 });
    expect(end).toMatchObject({ reason: 'diverged', cause: 'state-not-finite' });
    expect(end.message).toContain("momentum of 'w'");
  });

  it('in its parameters after one dense update says so at once, though the loss does not', async () => {
    // relu(−∞) is 0: the loss never shows it.
    const problem = lossOf((w) => sum(add(relu(w), 1)));
    const { end } = await run(problem, gd({ lr: 3.4e38 }), { steps: 10 });
    const twice = await run(
      lossOf((w) => sum(add(mul(2, relu(w)), 1))),
      gd({ lr: 3.4e38 }),
      { steps: 10 },
    );
    expect(end).toMatchObject({ reason: 'completed' });
    expect(twice.end).toMatchObject({ reason: 'diverged', cause: 'parameters-not-finite', steps: 1 });
    expect(twice.end.message).toContain("parameter 'w' is -Infinity (element 0) after 1 step");
  });

  it.each([
    ['gd', gd({ lr: 0.1 })],
    ['zoGD', zoGD({ lr: 0.1 })],
  ])('in its loss before the first step looks for the cause in the loss, with %s', async (_, optimizer) => {
    const { end } = await run(
      lossOf((w) => sum(log(neg(w)))),
      optimizer,
      { steps: 5 },
    );
    expect(end).toMatchObject({ reason: 'diverged', cause: 'loss-not-finite', steps: 1, loss: null });
    expect(end.message).toContain('No step had been taken: look at the loss, its data and the initial parameters.');
    expect(end.message).not.toContain('η');
  });

  it('only where μ perturbs the parameters blames μ', async () => {
    const problem = lossOf((w) => sum(log(w)), 1, 30);
    const { end } = await run(problem, zoGD({ lr: 0.1, mu: 2 }), { steps: 5 });
    expect(end).toMatchObject({ reason: 'diverged', cause: 'loss-not-finite', steps: 1 });
    expect(end.message).toMatch(/at the parameters themselves it is -?\d/);
    expect(end.message).toContain('a smaller μ');
  });

  it('in an estimate that f32 cannot hold says what it was', async () => {
    const steep = await run(
      lossOf((w) => mul(1e38, sum(w)), 1, 100),
      zoGD({ lr: 1e-38 }),
      { steps: 5 },
    );
    expect(steep.end).toMatchObject({ reason: 'diverged', cause: 'update-not-finite', steps: 1 });
    expect(steep.end.message).toContain('scale the loss');
    const far = await run(lossOf(linear, 1, 100), zoGD({ lr: 3.4e38 }), { steps: 5 });
    expect(far.end).toMatchObject({ reason: 'diverged', cause: 'update-not-finite', steps: 1 });
    expect(far.end.message).toContain('a smaller η');
  });

  it('in its parameters is not measured, nor kept', async () => {
    const problem = lossOf((w) => sum(add(mul(2, relu(w)), 1)));
    const { events, end } = await run(problem, gd({ lr: 1.7e38 }), {
      steps: 10,
      monitorEvery: 1,
      probes: 2,
      out: folder,
      checkpointEvery: 2,
    });
    // 1 − 2 · 1.7e38 is finite, and so is its relu.
    expect(end).toMatchObject({ reason: 'completed' });
    const late = await run(
      lossOf((w) => sum(add(w, 1)), -3e38),
      gd({ lr: 1e37 }),
      { steps: 10, monitorEvery: 1, probes: 2, out: join(folder, 'late'), checkpointEvery: 2 },
    );
    expect(late.end).toMatchObject({ reason: 'diverged', cause: 'parameters-not-finite', steps: 5 });
    expect(late.monitors.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4]);
    expect(late.events.flatMap((event) => (event.type === 'checkpoint' ? [event.step] : []))).toEqual([0, 2, 4]);
    expect(events.filter(({ type }) => type === 'checkpoint')).toHaveLength(6);
  });

  it('at its start says so before a step, with the tensor', async () => {
    await using objective = await compile(device, lossOf(linear, 1, 4));
    // Beyond f32 once it is added to what is there.
    const direction = { distribution: 'rademacher', seed: 1n, stream: 2n } as const;
    objective.params.add(direction, 3e38);
    objective.params.add({ ...direction, stream: 3n }, 3e38);
    const events: TrainEvent[] = [];
    for await (const event of train(objective, gd({ lr: 0.1 }), { steps: 3, out: folder })) events.push(event);
    expect(events.map(({ type }) => type)).toEqual(['run', 'end']);
    expect(events[1]).toMatchObject({
      reason: 'diverged',
      cause: 'parameters-not-finite',
      steps: 0,
      squaredNorm: null,
    });
  });
});

describe('a run that goes nowhere', () => {
  it.each(slow)('on a loss that does not depend on its parameters says so once, with %s', async (_, optimizer) => {
    const problem = lossOf((w) => sum(add(mul(0, w), 2)), 1, 8);
    const twice = {
      ...(optimizer.rule.initial?.p && frozenZoAdam({ lr: 0.01, preconditioner: new Float32Array(8).fill(1) })),
    };
    const { end, warnings } = await run(problem, { ...optimizer, ...twice }, { steps: 50 });
    expect(warnings).toMatchObject([
      { step: 3, code: 'loss-flat', message: expect.stringMatching(/the loss is 16 whatever/i) },
    ]);
    expect(end.reason).toBe('completed');
    expect(end.message).toContain(warnings[0].message);
  });

  it('because μ is lost next to its weights says so', async () => {
    const problem = lossOf((w) => sum(square(w)), 1e6, 50);
    const { end, warnings } = await run(problem, zoGD({ lr: 1e-9, mu: 1e-3 }), { steps: 10 });
    expect(warnings).toMatchObject([{ code: 'mu-lost', step: 3 }]);
    expect(warnings[0].message).toContain('100 % of them do not change');
    expect(end.message).toContain('a larger μ');
    // The same of a scalar, of more parameters than are read at a time, and where only most of them are large.
    const scalar: Problem = {
      parameters: { w: { shape: [], init: { kind: 'constant', value: 1e6 } } },
      loss: (q) => square(q.w),
    };
    expect((await run(scalar, zoGD({ lr: 1e-9 }), { steps: 4 })).warnings).toMatchObject([{ code: 'mu-lost' }]);
    const many = await run(
      lossOf((w) => sum(mul(1e-12, square(w))), 1e6, 2 ** 20 + 5),
      zoGD({ lr: 1e-9 }),
      { steps: 4 },
    );
    expect(many.warnings).toMatchObject([{ code: 'mu-lost', message: expect.stringContaining('100 %') }]);
    const mixed: Problem = {
      parameters: {
        large: { shape: [30], init: { kind: 'constant', value: 1e6 } },
        unused: { shape: [10], init: { kind: 'constant', value: 1 } },
      },
      loss: (q) => add(sum(square(q.large)), mul(0, sum(q.unused))),
    };
    const some = await run(mixed, zoGD({ lr: 1e-9 }), { steps: 4 });
    expect(some.warnings).toMatchObject([{ code: 'mu-lost', message: expect.stringContaining('75 %') }]);
    // The same loss with a μ that f32 holds there.
    expect((await run(problem, zoGD({ lr: 1e-9, mu: 1 }), { steps: 10 })).warnings).toEqual([]);
  });

  it('because a constant hides the differences of the loss says so', async () => {
    const problem = lossOf((w) => sum(add(mul(1e-4, square(w)), 1e6)), 1, 10);
    const { warnings } = await run(problem, zoGD({ lr: 0.1, mu: 1e-3 }), { steps: 10 });
    expect(warnings).toMatchObject([{ code: 'loss-unresolved', step: 3 }]);
    expect(warnings[0].message).toContain('below its resolution');
  });

  it('because the loss is a plateau around its parameters says so', async () => {
    const problem = lossOf((w) => sum(add(relu(sub(w, 2)), 1)), 1, 10);
    const { warnings } = await run(problem, zoGD({ lr: 0.1, mu: 1e-3 }), { steps: 10 });
    expect(warnings).toMatchObject([{ code: 'loss-plateau', step: 3 }]);
  });

  it('because it starts at a minimum says so, with two points and with a gradient', async () => {
    const problem = lossOf((w) => sum(square(w)), 0, 10);
    await using objective = await compile(device, problem);
    const { warnings } = await run(problem, zoGD({ lr: 0.1 }), { steps: 10 });
    expect(warnings).toMatchObject([{ code: 'loss-stationary', step: 3 }]);
    const direction = { distribution: 'normal', seed: 1n, stream: 0n } as const;
    expect(await whyFlat(objective, direction, 1e-3, false)).toMatchObject({ code: 'loss-stationary' });
    // Off the minimum there is nothing to say.
    await objective.params.write(new Float32Array(10).fill(1));
    expect(await whyFlat(objective, direction, 1e-3, false)).toBeUndefined();
    const exact = await run(problem, gd({ lr: 0.1 }), { steps: 10 });
    expect(exact.warnings).toMatchObject([{ code: 'gradient-zero', message: expect.stringContaining('stationary') }]);
  });

  it('because its batches see nothing, though all examples together do, says so', async () => {
    const x = new Float32Array(1000);
    x[999] = 1;
    const problem: Problem = {
      parameters: { w: { shape: [4], init: { kind: 'constant', value: 1 } } },
      data: { x: { shape: [1000, 1], data: x } },
      loss: (q, { x }) => mul(1e-3, mul(sum(x), sum(square(q.w)))),
    };
    const { warnings } = await run(problem, zoGD({ lr: 0.1 }), { steps: 6, batch: 1 }, { arenaBudget: 2 ** 30 });
    expect(warnings).toMatchObject([{ code: 'batch-flat', step: 3 }]);
  });

  it('in fewer steps than it is asked after says so at its end', async () => {
    const { warnings, events } = await run(
      lossOf((w) => sum(mul(0, w))),
      zoGD({ lr: 0.1 }),
      { steps: 2 },
    );
    expect(warnings).toMatchObject([{ code: 'loss-flat', step: 2 }]);
    expect(events.map(({ type }) => type)).toEqual(['run', 'step', 'step', 'warning', 'end']);
  });

  it('because its updates are lost next to its weights says so', async () => {
    for (const optimizer of [gd({ lr: 1e-9 }), gdm({ lr: 1e-9 }), adam({ lr: 1e-9 }), zoGD({ lr: 1e-9 })]) {
      const { warnings, end } = await run(lossOf(linear, 1, 5), optimizer, { steps: 30 });
      expect(warnings).toMatchObject([{ code: 'parameters-stuck', step: 30 }]);
      expect(end.message).toContain('a larger η');
    }
    expect((await run(lossOf(linear, 1, 5), gd({ lr: 0 }), { steps: 30 })).warnings).toEqual([]);
    // The squares of the gradient underflow in v, and ε is all that is left to divide by.
    const faint = await run(
      lossOf((w) => mul(1e-25, sum(square(w)))),
      adam({ lr: 0.1 }),
      { steps: 30 },
    );
    expect(faint.warnings).toMatchObject([{ code: 'parameters-stuck' }]);
    // η = 2/λ changes every sign and no square.
    const flips = await run(
      lossOf((w) => mul(0.5, sum(square(w)))),
      gd({ lr: 2 }),
      { steps: 31 },
    );
    expect(flips.warnings).toEqual([]);
  });

  it('with an estimator of its own that returns 0 says what it knows', async () => {
    const nothing: Estimator = {
      name: 'nothing',
      moments: () => ({ s1: 1, s2: 0 }),
      estimate: async () => ({ kind: 'directions', loss: 1, terms: [] }),
    };
    const optimizer = { name: 'own', estimator: nothing, rule: plain(), lr: 0.1 };
    const { warnings } = await run(lossOf(linear), optimizer, { steps: 9 });
    expect(warnings).toMatchObject([{ code: 'estimate-zero', message: expect.stringContaining('nothing') }]);
  });

  it('in some steps only is not warned', async () => {
    const sometimes: Estimator = {
      name: 'sometimes',
      moments: () => ({ s1: 1, s2: 0 }),
      estimate: async ({ direction }) => {
        const { stream } = direction(0);
        const coefficient = (stream >> 16n) % 4n === 0n ? 1e-3 : 0;
        return { kind: 'directions', loss: 1, terms: [{ direction: direction(0), coefficient }] };
      },
    };
    const optimizer = { name: 'own', estimator: sometimes, rule: plain(), lr: 0.1 };
    expect((await run(lossOf(linear), optimizer, { steps: 40 })).warnings).toEqual([]);
  });

  it('is warned as often and at the same steps when it is stopped and resumed', async () => {
    const problem = lossOf((w) => sum(add(mul(0, w), 2)), 1, 8);
    const whole = await run(problem, zoGD({ lr: 0.1 }), { steps: 20, out: join(folder, 'whole'), checkpointEvery: 3 });
    const out = join(folder, 'cut');
    for (const steps of [2, 3, 11, 20]) {
      await run(problem, zoGD({ lr: 0.1 }), { steps, out, resume: steps > 2, checkpointEvery: 3 });
    }
    const warned = readRunLog(out).filter(({ type }) => type === 'warning');
    expect(warned).toEqual(whole.warnings);
    expect(readRunLog(out).at(-1)).toMatchObject({ message: whole.end.message });
  });
});

describe('a run whose weights diffuse', () => {
  it('logs what noise adds to ‖θ‖², the sum of η²c²d, beside what is measured', async () => {
    const { monitors, end, events } = await run(smallProblem(), zoGD({ lr: 0.06 }), {
      steps: 40,
      monitorEvery: 10,
      probes: 2,
    });
    const start = events[0].type === 'run' ? events[0].squaredNorm : Number.NaN;
    expect(monitors[0]).toMatchObject({ step: 0, squaredNorm: start, diffusion: 0 });
    let noise = 0;
    for (const event of events) {
      if (event.type === 'step') noise += event.lr ** 2 * (event.projectedGradient ?? 0) ** 2 * 80;
      if (event.type === 'monitor') expect(event.diffusion).toBeCloseTo(noise, 9);
    }
    expect(monitors).toHaveLength(5);
    expect(end).toMatchObject({ squaredNorm: monitors[4].squaredNorm, diffusion: monitors[4].diffusion });
  });

  it('warns once, with figures that agree: sorting-mlp at η = 0.05, which was seen to go from 54 to 445 where the sum is 414', async () => {
    const problem = supervised(sortingMlp(), sortingMlpData({ seed: 1 }), squaredLoss);
    const { warnings, end, events, theta } = await run(
      problem,
      zoGD({ lr: 0.05 }),
      { steps: 400, seed: 1 },
      { seed: 1 },
    );
    const start = events[0].type === 'run' ? events[0].squaredNorm : Number.NaN;
    const now = theta.reduce((total, value) => total + value * value, 0);
    expect(end.squaredNorm).toBeCloseTo(now, 3);
    expect(now).toBeGreaterThan(3 * start);
    const share = (end.diffusion ?? Number.NaN) / (now - start);
    expect(share).toBeGreaterThan(0.85);
    expect(share).toBeLessThan(1.25);
    expect(warnings).toMatchObject([{ code: 'weights-diffuse' }]);
    expect(warnings[0].step).toBeLessThan(300);
    expect(warnings[0].step).toBeGreaterThan(50);
    expect(warnings[0].message).toMatch(
      /^The weights diffuse: ‖θ‖² has grown from 54.* to .*, and the noise of the steps alone adds/,
    );
    // The end says what has become of it.
    expect(end.message).toMatch(/Warning: ‖θ‖² has grown from 54.* to/);
  });

  it('is measured when noise has grown by a quarter, not in every step after', async () => {
    // A slope has no curvature: noise grows evenly, by η²c²d a step, to some 25 times ‖θ‖² at the start.
    await using objective = await compile(device, lossOf(linear, 1, 100));
    const measure = objective.params.measure.bind(objective.params);
    let measured = 0;
    objective.params.measure = () => {
      measured += 1;
      return measure();
    };
    const end = await train(objective, zoGD({ lr: 0.01 }), { steps: 2500, monitorEvery: 'off' });
    // At the start, after the first step, at the end, and at each growth by a quarter from three times ‖θ‖² at the start on.
    const quarters = Math.log((end.diffusion ?? 0) / 300) / Math.log(1.25);
    expect(quarters).toBeGreaterThan(8);
    expect(quarters).toBeLessThan(12);
    expect(measured).toBeGreaterThan(3 + 0.6 * quarters);
    expect(measured).toBeLessThan(5 + quarters);
  });

  it('is warned of it at the same step, whoever watches', async () => {
    const told = [];
    for (const monitorEvery of ['off', 5, 50] as const) {
      const options = { steps: 170, monitorEvery, probes: 2 };
      told.push((await run(smallProblem(), zoGD({ lr: 0.1 }), options, { seed: 7 })).warnings);
    }
    expect(told[0]).toMatchObject([{ code: 'weights-diffuse' }]);
    expect(told[1]).toEqual(told[0]);
    expect(told[2]).toEqual(told[0]);
  });

  it('that are trained exactly, or by a rule whose noise is not known, is not warned of it', async () => {
    for (const [optimizer, diffusion] of [
      [gd({ lr: 0.5 }), 0],
      [zoAdam({ lr: 0.3 }), null],
    ] as const) {
      const { warnings, end } = await run(smallProblem(), optimizer, { steps: 150 });
      expect(end.diffusion).toBe(diffusion);
      expect(warnings).toEqual([]);
    }
  });

  it('and has died of it names what was seen and what may help', async () => {
    const options = { steps: 2000, monitorEvery: 6, probes: 2, batch: 16 };
    const { end } = await run(smallProblem(), zoGD({ lr: 0.4 }), options);
    expect(end).toMatchObject({ reason: 'diverged' });
    expect(end.message).toMatch(
      /At step \d+, when it was last measured, the trace was [\d.]+, [\d.]+ to [\d.]+ times its limit at η = 0.4/,
    );
    expect(end.message).toContain('Each step saw 16 of 64 examples');
    expect(end.message).toMatch(/‖θ‖² had grown from [\d.]+ to [\d.]+; the noise of the steps alone adds [\d.]+\./);
    expect(end.message).toMatch(
      /What may help: a smaller η, a larger batch, fewer trained parameters .*, the mean of several queries a step \(queries\) or weight decay \(weightDecay\)/,
    );
  });

  it('is helped by what it is told: the mean over q directions as it says, and weights among the constants', async () => {
    const averaged = (q: number): Optimizer => ({
      name: 'averaged',
      rule: plain(),
      lr: 0.05,
      estimator: {
        name: 'averaged',
        async estimate({ oracle, direction }) {
          const [terms, mu] = [[] as Term[], 1e-3];
          let loss = 0;
          for (let i = 0; i < q; i++) {
            const z = direction(i);
            const [plus, minus] = await oracle.losses([
              [{ direction: z, coefficient: mu }],
              [{ direction: z, coefficient: -mu }],
            ]);
            terms.push({ direction: z, coefficient: (plus - minus) / (2 * mu) / q });
            loss += (plus + minus) / (2 * q);
          }
          return { kind: 'directions', loss, terms };
        },
      },
    });
    const noise = async (of: Problem, q: number) =>
      (await run(of, averaged(q), { steps: 40, monitorEvery: 'off' }, { seed: 1 })).end.diffusion ?? Number.NaN;
    const [one, sixteen] = [await noise(smallProblem(), 1), await noise(smallProblem(), 16)];
    expect(sixteen / one).toBeLessThan(2 / 16);
    expect(sixteen / one).toBeGreaterThan(0.5 / 16);
    const { w1, b1, w2 } = smallProblem().parameters;
    const kept: Problem = {
      ...smallProblem(),
      parameters: { b1, w2 },
      constants: { w1: { shape: w1.shape, data: Float32Array.from({ length: 48 }, (_, i) => 0.4 * Math.sin(i)) } },
      loss: (p, d, c) => smallProblem().loss({ ...p, w1: c.w1 }, d, {}),
    };
    expect(await noise(kept, 1)).toBeLessThan(one);
  });
});

describe("an estimator of one's own whose state is not finite", () => {
  const own = (estimate: (loss: number, square: number) => { coefficient: number; square: number }): Optimizer => ({
    name: 'own',
    estimator: {
      name: 'own',
      cost: { losses: 2 },
      moments: () => null,
      init: () => ({ square: 1 }),
      async estimate({ oracle, direction, state }) {
        const u = direction(0);
        const at = (coefficient: number) => [{ direction: u, coefficient }];
        const [plus, minus] = await oracle.losses([at(1e-3), at(-1e-3)]);
        const { coefficient, square } = estimate((plus - minus) / 2e-3, (state as { square: number }).square);
        const terms = [{ direction: u, coefficient }];
        return { estimate: { kind: 'directions', loss: (plus + minus) / 2, terms }, state: { square } };
      },
    },
    rule: plain(),
    lr: 1e12,
  });

  it('ends a run as diverged where its loss has, and the log has it', async () => {
    const average = own((c, square) => ({ coefficient: c, square: 0.9 * square + 0.1 * c * c }));
    const { end, events } = await run(smallProblem(), average, { steps: 400 });
    expect(end).toMatchObject({ reason: 'diverged' });
    expect(events.at(-1)).toEqual(end);
  });

  it('ends a run with what made its estimate a NaN, and the advice that fits', async () => {
    const { end } = await run(
      smallProblem(),
      own((c) => ({ coefficient: (c - c) / (c - c), square: Number.NaN })),
      {
        steps: 400,
      },
    );
    expect(end).toMatchObject({ reason: 'diverged', cause: 'update-not-finite' });
    expect(end.message).toMatch(/The estimate of step 0 is NaN along its direction, where the loss is/);
    expect(end.message).toMatch(/look at the formula of the estimator or the rule/);
    expect(end.message).not.toMatch(/beyond f32|scale the loss/);
  });
});
