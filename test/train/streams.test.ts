import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { compile, type Objective } from '../../lib/objective/objective.ts';
import { gaussianTwoPoint } from '../../lib/optimizers/estimators/gaussian-two-point.ts';
import type { Estimator, Optimizer } from '../../lib/optimizers/optimizer.ts';
import { gd, zoGD } from '../../lib/optimizers/recipes.ts';
import { plain } from '../../lib/optimizers/rules/plain.ts';
import { loadCheckpoint } from '../../lib/train/checkpoint.ts';
import type { TrainEvent } from '../../lib/train/events.ts';
import type { TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from './small-problem.ts';

const device = openDevice();
afterAll(() => device.dispose());

let folder = '';
let objective: Objective;
let theta: Float32Array;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-streams-'));
  objective = await compile(device, smallProblem(), { seed: 1 });
  theta = await objective.params.read();
});
afterEach(async () => {
  await objective.dispose();
  await rm(folder, { recursive: true, force: true });
});

/** η = 0: the parameters stay, so that whatever differs was drawn. */
const still = zoGD({ lr: 0 });

async function run(options: TrainOptions, optimizer: Optimizer = still, on = objective): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  await on.params.write(theta);
  for await (const event of train(on, optimizer, options)) events.push(event);
  return events;
}

const stepsOf = (events: readonly TrainEvent[]) => events.filter(({ type }) => type === 'step');
const runOf = (events: readonly TrainEvent[]) =>
  events.flatMap((event) => (event.type === 'run' ? [event.run] : []))[0];

/** A two-point estimator that also draws as many directions as are asked for, and keeps their streams. */
function recording(streams: bigint[], drawn: readonly number[]): Optimizer {
  const two = gaussianTwoPoint();
  const estimator: Estimator = {
    ...two,
    name: 'recording',
    estimate(request) {
      for (const i of drawn) streams.push(request.direction(i).stream);
      return two.estimate(request);
    },
  };
  return { name: 'recording', estimator, rule: plain(), lr: 0 };
}

describe('runs of one objective with one seed', () => {
  it('go along directions of their own, and say which run they are', async () => {
    const streams: bigint[] = [];
    const runs = [];
    for (let i = 0; i < 3; i++) runs.push(await run({ steps: 5 }, recording(streams, [0, 1, 65535])));
    expect(runs.map(runOf)).toEqual([0, 1, 2]);
    expect(new Set(streams).size).toBe(3 * 5 * 3);
    const [first, second] = runs.map((events) => JSON.stringify(stepsOf(events)));
    expect(second).not.toEqual(first);
  });

  it('draw mini-batches and probes of their own', async () => {
    const exact = gd({ lr: 0 });
    const [one, two] = [await run({ steps: 6, batch: 3 }, exact), await run({ steps: 6, batch: 3 }, exact)];
    expect(stepsOf(two)).not.toEqual(stepsOf(one));
    const measured = (events: readonly TrainEvent[]) =>
      events.flatMap((event) => (event.type === 'monitor' ? [event.trace] : []));
    const options = { steps: 2, monitorEvery: 1, probes: 2, seed: 8 };
    const traces = [...measured(await run(options)), ...measured(await run(options))];
    expect(traces.length).toBe(6);
    expect(new Set(traces).size).toBe(6);
  });

  it('can be asked to draw what another drew, by its number', async () => {
    const first = await run({ steps: 4, seed: 5 });
    const second = await run({ steps: 4, seed: 5 });
    expect(stepsOf(await run({ steps: 4, seed: 5, run: 1 }))).toEqual(stepsOf(second));
    expect(stepsOf(await run({ steps: 4, seed: 5, run: 0 }))).toEqual(stepsOf(first));
    expect(runOf(await run({ steps: 4, seed: 5 }))).toBe(2);
    // Another seed is another key: its first run is its own.
    expect(runOf(await run({ steps: 1, seed: 6 }))).toBe(0);
    // A fresh objective begins with its first run.
    await using fresh = await compile(device, smallProblem(), { seed: 1 });
    expect(stepsOf(await run({ steps: 4, seed: 5 }, still, fresh))).toEqual(stepsOf(first));
  });

  it('keep their number when they are resumed, by whatever objective', async () => {
    await run({ steps: 3 });
    const out = join(folder, 'second');
    const whole = await run({ steps: 6, seed: 0 }, zoGD({ lr: 0.02 }));
    await run({ steps: 3, run: 1, out }, zoGD({ lr: 0.02 }));
    expect((await loadCheckpoint(out)).identity.run).toBe(1);
    await using other = await compile(device, smallProblem(), { seed: 1 });
    const rest = await run({ steps: 6, out, resume: true }, zoGD({ lr: 0.02 }), other);
    expect(stepsOf(rest)).toEqual(stepsOf(whole).slice(3));
    // The next run of that objective does not draw it all again.
    expect(runOf(await run({ steps: 1 }, still, other))).toBe(2);
    await expect(run({ steps: 9, run: 0, out, resume: true }, zoGD({ lr: 0.02 }))).rejects.toMatchObject({
      code: 'ERR_ZEROTH_CHECKPOINT',
      message: expect.stringContaining('run was 1 and is 0'),
    });
  });

  it('that are refused take no number', async () => {
    await run({ steps: 1, out: folder });
    await expect(run({ steps: 1, out: folder })).rejects.toMatchObject({ code: 'ERR_ZEROTH_FILE' });
    expect(runOf(await run({ steps: 1 }))).toBe(1);
  });

  it('are at most 4096', async () => {
    expect(runOf(await run({ steps: 1, run: 4095 }))).toBe(4095);
    await expect(run({ steps: 1 })).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ARGUMENT',
      message: expect.stringContaining('another seed'),
    });
    expect(runOf(await run({ steps: 1, seed: 1 }))).toBe(0);
    for (const number of [4096, -1, 0.5])
      await expect(run({ steps: 1, run: number })).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
  });
});

it.each([65536, -1, 0.5, Number.NaN])('direction(%d) would be that of another step, and is refused', async (index) => {
  await expect(run({ steps: 2 }, recording([], [index]))).rejects.toMatchObject({
    code: 'ERR_ZEROTH_ARGUMENT',
    message: expect.stringContaining('index of a step vector'),
  });
});

it('a run of more steps than have streams is refused before it begins', async () => {
  await expect(run({ steps: 2 ** 28, out: folder })).rejects.toMatchObject({
    code: 'ERR_ZEROTH_ARGUMENT',
    message: expect.stringContaining('steps'),
  });
});
