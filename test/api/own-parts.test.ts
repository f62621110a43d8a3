import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Checkpoint,
  compile,
  type EndEvent,
  loadCheckpoint,
  openDevice,
  readRunLog,
  type StepEvent,
  type TrainEvent,
  type Training,
  type TrainOptions,
  train,
} from '../../lib/index.ts';
import { smallProblem } from '../train/small-problem.ts';
import { forwardDifferences, own, plateau, triangle, warmMomentum } from './own-parts.ts';

const device = openDevice();
afterAll(() => device.dispose());

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-own-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function run(lr: Parameters<typeof own>[0], options: TrainOptions, optimizer = own(lr)): Promise<EndEvent> {
  await using objective = await compile(device, smallProblem(), { seed: 1 });
  const training: Training = train(objective, optimizer, options);
  return await training;
}

const stepsOf = (out: string): StepEvent[] =>
  readRunLog(out).filter((event: TrainEvent): event is StepEvent => event.type === 'step');

describe('an estimator, a rule and a step size of one’s own', () => {
  it('train together, and the log and the checkpoint hold what they are', async () => {
    const out = join(folder, 'plain');
    const end = await run(plateau({ lr: 0.02, patience: 20 }), { steps: 200, out, monitorEvery: 50, probes: 4 });
    const steps = stepsOf(out);
    expect(end).toMatchObject({ reason: 'completed', loss: steps.at(-1)?.loss });
    expect(steps[199].loss).toBeLessThan(0.8 * steps[0].loss);
    const optimizer = {
      estimator: 'forward-differences',
      rule: 'warm-momentum',
      options: { estimator: { queries: 4, mu: 1e-3 }, rule: { beta: 0.5, steps: 10 } },
      stepSize: { name: 'plateau', options: { lr: 0.02, patience: 20 } },
      moments: { s1: 1.25, s2: 0.25 },
    };
    expect(readRunLog(out)[0]).toMatchObject({ type: 'run', optimizer });
    const checkpoint: Checkpoint = await loadCheckpoint(out);
    expect(checkpoint).toMatchObject({ step: 200, stepSize: { state: { lr: expect.any(Number) } } });
    expect(checkpoint.identity).toMatchObject({ estimator: { queries: 4 }, rule: { steps: 10 } });
  });

  it('go on from a checkpoint as if they had not been stopped', async () => {
    const [whole, cut] = [join(folder, 'whole'), join(folder, 'cut')];
    const lr = plateau({ lr: 0.05, patience: 1 });
    await run(lr, { steps: 60, batch: 8, out: whole });
    await run(lr, { steps: 31, batch: 8, out: cut });
    await run(lr, { steps: 60, batch: 8, out: cut, resume: true });
    expect(stepsOf(cut)).toEqual(stepsOf(whole));
    expect(new Set(stepsOf(whole).map((event) => event.lr)).size).toBeGreaterThan(2);
  });

  it('are told from others of their name when the run is resumed', async () => {
    const out = join(folder, 'other');
    const lr = triangle(0.02, 10);
    await run(lr, { steps: 5, out });
    const { estimator, rule } = own(lr);
    const others = [
      { name: 'own', lr, rule, estimator: forwardDifferences({ queries: 5 }) },
      { name: 'own', lr, estimator, rule: warmMomentum({ beta: 0.5, steps: 11 }) },
    ];
    for (const optimizer of others)
      await expect(run(lr, { steps: 9, out, resume: true }, optimizer)).rejects.toMatchObject({
        code: 'ERR_ZEROTH_CHECKPOINT',
        message: expect.stringMatching(/queries was 4 and is 5|steps was 10 and is 11/),
      });
    // A schedule is no part of what a run is.
    expect(await run(triangle(0.01, 7), { steps: 9, out, resume: true })).toMatchObject({ reason: 'completed' });
  });
});
