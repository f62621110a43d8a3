import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { mean, square } from '../../lib/graph/ops.ts';
import { compile, Objective } from '../../lib/objective/objective.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import { linearOf } from '../../lib/optimizers/linear-estimate.ts';
import type { Optimizer } from '../../lib/optimizers/optimizer.ts';
import { frozenZoAdam, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import type { TrainEvent } from '../../lib/train/events.ts';
import type { TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';
import { allEstimators } from '../optimizers/all-estimators.ts';
import { smallProblem } from './small-problem.ts';

const device = openDevice({ threads: 2 });
afterAll(() => device.dispose());

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-stepper-'));
  // Steps that take no time: as many as may go together do.
  vi.spyOn(performance, 'now').mockReturnValue(0);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

/** The same optimizer, of whose steps nothing is known beforehand. */
const opaque = (optimizer: Optimizer): Optimizer => {
  const { estimator } = optimizer;
  return { ...optimizer, estimator: { ...estimator, estimate: (...all) => estimator.estimate(...all) } };
};

interface Told {
  readonly events: object[];
  readonly theta: Float32Array;
  readonly seen: (Float32Array | undefined)[];
  /** Steps of each submission of several. */
  readonly together: number[];
}

interface Looks {
  /** Called at each event. */
  readonly at?: (event: TrainEvent, objective: Objective) => Promise<Float32Array | undefined>;
  readonly stopAfter?: number;
}

async function run(
  optimizer: Optimizer,
  options: TrainOptions,
  { at, stopAfter }: Looks = {},
  problem: Problem = smallProblem(),
): Promise<Told> {
  const takeSteps = vi.spyOn(Objective.prototype, 'takeSteps');
  await using objective = await compile(device, problem, { seed: 1 });
  const events: object[] = [];
  const seen: (Float32Array | undefined)[] = [];
  for await (const event of train(objective, optimizer, options)) {
    const { startedAt, seconds, stepsPerSecond, ...rest } = event as unknown as Record<string, unknown>;
    events.push(rest);
    if (at) seen.push(await at(event, objective));
    if (event.type === 'step' && event.step === stopAfter) break;
  }
  const together = takeSteps.mock.calls.map(([steps]) => steps.length);
  takeSteps.mockRestore();
  return { events, theta: await objective.params.read(), seen, together };
}

const optimizers: Record<string, Optimizer> = {
  zoGD: zoGD({ lr: 0.02 }),
  zoGDM: zoGDM({ lr: 0.002 }),
  zoAdam: zoAdam({ lr: 0.005 }),
  frozenZoAdam: frozenZoAdam({ lr: 0.02, preconditioner: new Float32Array(6 * 8 + 8 + 8 * 3).fill(2) }),
  ...Object.fromEntries(
    Object.entries(allEstimators)
      .filter(([, make]) => linearOf(make()))
      .map(([name, make]) => [name, { ...zoGDM({ lr: 0.002 }), estimator: make() }]),
  ),
  'zoGD, a function of the step': zoGD({ lr: (step) => 0.02 / (1 + step / 100) }),
};

/** Both ways, which must tell the same. */
async function expectSame(optimizer: Optimizer, options: TrainOptions, looks: Looks = {}, problem?: Problem) {
  const alone = await run(opaque(optimizer), options, looks, problem);
  const together = await run(optimizer, options, looks, problem);
  expect(together.events).toEqual(alone.events);
  expect(together.theta).toEqual(alone.theta);
  expect(together.seen).toEqual(alone.seen);
  expect(alone.together).toEqual([]);
  return together;
}

describe('a run whose steps go to the device several at a time', () => {
  it.each(Object.entries(optimizers))('says and does what it says and does one by one: %s', async (_, optimizer) => {
    for (const batch of ['full', 16] as const) {
      const options = { steps: 300, batch, monitorEvery: 77, checkpointEvery: 90, metrics: { b: meanOfBias } };
      const { together } = await expectSame(optimizer, options);
      expect(Math.max(...together)).toBeGreaterThan(30);
    }
  });

  it('never goes past a measurement, a checkpoint, a look at θ, or its end', async () => {
    const { together } = await run(zoGD({ lr: 0.02 }), { steps: 100, monitorEvery: 25, checkpointEvery: 40 });
    // 16 steps alone, then twice as many each time, cut at 25, 40, 50, 64, 75, 80 and 100.
    expect(together).toEqual([2, 4, 3, 15, 10, 14, 11, 5, 20]);
  });

  it('is seen by who reads at each event as one whose steps are taken one by one', async () => {
    const looks: Looks[] = [
      { at: (_, { params }) => params.read() },
      { at: async (event, { params }) => (event.type === 'step' && event.step % 29 === 3 ? params.read() : undefined) },
      {
        at: async ({ type }, objective) =>
          type === 'monitor' ? undefined : Float32Array.from(await objective.losses([[]])),
      },
    ];
    for (const look of looks) await expectSame(optimizers.zoGDM, { steps: 150, monitorEvery: 60 }, look);
  });

  it('leaves the parameters of the step at which its loop is left, and goes on from a resume, to the bit', async () => {
    for (const stopAfter of [3, 40, 55, 63, 64, 99])
      await expectSame(optimizers.zoGDM, { steps: 200, monitorEvery: 'off' }, { stopAfter });
    const whole = await run(opaque(optimizers.zoAdam), { steps: 200, monitorEvery: 'off' });
    const controller = new AbortController();
    const options = { steps: 200, monitorEvery: 'off', out: folder } as const;
    const first = await run(
      optimizers.zoAdam,
      { ...options, signal: controller.signal },
      {
        at: async (event) => {
          if (event.type === 'step' && event.step === 77) controller.abort();
          return undefined;
        },
      },
    );
    expect(first.events.at(-1)).toMatchObject({ type: 'end', reason: 'aborted', steps: 78 });
    const second = await run(optimizers.zoAdam, { ...options, resume: true });
    expect(second.theta).toEqual(whole.theta);
  });

  it('ends where it diverges as one by one, and warns at the same step', async () => {
    const wild = await expectSame(zoGD({ lr: 1e12 }), { steps: 300, monitorEvery: 'off' });
    expect(wild.events.at(-1)).toMatchObject({ type: 'end', reason: 'diverged' });
    const flat: Problem = {
      parameters: { w: { shape: [4], init: [1, 2, 3, 4] } },
      loss: ({ w }) => mean(square(w.mul(0))),
    };
    const still = await expectSame(zoGDM({ lr: 0.1 }), { steps: 60, monitorEvery: 'off' }, {}, flat);
    expect(still.events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'loss-flat' }));
    // Grows slowly, then beyond f32, in the middle of a stretch.
    const cliff: Problem = {
      parameters: { w: { shape: [3], init: [1, 1, 1] } },
      loss: ({ w }) => mean(square(square(square(w)))),
    };
    const steep = await expectSame(
      zoGD({ lr: 2e-4 }),
      { steps: 400, monitorEvery: 'off', divergenceLimit: 'off' },
      {},
      cliff,
    );
    expect(['diverged', 'completed']).toContain((steep.events.at(-1) as { reason: string }).reason);
  });
});

/** A number of the parameters, as a metric. */
const meanOfBias: NonNullable<TrainOptions['metrics']>[string] = (p) => mean(p[Object.keys(p)[1]]);
