import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { compile } from '../../lib/objective/objective.ts';
import type { Optimizer } from '../../lib/optimizers/optimizer.ts';
import { zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import { loadSafetensors } from '../../lib/params/safetensors/read.ts';
import type { SafeTensor } from '../../lib/params/safetensors/tensor.ts';
import { saveSafetensors } from '../../lib/params/safetensors/write.ts';
import type { TrainEvent } from '../../lib/train/events.ts';
import { readRunLog } from '../../lib/train/log.ts';
import type { TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from './small-problem.ts';

const device = openDevice();
afterAll(() => device.dispose());

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-resume-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const common = { seed: 3, monitorEvery: 10, probes: 4 };

async function run(options: TrainOptions, watch: (event: TrainEvent) => void = () => {}): Promise<void> {
  const objective = await compile(device, smallProblem(), { seed: 1 });
  for await (const event of train(objective, zoGD({ lr: 0.05 }), { ...common, ...options })) watch(event);
  await objective.dispose();
}

const trajectory = (name: string) =>
  readRunLog(join(folder, name)).filter(({ type }) => type === 'step' || type === 'monitor');

it('a run that is stopped between a measurement and its step repeats the measurement to the same bits', async () => {
  await run({ steps: 40, out: join(folder, 'whole') });
  const out = join(folder, 'cut');
  const abort = new AbortController();
  await run({ steps: 40, out, signal: abort.signal }, (event) => {
    if (event.type === 'monitor' && event.step === 20) abort.abort();
  });
  expect(readRunLog(out).at(-1)).toMatchObject({ type: 'end', reason: 'aborted', steps: 20 });
  await run({ steps: 40, out, resume: true });
  expect(trajectory('cut')).toEqual(trajectory('whole'));
});

it.each([20, 25])(
  'a run completed at step %d and then given more steps is the longer run to the bit',
  async (steps) => {
    await run({ steps: 40, out: join(folder, 'whole') });
    const out = join(folder, 'longer');
    await run({ steps, out });
    await run({ steps: 40, out, resume: true });
    expect(trajectory('longer')).toEqual(trajectory('whole'));
  },
);

it('a run that is resumed removes what a checkpoint that was killed in mid-write has left', async () => {
  const out = join(folder, 'run');
  await run({ steps: 10, out });
  const torn = ['state.safetensors.0123456789ab.tmp', 'checkpoint.safetensors.ba9876543210.tmp'];
  for (const name of [...torn, 'notes.tmp']) await writeFile(join(out, name), 'torn');
  await run({ steps: 20, out, resume: true });
  const names = await readdir(out);
  expect(names).toContain('notes.tmp');
  for (const name of torn) expect(names).not.toContain(name);
});

it('a run that is refused leaves the parameters with the state vectors that they had', async () => {
  const out = join(folder, 'run');
  await run({ steps: 10, out });
  const objective = await compile(device, smallProblem(), { seed: 1 });
  const momentum = zoGDM({ lr: 0.01 });
  const ofMomentum = join(folder, 'of-momentum');
  await train(objective, momentum, { ...common, steps: 10, out: ofMomentum });
  const file = join(ofMomentum, 'state.safetensors');
  const { tensors, metadata } = await loadSafetensors(file);
  const states = async () => {
    const vectors = [...(await objective.params.settle())];
    return Promise.all(vectors.map(async ([name, buffer]) => [name, await buffer.readF32()] as const));
  };
  const before = await states();
  expect(before.map(([name]) => name)).toEqual(['theta', 'm']);
  const refused = async (optimizer: Optimizer, options: Partial<TrainOptions>, code: string) => {
    await expect(train(objective, optimizer, { ...common, steps: 10, ...options })).rejects.toMatchObject({ code });
    expect(await states()).toEqual(before);
  };
  await refused(zoGD({ lr: 0.05 }), { out }, 'ERR_ZEROTH_FILE');
  await refused(momentum, { out: ofMomentum, resume: true, seed: 4 }, 'ERR_ZEROTH_CHECKPOINT');
  await refused(momentum, { out: join(folder, 'none'), resume: true }, 'ERR_ZEROTH_FILE');
  await refused(momentum, { out: ofMomentum, resume: true, steps: 9 }, 'ERR_ZEROTH_ARGUMENT');
  const damaged = [new Map(tensors), new Map(tensors), new Map(tensors)];
  damaged[0].delete('m');
  damaged[1].set('m', { dtype: 'F32', shape: [3], data: new Float32Array(3) });
  damaged[2].set('p', tensors.get('m') as SafeTensor);
  for (const vectors of damaged) {
    await saveSafetensors(file, vectors, metadata);
    await refused(momentum, { out: ofMomentum, resume: true }, 'ERR_ZEROTH_CHECKPOINT');
  }
  await objective.dispose();
});
