import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { mean } from '../../lib/graph/ops.ts';
import { compile, type Objective } from '../../lib/objective/objective.ts';
import type { Estimator, Optimizer, Point } from '../../lib/optimizers/optimizer.ts';
import { frozenZoAdam, gd, zoAdam, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import { plain } from '../../lib/optimizers/rules/plain.ts';
import type { Displacement } from '../../lib/params/params.ts';
import type { Direction } from '../../lib/random/direction.ts';
import { train } from '../../lib/train/train.ts';
import { affineProblem } from './affine-problem.ts';

const device = openDevice();
afterAll(() => device.dispose());

const problem = affineProblem;
const modes: Displacement[] = ['copy', 'in-place'];
const z = (stream: number): Direction => ({ distribution: 'normal', seed: 3n, stream: BigInt(stream) });
const at = (stream: number, coefficient: number): Point => [{ direction: z(stream), coefficient }];
const bits = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('hex');

/** What a run does, as bits: its losses and the parameters that it leaves. */
async function run(objective: Objective, optimizer: Optimizer, watch: () => Promise<unknown> = async () => {}) {
  const losses: number[] = [];
  for await (const event of train(objective, optimizer, { steps: 12, seed: 7 })) {
    if (event.type === 'step') losses.push(event.loss);
    await watch();
  }
  return { losses, theta: bits(await objective.params.read()) };
}

describe.each(modes)('losses of an objective whose steps displace %s', (displacement) => {
  it('do not move θ by one bit, over 30 orders of magnitude of weights and displacements, not even where f32 overflows', async () => {
    await using objective = await compile(device, problem, { displacement });
    const start = await objective.params.read();
    const exponent = (max: number) => fc.double({ min: -30, max, noNaN: true });
    const term = fc.record({
      direction: fc.nat(3).map(z),
      coefficient: fc.tuple(exponent(38.5), fc.constantFrom(1, -1)).map(([e, sign]) => sign * 10 ** e),
    });
    const anywhere = fc.array(fc.array(term, { maxLength: 2 }), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(exponent(8), anywhere, fc.boolean(), async (size, points, some) => {
        const theta = start.map((x) => x * 10 ** size);
        await objective.params.write(theta);
        const [before] = await objective.losses([[]]);
        await (some ? objective.batch(Uint32Array.of(1, 3)) : objective).losses(points);
        expect(bits(await objective.params.read())).toBe(bits(theta));
        expect((await objective.losses([[]]))[0]).toBe(before);
      }),
      { seed: 1, numRuns: 150 },
    );
  });

  it('are the same alone, side by side and again, and leave the memory as it was', async () => {
    await using objective = await compile(device, problem, { displacement });
    const points = [[], at(0, 1), at(1, 1e8), [], [...at(0, 1), ...at(1, -3)], at(0, 1), []];
    const together = await objective.losses(points);
    const { bufferBytes } = device.memory();
    const alone = await Promise.all(points.map((point) => objective.losses([point])));
    expect(alone.map(([loss]) => loss)).toEqual([...together]);
    expect(together[6]).toBe(together[0]);
    expect(together[5]).toBe(together[1]);
    expect(device.memory().bufferBytes).toBe(bufferBytes);
  });

  const optimizers = { zoGD, zoGDM, zoAdam };
  it.each(Object.entries(optimizers))(
    'asked between the steps of %s do not change the run by one bit',
    async (_, recipe) => {
      const optimizer = recipe({ lr: 0.01 });
      await using alone = await compile(device, problem, { displacement });
      await using watched = await compile(device, problem, { displacement });
      const expected = await run(alone, optimizer);
      const look = async () => {
        await watched.losses([at(50, 100), [], at(51, 1e-20)]);
        await watched.batch(Uint32Array.of(2)).losses([at(52, 1e30)]);
      };
      expect(await run(watched, optimizer, look)).toEqual(expected);
    },
  );
});

it('where θ is larger than f32 can displace, the loss is not finite and θ stays', async () => {
  for (const displacement of modes) {
    await using objective = await compile(device, problem, { displacement });
    const theta = (await objective.params.read()).map((x) => x * 1e38);
    await objective.params.write(theta);
    expect(Number.isFinite((await objective.losses([at(0, 3e38)]))[0])).toBe(false);
    expect(bits(await objective.params.read())).toBe(bits(theta));
  }
});

describe('steps', () => {
  const still: [string, Optimizer][] = [
    ['zoGD', zoGD({ lr: 0 })],
    ['zoGDM', zoGDM({ lr: 0 })],
    ['zoAdam', zoAdam({ lr: 0 })],
    ['frozenZoAdam', frozenZoAdam({ lr: 0, preconditioner: new Float32Array(35).fill(1) })],
    ['gd', gd({ lr: 0 })],
    ['zoGD, μ = 1e20', zoGD({ lr: 0, mu: 1e20 })],
  ];
  it.each(still)('of η = 0 in a copy leave θ to the bit where it was, whatever its size (%s)', async (_, optimizer) => {
    await using objective = await compile(device, problem, { displacement: 'copy' });
    const start = await objective.params.read();
    for (const size of [1e-30, 1e-6, 1e-3, 1, 1e8]) {
      const theta = start.map((x) => x * size);
      await objective.params.write(theta);
      for await (const _ of train(objective, optimizer, { steps: 50, seed: 2 }));
      expect(bits(await objective.params.read())).toBe(bits(theta));
    }
  });

  it('of η = 0 in place move a weight by at most 2⁻²² (|x| + μ|z|) a step', async () => {
    await using objective = await compile(device, problem, { displacement: 'in-place' });
    const start = await objective.params.read();
    for (const size of [1e-30, 1e-6, 1e-3, 1]) {
      const theta = start.map((x) => x * size);
      await objective.params.write(theta);
      for await (const _ of train(objective, zoGD({ lr: 0, mu: 1e-3 }), { steps: 200, seed: 2 }));
      const end = await objective.params.read();
      const bound = (x: number) => 200 * 2 ** -22 * (Math.abs(x) + 7e-3);
      expect(end.every((x, i) => Math.abs(x - theta[i]) <= bound(theta[i]))).toBe(true);
      // And they do move: weights that are small beside μ are what the copy is for.
      if (size < 1) expect(bits(end)).not.toBe(bits(theta));
    }
  });

  it('displace a copy up to 2²⁰ parameters, and beyond in place, unless told', async () => {
    const sized = (n: number, displacement?: Displacement) =>
      compile(
        device,
        { ...problem, parameters: { w: { shape: [n], init: { kind: 'constant', value: 0 } } }, loss: (p) => mean(p.w) },
        { displacement },
      );
    for (const [n, asked, expected] of [
      [2 ** 20, undefined, 'copy'],
      [2 ** 20 + 1, undefined, 'in-place'],
      [10, 'in-place', 'in-place'],
      [2 ** 20 + 1, 'copy', 'copy'],
    ] as const) {
      await using objective = await sized(n, asked);
      expect(objective.params.displacement).toBe(expected);
      expect(objective.params.byteLength).toBe(n * 4 * (expected === 'copy' ? 2 : 1));
    }
    for (const displacement of ['exact', null, 1])
      await expect(sized(3, displacement as never)).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
  });

  it('in place take no device memory that a loss does not take, and nor do checkpoints and the looks at θ', async () => {
    const out = await mkdtemp(join(tmpdir(), 'zeroth-in-place-'));
    await using objective = await compile(device, problem, { displacement: 'in-place' });
    const allocate = vi.spyOn(device, 'allocate');
    for await (const event of train(objective, zoGD({ lr: 0.01 }), {
      steps: 40,
      checkpointEvery: 7,
      monitorEvery: 'off',
      out: join(out, 'run'),
    }))
      if (event.type === 'end') expect(event.reason).toBe('completed');
    expect(allocate).not.toHaveBeenCalled();
    allocate.mockRestore();
    await rm(out, { recursive: true });
  });

  it('in place refuse a displacement that would not come back, and leave θ', async () => {
    await using objective = await compile(device, problem, { displacement: 'in-place' });
    const before = bits(await objective.params.read());
    const far: Estimator = {
      name: 'far',
      moments: () => ({ s1: 2, s2: 1 }),
      async estimate({ oracle, direction }) {
        const [loss] = await oracle.losses([[{ direction: direction(0), coefficient: 3e38 }]]);
        return { kind: 'directions', loss, terms: [] };
      },
    };
    const steps = train(objective, { name: 'far', estimator: far, rule: plain(), lr: 0.1 }, { steps: 3 });
    const all = async () => {
      for await (const _ of steps);
    };
    await expect(all()).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    expect(bits(await objective.params.read())).toBe(before);
  });

  it('say in the log how they displace, and a run resumes only in the same way', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'zeroth-displacement-'));
    for (const displacement of modes) {
      const out = join(folder, displacement);
      await using objective = await compile(device, problem, { displacement });
      const bytes = 35 * 4 * (displacement === 'copy' ? 2 : 1);
      for await (const event of train(objective, zoGD({ lr: 0.01 }), { steps: 2, out }))
        if (event.type === 'run') expect(event.memory).toMatchObject({ displacement, parameterBytes: bytes });
      const other = displacement === 'copy' ? 'in-place' : 'copy';
      await using changed = await compile(device, problem, { displacement: other });
      const resume = async () => {
        for await (const _ of train(changed, zoGD({ lr: 0.01 }), { steps: 4, out, resume: true }));
      };
      await expect(resume()).rejects.toMatchObject({
        code: 'ERR_ZEROTH_CHECKPOINT',
        message: expect.stringContaining(`displacement was "${displacement}" and is "${other}"`),
      });
    }
    await rm(folder, { recursive: true });
  });
});
