import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { add, mean, mul, square, sub, sum, type Tensor } from '../../lib/graph/ops.ts';
import { compile } from '../../lib/objective/objective.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import { exactGradient } from '../../lib/optimizers/estimators/exact-gradient.ts';
import type { LearningRate, Optimizer } from '../../lib/optimizers/optimizer.ts';
import { adam, frozenZoAdam, gd, gdm, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import { schedule, warmupCosineDecay } from '../../lib/optimizers/schedules.ts';
import { PhiloxStream } from '../../lib/random/philox.ts';
import type { TrainEvent } from '../../lib/train/events.ts';
import type { TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';

const device = openDevice({ threads: 1 });
afterAll(() => device.dispose());

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-motion-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const SIZE = 5;
const preconditioner = new Float32Array(SIZE).fill(1);

/** Every kind of update, of either kind of estimate. */
const rules: [string, (lr: LearningRate) => Optimizer][] = [
  ['gd', (lr) => gd({ lr })],
  ['gdm', (lr) => gdm({ lr })],
  ['adam', (lr) => adam({ lr })],
  ['frozen adam', (lr) => ({ ...frozenZoAdam({ lr, preconditioner }), estimator: exactGradient() })],
  ['zo-gd', (lr) => zoGD({ lr })],
  ['zo-gdm', (lr) => zoGDM({ lr })],
  ['zo-adam', (lr) => zoAdam({ lr })],
  ['frozen zo-adam', (lr) => frozenZoAdam({ lr, preconditioner })],
];

const linear = problem((w) => sum(w));

function problem(loss: (w: Tensor) => Tensor, value = 1): Problem {
  return { parameters: { w: { shape: [SIZE], init: { kind: 'constant', value } } }, loss: (p) => loss(p.w) };
}

/** Least squares of 4 weights, which can be had exactly. */
function leastSquares(): Problem {
  const random = new PhiloxStream(3n, 0n);
  const x = Float32Array.from({ length: 256 }, () => random.normal());
  const best = [1.125, -0.4375, 0.28125, 0.78125];
  const y = Float32Array.from({ length: 64 }, (_, i) => best.reduce((dot, w, j) => dot + x[4 * i + j] * w, 0));
  return {
    parameters: { w: { shape: [4], init: { kind: 'constant', value: 1 } } },
    data: { x: { shape: [64, 4], data: x }, y: { shape: [64], data: y } },
    loss: (p, { x, y }) => mean(square(sub(sum(mul(x, p.w), 1), y))),
  };
}

async function run(of: Problem, optimizer: Optimizer, options: TrainOptions) {
  await using objective = await compile(device, of);
  const thetas = [[...(await objective.params.read())]];
  const events: TrainEvent[] = [];
  for await (const event of train(objective, optimizer, options)) {
    events.push(event);
    if (event.type === 'end') thetas.push([...(await objective.params.read())]);
  }
  const warnings = events.flatMap((event) => (event.type === 'warning' ? [event] : []));
  const end = events.at(-1);
  return { warnings, message: end?.type === 'end' ? end.message : '', first: thetas[0], last: thetas[1] };
}

const stuck = (step: number, from = 1) => ({
  type: 'warning',
  code: 'parameters-stuck',
  step,
  message: expect.stringContaining(`No parameter changed from step ${from} to step ${step}`),
});

describe.each(rules)('%s', (name, optimizer) => {
  it.each(['off', 50, 100, 'auto'] as const)(
    'is warned at step 64, whoever watches, when no update has moved a parameter (monitorEvery %s)',
    async (monitorEvery) => {
      const options = { steps: 130, monitorEvery, probes: 2 };
      const { warnings, message, first, last } = await run(linear, optimizer(1e-10), options);
      expect(last).toEqual(first);
      expect(warnings).toEqual([stuck(64)]);
      expect(message).toContain('use a larger η');
    },
  );

  it('is warned at the end of a run that is shorter', async () => {
    for (const steps of [2, 3, 63]) {
      const { warnings } = await run(linear, optimizer(1e-10), { steps, monitorEvery: 'off' });
      expect(warnings, `${steps} steps`).toEqual([stuck(steps)]);
    }
  });

  it('is warned at the same step when it is stopped and resumed on the way', async () => {
    const out = join(folder, name.replaceAll(' ', '-'));
    const told = [];
    for (const steps of [1, 2, 40, 70, 100]) {
      const { warnings } = await run(linear, optimizer(1e-10), {
        steps,
        out,
        resume: steps > 1,
        monitorEvery: 20,
        probes: 2,
      });
      told.push(warnings);
    }
    expect(told).toEqual([[], [stuck(2)], [stuck(40)], [stuck(64)], []]);
  });

  it('is not warned where it moved and then stands still', async () => {
    const lr = schedule('stops', {}, (step) => (step < 3 ? 0.01 : 1e-10));
    for (const monitorEvery of ['off', 50] as const) {
      const { warnings, message, first, last } = await run(linear, optimizer(lr), {
        steps: 200,
        monitorEvery,
        probes: 2,
      });
      expect(last).not.toEqual(first);
      expect(warnings).toEqual([]);
      expect(message).toBe('Completed 200 steps.');
    }
  });
});

describe('a run', () => {
  it.each(['off', 50, 100, 'auto'] as const)(
    'that anneals is not said to stand still (monitorEvery %s)',
    async (monitorEvery) => {
      const lr = warmupCosineDecay({ peak: 0.05, warmupSteps: 10, steps: 400 });
      const { warnings, message, first, last } = await run(leastSquares(), zoGD({ lr }), { steps: 400, monitorEvery });
      expect(last).not.toEqual(first);
      expect(warnings).toEqual([]);
      expect(message).toBe('Completed 400 steps.');
    },
  );

  it('that starts at a step size of 0, or begins to move after a long warm-up, does not end with a warning', async () => {
    const idle = schedule('idle', {}, (step) => (step < 150 ? 0 : 0.01));
    expect((await run(linear, gd({ lr: idle }), { steps: 200, monitorEvery: 50, probes: 2 })).warnings).toEqual([]);
    const late = schedule('late', {}, (step) => (step < 150 ? 1e-10 : 0.01));
    const { warnings, message } = await run(linear, gd({ lr: late }), { steps: 200, monitorEvery: 50, probes: 2 });
    expect(warnings).toEqual([stuck(64)]);
    expect(message).toBe('Completed 200 steps.');
  });

  it('whose steps undo each other has moved, however many there are', async () => {
    // η = 2/λ changes every sign and no square; it comes back to its start at every other step.
    for (const steps of [2, 3, 64, 65]) {
      for (const idle of [0, 1]) {
        const lr = schedule('later', {}, (step) => (step < idle ? 0 : 2));
        const flips = problem((w) => mul(0.5, sum(square(w))));
        expect((await run(flips, gd({ lr }), { steps, monitorEvery: 2, probes: 2 })).warnings).toEqual([]);
      }
    }
  });

  it('that moves only what is lost in the sums of its parameters has moved', async () => {
    // Beside 1e12, a sum in f64 does not see 1e-8.
    const of: Problem = {
      parameters: {
        large: { shape: [1], init: { kind: 'constant', value: 1e12 } },
        small: { shape: [1], init: { kind: 'constant', value: 0 } },
      },
      loss: (p) => add(mul(0, sum(p.large)), sum(p.small)),
    };
    for (const steps of [2, 30, 100]) {
      const { warnings, first, last } = await run(of, gd({ lr: 1e-10 }), { steps, monitorEvery: 'off' });
      expect(last).not.toEqual(first);
      expect(warnings).toEqual([]);
    }
  });
});
