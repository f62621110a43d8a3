import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { CommandList } from '../../lib/device/commands.ts';
import { openDevice } from '../../lib/device/device.ts';
import { add, gather, matmul, mean, mul, square, sum } from '../../lib/graph/ops.ts';
import { compile, type Objective } from '../../lib/objective/objective.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import type { PlannedStep } from '../../lib/objective/stretch.ts';
import { askEstimator } from '../../lib/optimizers/estimator-state.ts';
import { gaussianTwoPoint } from '../../lib/optimizers/estimators/gaussian-two-point.ts';
import { estimateOf, linearEstimator, linearOf } from '../../lib/optimizers/linear-estimate.ts';
import type { Estimator, Optimizer, UpdateRule } from '../../lib/optimizers/optimizer.ts';
import { frozenZoAdam, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import { askStepSize, stepSizeOf } from '../../lib/optimizers/step-size.ts';
import type { Direction } from '../../lib/random/direction.ts';
import { allRules } from '../optimizers/all-rules.ts';
import { affineProblem } from './affine-problem.ts';

const devices = [1, 2, 3].map((threads) => openDevice({ threads }));
const [device] = devices;
const folder = mkdtempSync(join(tmpdir(), 'zeroth-stretch-'));
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await Promise.all(devices.map((one) => one.dispose()));
});

const problem = affineProblem;
const dimension = 35;
/** The same with weights of the examples: a sum and what it is divided by. */
const weighted: Problem = {
  ...problem,
  data: { ...problem.data, k: { shape: [8], data: Float32Array.of(1, 2, 0, 3, 1, 0.5, 2, 1) } },
  loss: (p, { x, k }) => ({ sum: sum(mul(sum(square(add(matmul(x, p.w), p.b)), [1]), k)), weight: sum(k) }),
};

const z =
  (step: number) =>
  (i: number): Direction => ({ distribution: 'normal', seed: 3n, stream: BigInt(16 * step + i) });

/** θ itself, and q points beside it: an odd number of points for an even q. */
const forward = (q: number, mu = 1e-3): Estimator =>
  linearEstimator({ name: 'forward', options: { q, mu }, mu, cost: { losses: q + 1 } }, (direction) => ({
    points: [[], ...Array.from({ length: q }, (_, i) => [{ direction: direction(i), coefficient: mu }])],
    loss: { weights: [1, ...new Array(q).fill(0)], divisor: 1 },
    terms: Array.from({ length: q }, (_, i) => ({
      direction: direction(i),
      coefficient: { weights: [-1, ...Array.from({ length: q }, (_, j) => (i === j ? 1 : 0))], divisor: mu * q },
    })),
  }));

const optimizers: Record<string, Optimizer> = {
  zoGD: zoGD({ lr: 0.01 }),
  zoGDM: zoGDM({ lr: 0.001 }),
  zoAdam: zoAdam({ lr: 0.002 }),
  frozenZoAdam: frozenZoAdam({ lr: 0.01, preconditioner: new Float32Array(dimension).fill(2) }),
  ...Object.fromEntries(
    Object.entries(allRules).map(([name, { rule }]) => [name, { ...zoGD({ lr: 0.002 }), rule: rule() }]),
  ),
  'forward difference': { ...zoGD({ lr: 0.01 }), estimator: forward(1) },
  'mean of 2 forward differences, momentum': { ...zoGDM({ lr: 0.001 }), estimator: forward(2) },
  'mean of 5 forward differences': { ...zoGD({ lr: 0.01 }), estimator: forward(5) },
};

/** η falls from step to step. */
const lrOf = ({ lr }: Optimizer, step: number): number => askStepSize(stepSizeOf(lr), null, { step }).lr / (1 + step);

const plan = (optimizer: Optimizer, step: number, rows: Uint32Array | null = null): PlannedStep => ({
  estimate: linearOf(optimizer.estimator)!.linear(z(step), () => Number.NaN, dimension),
  update: optimizer.rule.update(step),
  lr: lrOf(optimizer, step),
  rows,
});

async function begin(optimizer: Optimizer, given = problem, on = device): Promise<Objective> {
  const objective = await compile(on, given, { seed: 5 });
  await objective.params.useRule(optimizer.rule);
  return objective;
}

