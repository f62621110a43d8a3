import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { compile, type Objective } from '../../lib/objective/objective.ts';
import { gaussianTwoPoint } from '../../lib/optimizers/estimators/gaussian-two-point.ts';
import type { EstimateRequest } from '../../lib/optimizers/optimizer.ts';
import { zoGD } from '../../lib/optimizers/recipes.ts';
import type { EndEvent, TrainEvent } from '../../lib/train/events.ts';
import { readRunLog } from '../../lib/train/log.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from './small-problem.ts';

const device = openDevice();
afterAll(() => device.dispose());

let objective: Objective;
let folder = '';
const unhandled: unknown[] = [];
const note = (reason: unknown) => unhandled.push(reason);
beforeEach(async () => {
  unhandled.length = 0;
  process.on('unhandledRejection', note);
  folder = await mkdtemp(join(tmpdir(), 'zeroth-training-'));
  objective = await compile(device, smallProblem(), { seed: 1 });
});
afterEach(async () => {
  await setImmediate();
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
  await objective.dispose();
  await rm(folder, { recursive: true, force: true });
});

const optimizer = zoGD({ lr: 0.02 });
const begin = (steps = 6) => train(objective, optimizer, { steps, run: 0 });
/** An optimizer whose third step fails. */
const failing = {
  ...optimizer,
  estimator: {
    ...gaussianTwoPoint(),
    estimate: (request: EstimateRequest) => {
      if (request.step === 3) throw new Error('no step 3');
      return gaussianTwoPoint().estimate(request);
    },
  },
};
const types = (events: readonly TrainEvent[]) => events.map(({ type }) => type).join(' ');
const whole = 'run step step step step step step end';
async function loop(run: AsyncIterable<TrainEvent>, leaveAt = Number.POSITIVE_INFINITY): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of run) {
    events.push(event);
    if (event.type === 'step' && event.step === leaveAt) break;
  }
  return events;
}
const left = { code: 'ERR_ZEROTH_ABORTED', message: expect.stringContaining('loop was left') };
const gone = { code: 'ERR_ZEROTH_ARGUMENT', message: expect.stringContaining('have gone by') };
const second = { code: 'ERR_ZEROTH_ARGUMENT', message: expect.stringContaining('received a second') };

describe('a run that is awaited', () => {
  it('goes to its end, leaves the parameters of a run that is looped over, and gives the end event', async () => {
    const end: EndEvent = await begin();
    expect(end).toMatchObject({ type: 'end', reason: 'completed', steps: 6 });
    await using other = await compile(device, smallProblem(), { seed: 1 });
    const events = await loop(train(other, optimizer, { steps: 6 }));
    const { seconds: _, stepsPerSecond: __, ...same } = end;
    expect(events.at(-1)).toMatchObject(same);
    expect(await objective.params.read()).toEqual(await other.params.read());
  });

  it('writes the log of a run that is looped over', async () => {
    await train(objective, optimizer, { steps: 6, out: folder });
    expect(types(readRunLog(folder))).toBe(
      `${whole.replace('run', 'run checkpoint').replace('end', 'checkpoint end')}`,
    );
  });

  it('can be awaited again and by several at a time: it is one run', async () => {
    const run = begin();
    const ends = await Promise.all([run, run, run.then((end) => end), run.finally(() => {})]);
    expect(new Set(ends).size).toBe(1);
    expect(await run).toBe(ends[0]);
    expect(await Promise.race([run, new Promise(() => {})])).toBe(ends[0]);
  });

  it('resolves for a run that diverged or was stopped by its signal, and says so', async () => {
    expect(await train(objective, zoGD({ lr: 1e30 }), { steps: 50 })).toMatchObject({ reason: 'diverged' });
    const signal = AbortSignal.abort();
    expect(await train(objective, optimizer, { steps: 50, signal })).toMatchObject({ reason: 'aborted', steps: 0 });
  });

  it('rejects with what makes it fail, and the objective is free again', async () => {
    await expect(train(objective, failing, { steps: 9, run: 0 })).rejects.toThrow('no step 3');
    expect(await train(objective, failing, { steps: 9, run: 0 }).catch((error) => (error as Error).message)).toBe(
      'no step 3',
    );
    await expect(train(objective, optimizer, { steps: -1 })).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    expect(await begin()).toMatchObject({ reason: 'completed' });
  });

  it('gives nothing to a loop that comes too late, and says so', async () => {
    const run = begin();
    await run;
    await expect(loop(run)).rejects.toMatchObject(gone);
    await expect(run.next()).rejects.toMatchObject(gone);
    expect(await run).toMatchObject({ reason: 'completed' });
  });
});

