import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { square, sum } from '../../lib/graph/ops.ts';
import { compile } from '../../lib/objective/objective.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import type { Options } from '../../lib/optimizers/json.ts';
import { linearOf } from '../../lib/optimizers/linear-estimate.ts';
import type { Directions, Estimator, Optimizer } from '../../lib/optimizers/optimizer.ts';
import { plain } from '../../lib/optimizers/rules/plain.ts';
import { polyakMomentum } from '../../lib/optimizers/rules/polyak-momentum.ts';
import type { Displacement } from '../../lib/params/params.ts';
import type { Direction } from '../../lib/random/direction.ts';
import { stepDirections } from '../../lib/random/run-streams.ts';
import type { TrainEvent } from '../../lib/train/events.ts';
import { readRunLog } from '../../lib/train/log.ts';
import type { TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';
import { allEstimators } from '../optimizers/all-estimators.ts';
import { smallProblem } from './small-problem.ts';

const devices = [1, 2, 3].map((threads) => openDevice({ threads }));
afterAll(() => Promise.all(devices.map((one) => one.dispose())));

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-estimators-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const optimizerOf = (estimator: Estimator): Optimizer => ({
  name: 'mine',
  estimator,
  rule: polyakMomentum({ beta: 0.5 }),
  lr: 0.01,
});

interface Place {
  readonly threads?: number;
  readonly displacement?: Displacement;
  readonly problem?: Problem;
}

async function run(
  estimator: Estimator,
  options: TrainOptions,
  { threads = 1, displacement = 'copy', problem = smallProblem() }: Place = {},
) {
  await using objective = await compile(devices[threads - 1], problem, { seed: 1, displacement });
  const events: TrainEvent[] = [];
  for await (const event of train(objective, optimizerOf(estimator), { seed: 3, ...options })) events.push(event);
  return { events, theta: await objective.params.read() };
}

const trajectory = (name: string) =>
  readRunLog(join(folder, name)).filter(({ type }) => type === 'step' || type === 'monitor');

describe.each(Object.entries(allEstimators))('a run with %s', (_, make) => {
  it.each(['copy', 'in-place'] as const)(
    'that is resumed, twice, is the one that was not, to the bit (%s)',
    async (displacement) => {
      for (const batch of ['full', 16] as const) {
        const place = { displacement, threads: batch === 'full' ? 2 : 1 };
        const common = { batch, monitorEvery: 6, probes: 2 };
        const whole = await run(make(), { ...common, steps: 17, out: join(folder, `whole-${batch}`) }, place);
        const out = join(folder, `cut-${batch}`);
        await run(make(), { ...common, steps: 6, out }, place);
        await run(make(), { ...common, steps: 11, out, resume: true }, place);
        const last = await run(make(), { ...common, steps: 17, out, resume: true }, place);
        // In place, a checkpoint takes the displacement off when it is written: by the roundings that the next step would have made.
        expect(last.theta).toEqual(whole.theta);
        expect(trajectory(`cut-${batch}`)).toEqual(trajectory(`whole-${batch}`));
      }
    },
  );

  it('lowers the loss of a quadratic, in one dimension and in many, on any number of threads', async () => {
    for (const shape of [[1], [40]]) {
      const problem: Problem = {
        parameters: { w: { shape, init: { kind: 'constant', value: 1 } } },
        loss: ({ w }) => sum(square(w)).mul(0.5),
      };
      for (const threads of [1, 2, 3]) {
        const { events, theta } = await run(make(), { steps: 150, monitorEvery: 'off' }, { threads, problem });
        expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'completed' });
        expect(theta.reduce((sum, w) => sum + w * w, 0) / theta.length).toBeLessThan(0.7);
      }
    }
  });

  it('is measured: where its moments are unknown, nothing is said of its edge', async () => {
    const estimator = make();
    const { events } = await run(estimator, { steps: 2, monitorEvery: 1, probes: 2 });
    const { dimension } = await compile(devices[0], smallProblem()).then(async (objective) => {
      await objective.dispose();
      return objective;
    });
    const measured = events.filter((event) => event.type === 'monitor');
    expect(measured.length).toBe(3);
    for (const event of measured) {
      expect(Number.isFinite(event.trace)).toBe(true);
      if (estimator.moments!(dimension) === null) expect(event).toMatchObject({ governs: null, verdict: 'undecided' });
      else expect(event.governs).toBe(estimator.name === 'exact-gradient' ? 'lambdaMax' : 'trace');
    }
  });

  it('says how the weights diffuse, unless the noise of its steps may be that of others', async () => {
    const estimator = make();
    const { events } = await run(estimator, { steps: 3, monitorEvery: 'off' });
    const { diffusion } = events.at(-1) as { diffusion: number | null };
    expect(diffusion === null).toBe(estimator.init !== undefined);
  });

  it('can be replayed from the numbers of its log, where its estimates are made of directions', async () => {
    const estimator = make();
    if (JSON.stringify([estimator.name, estimator.options]).includes('exact-gradient')) return;
    const out = join(folder, 'run');
    await using objective = await compile(devices[0], smallProblem(), { seed: 1 });
    const start = await objective.params.read();
    const optimizer = { name: 'plain', estimator, rule: plain(), lr: 0.01 };
    await train(objective, optimizer, { seed: 3, run: 0, steps: 6, out, monitorEvery: 'off' });
    const theta = await objective.params.read();
    await objective.params.write(start);
    for (const event of readRunLog(out)) {
      if (event.type !== 'step') continue;
      const { step, lr, projectedGradient, coefficients = [projectedGradient!] } = event;
      const direction = stepDirections(3n, 0, step);
      // Which directions a step goes along is a function of the step, and not of what it measures.
      const along = termsOf(estimator, step, direction);
      expect(coefficients).toHaveLength(along.length);
      for (const [i, z] of along.entries()) objective.params.add(z, -lr * coefficients[i]);
      await objective.params.commit();
    }
    const replayed = await objective.params.read();
    for (const [e, x] of replayed.entries()) expect(x).toBeCloseTo(theta[e], 5);
    expect(replayed).not.toEqual(start);
  });

  it('goes on only with the same options', async () => {
    const estimator = make();
    const out = join(folder, 'run');
    await run(estimator, { steps: 2, out, monitorEvery: 'off' });
    const other = { ...estimator, options: { ...estimator.options, more: 1 } };
    await expect(run(other, { steps: 4, out, resume: true, monitorEvery: 'off' })).rejects.toMatchObject({
      code: 'ERR_ZEROTH_CHECKPOINT',
      message: expect.stringContaining('estimator.more'),
    });
  });
});

/** The directions of a step, in the order of its terms. */
function termsOf(estimator: Estimator, step: number, direction: Directions): Direction[] {
  const linear = linearOf(estimator);
  if (linear) return linear.linear(direction, () => 1, 80).terms.map((term) => term.direction);
  const clips = estimator.name === 'clip-norm';
  const { name, ...options } = (
    clips ? estimator.options!.of : { ...estimator.options, name: estimator.name }
  ) as Options;
  const { every = 1, queries = 1 } = options as { every?: number; queries?: number };
  if (name !== 'zo-svrg') return Array.from({ length: queries }, (_, i) => direction(i));
  const held = Array.from({ length: queries }, (_, i) => direction(1 + i, step - (step % every)));
  return [direction(0), ...held];
}
