import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { mul, square, sum } from '../../lib/graph/ops.ts';
import { compile } from '../../lib/objective/objective.ts';
import type { LearningRate, Optimizer } from '../../lib/optimizers/optimizer.ts';
import { gd, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import type { StepInfo, StepSize } from '../../lib/optimizers/step-size.ts';
import type { TrainEvent } from '../../lib/train/events.ts';
import { readRunLog } from '../../lib/train/log.ts';
import type { TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from './small-problem.ts';

const device = openDevice();
afterAll(() => device.dispose());

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-step-size-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function run(optimizer: Optimizer, options: TrainOptions, watch: (event: TrainEvent) => void = () => {}) {
  await using objective = await compile(device, smallProblem(), { seed: 1 });
  const events: TrainEvent[] = [];
  for await (const event of train(objective, optimizer, options)) {
    events.push(event);
    watch(event);
  }
  return events;
}

const trajectory = (name: string) =>
  readRunLog(join(folder, name)).filter(({ type }) => type === 'step' || type === 'monitor');
const lrs = (events: readonly TrainEvent[]) => events.flatMap((event) => (event.type === 'step' ? [event.lr] : []));

/** Follows the loss, which it remembers, and the trace, which it does not. */
const adaptive = (scale: number): StepSize<{ lr: number; best: number | null }> => ({
  name: 'adaptive',
  options: { scale },
  init: () => ({ lr: scale, best: null }),
  next({ lr, best }, { estimate, monitor }) {
    if (!estimate) return { lr, state: { lr, best } };
    const worse = best !== null && estimate.loss > best;
    const trace = Math.max(1, monitor?.trace ?? 1);
    const grown = worse ? 0.97 * lr : 1.01 * lr;
    return { lr: grown / trace, state: { lr: grown, best: Math.min(best ?? estimate.loss, estimate.loss) } };
  },
});

describe('a step size with a state', () => {
  it.each<[string, (lr: LearningRate) => Optimizer]>([
    ['zoGD', (lr) => zoGD({ lr })],
    ['zoGDM', (lr) => zoGDM({ lr, beta: 0.5 })],
    ['zoAdam', (lr) => zoAdam({ lr })],
    ['gd', (lr) => gd({ lr })],
  ])('of %s goes on from every checkpoint as if the run had not been stopped', async (name, make) => {
    const options = { steps: 40, seed: 3, monitorEvery: 10, probes: 2, checkpointEvery: 7 };
    await run(make(adaptive(0.01)), { ...options, out: join(folder, 'whole') });
    expect(new Set(lrs(readRunLog(join(folder, 'whole')))).size).toBeGreaterThan(10);
    // Between measurements, at a measurement, after its step, and between checkpoints.
    for (const at of [5, 20, 21, 33]) {
      const out = join(folder, `cut-${at}`);
      const abort = new AbortController();
      await run(make(adaptive(0.01)), { ...options, out, signal: abort.signal }, (event) => {
        if (event.type === 'step' && event.step === at - 1) abort.abort();
      });
      await run(make(adaptive(0.01)), { ...options, out, resume: true });
      expect(trajectory(`cut-${at}`), `${name} at ${at}`).toEqual(trajectory('whole'));
    }
  });

  it('of a completed run that gets more steps goes by the measurements of the longer run', async () => {
    const options = { seed: 3, monitorEvery: 10, probes: 2 };
    await run(zoGD({ lr: adaptive(0.01) }), { ...options, steps: 40, out: join(folder, 'whole') });
    for (const steps of [20, 25]) {
      // The shorter run measures at its end, too, which the longer one does not.
      const out = join(folder, `longer-${steps}`);
      await run(zoGD({ lr: adaptive(0.01) }), { ...options, steps, out });
      await run(zoGD({ lr: adaptive(0.01) }), { ...options, steps: 40, out, resume: true });
      expect(trajectory(`longer-${steps}`)).toEqual(trajectory('whole'));
    }
  });

  it('is asked after the step has measured, with what it measured', async () => {
    const seen: StepInfo[] = [];
    const spy: StepSize<null> = {
      name: 'spy',
      init: () => null,
      next(state, info) {
        seen.push(info);
        return { lr: info.estimate ? 0.02 : 0.5, state };
      },
    };
    const events = await run(zoGD({ lr: spy }), { steps: 3, monitorEvery: 2, probes: 2 });
    expect(lrs(events)).toEqual([0.02, 0.02, 0.02]);
    expect(events[0]).toMatchObject({ optimizer: { lr: 0.5, stepSize: { name: 'spy', options: {} } } });
    const steps = events.flatMap((event) => (event.type === 'step' ? [event] : []));
    const monitors = events.flatMap((event) => (event.type === 'monitor' ? [event] : []));
    expect(monitors.map(({ lr, step }) => [step, lr])).toEqual([
      [0, 0.5],
      [2, 0.5],
      [3, 0.5],
    ]);
    for (const { step, loss, projectedGradient } of steps) {
      const asked = seen.filter((info) => info.step === step && info.estimate);
      expect(asked.length).toBeGreaterThan(0);
      for (const { estimate, monitor } of asked) {
        expect(estimate).toMatchObject({ kind: 'directions', loss, terms: [{ coefficient: projectedGradient }] });
        const { trace, traceStdErr, lambdaMax, loss: at } = monitors[step < 2 ? 0 : 1];
        expect(monitor).toEqual({ step: step < 2 ? 0 : 2, loss: at, trace, traceStdErr, lambdaMax });
      }
    }
  });

  it('is not asked about a loss that is no number: the run has diverged', async () => {
    const data = { x: { shape: [1], data: Float32Array.of(1) } };
    const parameters = { w: { shape: [1], init: { kind: 'constant', value: 1e20 } } } as const;
    await using objective = await compile(device, { parameters, data, loss: (p) => sum(square(square(p.w))) });
    const losses: number[] = [];
    const lr: StepSize<null> = {
      name: 'watching',
      init: () => null,
      next(state, { estimate }) {
        if (estimate) losses.push(estimate.loss);
        return { lr: 0.1, state };
      },
    };
    const events: TrainEvent[] = [];
    for await (const event of train(objective, gd({ lr }), { steps: 3 })) events.push(event);
    expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'diverged' });
    expect(losses).toEqual([]);
  });

  it('may be 0 after all: the step then moves nothing', async () => {
    const zero: StepSize<null> = {
      name: 'zero',
      init: () => null,
      next: (state, { estimate }) => ({ lr: estimate ? 0 : 1, state }),
    };
    const data = { x: { shape: [1], data: Float32Array.of(1) } };
    const parameters = { w: { shape: [1], init: { kind: 'constant', value: 3 } } } as const;
    await using objective = await compile(device, { parameters, data, loss: (p) => mul(0.5, sum(square(p.w))) });
    for await (const _ of train(objective, gd({ lr: zero }), { steps: 5 }));
    expect([...(await objective.params.read())]).toEqual([3]);
  });
});

