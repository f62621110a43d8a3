import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { threadId, Worker } from 'node:worker_threads';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { packageRoot } from '../../lib/device/native.ts';
import { compile } from '../../lib/objective/objective.ts';
import { zoGD } from '../../lib/optimizers/recipes.ts';
import { lockFolder } from '../../lib/train/lock.ts';
import { readRunLog } from '../../lib/train/log.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from './small-problem.ts';

const root = mkdtempSync(join(tmpdir(), 'zeroth-lock-'));
afterAll(() => rmSync(root, { recursive: true }));
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(root, 'run-'));
});

const dist = (file: string) => JSON.stringify(pathToFileURL(join(packageRoot, 'dist', file)).href);
const lockModule = `const { lockFolder } = await import(${dist('train/lock.js')});`;
/** Takes the folder that it is told of, says so, and stays. */
const holding = (path: string) =>
  `${lockModule} globalThis.release = lockFolder(${JSON.stringify(path)}); setInterval(() => {}, 1e6);`;

const thread = (code: string, workerData?: unknown) =>
  new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData });

async function holdingThread(path: string): Promise<Worker> {
  const worker = thread(
    `import { parentPort } from 'node:worker_threads'; ${holding(path)} parentPort.postMessage('held');`,
  );
  await once(worker, 'message');
  return worker;
}

