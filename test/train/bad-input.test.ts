import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { log, mean, sub } from '../../lib/graph/ops.ts';
import { compile, type Objective } from '../../lib/objective/objective.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import { frozenZoAdam, gd, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import { loadSafetensors } from '../../lib/params/safetensors/read.ts';
import { saveSafetensors } from '../../lib/params/safetensors/write.ts';
import type { TrainEvent } from '../../lib/train/events.ts';
import { makeFolder } from '../../lib/train/folder.ts';
import { RunLog, readRunLog } from '../../lib/train/log.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from './small-problem.ts';

const device = openDevice();
afterAll(() => device.dispose());

let folder = '';
let objective: Objective;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-bad-'));
  objective = await compile(device, smallProblem(), { seed: 1 });
});
afterEach(async () => {
  await objective.dispose();
  await rm(folder, { recursive: true, force: true });
});

async function drain(events: AsyncIterable<TrainEvent>): Promise<TrainEvent[]> {
  const all: TrainEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** As a program without types would call it. */
const trainAny = (...args: unknown[]) => drain(train(...(args as Parameters<typeof train>)));

describe('train refuses', () => {
  it.each<[string, unknown]>([
    ['options', undefined],
    ['steps', {}],
    ['steps', { steps: Number.POSITIVE_INFINITY }],
    ['batch', { steps: 1, batch: '4' }],
    ['batch', { steps: 1, batch: 0 }],
    ['signal', { steps: 1, signal: {} }],
    ['out', { steps: 1, out: 5 }],
    ['meta', { steps: 1, meta: { id: 1n } }],
    ['meta', { steps: 1, meta: 'note' }],
    ['meta', { steps: 1, meta: ['note'] }],
    ['meta', { steps: 1, meta: null }],
    ['meta', { steps: 1, meta: new Date(0) }],
    ['options', { steps: 1, batchSize: 8 }],
    ['options', { steps: 1, monitor: 5 }],
  ])('a bad %s', async (name, options) => {
    const message = expect.stringMatching(`^${name}: expected`);
    await expect(trainAny(objective, zoGD({ lr: 0.1 }), options)).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ARGUMENT',
      message,
    });
  });

  it('what is no optimizer and no objective', async () => {
    for (const optimizer of [undefined, {}, { lr: 1 }, { ...zoGD({ lr: 1 }), lr: Number.NaN }])
      await expect(trainAny(objective, optimizer, { steps: 1 })).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    await expect(trainAny({}, zoGD({ lr: 1 }), { steps: 1 })).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
  });

  it('an optimizer that a log could not describe, before there is a log', async () => {
    const { name, estimator, rule, lr } = zoGDM({ lr: 0.1 });
    const out = join(folder, 'run');
    for (const [optimizer, what] of [
      [{ estimator, rule, lr }, 'optimizer.name'],
      [{ name: 7, estimator, rule, lr }, 'optimizer.name'],
      [{ name, estimator: { ...estimator, name: undefined }, rule, lr }, 'optimizer.estimator.name'],
      [{ name, estimator, rule: { ...rule, name: '' }, lr }, 'optimizer.rule.name'],
      [{ name, estimator, rule: { ...rule, beta2: '0.9' }, lr }, 'beta2'],
      [{ name, estimator: { ...estimator, mu: Number.NaN }, rule, lr }, 'mu'],
    ] as const) {
      await expect(trainAny(objective, optimizer, { steps: 1, out })).rejects.toMatchObject({
        code: 'ERR_ZEROTH_ARGUMENT',
        message: expect.stringContaining(what),
      });
      expect(existsSync(join(out, 'run.jsonl'))).toBe(false);
    }
  });

  it('step sizes and smoothings that f32 does not hold', () => {
    for (const lr of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1e39])
      expect(() => gd({ lr })).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
    // 1e-50 is 0 in f32: two equal losses, and a run that never learns.
    for (const mu of [0, 1e-50, 1e39])
      expect(() => zoGD({ lr: 1, mu })).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
  });

  it('a second run of an objective while the first goes on, which is not disturbed', async () => {
    const first = train(objective, zoGD({ lr: 0.02 }), { steps: 20 });
    await first.next();
    await first.next();
    await expect(trainAny(objective, zoGD({ lr: 0.02 }), { steps: 1 })).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ARGUMENT',
      message: expect.stringContaining('End the other run'),
    });
    expect((await drain(first)).at(-1)).toMatchObject({ type: 'end', steps: 20 });
    expect((await drain(train(objective, zoGD({ lr: 0.02 }), { steps: 1 }))).at(-1)).toMatchObject({ steps: 1 });
  });

  it('a folder that cannot be made, at once', async () => {
    writeFileSync(join(folder, 'file'), '');
    for (const out of [join(folder, 'file', 'run'), '/proc/zeroth/run']) {
      await expect(trainAny(objective, zoGD({ lr: 0.1 }), { steps: 1, out })).rejects.toMatchObject({
        code: 'ERR_ZEROTH_FILE',
        message: expect.stringContaining('another folder'),
      });
    }
    makeFolder(join(folder, 'a', 'b', 'c'));
    makeFolder(join(folder, 'a', 'b', 'c'));
  });

  it('to go on where nothing can be written any more: the error names the file', async () => {
    // Whoever writes to this device finds the disk full.
    const full = new RunLog('/dev/full');
    full.append({ type: 'checkpoint', step: 0 });
    const refused = expect.objectContaining({ code: 'ERR_ZEROTH_FILE', message: expect.stringContaining('/dev/full') });
    expect(() => full.flush()).toThrow(refused);
    expect(() => full.append({ type: 'checkpoint', step: 1 })).toThrow(refused);
    expect(() => full.close()).toThrow(refused);
    full.close();

    const out = join(folder, 'run');
    const vanishing = async () => {
      for await (const event of train(objective, zoGD({ lr: 0.02 }), { steps: 100, out, checkpointEvery: 10 }))
        if (event.type === 'step' && event.step === 5) await rm(out, { recursive: true });
    };
    await expect(vanishing()).rejects.toMatchObject({
      code: 'ERR_ZEROTH_FILE',
      message: expect.stringContaining('state.safetensors'),
    });
    // What failed does not keep the objective.
    expect((await drain(train(objective, zoGD({ lr: 0.02 }), { steps: 1 }))).at(-1)).toMatchObject({ steps: 1 });
  });
});