describe('a learning rate that remembers', () => {
  it('ends the run with a code and the name of what to use, at the step where it shows', async () => {
    let lr = 0.02;
    const steps: number[] = [];
    const plateau = run(zoGD({ lr: () => lr }), { steps: 10 }, (event) => {
      if (event.type !== 'step') return;
      steps.push(event.step);
      if (event.step === 4) lr /= 2;
    });
    await expect(plateau).rejects.toMatchObject({
      code: 'ERR_ZEROTH_STEP_SIZE',
      message: expect.stringContaining('StepSize'),
    });
    expect(steps).toEqual([0, 1, 2, 3, 4]);
  });

  it('is refused before anything is written where it shows at once', async () => {
    let calls = 0;
    const out = join(folder, 'run');
    await expect(run(zoGD({ lr: () => 0.1 / ++calls }), { steps: 10, out })).rejects.toMatchObject({
      code: 'ERR_ZEROTH_STEP_SIZE',
    });
    expect(() => readRunLog(out)).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_FILE' }));
  });
});

it.each([0, 1])('a completed run that is resumed %d times more says its last loss', async (more) => {
  const optimizer = zoGD({ lr: 0.02 });
  const first = (await run(optimizer, { steps: 5, out: folder })).at(-1);
  expect(first).toMatchObject({ type: 'end', loss: expect.any(Number) });
  for (let i = 0; i <= more; i++) {
    const again = (await run(optimizer, { steps: 5, out: folder, resume: true })).at(-1);
    expect(again).toMatchObject({ type: 'end', reason: 'completed', steps: 5, loss: (first as { loss: number }).loss });
  }
  // So does one that is stopped before it makes a step of its own.
  const signal = AbortSignal.abort();
  const stopped = (await run(optimizer, { steps: 9, out: folder, resume: true, signal })).at(-1);
  expect(stopped).toMatchObject({ reason: 'aborted', steps: 5, loss: (first as { loss: number }).loss });
});