/** θ and the states, as bits. */
async function held(objective: Objective, rule: UpdateRule) {
  const bits = (values: Float32Array) => Buffer.from(values.buffer).toString('hex');
  const states = await Promise.all(rule.states.map(async (name) => bits(await objective.params.readState(name))));
  return [bits(await objective.params.read()), ...states];
}

/** Steps one by one, as `train` takes them where nothing is known beforehand. */
async function oneByOne(
  objective: Objective,
  optimizer: Optimizer,
  from: number,
  to: number,
  rows = [] as Uint32Array[],
) {
  const losses: number[] = [];
  for (let step = from; step < to; step++) {
    const oracle = objective.oracleOfSteps(rows[step] ?? null);
    const { estimate } = await askEstimator(optimizer.estimator, { oracle, step, direction: z(step), state: null });
    await objective.params.apply(optimizer.rule.update(step), estimate, lrOf(optimizer, step));
    losses.push(estimate.loss);
  }
  return losses;
}

/** The same steps in one submission, all taken or some. */
async function together(
  objective: Objective,
  optimizer: Optimizer,
  from: number,
  to: number,
  { rows = [] as Uint32Array[], take = to - from } = {},
) {
  const steps = Array.from({ length: to - from }, (_, i) => plan(optimizer, from + i, rows[from + i] ?? null));
  const stretch = await objective.takeSteps(steps);
  const losses: number[] = [];
  for (let i = 0; i < take; i++) {
    const { planned, losses: measured } = stretch.next();
    const estimate = estimateOf(planned.estimate, measured);
    if (estimate.kind === 'directions') stretch.take(estimate);
    losses.push(estimate.loss);
  }
  return { losses, stretch };
}