describe('a run folder', () => {
  it('is for one run at a time, until that ends or its process does', async () => {
    const out = join(folder, 'run');
    const optimizer = zoGD({ lr: 0.02 });
    await using other = await compile(device, smallProblem(), { seed: 1 });
    const first = train(objective, optimizer, { steps: 5, out });
    await first.next();
    await first.next();
    const log = readFileSync(join(out, 'run.jsonl'), 'utf8');
    const second = () => drain(train(other, optimizer, { steps: 5, out, resume: true }));
    await expect(second()).rejects.toMatchObject({
      code: 'ERR_ZEROTH_FILE',
      message: expect.stringContaining(`process ${process.pid}`),
    });
    expect(readFileSync(join(out, 'run.jsonl'), 'utf8')).toBe(log);
    await drain(first);
    expect((await second()).at(-1)).toMatchObject({ reason: 'completed', steps: 5 });

    expect(existsSync(join(out, 'run.lock'))).toBe(false);
  });
});

describe('a run', () => {
  it('on two objectives of one device at the same time follows the trajectories of runs alone', async () => {
    const run = async () => {
      await using own = await compile(device, smallProblem(), { seed: 1 });
      await drain(train(own, zoGD({ lr: 0.02 }), { steps: 30, monitorEvery: 10, probes: 4 }));
      return own.params.read();
    };
    const alone = await run();
    for (const together of await Promise.all([run(), run()])) expect(together).toEqual(alone);
  });

  it('whose loop was left by break can be followed by another, which starts its momentum anew', async () => {
    for await (const event of train(objective, zoGDM({ lr: 0.02 }), { steps: 50 }))
      if (event.type === 'step' && event.step === 9) break;
    const theta = await objective.params.read();
    expect((await objective.params.readState('m')).some((m) => m !== 0)).toBe(true);
    await drain(train(objective, zoGDM({ lr: 0.02 }), { steps: 0 }));
    expect((await objective.params.readState('m')).every((m) => m === 0)).toBe(true);
    expect(await objective.params.read()).toEqual(theta);
    // The same as a run of fresh parameters that begin there.
    await using fresh = await compile(device, smallProblem(), { seed: 5 });
    await fresh.params.write(theta);
    for (const one of [objective, fresh]) await drain(train(one, zoGDM({ lr: 0.02 }), { steps: 20, seed: 7 }));
    expect(await objective.params.read()).toEqual(await fresh.params.read());
  });

  it('takes the preconditioner of its own optimizer, not that of the run before', async () => {
    for (const p of [1, 2]) {
      const preconditioner = new Float32Array(objective.dimension).fill(p);
      await drain(train(objective, frozenZoAdam({ lr: 0.01, preconditioner }), { steps: 2 }));
      expect((await objective.params.readState('p'))[0]).toBe(p);
    }
  });

  it('ends with a code when its device or its objective is disposed under it', async () => {
    const own = openDevice();
    const onOwn = await compile(own, smallProblem());
    const dying = async () => {
      for await (const event of train(onOwn, zoGD({ lr: 0.02 }), { steps: 1000 }))
        if (event.type === 'step' && event.step === 5) await own.dispose();
    };
    await expect(dying()).rejects.toMatchObject({ code: 'ERR_ZEROTH_DISPOSED' });
    const victim = await compile(device, smallProblem());
    const dying2 = async () => {
      for await (const event of train(victim, zoGD({ lr: 0.02 }), { steps: 1000 }))
        if (event.type === 'step' && event.step === 5) await victim.dispose();
    };
    await expect(dying2()).rejects.toMatchObject({ code: 'ERR_ZEROTH_DISPOSED' });
  });

  it('that is stopped while it measures ends there at once, and goes on as if it had not been stopped', async () => {
    const options = { steps: 12, monitorEvery: 5, probes: 4 };
    const optimizer = zoGDM({ lr: 0.02 });
    await drain(train(objective, optimizer, { ...options, out: join(folder, 'whole') }));
    const abort = new AbortController();
    await using stopped = await compile(device, smallProblem(), { seed: 1 });
    const hessian = stopped.hessian.bind(stopped);
    let measured = 0;
    stopped.hessian = async () => {
      if (++measured === 2) abort.abort();
      return hessian();
    };
    const out = join(folder, 'cut');
    const events = await drain(train(stopped, optimizer, { ...options, out, signal: abort.signal }));
    expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'aborted', steps: 5 });
    expect(events.filter(({ type }) => type === 'monitor').length).toBe(1);
    await drain(train(stopped, optimizer, { ...options, out, resume: true }));
    const trajectory = (path: string) => readRunLog(path).filter(({ type }) => type === 'step' || type === 'monitor');
    expect(trajectory(out)).toEqual(trajectory(join(folder, 'whole')));
  });

  it('whose steps leave f32 is declared diverged, not crashed', async () => {
    const end = (await drain(train(objective, zoGD({ lr: 3e38, mu: 1e-4 }), { steps: 10 }))).at(-1);
    expect(end).toMatchObject({ type: 'end', reason: 'diverged', message: expect.stringContaining('smaller η') });
    expect((await objective.params.read()).length).toBe(objective.dimension);
  });

  it('whose loss is not finite before the first step does not blame the step size', async () => {
    const problem: Problem = { ...smallProblem(), loss: (p) => mean(log(sub(p.b1, 10))) };
    await using broken = await compile(device, problem);
    const end = (await drain(train(broken, zoGD({ lr: 0.1 }), { steps: 10 }))).at(-1);
    expect(end).toMatchObject({ reason: 'diverged', message: expect.stringContaining('No step had been taken') });
  });

  it('of no steps says so and leaves a folder that can be resumed', async () => {
    const events = await drain(train(objective, zoGD({ lr: 0.1 }), { steps: 0, out: folder, monitorEvery: 1 }));
    expect(events.at(-1)).toMatchObject({ reason: 'completed', steps: 0, loss: null });
    const rest = await drain(
      train(objective, zoGD({ lr: 0.1 }), { steps: 2, out: folder, monitorEvery: 1, resume: true }),
    );
    expect(rest.at(-1)).toMatchObject({ reason: 'completed', steps: 2 });
  });
});

