import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engine } from '../../lib/cli/engine.ts';
import { type PresetName, presets } from '../../lib/cli/presets.ts';
import { newSettings, type TrainOptions } from '../../lib/cli/settings.ts';
import type { EndEvent, MonitorEvent } from '../../lib/train/events.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-edge-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A preset's run, whole, and its measurements in the second half. */
async function secondHalf(preset: PresetName, options: TrainOptions) {
  const settings = newSettings(preset, options);
  const out = join(folder, `${preset}-${settings.optimizer}-${settings.seed}`);
  const signal = new AbortController().signal;
  const monitors: MonitorEvent[] = [];
  let end: EndEvent | undefined;
  for await (const event of await engine.startRun({ settings, out, resume: false, signal })) {
    if (event.type === 'monitor' && event.step >= settings.steps / 2) monitors.push(event);
    if (event.type === 'end') end = event;
  }
  expect(end).toMatchObject({ reason: 'completed', steps: settings.steps });
  expect(monitors.length).toBeGreaterThan(9);
  return monitors;
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

describe('sorting-small at η = 0.05', () => {
  const every = { monitorEvery: 1500, probes: 32 };

  it('is held at 2/η under ZO-GD, where GD with the same η and as many steps goes past it', async () => {
    const zo = await secondHalf('sorting-small', every);
    // `zeroth curvature` of the folder finds what the run's last monitor found: the same parameters, the same probes.
    const settings = newSettings('sorting-small', every);
    const signal = new AbortController().signal;
    const again = await engine.measureCurvature(join(folder, 'sorting-small-zo-gd-1'), {
      settings,
      probes: 32,
      signal,
    });
    expect(again).toMatchObject({ step: 30000, trace: zo.at(-1)?.trace, traceStdErr: zo.at(-1)?.traceStdErr });
    expect(again.lambdaMax).toBeCloseTo(zo.at(-1)?.lambdaMax ?? 0, 2);

    const lr = [{ step: 0, lr: 0.05 }];
    const gd = await secondHalf('sorting-small', { ...every, optimizer: 'gd', lr, steps: settings.steps });
    for (const { limit } of [...zo, ...gd]) expect(limit).toBe(40);
    expect([zo[0].governs, gd[0].governs]).toEqual(['trace', 'lambdaMax']);
    const last = (monitors: readonly MonitorEvent[]) => median(monitors.slice(-4).map(({ trace }) => trace / 40));
    expect(last(zo)).toBeGreaterThan(0.75);
    expect(last(zo)).toBeLessThan(1.05);
    expect(last(gd)).toBeGreaterThan(1.2);
  });
});

it.each([
  ['gd', '2'],
  ['gdm', '1'],
  ['adam', '1'],
  ['zo-gd', '2'],
  ['zo-gdm', '2'],
  ['zo-adam', '3'],
] as const)(
  'sorting-small at the defaults of %s comes to its limit and stays there (seed %s)',
  async (optimizer, seed) => {
    const { steps } = presets['sorting-small'].runs[optimizer];
    const monitors = await secondHalf('sorting-small', { optimizer, seed, monitorEvery: steps / 50, probes: 16 });
    const last = monitors.filter(({ step }) => step >= (2 / 3) * steps);
    expect(last.length).toBeGreaterThan(15);
    const ratio = median(last.map((monitor) => monitor.ratio));
    expect(ratio).toBeGreaterThan(0.85);
    expect(ratio).toBeLessThan(1.1);
  },
);

it('sorting-mlp at its default η = 0.03 stays below its edge', async () => {
  const monitors = await secondHalf('sorting-mlp', { steps: 3000, monitorEvery: 125 });
  for (const { ratio, verdict } of monitors) {
    expect(ratio).toBeLessThan(0.75);
    expect(verdict).toBe('below');
  }
});

const cifar = process.env.ZEROTH_CIFAR10;
it('cifar-small at its default η = 0.01 comes to 200, its limit (set ZEROTH_CIFAR10)', async ({ skip }) => {
  if (!cifar) skip('ZEROTH_CIFAR10 names no folder of data_batch_*.bin');
  const monitors = await secondHalf('cifar-small', { data: cifar as string, monitorEvery: 800, probes: 32 });
  expect(monitors[0].limit).toBe(200);
  const ratio = median(monitors.slice(-6).map(({ trace }) => trace / 200));
  expect(ratio).toBeGreaterThan(0.75);
  expect(ratio).toBeLessThan(1.15);
});
