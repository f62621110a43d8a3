import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { mean, square, sum } from '../../lib/graph/ops.ts';
import { compile } from '../../lib/objective/objective.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import type { Optimizer } from '../../lib/optimizers/optimizer.ts';
import { adam, frozenZoAdam, gd, gdm, mezo, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import { piecewise } from '../../lib/optimizers/schedules.ts';
import { loadSafetensors } from '../../lib/params/safetensors/read.ts';
import type { EndEvent, MonitorEvent, RunEvent, StepEvent, TrainEvent } from '../../lib/train/events.ts';
import { readRunLog } from '../../lib/train/log.ts';
import type { TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from './small-problem.ts';

const device = openDevice();
afterAll(() => device.dispose());

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-train-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const dimension = 6 * 8 + 8 + 8 * 3;

async function run(optimizer: Optimizer, options: TrainOptions, on = device) {
  const objective = await compile(on, smallProblem(), { seed: 1 });
  const events: TrainEvent[] = [];
  for await (const event of train(objective, optimizer, options)) events.push(event);
  const of = <T extends TrainEvent>(type: T['type']) => events.filter((event) => event.type === type) as T[];
  const theta = await objective.params.read();
  await objective.dispose();
  return {
    events,
    steps: of<StepEvent>('step'),
    monitors: of<MonitorEvent>('monitor'),
    runs: of<RunEvent>('run'),
    end: of<EndEvent>('end')[0],
    theta,
  };
}

const recipes: [string, Optimizer][] = [
  ['zoGD', zoGD({ lr: 0.02 })],
  ['mezo', mezo({ lr: 0.02 })],
  ['zoGDM', zoGDM({ lr: 0.002, beta: 0.9 })],
  ['zoAdam', zoAdam({ lr: 0.003 })],
  ['frozenZoAdam', frozenZoAdam({ lr: 0.02, beta1: 0.9, preconditioner: new Float32Array(dimension).fill(1.5) })],
  ['gd', gd({ lr: 0.1 })],
  ['gdm', gdm({ lr: 0.02, beta: 0.9 })],
  ['adam', adam({ lr: 0.01 })],
];

describe('train', () => {
  it.each(recipes)('%s learns, and says what it did', async (_, optimizer) => {
    const { events, steps, monitors, runs, end } = await run(optimizer, { steps: 400, monitorEvery: 200, probes: 8 });
    expect(steps.map((event) => event.step)).toEqual(Array.from({ length: 400 }, (_, i) => i));
    const mean = (part: StepEvent[]) => part.reduce((sum, event) => sum + event.loss, 0) / part.length;
    expect(mean(steps.slice(-40))).toBeLessThan(0.8 * mean(steps.slice(0, 10)));
    expect(events[0].type).toBe('run');
    expect(runs[0]).toMatchObject({
      parameters: dimension,
      examples: 64,
      batch: 'full',
      steps: 400,
      seed: '0',
      optimizer: { name: optimizer.name },
    });
    expect(end).toMatchObject({ reason: 'completed', steps: 400, loss: steps.at(-1)?.loss });
    // An adaptive rule has no preconditioner before its first update.
    const first = optimizer.rule.states.includes('v') ? 200 : 0;
    expect(monitors.map((event) => event.step)).toEqual([0, 200, 400].filter((step) => step >= first));
    for (const event of monitors) {
      expect(event.lower).toBeLessThanOrEqual(event.upper);
      expect(event.preconditioned).toBe(optimizer.rule.preconditioned);
      expect(event.lambdaMaxResidual).toBeLessThan(0.02 * event.lambdaMax);
    }
  });

  it.each(recipes)(
    '%s follows the same trajectory bit for bit, watched or not, logged or not, and on one thread',
    async (_, optimizer) => {
      const plain = await run(optimizer, { steps: 60, seed: 3 });
      const watched = await run(optimizer, {
        steps: 60,
        seed: 3,
        monitorEvery: 7,
        probes: 4,
        out: join(folder, 'run'),
        checkpointEvery: 11,
      });
      await using single = openDevice({ threads: 1 });
      const alone = await run(optimizer, { steps: 60, seed: 3 }, single);
      const again = await run(optimizer, { steps: 60, seed: 3 }, single);
      expect(watched.steps).toEqual(plain.steps);
      expect(watched.theta).toEqual(plain.theta);
      expect(again.steps).toEqual(alone.steps);
      expect(again.theta).toEqual(alone.theta);
      const other = await run(optimizer, { steps: 60, seed: 4 });
      if (optimizer.estimator.mu !== undefined) expect(other.steps).not.toEqual(plain.steps);
    },
  );

  it('resumes an aborted run to the trajectory and the log of an uninterrupted one', async () => {
    for (const [name, optimizer] of recipes) {
      const options = { steps: 50, seed: 9, monitorEvery: 10, probes: 4, checkpointEvery: 7, batch: 20 };
      const whole = await run(optimizer, { ...options, out: join(folder, `${name}-whole`) });
      const out = join(folder, `${name}-cut`);
      const abort = new AbortController();
      const objective = await compile(device, smallProblem(), { seed: 1 });
      for await (const event of train(objective, optimizer, { ...options, out, signal: abort.signal })) {
        if (event.type === 'step' && event.step === 23) abort.abort();
      }
      const stopped = readRunLog(out).at(-1);
      expect(stopped).toMatchObject({ type: 'end', reason: 'aborted', steps: 24 });
      const rest = await run(optimizer, { ...options, out, resume: true });
      expect(rest.events[0]).toMatchObject({ type: 'resume', step: 24 });
      expect(rest.theta).toEqual(whole.theta);
      const steps = (file: string) =>
        readRunLog(join(folder, file)).filter((event) => event.type === 'step' || event.type === 'monitor');
      expect(steps(`${name}-cut`)).toEqual(steps(`${name}-whole`));
    }
  });

  it('writes checkpoints that any safetensors reader sees as the named weights of that step', async () => {
    const { theta } = await run(zoGD({ lr: 0.02 }), { steps: 30, out: folder });
    const { tensors, metadata } = await loadSafetensors(join(folder, 'checkpoint.safetensors'));
    expect([...tensors.keys()]).toEqual(['w1', 'b1', 'w2']);
    expect(tensors.get('w2')).toMatchObject({ dtype: 'F32', shape: [8, 3] });
    expect(tensors.get('b1')?.data).toEqual(theta.slice(48, 56));
    expect(metadata.step).toBe('30');
  });

  it('ends a diverging run with a clear event, and keeps the last finite checkpoint', async () => {
    const { end, steps } = await run(zoGD({ lr: 20 }), { steps: 500, out: folder, checkpointEvery: 2 });
    expect(end).toMatchObject({ reason: 'diverged', message: expect.stringContaining('smaller η') });
    expect(steps.length).toBeLessThan(500);
    expect(readRunLog(folder).at(-1)).toEqual(end);
    const { tensors, metadata } = await loadSafetensors(join(folder, 'checkpoint.safetensors'));
    for (const { data } of tensors.values()) expect([...data].every(Number.isFinite)).toBe(true);
    expect(Number(metadata.step)).toBeLessThanOrEqual(end.steps);
  });

  it('has every step up to a checkpoint in the log file by the time the checkpoint is there', async () => {
    await using objective = await compile(device, smallProblem());
    const seen: [number, number][] = [];
    for await (const event of train(objective, zoGD({ lr: 0.02 }), { steps: 40, out: folder, checkpointEvery: 8 })) {
      if (event.type !== 'checkpoint') continue;
      seen.push([event.step, readRunLog(folder).filter(({ type }) => type === 'step').length]);
    }
    expect(seen).toEqual([0, 8, 16, 24, 32, 40].map((step) => [step, step]));
  });

  it('keeps the last finite checkpoint when the parameters stop being finite before the loss says so', async () => {
    const data = { x: { shape: [1], data: Float32Array.of(1) } };
    const parameters = { w: { shape: [1], init: { kind: 'constant', value: 1 } } } as const;
    await using objective = await compile(device, { parameters, data, loss: (p) => sum(square(p.w)) });
    // The gradient is 2, so the first step leaves f32.
    const options = { steps: 3, out: folder, checkpointEvery: 1 };
    const events: TrainEvent[] = [];
    for await (const event of train(objective, gd({ lr: 3e38 }), options)) events.push(event);
    expect(events.at(-1)).toMatchObject({ reason: 'diverged', cause: 'parameters-not-finite', steps: 1 });
    const { tensors, metadata } = await loadSafetensors(join(folder, 'checkpoint.safetensors'));
    expect([...(tensors.get('w')?.data ?? [])]).toEqual([1]);
    expect(metadata.step).toBe('0');
  });

  it('draws a mini-batch of different examples each step, another each step', async () => {
    // The loss says which examples took part: a bit each.
    const values = Float32Array.from({ length: 12 }, (_, i) => 2 ** i);
    const parameters = { w: { shape: [1], init: { kind: 'constant', value: 1 } } } as const;
    const problem: Problem = { parameters, data: { x: { shape: [12], data: values } }, loss: (_, { x }) => mean(x) };
    await using objective = await compile(device, problem);
    const drawn: number[] = [];
    for await (const event of train(objective, gd({ lr: 0 }), { steps: 60, batch: 4 }))
      if (event.type === 'step') drawn.push(4 * event.loss);
    const bits = (sum: number) => sum.toString(2).replaceAll('0', '').length;
    expect(drawn.map(bits)).toEqual(new Array(60).fill(4));
    expect(new Set(drawn).size).toBeGreaterThan(40);
    expect(drawn.reduce((all, one) => all | one)).toBe(2 ** 12 - 1);
  });

  it('follows a schedule of η and reports the limit of each part', async () => {
    const { steps, monitors } = await run(zoGD({ lr: piecewise({ 0: 0.01, 20: 0.02 }) }), {
      steps: 40,
      monitorEvery: 10,
      probes: 4,
    });
    expect(steps.map((event) => event.lr)).toEqual(Array.from({ length: 40 }, (_, i) => (i < 20 ? 0.01 : 0.02)));
    expect(monitors.map((event) => event.limit)).toEqual([200, 200, 100, 100, 100]);
  });

  it('draws fresh mini-batches without replacement, from the seed', async () => {
    const small = await run(zoGD({ lr: 0.01 }), { steps: 30, batch: 8, seed: 5 });
    const full = await run(zoGD({ lr: 0.01 }), { steps: 30, seed: 5 });
    const again = await run(zoGD({ lr: 0.01 }), { steps: 30, batch: 8, seed: 5 });
    expect(small.steps).toEqual(again.steps);
    expect(small.steps).not.toEqual(full.steps);
    // Without replacement, a batch of all examples is the full batch in another order.
    const permuted = await run(gd({ lr: 0.01 }), { steps: 5, batch: 64 });
    const whole = await run(gd({ lr: 0.01 }), { steps: 5 });
    permuted.steps.forEach(({ loss }, i) => {
      expect(loss).toBeCloseTo(whole.steps[i].loss, 5);
    });
  });

  it('refuses to overwrite a run and to resume another one', async () => {
    await run(zoGD({ lr: 0.02 }), { steps: 3, out: folder });
    const before = readFileSync(join(folder, 'run.jsonl'), 'utf8');
    await expect(run(zoGD({ lr: 0.02 }), { steps: 3, out: folder })).rejects.toMatchObject({ code: 'ERR_ZEROTH_FILE' });
    await expect(run(zoGD({ lr: 0.02, mu: 0.1 }), { steps: 9, out: folder, resume: true })).rejects.toMatchObject({
      code: 'ERR_ZEROTH_CHECKPOINT',
      message: expect.stringContaining('mu was 0.001 and is 0.1'),
    });
    expect(readFileSync(join(folder, 'run.jsonl'), 'utf8')).toBe(before);
  });

  it.each<[string, TrainOptions, RegExp]>([
    ['seed', { steps: 9, seed: 1 }, /seed was "0" and is "1"/],
    ['batch', { steps: 9, batch: 8 }, /batch was "full" and is 8/],
    ['monitor', { steps: 9, monitorEvery: 2 }, /monitor.every was 940 and is 2/],
    ['number of probes', { steps: 9, probes: 2 }, /monitor.probes was 16 and is 2/],
  ])('refuses to resume with another %s, which would be another trajectory or log', async (_, options, message) => {
    await run(zoGD({ lr: 0.02 }), { steps: 3, out: folder });
    const resumed = run(zoGD({ lr: 0.02 }), { ...options, out: folder, resume: true });
    await expect(resumed).rejects.toMatchObject({
      code: 'ERR_ZEROTH_CHECKPOINT',
      message: expect.stringMatching(message),
    });
    const changed = await run(zoGD({ lr: 0.01 }), { steps: 9, out: folder, resume: true });
    expect(changed.steps.map(({ lr }) => lr)).toEqual(new Array(6).fill(0.01));
  });

  it('counts only the time of steps as that of steps', async () => {
    let clock = 0;
    const now = vi.spyOn(performance, 'now').mockImplementation(() => clock++);
    try {
      await using objective = await compile(device, smallProblem());
      const hessian = objective.hessian.bind(objective);
      objective.hessian = () => {
        clock += 1000;
        return hessian();
      };
      for await (const event of train(objective, zoGD({ lr: 0.02 }), { steps: 10, monitorEvery: 1, probes: 2 })) {
        // Ten steps of one millisecond; eleven measurements of a second.
        if (event.type === 'end')
          expect(event).toMatchObject({ stepsPerSecond: expect.closeTo(1000), seconds: 11.021 });
      }
    } finally {
      now.mockRestore();
    }
  });

  it.each([
    ['steps', { steps: -1 }],
    ['batch', { steps: 1, batch: 65 }],
    ['probes', { steps: 1, probes: 1 }],
    ['monitorEvery', { steps: 1, monitorEvery: 0.5 }],
    ['out', { steps: 1, resume: true }],
    ['seed', { steps: 1, seed: -1 }],
  ])('refuses a bad %s', async (name, options) => {
    await expect(run(zoGD({ lr: 0.1 }), options)).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ARGUMENT',
      message: expect.stringContaining(name),
    });
  });
});