describe('a resume', () => {
  it('of a folder that is not there says that there is nothing to go on from', async () => {
    await using objective = await compile(device, smallProblem());
    const out = join(folder, 'never');
    await expect(drain(train(objective, zoGD({ lr: 0.1 }), { steps: 2, out, resume: true }))).rejects.toMatchObject({
      code: 'ERR_ZEROTH_FILE',
      message: `out: expected the folder of a run to resume, received ${out}, which does not exist; to begin a run, leave resume out.`,
    });
  });

  const optimizer = zoGDM({ lr: 0.02 });
  const resume = (steps = 20) => drain(train(objective, optimizer, { steps, out: folder, resume: true }));
  beforeEach(async () => {
    await drain(train(objective, optimizer, { steps: 10, out: folder }));
  });

  it('to fewer steps than were done is refused, and leaves the log alone', async () => {
    const before = readFileSync(join(folder, 'run.jsonl'), 'utf8');
    await expect(resume(9)).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ARGUMENT',
      message: expect.stringContaining('at least the 10'),
    });
    expect(readFileSync(join(folder, 'run.jsonl'), 'utf8')).toBe(before);
  });

  it('without a state or a log, or with a damaged one, is refused with what to do', async () => {
    const state = join(folder, 'state.safetensors');
    const bytes = readFileSync(state);
    writeFileSync(state, bytes.subarray(0, bytes.length - 4));
    await expect(resume()).rejects.toMatchObject({ code: 'ERR_ZEROTH_SAFETENSORS' });
    writeFileSync(state, '');
    await expect(resume()).rejects.toMatchObject({ code: 'ERR_ZEROTH_SAFETENSORS' });
    await rm(state);
    await expect(resume()).rejects.toMatchObject({
      code: 'ERR_ZEROTH_CHECKPOINT',
      message: expect.stringContaining('start again'),
    });
    writeFileSync(state, bytes);
    const log = readFileSync(join(folder, 'run.jsonl'), 'utf8');
    writeFileSync(join(folder, 'run.jsonl'), log.replace('"step":3', '"step":"3"'));
    await expect(resume()).rejects.toMatchObject({ code: 'ERR_ZEROTH_LOG', message: expect.stringContaining(':') });
    await rm(join(folder, 'run.jsonl'));
    await expect(resume()).rejects.toMatchObject({ code: 'ERR_ZEROTH_FILE' });
    writeFileSync(join(folder, 'run.jsonl'), log);
    expect((await resume()).at(-1)).toMatchObject({ reason: 'completed', steps: 20 });
    expect(readRunLog(folder).filter(({ type }) => type === 'step').length).toBe(20);
  });

  it('whose log is damaged or gone changes no parameter', async () => {
    const file = join(folder, 'run.jsonl');
    const log = readFileSync(file, 'utf8');
    const mine = new Float32Array(objective.dimension).fill(0.25);
    await objective.params.write(mine);
    writeFileSync(file, log.replace('"step":3', '"step":"3"'));
    await expect(resume()).rejects.toMatchObject({ code: 'ERR_ZEROTH_LOG' });
    expect(await objective.params.read()).toEqual(mine);
    await rm(file);
    await expect(resume()).rejects.toMatchObject({ code: 'ERR_ZEROTH_FILE' });
    expect(await objective.params.read()).toEqual(mine);
  });

  it.each([
    ['step', 'NaN'],
    ['step', '-3'],
    ['step', ''],
    ['lastLoss', '"0.5"'],
    ['format', '2'],
    ['watch', '"x"'],
    ['watch', '{}'],
    ['watch', 'null'],
    ['identity', 'nonsense'],
    ['identity', '{}'],
    ['identity', 'null'],
    ['identity', '{"run":0}'],
    ['identity', '{"run":0,"monitor":null}'],
    ['identity', '{"run":"0","monitor":{"every":1,"probes":2,"auto":true}}'],
    ['identity', '{"run":4096,"monitor":{"every":1,"probes":2,"auto":true}}'],
    ['identity', '{"run":0,"monitor":{"every":"1","probes":2,"auto":true}}'],
    ['identity', '{"run":0,"monitor":{"every":1,"probes":0,"auto":true}}'],
    ['identity', '{"run":0,"monitor":{"every":1,"probes":2}}'],
  ])('from a state whose %s was changed to %s is refused', async (field, value) => {
    const file = join(folder, 'state.safetensors');
    const { tensors, metadata } = await loadSafetensors(file);
    await saveSafetensors(file, tensors, { ...metadata, [field]: value });
    await expect(resume()).rejects.toMatchObject({ code: 'ERR_ZEROTH_CHECKPOINT' });
  });

  it.each([
    ['still', '"3"'],
    ['kind', '"sparse"'],
    ['motion', 'null'],
    ['motion', '{"start":{"sum":1},"moved":true,"pushes":0,"seen":null}'],
    ['motion', '{"start":{"sum":1,"squares":1},"moved":1,"pushes":0,"seen":null}'],
    ['motion', '{"start":{"sum":1,"squares":1},"moved":false,"pushes":"1","seen":null}'],
    ['motion', '{"start":{"sum":1,"squares":1},"moved":false,"pushes":1,"seen":{"step":1}}'],
    ['divergence', '{"first":1,"early":[1,"2"],"beyond":[]}'],
    ['divergence', '{"first":1,"early":1,"beyond":[]}'],
    ['divergence', '{"first":1,"early":[1],"beyond":0}'],
    ['divergence', '{"first":"1","early":[1],"beyond":[]}'],
    ['diffusion', '{"xx":1,"xm":1}'],
    ['measureAt', '"soon"'],
    ['measured', '{"step":1,"lr":1,"value":1,"ratio":null}'],
    ['warnings', '["loss-flat"]'],
  ])('from a state whose watch has %s = %s is refused', async (field, value) => {
    const file = join(folder, 'state.safetensors');
    const { tensors, metadata } = await loadSafetensors(file);
    const watch = JSON.stringify({ ...JSON.parse(metadata.watch), [field]: JSON.parse(value) });
    await saveSafetensors(file, tensors, { ...metadata, watch });
    await expect(resume()).rejects.toMatchObject({
      code: 'ERR_ZEROTH_CHECKPOINT',
      message: expect.stringContaining('watch'),
    });
  });

  it.each([
    ['run', 1.5],
    ['monitor', null],
    ['monitor', { every: -1, probes: 16, auto: true }],
    ['monitor', { every: 1, probes: 1, auto: true }],
    ['monitor', { every: 1, probes: 16, auto: 'yes' }],
  ])('from a state whose identity alone has %s = %j is refused as damaged', async (field, value) => {
    const file = join(folder, 'state.safetensors');
    const { tensors, metadata } = await loadSafetensors(file);
    const identity = JSON.stringify({ ...JSON.parse(metadata.identity), [field]: value });
    await saveSafetensors(file, tensors, { ...metadata, identity });
    await expect(resume()).rejects.toMatchObject({
      code: 'ERR_ZEROTH_CHECKPOINT',
      message: expect.stringContaining('damaged'),
    });
  });

  it('from a state whose vectors are missing, too many or too short is refused', async () => {
    const file = join(folder, 'state.safetensors');
    const { tensors, metadata } = await loadSafetensors(file);
    const vector = { dtype: 'F32', shape: [3], data: new Float32Array(3) } as const;
    const changes: ((map: typeof tensors) => void)[] = [
      (map) => map.delete('m'),
      (map) => map.set('m', vector),
      (map) => map.set('v', { ...vector, shape: [objective.dimension], data: new Float32Array(objective.dimension) }),
      (map) => map.set('theta', vector),
    ];
    for (const change of changes) {
      const changed = new Map(tensors);
      change(changed);
      await saveSafetensors(file, changed, metadata);
      await expect(resume()).rejects.toMatchObject({ code: expect.stringMatching(/ARGUMENT|CHECKPOINT/) });
    }
  });
});
