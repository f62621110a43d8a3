import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { engine } from '../../lib/cli/engine.ts';
import type { PresetName } from '../../lib/cli/presets.ts';
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
  const out = join(folder, `${preset}-${settings.lr[0].lr}`);
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

const share = (monitors: readonly MonitorEvent[], holds: (monitor: MonitorEvent) => boolean) =>
  monitors.filter(holds).length / monitors.length;

it('sorting-mlp at η = 0.05 rests at its edge: tr · η/2 within 0.7–1.3 for most of the second half', async () => {
  const monitors = await secondHalf('sorting-mlp', { monitorEvery: 250, probes: 32 });
  // `zeroth curvature` of the folder finds what the run's last monitor found: the same parameters, the same probes.
  const settings = newSettings('sorting-mlp', { probes: 32 });
  const signal = new AbortController().signal;
  const again = await engine.measureCurvature(join(folder, 'sorting-mlp-0.05'), { settings, probes: 32, signal });
  expect(again).toMatchObject({ step: 5000, trace: monitors.at(-1)?.trace, traceStdErr: monitors.at(-1)?.traceStdErr });
  expect(again.lambdaMax).toBeCloseTo(monitors.at(-1)?.lambdaMax ?? 0, 2);
  expect(monitors[0].threshold).toBe(40);
  expect(share(monitors, ({ trace }) => trace / 40 >= 0.7 && trace / 40 <= 1.3)).toBeGreaterThan(0.7);
});

it('sorting-mlp at η = 0.03 stays below its edge', async () => {
  const monitors = await secondHalf('sorting-mlp', { lr: [{ step: 0, lr: 0.03 }], steps: 3000, monitorEvery: 125 });
  for (const { trace, threshold, atEdge } of monitors) {
    expect(trace / threshold).toBeLessThan(0.7);
    expect(atEdge).toBe(false);
  }
});

const cifar = process.env.ZEROTH_CIFAR10;
it('cifar-mlp at η = 0.01 has 200 within [0.8 lower, 1.25 upper] for most of the second half (set ZEROTH_CIFAR10)', async ({
  skip,
}) => {
  if (!cifar) skip('ZEROTH_CIFAR10 names no folder of data_batch_*.bin');
  const monitors = await secondHalf('cifar-mlp', { data: cifar as string, seed: '1', monitorEvery: 250 });
  expect(monitors[0].threshold).toBe(200);
  const within = share(monitors, ({ lower, upper }) => 200 >= 0.8 * lower && 200 <= 1.25 * upper);
  expect(within).toBeGreaterThan(0.5);
});