describe('steps in one submission', () => {
  const cases = Object.entries(optimizers).flatMap(([name, optimizer]) =>
    [problem, weighted].flatMap((given) =>
      devices.map((on) => [name, given === weighted ? 'weighted' : 'plain', on.threads, optimizer, given, on] as const),
    ),
  );
  it.each(cases)(
    'are those that are taken one by one, to the bit: %s, %s loss, %i threads',
    async (_, __, ___, optimizer, given, on) => {
      const rows = Array.from({ length: 7 }, (_, step) => Uint32Array.of(step % 8, (step * 3 + 1) % 8, 3));
      for (const batches of [[], rows]) {
        await using alone = await begin(optimizer, given, on);
        await using stretched = await begin(optimizer, given, on);
        const expected = await oneByOne(alone, optimizer, 0, 7, batches);
        const before = await together(stretched, optimizer, 0, 3, { rows: batches });
        expect(before.stretch.completed && before.stretch.over).toBe(true);
        const after = await together(stretched, optimizer, 3, 7, { rows: batches });
        expect([...before.losses, ...after.losses]).toEqual(expected);
        expect(await held(stretched, optimizer.rule)).toEqual(await held(alone, optimizer.rule));
      }
    },
  );

  it('stand, for whoever looks at the parameters, where those that were gone through have led', async () => {
    const lookers: Record<string, (objective: Objective) => Promise<unknown>> = {
      read: ({ params }) => params.read(),
      readState: ({ params }) => params.readState('m'),
      snapshot: async ({ params }) => (await params.snapshot()).dispose(),
      measure: ({ params }) => params.measure(),
      measureHeld: ({ params }) => params.measureHeld(),
      commit: ({ params }) => params.commit(),
      settle: ({ params }) => params.settle(),
      save: ({ params }) => params.save(join(folder, 'looked.safetensors')),
      losses: (objective) => objective.losses([[], [{ direction: z(99)(0), coefficient: 1 }]]),
      gradient: (objective) => objective.gradient(),
      evaluate: (objective) => objective.evaluate((p) => p.b),
      hessian: async (objective) => (await objective.hessian()).apply(new Float32Array(dimension).fill(1), 1),
      nothing: async () => {},
    };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('zoGDM', 'zoAdam'),
        fc.constantFrom(...Object.keys(lookers)),
        fc.integer({ min: 0, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        async (name, look, take, length) => {
          const optimizer = optimizers[name];
          const taken = Math.min(take, length);
          await using alone = await begin(optimizer);
          await using stretched = await begin(optimizer);
          // Something waits, and then a stretch is begun, gone through in part, and looked at.
          const expected = await oneByOne(alone, optimizer, 0, 2 + taken);
          const first = await oneByOne(stretched, optimizer, 0, 2);
          const { losses, stretch } = await together(stretched, optimizer, 2, 2 + length, { take: taken });
          await lookers[look](stretched);
          if (look !== 'nothing' || taken === length) expect(stretch.over).toBe(true);
          expect([...first, ...losses]).toEqual(expected);
          expect(await held(stretched, optimizer.rule)).toEqual(await held(alone, optimizer.rule));
          // And it goes on from there.
          expect(await oneByOne(stretched, optimizer, 2 + taken, 9)).toEqual(
            await oneByOne(alone, optimizer, 2 + taken, 9),
          );
          expect(await held(stretched, optimizer.rule)).toEqual(await held(alone, optimizer.rule));
        },
      ),
      { numRuns: 40, seed: 11 },
    );
  });

  it('make way for who changes the parameters between two of them, or while they are under way', async () => {
    const optimizer = optimizers.zoGDM;
    const file = join(folder, 'zeros.safetensors');
    await using other = await begin(optimizer);
    await other.params.write(new Float32Array(dimension));
    await other.params.save(file);
    const changes: ((objective: Objective) => unknown)[] = [
      ({ params }) => params.load(file),
      ({ params }) => params.write('b', new Float32Array(5).fill(2)),
      ({ params }) => params.add(z(77)(0), 0.5),
      ({ params }) => params.write(new Float32Array(dimension).fill(0.1)),
    ];
    for (const change of changes) {
      await using alone = await begin(optimizer);
      await oneByOne(alone, optimizer, 0, 2);
      await change(alone);

      await using between = await begin(optimizer);
      const { stretch } = await together(between, optimizer, 0, 6, { take: 2 });
      await change(between);
      expect(stretch.over && !stretch.completed).toBe(true);
      expect(await held(between, optimizer.rule)).toEqual(await held(alone, optimizer.rule));

      await using during = await begin(optimizer);
      await oneByOne(during, optimizer, 0, 2);
      const underWay = during.takeSteps([2, 3, 4].map((step) => plan(optimizer, step)));
      // The submission comes after an await of the programs.
      await new Promise(setImmediate);
      await change(during);
      expect((await underWay).over).toBe(true);
      expect(await held(during, optimizer.rule)).toEqual(await held(alone, optimizer.rule));
    }
  });

  it('that are refused, or fail, leave the parameters where they began', async () => {
    const optimizer = zoGDM({ lr: 0.01 });
    const steps = [0, 1, 2].map((step) => plan(optimizer, step));
    // A weight that is no number, in the middle: the job is refused whole.
    const { estimate } = steps[1];
    const terms = estimate.terms.map((term) => ({ ...term, coefficient: { weights: [1, Number.NaN], divisor: 1 } }));
    await using refused = await begin(optimizer);
    await oneByOne(refused, optimizer, 0, 2);
    const before = await held(refused, optimizer.rule);
    await expect(
      refused.takeSteps([steps[0], { ...steps[1], estimate: { ...estimate, terms } }, steps[2]]),
    ).rejects.toMatchObject({ code: 'ERR_ZEROTH_NATIVE' });
    expect(await held(refused, optimizer.rule)).toEqual(before);

    // A row that is not there, which shows when the loss of the second step's batch reads it: the first step has been taken by then.
    const bounded: Problem = {
      parameters: { w: { shape: [3], init: [1, 2, 3] } },
      data: { k: { data: [0, 1, 2, 7], dtype: 'i32' } },
      loss: ({ w }, { k }) => mean(square(gather(w, k))),
    };
    await using failing = await begin(optimizer, bounded);
    const good = Uint32Array.of(0, 1);
    await oneByOne(failing, optimizer, 0, 2, [good, good]);
    const start = await held(failing, optimizer.rule);
    const planned = [good, Uint32Array.of(2, 3), good].map((rows, step) => plan(optimizer, step + 2, rows));
    await expect(failing.takeSteps(planned)).rejects.toMatchObject({ code: 'ERR_ZEROTH_NATIVE' });
    expect(await held(failing, optimizer.rule)).toEqual(start);
  });

  it('end where a coefficient is none of f32, with nothing of it in the parameters that were gone through', async () => {
    const steep: Problem = {
      parameters: { w: { shape: [2], init: [1, 2] } },
      loss: ({ w }) => sum(square(mul(w, 1e15))),
    };
    // Steps away from 0, to where the loss overflows.
    const optimizer = zoGDM({ lr: 1e-26 });
    const climbing: Optimizer = { ...optimizer, estimator: gaussianTwoPoint({ mu: 1 }) };
    await using objective = await compile(device, steep);
    await objective.params.useRule(climbing.rule);
    const steps = [0, 1, 2, 3, 4, 5].map((step) => ({ ...plan(climbing, step), lr: 1e-14 }));
    const stretch = await objective.takeSteps(steps);
    let taken = 0;
    for (; taken < steps.length; taken++) {
      const { planned, losses } = stretch.next();
      const estimate = estimateOf(planned.estimate, losses);
      if (estimate.kind !== 'directions' || !(Math.abs(estimate.terms[0].coefficient) <= 3.4e38)) break;
      stretch.take(estimate);
    }
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(steps.length);
    expect((await objective.params.read()).every(Number.isFinite)).toBe(true);
  });

  it('are not taken in place', async () => {
    await using inPlace = await compile(device, problem, { displacement: 'in-place' });
    expect(inPlace.takesSteps).toBe(false);
    await using copied = await begin(optimizers.zoGD);
    expect(copied.takesSteps).toBe(true);
  });

  it('take one pass over θ each, two where they evaluate more than two points beside it', async () => {
    for (const [name, passes] of [
      ['zoGD', 1],
      ['forward difference', 1],
      ['mean of 5 forward differences', 3],
    ] as const) {
      await using objective = await begin(optimizers[name]);
      const before = objective.params.passes;
      await together(objective, optimizers[name], 0, 4);
      expect([name, objective.params.passes - before]).toEqual([name, 4 * passes]);
    }
  });
});

