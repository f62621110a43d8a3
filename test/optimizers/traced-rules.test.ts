import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CommandList } from '../../lib/device/commands.ts';
import { openDevice } from '../../lib/device/device.ts';
import { gather, matmul, square, sum, type Tensor } from '../../lib/graph/ops.ts';
import { compile } from '../../lib/objective/objective.ts';
import { inSpace } from '../../lib/optimizers/in-space.ts';
import type { Optimizer, UpdateRule } from '../../lib/optimizers/optimizer.ts';
import { zoAdamW, zoGD, zoLion, zoSignSGD } from '../../lib/optimizers/recipes.ts';
import { adamRule } from '../../lib/optimizers/rules/adam.ts';
import { clipValue } from '../../lib/optimizers/rules/clip-value.ts';
import { frozenAdam } from '../../lib/optimizers/rules/frozen-adam.ts';
import { lion } from '../../lib/optimizers/rules/lion.ts';
import { plain } from '../../lib/optimizers/rules/plain.ts';
import { polyakMomentum } from '../../lib/optimizers/rules/polyak-momentum.ts';
import { signDescent } from '../../lib/optimizers/rules/sign-descent.ts';
import { tracedForm } from '../../lib/optimizers/rules/traced-forms.ts';
import { tracedRule } from '../../lib/optimizers/rules/traced-rule.ts';
import { weightDecay } from '../../lib/optimizers/rules/weight-decay.ts';
import { Layout } from '../../lib/params/layout.ts';
import { type Displacement, Params } from '../../lib/params/params.ts';
import { type Direction, stream } from '../../lib/random/direction.ts';
import { readRunLog } from '../../lib/train/log.ts';
import type { TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from '../train/small-problem.ts';
import { allRules, type Element } from './all-rules.ts';

const devices = [1, 2, 3].map((threads) => openDevice({ threads }));
const [device] = devices;
afterAll(() => Promise.all(devices.map((one) => one.dispose())));

const z = (i: number): Direction => ({ distribution: 'normal', seed: 7n, stream: stream('step', i) });
const coefficient = (i: number) => Math.fround(Math.cos(i));
const LR = 0.03125;

interface RunOptions {
  readonly length: number;
  readonly steps?: number;
  readonly on?: typeof device;
  readonly displacement?: Displacement;
}

/** θ and the states after some steps, displaced between them as two-point steps are. */
async function run(
  rule: UpdateRule,
  { length, steps = 5, on = device, displacement = 'copy' }: RunOptions,
): Promise<Record<string, Float32Array>> {
  const params = new Params(on, new Layout({ w: { shape: [length] } }), displacement);
  await params.write(await on.direction({ distribution: 'uniform', seed: 1n, stream: 0n }, length));
  await params.useRule(rule);
  for (let i = 0; i < steps; i++) {
    // The second half of the updates waits for one pass.
    if (i < steps / 2) {
      const list = new CommandList();
      const point = [{ direction: z(i), coefficient: 2 ** -10 }];
      params.copy ? params.displace(list, point, params.copy) : params.moveTo(list, point);
      await on.submit(list);
    }
    const terms = [{ direction: z(i), coefficient: coefficient(i) }];
    await params.apply(rule.update(i), { kind: 'directions', loss: 0, terms }, LR);
  }
  const vectors: Record<string, Float32Array> = { theta: await params.read() };
  for (const name of rule.states) vectors[name] = await params.readState(name);
  params.dispose();
  return vectors;
}

async function expectElements(rule: UpdateRule, element: Element, length = 3000): Promise<void> {
  const start = await device.direction({ distribution: 'uniform', seed: 1n, stream: 0n }, length);
  const [theta, states] = [Float64Array.from(start), Array.from(start, (): Record<string, number> => ({}))];
  for (let step = 0; step < 5; step++) {
    const direction = await device.direction(z(step), length);
    for (let e = 0; e < length; e++) {
      const g = coefficient(step) * direction[e];
      theta[e] = element({ x: theta[e], g, lr: LR, step, state: states[e] });
    }
  }
  const measured = await run(rule, { length });
  for (let e = 0; e < length; e++) {
    expect(Math.abs(measured.theta[e] - theta[e])).toBeLessThan(3e-6);
    for (const name of rule.states) expect(Math.abs(measured[name][e] - (states[e][name] ?? 0))).toBeLessThan(3e-6);
  }
}

describe.each(Object.entries(allRules))('the traced rule %s', (_, { rule, element }) => {
  it('is its formula, element by element', () => expectElements(rule(), element));

  it('is the same formula of a dense gradient', async () => {
    await using objective = await compile(device, smallProblem(), { seed: 2 });
    const { params } = objective;
    const made = rule();
    await params.useRule(made);
    const theta = Float64Array.from(await params.read());
    const states = Array.from(theta, (): Record<string, number> => ({}));
    for (let step = 0; step < 4; step++) {
      const { loss, gradient } = await objective.gradient();
      const g = await gradient.buffer.readF32();
      for (let e = 0; e < theta.length; e++)
        theta[e] = element({ x: theta[e], g: g[e], lr: LR, step, state: states[e] });
      await params.apply(made.update(step), { kind: 'dense', loss, gradient }, LR);
    }
    const after = await params.read();
    for (let e = 0; e < theta.length; e++) expect(Math.abs(after[e] - theta[e])).toBeLessThan(3e-6);
  });

  it('gives the same bits on any number of threads, of vectors of any length', async () => {
    for (const length of [1, 15, 2047, 2048, 2049, 70_001]) {
      const alone = await run(rule(), { length });
      for (const on of devices.slice(1)) expect(await run(rule(), { length, on })).toEqual(alone);
    }
  });

  it('is the same displaced in place, but for what comes back rounded', async () => {
    const [copied, placed] = [
      await run(rule(), { length: 5000 }),
      await run(rule(), { length: 5000, displacement: 'in-place' }),
    ];
    for (const [name, values] of Object.entries(copied))
      for (let e = 0; e < 5000; e++) expect(Math.abs(placed[name][e] - values[e])).toBeLessThan(1e-6);
  });
});

describe('a traced rule', () => {
  it('may swap its states, and leave some as they were', async () => {
    // From 0 on: no name of a state says what is done with it.
    const given = Float32Array.from({ length: 3000 }, (_, i) => i);
    const rule = tracedRule({ name: 'swap', states: { a: given, b: 0, p: given } }, ({ theta, a, b }) => ({
      theta,
      a: b,
      b: a,
    }));
    expect(rule.fixed).toEqual(['p']);
    const { theta, a, b, p } = await run(rule, { length: 3000 });
    expect([a, b, p]).toEqual([new Float32Array(3000), given, given]);
    expect(theta).toEqual(await device.direction({ distribution: 'uniform', seed: 1n, stream: 0n }, 3000));
  });

  const length = 5000;
  const p = Float32Array.from({ length }, (_, i) => 0.5 + (i % 7));
  const builtIn: [string, UpdateRule][] = [
    ['plain', plain()],
    ['momentum', polyakMomentum({ beta: 0.75 })],
    ['Adam', adamRule({ beta1: 0.75, beta2: 0.875, epsilon: 1e-3 })],
    ['frozen Adam', frozenAdam({ beta1: 0.75, preconditioner: p })],
  ];
  it.each(builtIn)('is what %s is by hand, within rounding', async (_, rule) => {
    const { states, scalars, update } = tracedForm(rule);
    const traced = tracedRule<string, string>({ name: 'traced', states, scalars }, (of) => {
      const { theta, ...next } = update(of);
      return { ...next, theta: theta! };
    });
    const [one, other] = [await run(rule, { length }), await run(traced, { length })];
    expect(Object.keys(other).sort()).toEqual(Object.keys(one).sort());
    for (const [name, values] of Object.entries(one))
      for (let e = 0; e < length; e++) expect(Math.abs(values[e] - other[name][e])).toBeLessThan(2e-6);
  });
});

describe('the programs of a traced rule', () => {
  it.each([0, 1, 2])('are of each lane one, known to the device, and gone with the rule (device %i)', async (i) => {
    const on = devices[i];
    const before = on.memory();
    const params = new Params(on, new Layout({ w: { shape: [5] } }), 'copy');
    await params.useRule(plain());
    const without = on.memory();
    const rule = lion();
    await params.useRule(rule);
    const { arenaBytes } = on.memory();
    expect(arenaBytes).toBeGreaterThan(without.arenaBytes);
    expect((arenaBytes - without.arenaBytes) % on.traits.lanes).toBe(0);
    await params.apply(rule.update(0), { kind: 'directions', loss: 0, terms: [] }, 1);
    await params.commit();
    expect(on.memory().arenaBytes).toBe(arenaBytes);
    await params.useRule(plain());
    expect(on.memory()).toEqual(without);
    await params.useRule(signDescent());
    params.dispose();
    expect(on.memory()).toEqual(before);
  });
});

describe('a traced rule is refused', () => {
  const refusal = (text: string) =>
    expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT', message: expect.stringContaining(text) });
  const make = (update: Parameters<typeof tracedRule<'m', 'c'>>[1]) => () =>
    tracedRule({ name: 'mine', states: { m: 0 }, scalars: () => ({ c: 1 }) }, update);
  it.each([
    ['a sum', make(({ theta, gradient }) => ({ theta: theta.sub(sum(gradient)) })), 'with sum at '],
    ['a misnamed result', make(({ theta }) => ({ parameters: theta }) as never), 'received ["parameters"]'],
    [
      'a product of matrices',
      make(({ theta }) => ({ theta: matmul(theta.reshape([1, 2048]), theta.reshape([2048, 1])).reshape([1]) })),
      'each element',
    ],
    ['other elements', make(({ theta }) => ({ theta: gather(theta, theta as never) })), ''],
    ['a number', make(({ lr }) => ({ theta: lr })), 'theta'],
    ['nothing', make(() => ({}) as never), 'theta'],
    ['a state that it has not', make(({ theta }) => ({ theta, n: theta }) as never), 'm'],
    ['a name that nothing has', make((of) => ({ theta: (of as never as { w: typeof of.theta }).w })), 'w'],
  ])('%s', (_, attempt, text) => {
    expect(attempt).toThrow(expect.objectContaining({ message: expect.stringContaining(text) }));
  });

  it('names that stand for two things, states that are neither 0 nor values, unknown fields', () => {
    expect(() => tracedRule({ name: 'mine', states: { lr: 0 } }, ({ theta }) => ({ theta }))).toThrow(refusal('lr'));
    expect(() => tracedRule({ name: 'mine', states: { m: [1] as never } }, ({ theta }) => ({ theta }))).toThrow(
      refusal('state m'),
    );
    expect(() => tracedRule({ name: 'mine', state: {} } as never, ({ theta }) => ({ theta }))).toThrow(
      refusal('state'),
    );
    const plainly = ({ theta }: { readonly theta: Tensor }) => ({ theta });
    expect(() => tracedRule({ name: 'mine', scalars: { k: 1 } as never }, plainly)).toThrow(refusal('mine: scalars'));
    // Formulas that count steps from 1 divide by 0 at the first.
    const unbias = (step: number) => ({ k: 1 / (1 - 0.9 ** step) });
    expect(() => tracedRule({ name: 'mine', scalars: unbias }, plainly)).toThrow(
      refusal("mine: scalar 'k' of step 0 (the first is 0): expected a finite number, received Infinity"),
    );
    const later = tracedRule({ name: 'mine', scalars: (step) => ({ k: 1 / (3 - step) }) }, plainly);
    expect(() => later.update(3)).toThrow(refusal("scalar 'k' of step 3"));
    expect(() => clipValue(plain(), {} as never)).toThrow(refusal('limit'));
    expect(() => weightDecay(plain(), { weightDecay: -1 })).toThrow(refusal('weightDecay'));
  });

  it('with numbers that f32 does not hold, before anything changes', async () => {
    const rule = tracedRule({ name: 'mine', scalars: (step) => ({ c: 10 ** (38 + step) }) }, ({ theta, c }) => ({
      theta: theta.mul(c),
    }));
    const params = new Params(device, new Layout({ w: { shape: [3] } }), 'copy');
    await params.write([0, 0, 0]);
    const estimate = { kind: 'directions', loss: 0, terms: [] } as const;
    await expect(params.apply(rule.update(0), estimate, 1)).rejects.toEqual(refusal('useRule'));
    await params.useRule(rule);
    await params.apply(rule.update(0), estimate, 1);
    await expect(params.apply(rule.update(1), estimate, 1)).rejects.toEqual(refusal('c'));
    expect(await params.read()).toEqual(new Float32Array(3));
    params.dispose();
  });

  it.each<[string, () => UpdateRule]>([
    ['weight decay', () => weightDecay(plain())],
    ["a decay of a user's own", () => tracedRule({ name: 'own' }, ({ theta }) => ({ theta: theta.mul(0.999) }))],
    [
      'a decay of positive weights alone',
      () => tracedRule({ name: 'own' }, ({ theta }) => ({ theta: theta.sub(theta.relu().mul(0.01)) })),
    ],
    ['a clipped one that decays', () => clipValue(weightDecay(plain()), { limit: 1 })],
    ['Lion with decay', () => lion({ weightDecay: 0.1 })],
    [
      'what divides 0 by 0',
      () => tracedRule({ name: 'own' }, ({ theta, gradient }) => ({ theta: theta.sub(gradient.div(gradient)) })),
    ],
    [
      'a momentum that does not start at 0',
      () => tracedRule({ name: 'own', states: { m: Float32Array.of(1) } }, ({ theta, m }) => ({ theta: theta.sub(m) })),
    ],
  ])('with %s beside an estimator in a space, which it would leave', async (_, rule) => {
    expect(rule().decays).toBe(true);
    await using objective = await compile(device, smallProblem());
    const [name] = Object.keys(smallProblem().parameters);
    const { estimator } = zoGD({ lr: 0.1 });
    const optimizer: Optimizer = {
      ...zoGD({ lr: 0.1 }),
      estimator: inSpace(estimator, { [name]: 'dense' }),
      rule: rule(),
    };
    const begin = async () => {
      for await (const _ of train(objective, optimizer, { steps: 1 }));
    };
    await expect(begin()).rejects.toEqual(refusal('weight decay'));
  });
});

describe('a rule that stays where there is no gradient', () => {
  const preconditioner = new Float32Array(3).fill(0.5);
  it.each<[string, () => UpdateRule]>([
    ['signs', () => signDescent()],
    ['Lion', () => lion()],
    ['no decay', () => weightDecay(adamRule(), { weightDecay: 0 })],
    ['clipping', () => clipValue(frozenAdam({ preconditioner }), { limit: 1 })],
  ])('is known by itself: %s', (_, rule) => expect(rule().decays).toBeUndefined());

  it('leaves what a space leaves out, to the bit', async () => {
    await using objective = await compile(device, smallProblem(), { seed: 1 });
    const [first, ...others] = Object.keys(smallProblem().parameters);
    const { estimator } = zoGD({ lr: 0.1 });
    const optimizer: Optimizer = {
      name: 'mine',
      lr: 0.01,
      estimator: inSpace(estimator, { [first]: 'dense', '*': 'skip' }),
      rule: lion(),
    };
    const before = await objective.params.read();
    for await (const _ of train(objective, optimizer, { steps: 12, seed: 1, monitorEvery: 'off' }));
    const after = await objective.params.read();
    for (const name of others) {
      const { offset, size } = objective.params.layout.tensor(name);
      expect(after.subarray(offset, offset + size)).toEqual(before.subarray(offset, offset + size));
    }
    expect(await objective.params.read(first)).not.toEqual(
      before.subarray(0, objective.params.layout.tensor(first).size),
    );
  });
});

describe('a run with a traced rule', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'zeroth-rules-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const mine = (decay: number): UpdateRule =>
    tracedRule(
      { name: 'mine', options: { decay }, states: { average: 0 }, scalars: (step) => ({ warm: 1 / (1 + step) }) },
      ({ theta, gradient, average, lr, warm }) => {
        const next = average.mul(decay).add(gradient.mul(1 - decay));
        return { theta: theta.sub(lr.mul(next.add(gradient.mul(warm)))), average: next };
      },
    );
  const optimizers: [string, () => Optimizer][] = [
    ["a user's own", () => ({ ...zoGD({ lr: 0.01 }), name: 'mine', rule: mine(0.5) })],
    ['signs by name', () => zoSignSGD({ lr: 0.001 })],
    ['Lion by name', () => zoLion({ lr: 0.001 })],
    ['decayed Adam by name', () => zoAdamW({ lr: 0.001 })],
    ...Object.entries(allRules).map(([name, { rule }]): [string, () => Optimizer] => [
      name,
      () => ({ ...zoGD({ lr: 0.001 }), name, rule: rule() }),
    ]),
  ];
  const go = async (optimizer: Optimizer, options: TrainOptions) => {
    await using objective = await compile(device, smallProblem(), { seed: 1 });
    for await (const _ of train(objective, optimizer, { seed: 3, monitorEvery: 5, checkpointEvery: 6, ...options }));
    return objective.params.read();
  };

  it.each(optimizers)('claims nothing of its edge, and goes on from a checkpoint to the bit: %s', async (_, make) => {
    const whole = await go(make(), { steps: 17, out: join(folder, 'whole') });
    const out = join(folder, 'parts');
    await go(make(), { steps: 11, out });
    expect(await go(make(), { steps: 17, out, resume: true })).toEqual(whole);
    const log = readRunLog(join(folder, 'whole'));
    const monitors = log.filter(({ type }) => type === 'monitor');
    expect(monitors.length).toBeGreaterThan(2);
    for (const monitor of monitors) expect(monitor).toMatchObject({ verdict: 'undecided' });
  });

  it('is another run with other options', async () => {
    const out = join(folder, 'run');
    const optimizer = (decay: number): Optimizer => ({ ...zoGD({ lr: 0.01 }), name: 'mine', rule: mine(decay) });
    await go(optimizer(0.5), { steps: 3, out });
    await expect(go(optimizer(0.25), { steps: 5, out, resume: true })).rejects.toMatchObject({
      message: expect.stringContaining('decay'),
    });
  });

  it('learns', async () => {
    await using objective = await compile(device, {
      parameters: { w: { shape: [10], init: { kind: 'constant', value: 1 } } },
      loss: ({ w }) => sum(square(w)),
    });
    for await (const _ of train(objective, zoLion({ lr: 0.02 }), { steps: 300, seed: 1, monitorEvery: 'off' }));
    expect((await objective.losses([[]]))[0]).toBeLessThan(1);
  });
});
