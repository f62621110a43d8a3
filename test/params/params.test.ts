import fc from 'fast-check';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { CommandList } from '../../lib/device/commands.ts';
import { openDevice } from '../../lib/device/device.ts';
import type { Estimate, Term, Update } from '../../lib/optimizers/optimizer.ts';
import { Changes } from '../../lib/params/changes.ts';
import { createParams } from '../../lib/params/initialise.ts';
import { Layout } from '../../lib/params/layout.ts';
import { type Displacement, Params } from '../../lib/params/params.ts';
import type { Direction } from '../../lib/random/direction.ts';
import { stream } from '../../lib/random/direction.ts';
import { held } from './held.ts';

const device = openDevice();
afterAll(() => device.dispose());

const LENGTH = 1000;
const z = (i: number): Direction => ({ distribution: 'normal', seed: 42n, stream: stream('step', i) });

async function fresh(displacement: Displacement = 'in-place'): Promise<Params> {
  const params = new Params(device, new Layout({ w: { shape: [30, 33] }, b: { shape: [10] } }), displacement);
  await params.write(await device.direction({ distribution: 'uniform', seed: 1n, stream: 0n }, LENGTH));
  return params;
}

/** What a two-point step does to the parameters. */
async function step(params: Params, i: number, update: Update, lr: number, mu = 1e-3): Promise<void> {
  const list = new CommandList();
  params.moveTo(list, [{ direction: z(i), coefficient: mu }]);
  params.moveTo(list, [{ direction: z(i), coefficient: -mu }]);
  await device.submit(list);
  const estimate: Estimate = { kind: 'directions', loss: 0, terms: [{ direction: z(i), coefficient: Math.cos(i) }] };
  await params.apply(update, estimate, lr);
}

const relativeDifference = (a: Float32Array, b: Float32Array): number =>
  Math.hypot(...a.map((x, i) => x - b[i])) / Math.hypot(...b);