describe('a linear estimate', () => {
  it('belongs to the estimator that it was made for, and not to one that estimates otherwise', () => {
    const estimator = gaussianTwoPoint();
    expect(linearOf(estimator)).toBeDefined();
    expect(linearOf({ ...estimator, name: 'another name' })).toBeDefined();
    expect(linearOf({ ...estimator, estimate: (...all) => estimator.estimate(...all) })).toBeUndefined();
  });
});

describe('slots', () => {
  it('combine losses on the device as they are combined here', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(fc.double({ noNaN: true, min: -1e3, max: 1e3 }), fc.double({ noNaN: true, min: -1e3, max: 1e3 })),
          { minLength: 1, maxLength: 5 },
        ),
        fc.double({ noNaN: true, min: 1e-3, max: 1e3 }),
        async (terms, divisor) => {
          const n = terms.length;
          const list = new CommandList(n + 2);
          // Slots begin as 0: a combination of nothing over 1 is 0, so numbers come in by weights of a slot that is 1.
          const one = await oneIn(list, n + 1);
          for (const [i, [, loss]] of terms.entries()) list.combine(i, [{ weight: loss, slot: one }], 1);
          list.combine(
            n,
            terms.map(([weight], slot) => ({ weight, slot })),
            divisor,
          );
          const slots = await device.submit(list);
          const expected = estimateOf(
            { points: [], loss: { weights: terms.map(([w]) => w), divisor }, terms: [] },
            terms.map(([, l]) => l),
          );
          expect(slots[n]).toBe(expected.loss);
        },
      ),
      { numRuns: 50, seed: 5 },
    );
  });
});

/** A slot that holds 1: the sum of one element. */
async function oneIn(list: CommandList, slot: number): Promise<number> {
  const buffer = await device.upload(Float32Array.of(1));
  // Sums fill two slots, the sum and its square: both are 1.
  list.sums(buffer, 0, 1, slot - 1);
  return slot;
}
