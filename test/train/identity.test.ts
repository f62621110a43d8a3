import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { compile } from '../../lib/objective/objective.ts';
import { gaussianTwoPoint } from '../../lib/optimizers/estimators/gaussian-two-point.ts';
import type { Options } from '../../lib/optimizers/json.ts';
import type { Estimator, LearningRate, Optimizer, UpdateRule } from '../../lib/optimizers/optimizer.ts';
import { frozenZoAdam, gd, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import { plain } from '../../lib/optimizers/rules/plain.ts';
import { piecewise } from '../../lib/optimizers/schedules.ts';
import type { StepSize } from '../../lib/optimizers/step-size.ts';
import { readRunLog } from '../../lib/train/log.ts';
import type { TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from './small-problem.ts';

const device = openDevice();
afterAll(() => device.dispose());

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-identity-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function run(optimizer: Optimizer, options: TrainOptions): Promise<void> {
  await using objective = await compile(device, smallProblem(), { seed: 1 });
  for await (const _ of train(objective, optimizer, { out: folder, ...options }));
}

const custom = (estimator?: Options, rule?: Options, lr: LearningRate = 0.01): Optimizer => ({
  name: 'custom',
  estimator: { ...gaussianTwoPoint(), name: 'mine', options: estimator } satisfies Estimator,
  rule: { ...plain(), name: 'my rule', options: rule } satisfies UpdateRule,
  lr,
});
const p = (value: number) => new Float32Array(6 * 8 + 8 + 8 * 3).fill(value);
const stateful = (options?: Options): StepSize<{ steps: number }> => ({
  name: 'counting',
  options,
  init: () => ({ steps: 0 }),
  next: ({ steps }) => ({ lr: 0.01 / (1 + steps), state: { steps: steps + 1 } }),
});

describe('a resume is refused with', () => {
  it.each<[string, Optimizer, Optimizer, RegExp]>([
    ['another rank', custom({ rank: 2 }), custom({ rank: 3 }), /estimator.rank was 2 and is 3/],
    ['another number of queries', custom({ q: 1 }), custom({ q: 8 }), /estimator.q was 1 and is 8/],
    [
      'another nested option',
      custom({ a: { b: [1] } }),
      custom({ a: { b: [2] } }),
      /estimator.a.b was \[1\] and is \[2\]/,
    ],
    ['an option that was not there', custom(), custom({ rank: 2 }), /estimator.rank was nothing and is 2/],
    ['an option no longer there', custom({ rank: 2 }), custom(), /estimator.rank was 2 and is nothing/],
    ['another option of the rule', custom({}, { clip: 1 }), custom({}, { clip: null }), /rule.clip was 1 and is null/],
    ['another μ', zoGD({ lr: 0.01 }), zoGD({ lr: 0.01, mu: 0.1 }), /estimator.mu was 0.001 and is 0.1/],
    ['another β', zoGDM({ lr: 0.01 }), zoGDM({ lr: 0.01, beta: 0.5 }), /rule.beta was 0.9 and is 0.5/],
    ['another β1', zoAdam({ lr: 0.01 }), zoAdam({ lr: 0.01, beta1: 0.5 }), /rule.beta1 was 0.9 and is 0.5/],
    ['another β2', zoAdam({ lr: 0.01 }), zoAdam({ lr: 0.01, beta2: 0.5 }), /rule.beta2 was 0.999 and is 0.5/],
    ['another ε', zoAdam({ lr: 0.01 }), zoAdam({ lr: 0.01, epsilon: 1 }), /rule.epsilon was 1e-8 and is 1/],
    [
      'another preconditioner',
      frozenZoAdam({ lr: 0.01, preconditioner: p(1) }),
      frozenZoAdam({ lr: 0.01, preconditioner: p(2) }),
      /rule.preconditioner was "sha256:\w+" and is "sha256:\w+"/,
    ],
    ['another estimator', zoGD({ lr: 0.01 }), gd({ lr: 0.01 }), /estimator.name was/],
    ['another rule', zoGD({ lr: 0.01 }), zoGDM({ lr: 0.01 }), /rule.name was/],
    [
      'another option of a step size with a state',
      custom({}, {}, stateful({ half: 3 })),
      custom({}, {}, stateful({ half: 4 })),
      /stepSize.options.half was 3 and is 4/,
    ],
    ['a constant for a step size with a state', custom({}, {}, stateful()), custom(), /stepSize was .* and is nothing/],
    ['a step size with a state for a constant', custom(), custom({}, {}, stateful()), /stepSize was nothing and is/],
  ])('%s', async (_, before, after, message) => {
    await run(before, { steps: 2 });
    const log = readFileSync(join(folder, 'run.jsonl'), 'utf8');
    await expect(run(after, { steps: 4, resume: true })).rejects.toMatchObject({
      code: 'ERR_ZEROTH_CHECKPOINT',
      message: expect.stringMatching(message),
    });
    expect(readFileSync(join(folder, 'run.jsonl'), 'utf8')).toBe(log);
    await run(before, { steps: 4, resume: true });
    expect(readRunLog(folder).filter(({ type }) => type === 'step').length).toBe(4);
  });

  it('nothing of the sort where only a schedule is another: η may change in mid-run', async () => {
    await run(zoGD({ lr: 0.01 }), { steps: 2 });
    await run(zoGD({ lr: piecewise({ 0: 0.01, 3: 0.02 }) }), { steps: 4, resume: true });
    const lrs = readRunLog(folder).flatMap((event) => (event.type === 'step' ? [event.lr] : []));
    expect(lrs).toEqual([0.01, 0.01, 0.01, 0.02]);
  });
});

describe('the log of a run', () => {
  it('holds the options of estimator, rule and step size', async () => {
    await run(custom({ rank: 2 }, { clip: null }, piecewise({ 0: 0.01, 3: 0.02 })), { steps: 1 });
    expect(readRunLog(folder)[0]).toMatchObject({
      optimizer: {
        options: { estimator: { rank: 2 }, rule: { clip: null } },
        stepSize: { name: 'piecewise', options: { pieces: { 0: 0.01, 3: 0.02 } } },
      },
    });
  });
});

it.each<[string, unknown]>([
  ['NaN', { a: Number.NaN }],
  ['a typed array', { mask: new Float32Array(2) }],
  ['a function', { f: () => 1 }],
  ['undefined', { a: undefined }],
  ['a bigint', { n: 1n }],
  ['a date', { d: new Date(0) }],
  ['an array', [1]],
  ['a number', 5],
])('options that hold %s are refused before anything is written', async (_, options) => {
  for (const optimizer of [
    custom(options as Options),
    custom({}, options as Options),
    custom({}, {}, stateful(options as Options)),
  ]) {
    await expect(run(optimizer, { steps: 1, out: join(folder, 'run') })).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ARGUMENT',
      message: expect.stringContaining('plain JSON'),
    });
  }
  expect(() => readFileSync(join(folder, 'run', 'run.jsonl'))).toThrow('ENOENT');
});