describe('params', () => {
  it('makes exactly two passes over memory a ZO-GD step', async () => {
    const params = await fresh();
    await step(params, 0, { kind: 'plain' }, 0.1);
    const before = params.passes;
    for (let i = 1; i <= 100; i++) await step(params, i, { kind: 'plain' }, 0.1);
    expect(params.passes - before).toBe(200);
  });

  it('measures θ and its states as a read sees them, displaced and waiting or not, moves no bit and takes no memory', async () => {
    const update: Update = { kind: 'adam', beta1: 0.9, beta2: 0.99, epsilon: 1e-8, t: 1 };
    for (const [states, kind] of [
      [[], { kind: 'plain' }],
      [['m', 'v'], update],
    ] as const) {
      const params = await fresh();
      await params.useRule({ states });
      for (let steps = 0; steps < 3; steps++) {
        if (steps > 0) await step(params, steps, kind, 0.1);
        const vectors: [string, Float32Array][] = [['theta', await params.read()]];
        for (const name of states) vectors.push([name, await params.readState(name)]);
        const displaced = await params.theta.readF32();
        expect((await params.measureHeld()).theta.squares).toBeCloseTo(
          displaced.reduce((total, value) => total + value * value, 0),
          9,
        );
        const allocate = vi.spyOn(device, 'allocate');
        const measured = await params.measure();
        expect(allocate).not.toHaveBeenCalled();
        allocate.mockRestore();
        expect(await params.read()).toEqual(vectors[0][1]);
        for (const [name, values] of vectors.slice(1)) expect(await params.readState(name as 'm')).toEqual(values);
        expect(Object.keys(measured)).toEqual(vectors.map(([name]) => name));
        for (const [name, values] of vectors) {
          const { sum, squares } = measured[name as 'theta'];
          expect(sum).toBeCloseTo(
            values.reduce((total, value) => total + value, 0),
            9,
          );
          expect(squares).toBeCloseTo(
            values.reduce((total, value) => total + value * value, 0),
            9,
          );
        }
      }
      params.dispose();
    }
  });

  it('makes no pass to go where it already is', async () => {
    const params = await fresh();
    const at = { direction: { distribution: 'normal', seed: 3n, stream: 5n }, coefficient: 0.25 } as const;
    const list = new CommandList();
    params.moveTo(list, []);
    expect(params.passes).toBe(0);
    params.moveTo(list, [at]);
    params.moveTo(list, [{ ...at, direction: { ...at.direction } }]);
    expect(params.passes).toBe(1);
    params.moveTo(list, [{ ...at, coefficient: -0.25 }]);
    params.moveTo(list, []);
    params.moveTo(list, []);
    expect(params.passes).toBe(3);
    await params.device.submit(list);
  });

  it.each([
    { kind: 'momentum', beta: 0.9 } as const,
    { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, t: 1 } as const,
  ])('makes exactly two passes a step with state, too ($kind)', async (update) => {
    const params = await fresh();
    await params.useRule({ states: ['m', 'v'] });
    for (let i = 0; i < 50; i++) await step(params, i, update, 0.1);
    expect(params.passes).toBe(100);
  });

  it('differs from the start by less than 1e-6 relative after 10,000 steps with η = 0', async () => {
    const params = await fresh();
    const start = await params.read();
    for (let i = 0; i < 10_000; i++) await step(params, i, { kind: 'plain' }, 0);
    const drift = relativeDifference(await params.read(), start);
    expect(drift).toBeLessThan(1e-6);
    // The displaced bits themselves differ much more, so the measurement sees something.
    expect(relativeDifference(await params.theta.readF32(), start)).toBeGreaterThan(1e-4);
  });

  it('adds directions like f64 arithmetic does, whatever the order of adds, moves and reads', async () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), i: fc.nat(3), c: fc.double({ min: -1, max: 1, noNaN: true }) }),
      fc.record({ kind: fc.constant('move' as const), i: fc.nat(3), c: fc.constantFrom(0, 1e-3, -1e-3) }),
      fc.record({ kind: fc.constant('read' as const) }),
      fc.record({ kind: fc.constant('commit' as const) }),
    );
    const directions = await Promise.all([0, 1, 2, 3].map((i) => device.direction(z(i), LENGTH)));
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 20 }), async (actions) => {
        const params = await fresh();
        const expected = Float64Array.from(await params.read());
        const add = (i: number, c: number) => {
          directions[i].forEach((value, e) => {
            expected[e] += c * value;
          });
        };
        for (const act of actions) {
          if (act.kind === 'add') {
            params.add(z(act.i), act.c);
            add(act.i, act.c);
          } else if (act.kind === 'move') {
            const list = new CommandList();
            params.moveTo(list, [{ direction: z(act.i), coefficient: act.c }]);
            await device.submit(list);
            const held = await params.theta.readF32();
            held.forEach((x, e) => {
              expect(Math.abs(x - expected[e] - act.c * directions[act.i][e])).toBeLessThan(1e-4);
            });
          } else if (act.kind === 'commit') await params.commit();
          const values = await params.read();
          for (let e = 0; e < LENGTH; e++)
            if (!(Math.abs(values[e] - expected[e]) < 1e-4)) expect(values[e]).toBeCloseTo(expected[e], 4);
        }
        params.dispose();
      }),
      { seed: 3, numRuns: 40 },
    );
  });

  it('is not changed by one bit by reads, snapshots and checkpoints', async () => {
    const updates: Update[] = [
      { kind: 'plain' },
      { kind: 'momentum', beta: 0.9 },
      { kind: 'adam', beta1: 0.9, beta2: 0.99, epsilon: 1e-8, t: 3 },
      { kind: 'frozenAdam', beta1: 0.9 },
    ];
    for (const update of updates) {
      const [watched, alone] = [await fresh(), await fresh()];
      const p = new Float32Array(LENGTH).fill(0.5);
      for (const params of [watched, alone])
        await params.useRule({ states: ['m', 'v', 'p'], initial: { p }, fixed: ['p'] });
      for (let i = 0; i < 20; i++) {
        await step(watched, i, update, 0.01);
        await step(alone, i, update, 0.01);
        if (i % 3 === 0) {
          (await watched.snapshot()).dispose();
          await watched.read('b');
          await watched.readState('m');
          await watched.measureHeld();
        }
      }
      expect(watched.passes).toBe(alone.passes);
      expect(await held(watched, 'm', 'v', 'p')).toEqual(await held(alone, 'm', 'v', 'p'));
    }
  });

  it('runs momentum and Adam as their formulas say, in f64', async () => {
    const params = await fresh();
    await params.useRule({ states: ['m', 'v'] });
    const theta = Float64Array.from(await params.read());
    const [m, v] = [new Float64Array(LENGTH), new Float64Array(LENGTH)];
    for (let i = 0; i < 10; i++) {
      await step(params, i, { kind: 'adam', beta1: 0.8, beta2: 0.9, epsilon: 1e-3, t: i + 1 }, 0.05);
      const g = (await device.direction(z(i), LENGTH)).map((x) => x * Math.fround(Math.cos(i)));
      for (let e = 0; e < LENGTH; e++) {
        m[e] = 0.8 * m[e] + 0.2 * g[e];
        v[e] = 0.9 * v[e] + 0.1 * g[e] ** 2;
        theta[e] -= (0.05 * (m[e] / (1 - 0.8 ** (i + 1)))) / (Math.sqrt(v[e] / (1 - 0.9 ** (i + 1))) + 1e-3);
      }
    }
    const values = await params.read();
    for (let e = 0; e < LENGTH; e++) expect(Math.abs(values[e] - theta[e])).toBeLessThan(2e-6);
    const moment = await params.readState('m');
    for (let e = 0; e < LENGTH; e++) expect(Math.abs(moment[e] - m[e])).toBeLessThan(2e-6);
  });

  it('reads states in pieces: those that reading them whole gives, whatever waits, and none of it is left behind', async () => {
    const params = await fresh();
    await params.useRule({ states: ['m', 'v'] });
    for (let i = 0; i < 3; i++) {
      await step(params, i, { kind: 'adam', beta1: 0.8, beta2: 0.9, epsilon: 1e-3, t: i + 1 }, 0.05);
      const [m, v] = [await params.readState('m'), await params.readState('v')];
      const held = device.memory().bufferBytes;
      for (const length of [1, 333, LENGTH, 2 * LENGTH]) {
        const read = { m: new Float32Array(LENGTH), v: new Float32Array(LENGTH) };
        for await (const { offset, states } of params.statePieces(['m', 'v'], length)) {
          expect(states.m.length).toBe(Math.min(length, LENGTH - offset));
          read.m.set(states.m, offset);
          read.v.set(states.v, offset);
        }
        expect(read).toEqual({ m, v });
        for await (const { states } of params.statePieces(['v'], length)) {
          expect(Object.keys(states)).toEqual(['v']);
          break;
        }
      }
      expect(device.memory().bufferBytes).toBe(held);
    }
    await expect(params.statePieces(['p']).next()).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
  });

  it('reads tensors by name and refuses unknown ones', async () => {
    const params = await fresh();
    expect(await params.read('b')).toEqual((await params.read()).subarray(990));
    await expect(params.read('nope')).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ARGUMENT',
      message: expect.stringContaining('w, b'),
    });
    await expect(params.write('b', new Float32Array(3))).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    await expect(params.write('b', new Float32Array(10).fill(Number.NaN))).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ARGUMENT',
    });
  });

  it('initialises each tensor from its own stream, the same with any thread count', async () => {
    const specs = {
      w: { shape: [64, 10], init: { kind: 'uniform' as const, bound: 0.25 } },
      g: { shape: [100], init: { kind: 'normal' as const, std: 2 } },
      c: { shape: [3], init: { kind: 'constant' as const, value: 1.5 } },
    };
    const params = await createParams(device, specs, 9n, 'in-place');
    const w = await params.read('w');
    const expected = await device.direction(
      { distribution: 'uniform', seed: 9n, stream: stream('initialisation', 0) },
      640,
    );
    expect(w).toEqual(expected.map((x) => x * 0.25));
    expect(Math.max(...w)).toBeLessThanOrEqual(0.25);
    const second = { distribution: 'normal', seed: 9n, stream: stream('initialisation', 1) } as const;
    expect(await params.read('g')).toEqual((await device.direction(second, 100)).map((x) => x * 2));
    expect([...(await params.read('c'))]).toEqual([1.5, 1.5, 1.5]);
    await using other = openDevice({ threads: 1 });
    expect(await (await createParams(other, specs, 9n, 'copy')).read()).toEqual(await params.read());
    expect(await (await createParams(device, specs, 10n, 'in-place')).read('w')).not.toEqual(w);
  });

  it('coalesces equal directions into one term', async () => {
    const changes = new Changes();
    const adds = [0.25, 1, 0.25].map((coefficient, i): Term => ({ direction: z(1 + (i % 2)), coefficient }));
    for (const add of adds) changes.add([add]);
    const terms = [0.5, 1].map((coefficient, i) => ({ direction: z(1 + i), coefficient }));
    expect(changes.pending).toEqual([{ update: { kind: 'plain' }, terms }]);
  });
});
