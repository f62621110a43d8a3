import { expect, it } from 'vitest';
import type { DeviceProgram } from '../../lib/device/device.ts';
import * as t from '../../lib/graph/ops.ts';
import { zeros } from '../../lib/nn/parameters.ts';
import { Compiler } from '../../lib/objective/compile.ts';
import { type Loader, Programs } from '../../lib/objective/programs.ts';
import { Layout } from '../../lib/params/layout.ts';

/** Bytes of a plan for so many examples. */
const BYTES = 100;

/** The pieces of 1000 examples, and the threads that each program was loaded for. */
async function divided(
  given: Partial<Loader['traits']>,
  { budget = Number.POSITIVE_INFINITY, parameters = 1001 } = {},
) {
  const traits = { lanes: 1, laneExamples: 1, smallModelExamples: 1, smallModelParameters: 1000, ...given };
  const threads: (number | undefined)[] = [];
  const device: Loader = {
    traits,
    load: (_, count) => {
      threads.push(count);
      return Promise.resolve({} as DeviceProgram);
    },
  };
  const compiler = { build: (_: string, rows: number) => ({ bytes: new Uint8Array(), arenaBytes: rows * BYTES }) };
  const pieces = await new Programs(device, compiler as unknown as Compiler, parameters, budget).pieces('loss', 1000);
  return { rows: pieces.map(({ rows }) => rows), together: pieces.map(({ concurrent }) => concurrent), threads };
}

it('gives each lane of the device a micro-batch of its own where it says that so many keep a lane busy', async () => {
  expect(await divided({ lanes: 4, laneExamples: 250 })).toEqual({
    rows: [250, 250, 250, 250],
    together: [false, true, true, true],
    threads: [1, 1, 1, 1],
  });
  const alone = { rows: [1000], together: [false], threads: [undefined] };
  expect(await divided({ lanes: 4, laneExamples: 251 })).toEqual(alone);
  expect(await divided({ lanes: 1, laneExamples: 1 })).toEqual(alone);
});

it('takes fewer examples for enough where the model has few parameters', async () => {
  const traits = { lanes: 4, laneExamples: 251, smallModelExamples: 250 };
  expect((await divided(traits)).rows).toEqual([1000]);
  expect((await divided(traits, { parameters: 1000 })).rows).toEqual([250, 250, 250, 250]);
  const more = { ...traits, smallModelExamples: 251 };
  expect((await divided(more, { parameters: 1000 })).rows).toEqual([1000]);
});

it('divides the budget among lanes, and lets them share kernels where too few examples fit a part of it', async () => {
  expect(await divided({ lanes: 2, laneExamples: 100 }, { budget: 400 * BYTES })).toEqual({
    rows: [200, 200, 200, 200, 200],
    together: [false, true, false, true, false],
    threads: [1, 1],
  });
  expect(await divided({ lanes: 2, laneExamples: 201 }, { budget: 400 * BYTES })).toEqual({
    rows: [400, 400, 200],
    together: [false, false, false],
    threads: [undefined, undefined],
  });
});

it('plans every program for the device that it is for', () => {
  const parameters = { w: { shape: [3, 5], init: zeros } };
  const loss = ({ w }: Record<string, t.Tensor>, { x }: Record<string, t.Tensor>) =>
    t.neg(t.mean(t.logSoftmax(t.tanh(t.matmul(x, w)))));
  const data = { x: { shape: [8, 3], dtype: 'f32' as const } };
  const compilerFor = (alignment: number, composites: readonly string[]) =>
    new Compiler({ parameters, loss }, new Layout(parameters), data, {}, 8, { alignment, composites });
  const kindsFor = (composites: readonly string[]) =>
    compilerFor(64, composites)
      .build('loss', 8)
      .instructions.map(({ kind }) => kind);
  expect(kindsFor(['logSoftmax'])).toContain('logSoftmax');
  expect(kindsFor([])).not.toContain('logSoftmax');
  for (const kind of ['loss', 'derivative', 'gradient', 'hvp2'] as const) {
    const { allocations } = compilerFor(4096, []).build(kind, 8);
    expect(allocations.length).toBeGreaterThan(1);
    expect(allocations.filter(({ offset }) => offset % 4096 > 0)).toEqual([]);
  }
});