async function holdingProcess(path: string): Promise<ChildProcess> {
  const code = `${holding(path)} console.log('held');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout!, 'data');
  return child;
}

const refused = (by: string) =>
  expect.objectContaining({ code: 'ERR_ZEROTH_FILE', message: expect.stringContaining(`in use by ${by}`) });
const isFree = () => lockFolder(folder)();

describe('a locked folder', () => {
  it('is refused to a second writer of the same thread, by whatever path, and is free and clean when it was given back', () => {
    const link = join(root, 'link');
    symlinkSync(folder, link);
    const release = lockFolder(folder);
    for (const path of [
      folder,
      `${folder}/`,
      join(folder, '..', folder.slice(root.length)),
      relative('.', folder),
      link,
    ])
      expect(() => lockFolder(path)).toThrow(refused(`process ${process.pid}, thread ${threadId}`));
    release();
    release();
    expect(readdirSync(folder)).toEqual([]);
    for (let i = 0; i < 3; i++) lockFolder(link)();
    rmSync(link);
  });

  it('is refused to a second copy of the addon', () => {
    const copy = join(root, 'copy.node');
    copyFileSync(join(packageRoot, 'build', 'Release', 'zeroth.node'), copy);
    const { lockFile } = createRequire(import.meta.url)(copy);
    const release = lockFolder(folder);
    expect(lockFile(join(folder, 'run.lock'), 'somebody')).toBe(null);
    release();
    const other = lockFile(join(folder, 'run.lock'), 'somebody');
    expect(() => lockFolder(folder)).toThrow(refused('somebody'));
    other();
    isFree();
  });

  it('is refused across threads, and is free when the thread is terminated', async () => {
    const release = lockFolder(folder);
    const outcome = thread(
      `import { parentPort } from 'node:worker_threads'; ${lockModule}
       try { lockFolder(${JSON.stringify(folder)}); } catch (error) { parentPort.postMessage([error.code, error.message]); }`,
    );
    const [[code, message]] = await once(outcome, 'message');
    expect({ code, message }).toEqual(refused(`process ${process.pid}, thread ${threadId}`));
    release();
    for (let i = 0; i < 5; i++) {
      const worker = await holdingThread(folder);
      expect(() => lockFolder(folder)).toThrow(refused(`process ${process.pid}, thread ${worker.threadId}`));
      await worker.terminate();
      isFree();
    }
  });

  it('is refused across processes, and is free when the process is killed', async () => {
    const child = await holdingProcess(folder);
    expect(() => lockFolder(folder)).toThrow(refused(`process ${child.pid}, thread 0`));
    child.kill('SIGKILL');
    await once(child, 'exit');
    // What it left binds nobody.
    expect(readFileSync(join(folder, 'run.lock'), 'utf8')).toContain(String(child.pid));
    isFree();
  });

  it('is not held on by programs that its holder started, when the holder is killed', async () => {
    const code = `${lockModule} globalThis.release = lockFolder(${JSON.stringify(folder)});
      const { spawn } = await import('node:child_process');
      const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
      child.on('spawn', () => console.log(child.pid));`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [pid] = await once(holder.stdout, 'data');
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    try {
      isFree();
    } finally {
      process.kill(Number(pid), 'SIGKILL');
    }
  });

  it('costs a file descriptor while it is held, and none afterwards, nor when it is refused', () => {
    const descriptors = () => readdirSync('/proc/self/fd').length;
    const before = descriptors();
    for (let i = 0; i < 10; i++) {
      const release = lockFolder(folder);
      expect(() => lockFolder(folder)).toThrow(refused('process'));
      expect(descriptors()).toBe(before + 1);
      release();
    }
    expect(descriptors()).toBe(before);
  });

  it('has one holder at a time, however often two threads reach for it', async () => {
    const counts = new Int32Array(new SharedArrayBuffer(8));
    const addon = JSON.stringify(join(packageRoot, 'build', 'Release', 'zeroth.node'));
    const code = `import { createRequire } from 'node:module'; import { workerData } from 'node:worker_threads';
      const { lockFile } = createRequire('/')(${addon});
      for (let taken = 0; taken < 1000; ) {
        const release = lockFile(${JSON.stringify(join(folder, 'run.lock'))}, 'a thread');
        if (release === null) continue;
        if (Atomics.add(workerData, 0, 1) !== 0) Atomics.add(workerData, 1, 1);
        Atomics.sub(workerData, 0, 1);
        release();
        taken++;
      }`;
    const workers = Array.from({ length: 2 }, () => thread(code, counts));
    await Promise.all(workers.map((worker) => once(worker, 'exit')));
    expect([...counts]).toEqual([0, 0]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('that was moved away and made anew is another one, and giving back the first leaves the second alone', () => {
    const first = lockFolder(folder);
    renameSync(folder, `${folder}-moved`);
    mkdirSync(folder);
    const second = lockFolder(folder);
    first();
    expect(existsSync(join(folder, 'run.lock'))).toBe(true);
    expect(() => lockFolder(folder)).toThrow(refused('process'));
    second();
    isFree();
  });

  it('is not locked by a file that somebody left, whatever it says', () => {
    for (const left of ['', 'nonsense', '1 1', `process ${process.pid}, thread ${threadId}`]) {
      writeFileSync(join(folder, 'run.lock'), left);
      isFree();
    }
  });

  it('that cannot hold a lock is refused with the reason', () => {
    for (const path of ['/proc', join(folder, 'missing')])
      expect(() => lockFolder(path)).toThrow(
        expect.objectContaining({
          code: 'ERR_ZEROTH_FILE',
          message: expect.stringMatching(/run\.lock could not be opened/),
        }),
      );
  });
});

/** File systems as they may be: without locks (some network ones), full, or giving a few bytes at a time. */
describe('a folder on a file system that', () => {
  const library = join(root, 'file-system.so');
  beforeAll(() => {
    const source = join(root, 'file-system.c');
    writeFileSync(
      source,
      `#define _GNU_SOURCE
      #include <dlfcn.h>
      #include <errno.h>
      #include <stdlib.h>
      #include <string.h>
      #include <unistd.h>
      static int is(const char *kind) { const char *told = getenv("FILE_SYSTEM"); return told && !strcmp(told, kind); }
      typedef ssize_t (*write_at)(int, const void *, size_t, off_t);
      int flock(int file, int operation) {
        if (is("without locks")) { errno = ENOLCK; return -1; }
        return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(file, operation);
      }
      ssize_t pwrite(int file, const void *data, size_t bytes, off_t at) {
        write_at next = (write_at)dlsym(RTLD_NEXT, "pwrite");
        if (is("full") && at > 0) { errno = ENOSPC; return -1; }
        if (is("interrupted") && at == 0 && !getenv("AGAIN")) { setenv("AGAIN", "", 1); errno = EINTR; return -1; }
        return next(file, data, is("slow") || is("full") ? (bytes > 3 ? 3 : bytes) : bytes, at);
      }
      ssize_t pwrite64(int file, const void *data, size_t bytes, off_t at) { return pwrite(file, data, bytes, at); }`,
    );
    execFileSync(process.env.CC ?? 'cc', ['-shared', '-fPIC', '-o', library, source, '-ldl']);
  });

  it.each([
    ['without locks', 'ERR_ZEROTH_FILE No locks available'],
    ['full', 'ERR_ZEROTH_FILE No space left on device'],
    ['slow', 'the owner'],
    ['interrupted', 'the owner'],
  ])('is %s: what comes of it, and nothing is left', (kind, outcome) => {
    const script = `
      const { lockFile } = await import(${dist('device/file-lock.js')});
      const { readFileSync } = await import('node:fs');
      const path = ${JSON.stringify(join(folder, 'run.lock'))};
      for (let i = 0; i < 2; i++) {
        try { globalThis.held = lockFile(path, 'the owner'); console.log(held && readFileSync(path, 'utf8')); }
        catch ({ code, message }) { console.log(code, message.split(': ').at(-1)); }
      }`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      env: { ...process.env, LD_PRELOAD: library, FILE_SYSTEM: kind },
    });
    const second = outcome === 'the owner' ? 'null' : outcome;
    expect({ stdout, stderr }).toEqual({ stdout: `${outcome}\n${second}\n`, stderr: '' });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is without locks leaves a file that was there before', () => {
    writeFileSync(join(folder, 'run.lock'), 'older');
    const script = `
      const { lockFile } = await import(${dist('device/file-lock.js')});
      try { lockFile(${JSON.stringify(join(folder, 'run.lock'))}, 'the owner'); } catch ({ code }) { console.log(code); }`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      env: { ...process.env, LD_PRELOAD: library, FILE_SYSTEM: 'without locks' },
    });
    expect(stdout).toBe('ERR_ZEROTH_FILE\n');
    expect(readFileSync(join(folder, 'run.lock'), 'utf8')).toBe('older');
  });
});

it('a run in a worker thread does not resume the folder that the main thread is training into', async () => {
  await using device = openDevice();
  const out = join(folder, 'run');
  await using objective = await compile(device, smallProblem(), { seed: 1 });
  const run = train(objective, zoGD({ lr: 0.02 }), { steps: 40, out, checkpointEvery: 5 });
  for (let i = 0; i < 15; i++) await run.next();
  const worker = thread(`
    import { parentPort } from 'node:worker_threads';
    const { compile, openDevice, ops, train, zoGD } = await import(${dist('index.js')});
    const device = openDevice();
    const objective = await compile(device, {
      parameters: { w: { shape: [2], init: { kind: 'constant', value: 1 } } },
      data: { x: { shape: [2, 1], data: new Float32Array(2) } },
      loss: (p) => ops.mean(p.w),
    });
    try {
      for await (const _ of train(objective, zoGD({ lr: 0.02 }), { steps: 40, out: ${JSON.stringify(out)}, resume: true }));
      parentPort.postMessage('it ran');
    } catch (error) { parentPort.postMessage(error.code + ': ' + error.message); }
    await device.dispose();`);
  const [message] = await once(worker, 'message');
  expect(message).toContain(`ERR_ZEROTH_FILE: ${out}: expected a folder that no run is writing to`);
  for await (const _ of run);
  const steps = readRunLog(out).flatMap((event) => (event.type === 'step' ? [event.step] : []));
  expect(steps).toEqual(Array.from({ length: 40 }, (_, i) => i));
  await worker.terminate();
});
