import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../lib/device/device.ts';
import { div, mean, mul, square, sub, sum, type Tensor } from '../../lib/graph/ops.ts';
import { accuracy } from '../../lib/nn/metrics.ts';
import { compile, type Objective } from '../../lib/objective/objective.ts';
import { gd, zoGD } from '../../lib/optimizers/recipes.ts';
import type { EndEvent, MonitorEvent, StepEvent, TrainEvent } from '../../lib/train/events.ts';
import { readRunLog } from '../../lib/train/log.ts';
import type { TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';

let folder: string;
let device: Device;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'zeroth-metrics-'));
  device = openDevice({ threads: 2 });
});
afterAll(async () => {
  await device.dispose();
  rmSync(folder, { recursive: true });
});

const x = [1, 2, 3, 4, 5];

/** ½ mean (w·x − 2x)². */
const line = (): Promise<Objective> =>
  compile(device, {
    parameters: { w: { shape: [], init: { kind: 'constant', value: 0.5 } } },
    data: { x },
    loss: (p, d) => mul(0.5, mean(square(sub(mul(p.w, d.x), mul(2, d.x))))),
  });

const distance = (p: Record<string, Tensor>): Tensor => sub(2, p.w);
const total = (_: unknown, d: Record<string, Tensor>): Tensor => sum(d.x);

async function run(optimizer: Parameters<typeof train>[1], options: TrainOptions) {
  await using objective = await line();
  const events: TrainEvent[] = [];
  for await (const event of train(objective, optimizer, options)) events.push(event);
  const w = (await objective.params.read('w'))[0];
  const of = <T>(type: string) => events.filter((event) => event.type === type) as T[];
  return { w, monitors: of<MonitorEvent>('monitor'), steps: of<StepEvent>('step'), end: events.at(-1) as EndEvent };
}

describe('metrics', () => {
  it.each([
    ['gd', () => gd({ lr: 0.05 })],
    ['zoGD', () => zoGD({ lr: 0.01 })],
  ])(
    'of %s are those of θ over all examples, at each measurement and at the end, and change nothing',
    async (name, make) => {
      const out = join(folder, name);
      const followed = { steps: 8, monitorEvery: 4, metrics: { distance, total } };
      const { monitors, end, w, steps } = await run(make(), { ...followed, out });
      expect(monitors.map(({ step }) => step)).toEqual([0, 4, 8]);
      expect(monitors[0].metrics).toEqual({ distance: 1.5, total: 15 });
      expect(end.metrics?.distance).toBeCloseTo(2 - w, 6);
      expect(end.metrics).toEqual(monitors[2].metrics);
      const logged = readRunLog(out);
      expect(logged.filter(({ type }) => type === 'monitor')).toEqual(JSON.parse(JSON.stringify(monitors)));
      expect(logged.at(-1)).toMatchObject({ metrics: end.metrics });

      const plain = await run(make(), { steps: 8, monitorEvery: 4 });
      expect([plain.w, plain.steps]).toEqual([w, steps]);
      expect(plain.end).not.toHaveProperty('metrics');
      expect(plain.monitors[0]).not.toHaveProperty('metrics');
    },
  );

  it('are there with a mini-batch and without a monitor, of all examples', async () => {
    const { end, monitors } = await run(zoGD({ lr: 0.01 }), {
      steps: 3,
      batch: 2,
      monitorEvery: 'off',
      metrics: { total },
    });
    expect(monitors).toEqual([]);
    expect(end.metrics).toEqual({ total: 15 });
  });

  it('that are no number are null in the log, and NaN when it is read', async () => {
    const out = join(folder, 'nan');
    const nothing = (p: Record<string, Tensor>) => div(mul(0, p.w), 0);
    const { end } = await run(gd({ lr: 0.05 }), { steps: 2, monitorEvery: 1, metrics: { nothing }, out });
    expect(end.metrics).toEqual({ nothing: Number.NaN });
    const read = readRunLog(out).filter(({ type }) => type === 'monitor' || type === 'end') as MonitorEvent[];
    expect(read).toHaveLength(4);
    for (const { metrics } of read) expect(metrics).toEqual({ nothing: Number.NaN });
  });

  it('are absent from a run that diverged', async () => {
    const { end } = await run(gd({ lr: 1e30 }), { steps: 50, metrics: { distance } });
    expect(end.reason).toBe('diverged');
    expect(end).not.toHaveProperty('metrics');
  });

  it.each([
    [{ wrong: 3 }, 'ERR_ZEROTH_ARGUMENT', /metrics\.wrong: expected a function/],
    [[], 'ERR_ZEROTH_ARGUMENT', /metrics: expected an object/],
    [
      { wrong: (_: unknown, d: Record<string, Tensor>) => d.x },
      'ERR_ZEROTH_SHAPE',
      /metrics\.wrong: expected a scalar .* received shape \[5\]/,
    ],
    [{ wrong: (p: Record<string, Tensor>) => p.misspelt }, 'ERR_ZEROTH_ARGUMENT', /^metrics\.wrong: .*misspelt/],
    [{ wrong: accuracy }, 'ERR_ZEROTH_ARGUMENT', /^metrics\.wrong: /],
    [
      { wrong: (_: unknown, d: Record<string, Tensor>) => accuracy(d.x, d.x) },
      'ERR_ZEROTH_SHAPE',
      /^metrics\.wrong: accuracy: .* in place of one-hot rows/,
    ],
    [{ wrong: () => 1 }, 'ERR_ZEROTH_ARGUMENT', /^metrics\.wrong: expected .* scalar tensor, received 1/],
    [{ wrong: async () => 1 }, 'ERR_ZEROTH_ARGUMENT', /^metrics\.wrong: expected .* received Promise/],
  ])('%# are refused where they do not fit, before anything is written', async (metrics, code, message) => {
    const out = join(folder, 'refused');
    const options = { steps: 3, out, metrics } as unknown as TrainOptions;
    await expect(run(gd({ lr: 0.05 }), options)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(() => readRunLog(out)).toThrow();
  });
});