describe('a run that is looped over', () => {
  it('gives every event once, and its end to who awaits it afterwards', async () => {
    const run = begin();
    const events = await loop(run);
    expect(types(events)).toBe(whole);
    expect(await run).toBe(events.at(-1));
    expect(await run.next()).toEqual({ done: true, value: undefined });
  });

  it('can be taken by next() first, and the rest by a loop', async () => {
    const run = begin();
    const first = [await run.next(), await run.next()];
    expect(first.map(({ value }) => value?.type)).toEqual(['run', 'step']);
    expect(types(await loop(run))).toBe('step step step step step end');
  });

  it('refuses a second loop, after the first, inside of it, and after it was left', async () => {
    const run = begin();
    await loop(run);
    await expect(loop(run)).rejects.toMatchObject(second);
    const nested = begin();
    for await (const event of nested)
      if (event.type === 'run') await expect(loop(nested)).rejects.toMatchObject(second);
    const broken = begin();
    await loop(broken, 1);
    await expect(loop(broken)).rejects.toMatchObject(second);
  });

  it('stops where the loop is left, by break, throw, return() or disposal, and has no end to wait for', async () => {
    const broken = begin(50);
    expect((await loop(broken, 2)).length).toBe(4);
    await expect(broken).rejects.toMatchObject(left);
    const thrown = begin(50);
    const throwing = async () => {
      for await (const _ of thrown) throw new Error('mine');
    };
    await expect(throwing()).rejects.toThrow('mine');
    await expect(thrown).rejects.toMatchObject(left);
    const returned = begin(50);
    await returned.next();
    await returned.return();
    await expect(returned).rejects.toMatchObject(left);
    {
      await using disposed = begin(50);
      await disposed.next();
    }
    const never = begin(50);
    await never.return();
    await expect(never).rejects.toMatchObject(left);
    // Each of them has given the objective back.
    expect(await begin()).toMatchObject({ reason: 'completed' });
  });

  it('throws what makes it fail to the loop, and then to who awaits it', async () => {
    const run = train(objective, failing, { steps: 9, run: 0 });
    await expect(loop(run)).rejects.toThrow('no step 3');
    await expect(run).rejects.toThrow('no step 3');
  });
});

describe('a run that is looped over and awaited', () => {
  it('gives every event to the loop in order, however slow it is, and the end to who awaits', async () => {
    const run = begin();
    const slow = (async () => {
      const events: TrainEvent[] = [];
      for await (const event of run) {
        events.push(event);
        for (let i = 0; i < 3; i++) await setImmediate();
      }
      return events;
    })();
    const end = await run;
    const events = await slow;
    expect(types(events)).toBe(whole);
    expect(events.flatMap((event) => (event.type === 'step' ? [event.step] : []))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(events.at(-1)).toBe(end);
  });

  it('does not hang when it is awaited inside of its own loop', async () => {
    const run = begin();
    const events: TrainEvent[] = [];
    for await (const event of run) {
      events.push(event);
      if (event.type === 'step' && event.step === 2) expect(await run).toMatchObject({ reason: 'completed' });
    }
    expect(types(events)).toBe(whole);
  });

  it('fails for both', async () => {
    const run = train(objective, failing, { steps: 9, run: 0 });
    const events: TrainEvent[] = [];
    const looping = (async () => {
      for await (const event of run) events.push(event);
    })();
    const both = await Promise.allSettled([looping, run]);
    expect(both.map((one) => (one.status === 'rejected' ? one.reason.message : one.status))).toEqual([
      'no step 3',
      'no step 3',
    ]);
    expect(types(events)).toBe('run step step step');
  });

  it('rejects for who awaits where the loop is left', async () => {
    const run = begin(50);
    const [events, end] = await Promise.allSettled([loop(run, 2), run]);
    expect(events).toMatchObject({ status: 'fulfilled' });
    expect(end).toMatchObject({ status: 'rejected', reason: left });
    expect(await begin()).toMatchObject({ reason: 'completed' });
  });
});

it('a run that nobody loops over or awaits does nothing', async () => {
  const before = await objective.params.read();
  const run = train(objective, optimizer, { steps: 5, out: join(folder, 'run') });
  await setImmediate();
  expect(await objective.params.read()).toEqual(before);
  expect(() => readRunLog(join(folder, 'run'))).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_FILE' }));
  // It is no run under way either.
  expect(await begin()).toMatchObject({ reason: 'completed' });
  expect(Object.prototype.toString.call(run)).toBe('[object Training]');
});
