import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { maximum, mean, type Tensor } from '../../lib/graph/ops.ts';
import { compile, Objective } from '../../lib/objective/objective.ts';
import { exactGradient } from '../../lib/optimizers/estimators/exact-gradient.ts';
import { gaussianTwoPoint } from '../../lib/optimizers/estimators/gaussian-two-point.ts';
import { meanOfQueries } from '../../lib/optimizers/estimators/mean-of-queries.ts';
import { sphereTwoPoint } from '../../lib/optimizers/estimators/sphere-two-point.ts';
import { inSpace } from '../../lib/optimizers/in-space.ts';
import type { Estimator, UpdateRule } from '../../lib/optimizers/optimizer.ts';
import { zoGD } from '../../lib/optimizers/recipes.ts';
import { adamRule } from '../../lib/optimizers/rules/adam.ts';
import { plain } from '../../lib/optimizers/rules/plain.ts';
import { polyakMomentum } from '../../lib/optimizers/rules/polyak-momentum.ts';
import type { Displacement } from '../../lib/params/params.ts';
import type { TrainEvent } from '../../lib/train/events.ts';
import type { TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';
import { allEstimators } from '../optimizers/all-estimators.ts';
import { allSpaces } from './all-spaces.ts';
import { smallProblem } from './small-problem.ts';

const devices = [1, 2, 3].map((threads) => openDevice({ threads }));
const [device] = devices;
afterAll(() => Promise.all(devices.map((one) => one.dispose())));

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-spaces-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

const rules: Record<string, () => UpdateRule> = {
  plain: () => plain(),
  momentum: () => polyakMomentum({ beta: 0.5 }),
  adam: () => adamRule(),
};

interface Place {
  readonly on?: (typeof devices)[number];
  readonly displacement?: Displacement;
  readonly rule?: UpdateRule;
  readonly lr?: number;
}

async function run(
  estimator: Estimator,
  options: TrainOptions,
  { on = device, displacement = 'copy', rule = plain(), lr = 0.01 }: Place = {},
) {
  await using objective = await compile(on, smallProblem(), { seed: 1, displacement });
  const before = await objective.params.read();
  const events: TrainEvent[] = [];
  for await (const event of train(objective, { name: 'mine', estimator, rule, lr }, { seed: 3, ...options }))
    events.push(event);
  const space = objective.spaceOf(estimator);
  return { events, before, theta: await objective.params.read(), scaleAt: (e: number) => space?.scaleAt(e) ?? 1 };
}

const bits = (values: Float32Array) => [...new Uint32Array(values.buffer)];
/** The same, of which no stretch is known. */
const opaque = (estimator: Estimator): Estimator => ({ ...estimator, estimate: (all) => estimator.estimate(all) });

describe.each(Object.entries(allSpaces))('%s', (_, spec) => {
  const made = Object.entries(allEstimators).filter(([name]) => !name.endsWith('exactGradient'));
  const cases = made.map(([name, make], i) => [name, Object.keys(rules)[i % 3], make] as const);
  it.each(cases)('under %s, %s: what is left out keeps its bits, all else moves', async (_, rule, make) => {
    for (const displacement of ['copy', 'in-place'] as const) {
      for (const on of devices) {
        const place = { displacement, on, rule: rules[rule]() };
        const { before, theta, scaleAt } = await run(inSpace(make(), spec), { steps: 5, monitorEvery: 'off' }, place);
        const moved = bits(theta).map((word, e) => word !== bits(before)[e]);
        expect(moved).toEqual(moved.map((_, e) => scaleAt(e) !== 0));
      }
    }
  });

  it('is trained alike one by one and several steps at a time, and resumed, to the bit', async () => {
    vi.spyOn(performance, 'now').mockReturnValue(0);
    const takeSteps = vi.spyOn(Objective.prototype, 'takeSteps');
    for (const make of [gaussianTwoPoint, () => meanOfQueries(sphereTwoPoint(), 2)]) {
      const estimator = inSpace(make(), spec);
      const options = { steps: 70, batch: 16, monitorEvery: 'off' } as const;
      const place = { rule: polyakMomentum({ beta: 0.5 }) };
      const together = await run(estimator, options, place);
      expect(takeSteps).toHaveBeenCalled();
      takeSteps.mockClear();
      const alone = await run(opaque(estimator), options, place);
      expect(takeSteps).not.toHaveBeenCalled();
      expect(together.theta).toEqual(alone.theta);
      const out = join(folder, estimator.name);
      await run(inSpace(make(), spec), { ...options, steps: 33, out }, place);
      const resumed = await run(inSpace(make(), spec), { ...options, out, resume: true }, place);
      expect(resumed.theta).toEqual(alone.theta);
      await expect(run(make(), { ...options, steps: 80, out, resume: true }, place)).rejects.toMatchObject({
        code: 'ERR_ZEROTH_CHECKPOINT',
        message: expect.stringContaining('space'),
      });
    }
  });

  it('is measured: the curvature is that of S H S, and the moments those of its dimension', async () => {
    await using objective = await compile(device, smallProblem(), { seed: 1 });
    const d = objective.dimension;
    const space = objective.space(spec);
    const scales = Array.from({ length: d }, (_, e) => space.scaleAt(e));
    const hessian = await objective.hessian();
    let trace = 0;
    for (let e = 0; e < d; e++) {
      const unit = new Float32Array(d);
      unit[e] = 1;
      trace += scales[e] ** 2 * (await hessian.apply(unit, 1))[e];
    }
    hessian.dispose();
    const estimator = inSpace(sphereTwoPoint(), spec);
    const { events } = await run(estimator, { steps: 1, monitorEvery: 1, probes: 400 });
    const first = events.find((event) => event.type === 'monitor')!;
    expect(Math.abs(first.trace - trace)).toBeLessThan(5 * first.traceStdErr);
    expect(first.lambdaMax).toBeGreaterThan(0);
    const k = scales.filter((scale) => scale !== 0).length;
    const opened = events.find((event) => event.type === 'run')!;
    expect(opened.optimizer.moments).toEqual({ s1: (2 * k) / (k + 2), s2: k / (k + 2) });
    expect(opened.parameters).toBe(d);
  });

  it('diffuses by what its directions move: E‖ĝ‖² = c² Σ s²', async () => {
    const { events, scaleAt, theta } = await run(inSpace(gaussianTwoPoint(), spec), { steps: 1, monitorEvery: 'off' });
    const squares = [...theta].reduce((sum, _, e) => sum + scaleAt(e) ** 2, 0);
    const step = events.find((event) => event.type === 'step')!;
    const { diffusion } = events.find((event) => event.type === 'end')!;
    expect(diffusion! / (0.01 ** 2 * step.projectedGradient! ** 2 * squares)).toBeCloseTo(1, 9);
  });
});

describe('a space', () => {
  it('of everything, as it is, changes no bit', async () => {
    const options = { steps: 12, monitorEvery: 5 } as const;
    const plainly = await run(gaussianTwoPoint(), options);
    const whole = await run(inSpace(gaussianTwoPoint(), { '*': 'dense' }), options);
    expect(whole.theta).toEqual(plainly.theta);
  });

  it('moves as the definition says: θ − η c s z, and losses are those at θ + μ s z', async () => {
    const spec = allSpaces['all of it'];
    await using objective = await compile(device, smallProblem(), { seed: 1 });
    const theta = await objective.params.read();
    const space = objective.space(spec);
    expect(objective.space(spec)).toBe(space);
    const direction = { distribution: 'normal', seed: 3n, stream: 5n, space } as const;
    const { space: _, ...whole } = direction;
    const z = await device.direction(whole, objective.dimension);
    const [there] = await objective.losses([[{ direction, coefficient: 0.125 }]]);
    const norms = await objective.norms([[{ direction, coefficient: 1 }]]);
    const { derivatives } = await objective.derivatives([direction]);
    const { gradient } = await objective.gradient();
    const g = await gradient.buffer.readF32();
    const scales = [...z].map((_, e) => space.scaleAt(e));
    const kept = [...z].map((value, e) => (scales[e] === 0 ? 0 : value));
    expect(norms[0]).toBeCloseTo(Math.sqrt(kept.reduce((sum, value) => sum + value ** 2, 0)), 9);
    expect(derivatives[0]).toBeCloseTo(
      kept.reduce((sum, value, e) => sum + scales[e] * value * g[e], 0),
      5,
    );
    await objective.params.write(theta.map((x, e) => x + Math.fround(0.125 * scales[e]) * kept[e]));
    expect((await objective.losses([[]]))[0]).toBeCloseTo(there, 6);
  });

  it('makes of one direction another than the same in another space, or in none', async () => {
    await using objective = await compile(device, smallProblem(), { seed: 1 });
    const { params } = objective;
    const before = await params.read();
    const z = { distribution: 'rademacher', seed: 3n, stream: 5n } as const;
    const [one, other] = [{ w1: 'skip' }, { b1: 'skip', w2: 'skip' }] as const;
    params.add({ ...z, space: objective.space(one) }, 0.5);
    params.add({ ...z, space: objective.space(other) }, -0.5);
    params.add(z, 0.25);
    const signs = await device.direction(z, objective.dimension);
    const scales = [one, other].map((spec) => [...before].map((_, e) => objective.space(spec).scaleAt(e)));
    const moved = before.map((x, e) => x + signs[e] * (0.5 * scales[0][e] - 0.5 * scales[1][e] + 0.25));
    for (const [e, x] of (await params.read()).entries()) expect(x).toBeCloseTo(moved[e], 6);
  });

  it('is asked, where the loss does not change, whether μ moves what it has: what it leaves out stands still anyhow', async () => {
    const init = { kind: 'constant' as const, value: 0.1 };
    const plateau = {
      parameters: { w: { shape: [4], init }, frozen: { shape: [400], init } },
      loss: (p: Record<string, Tensor>) => mean(maximum(p.w.mul(p.w), 1)),
    };
    await using objective = await compile(device, plateau);
    const codes: string[] = [];
    const optimizer = zoGD({ lr: 0.1, space: { frozen: 'skip' } });
    for await (const event of train(objective, optimizer, { steps: 8, monitorEvery: 'off' }))
      if (event.type === 'warning') codes.push(event.code);
    expect(codes).toEqual(['loss-plateau']);
  });

  it('is refused where the estimate is dense, the names are no tensors, or the parameters are others', async () => {
    const refused = { code: 'ERR_ZEROTH_ARGUMENT' };
    await expect(
      run(inSpace(exactGradient(), { w1: 'skip' }), { steps: 1, monitorEvery: 'off' }),
    ).rejects.toMatchObject(refused);
    await expect(run(inSpace(gaussianTwoPoint(), { w9: 'skip' }), { steps: 1 })).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining('w1, b1, w2'),
    });
    await using objective = await compile(device, smallProblem(), { seed: 1 });
    const parameters = { w: { shape: [7], init: { kind: 'constant' as const, value: 1 } } };
    await using other = await compile(device, { parameters, loss: (p) => p.w.sum() });
    const direction = {
      distribution: 'normal',
      seed: 3n,
      stream: 5n,
      space: other.space({ w: { scale: 2 } }),
    } as const;
    const before = await objective.params.read();
    for (const ask of [
      async () => objective.losses([[], [{ direction, coefficient: 1 }]]),
      async () => objective.norms([[{ direction, coefficient: 1 }]]),
      async () => objective.derivatives([direction]),
      async () => objective.params.add(direction, 1),
      async () =>
        objective.params.apply(
          { kind: 'plain' },
          { kind: 'directions', loss: 1, terms: [{ direction, coefficient: 1 }] },
          0.1,
        ),
      async () => other.losses([[{ direction, coefficient: 3e38 }]]),
      async () => other.losses([[{ direction: { ...direction, space: {} as never }, coefficient: 1 }]]),
    ])
      await expect(ask()).rejects.toMatchObject(refused);
    expect(await objective.params.read()).toEqual(before);
  });
});
