import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/device/native.ts';
import { child, PRELUDE } from './child.ts';

/** Keeps a device of two threads busy: jobs, reads, writes, loads, and failures of each. */
const BUSY = `
  const device = openDevice({ threads: 2 });
  const buffer = device.allocate(4 << 18);
  const direction = { distribution: 'normal', seed: 1n, stream: 1n };
  const step = { kind: 'add', terms: [{ direction, coefficient: 1e-3 }] };
  const program = await device.load(PROGRAM);
  async function busy() {
    for (;;) {
      const aborted = new AbortController();
      const work = [
        product(device, program),
        device.submit(new CommandList(2).fill(buffer, 0, direction, 0, 1 << 18).pass(buffer, buffer, 1 << 18, [step])),
        device.submit(new CommandList().pass(buffer, buffer, 1 << 18, [step]), aborted.signal),
        buffer.read(), buffer.read(4, 8), buffer.read(0, 1 << 30),
        buffer.write(new Float32Array(1 << 16)), buffer.write(new Float32Array(1 << 19)),
        device.load(PROGRAM), device.load(new Uint8Array(64)),
        device.submit(new CommandList().call(program, [], [])),
      ];
      aborted.abort();
      await Promise.allSettled(work);
      device.allocate(4 << 18).dispose();
    }
  }`;

describe('a device ends', () => {
  it('with its worker thread at any moment, 200 times, whatever is pending', () => {
    // The moment is a count of turns of this thread's event loop after the worker says that it is at work.
    const worker = `(async () => {${PRELUDE}${BUSY}
      (await import('node:worker_threads')).parentPort.postMessage('busy');
      await busy(); })()`;
    const run = child(`
      const { Worker } = await import('node:worker_threads');
      let state = 7;
      const random = (below) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % below;
      let ended = 0;
      const once = async () => {
        const worker = new Worker(${JSON.stringify(worker)}, { eval: true, stderr: true });
        const complaints = [];
        worker.stderr.on('data', (data) => complaints.push(String(data)));
        if (random(4) > 0) await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
        for (let turns = random(60); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
        await worker.terminate();
        if (complaints.length > 0) throw new Error(complaints.join(''));
        ended++;
      };
      for (let i = 0; i < 50; i++) await Promise.all([once(), once(), once(), once()]);
      console.log(ended);`);
    expect(run).toMatchObject({ status: 0, signal: null, stderr: '', stdout: '200\n' });
  });

  it('with its process, by process.exit, at any moment', () => {
    for (const turns of [0, 1, 3, 10]) {
      const run = child(`
        const before = threadsNow();
        ${BUSY}
        busy();
        // What computes on would do so with libraries that are being taken apart.
        process.on('exit', () => console.log(threadsNow() - before));
        for (let turns = ${turns}; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
        process.exit(3);`);
      expect(run).toMatchObject({ status: 3, signal: null, stderr: '', stdout: '0\n' });
    }
  });

  it('with its process, by process.exit, whichever copy of the package or of its modules opened it, and all share one listener', () => {
    const copy = mkdtempSync(join(tmpdir(), 'zeroth-copy-'));
    for (const part of ['dist', 'package.json', 'build/Release/zeroth.node'])
      cpSync(join(packageRoot, part), join(copy, part), { recursive: true });
    symlinkSync(join(packageRoot, 'node_modules'), join(copy, 'node_modules'));
    const run = child(`
      const before = threadsNow();
      const listeners = process.listenerCount('exit');
      const packages = ${JSON.stringify([packageRoot, copy])};
      const modules = packages.flatMap((root) => Array.from({ length: 12 }, (_, i) => root + '/dist/device/native.js?copy=' + i));
      const addons = (await Promise.all(modules.map((module) => import(module)))).map(({ loadNative }) => loadNative());
      for (const { Device } of addons) {
        const device = new Device(2);
        const id = device.allocate(16 << 20);
        for (let i = 0; i < 4; i++) device.read(id, 0, new ArrayBuffer(16 << 20)).catch(() => {});
      }
      console.log(new Set(addons).size, threadsNow() - before, process.listenerCount('exit') - listeners);
      process.on('exit', () => console.log(threadsNow() - before));
      process.exit(3);`);
    rmSync(copy, { recursive: true });
    expect(run).toMatchObject({ status: 3, signal: null, stderr: '', stdout: '2 48 1\n0\n' });
  });

  it('with its process when that has nothing left to do, disposed or not, idle or forgotten at work', () => {
    const run = child(`
      const [disposed, idle, atWork] = [openDevice(), openDevice(), openDevice()];
      disposed.dispose();
      atWork.allocate(1 << 20).read().then(() => console.log('read'));`);
    expect(run).toMatchObject({ status: 0, signal: null, stderr: '', stdout: 'read\n' });
  });

  it('with its threads and its memory when dispose settles, and again and again', () => {
    const run = child(
      `
      const before = threadsNow();
      for (let i = 0; i < 100; i++) {
        const device = openDevice({ threads: 4 });
        if (i % 10 === 0) await product(device);
        await device.dispose();
      }
      const disposed = threadsNow() - before;
      (() => { for (let i = 0; i < 20; i++) openDevice({ threads: 4 }); })();
      const open = threadsNow() - before;
      for (let i = 0; i < 1000 && threadsNow() > before; i++) {
        globalThis.gc();
        await new Promise((resolve) => setImmediate(resolve));
      }
      console.log(disposed, open, threadsNow() - before);`,
      { flags: ['--expose-gc'] },
    );
    expect(run).toMatchObject({ status: 0, stderr: '', stdout: '0 80 0\n' });
  });

  it('while a direction is asked for, which fails as a promise and not as an unhandled rejection', () => {
    const run = child(`
      const device = openDevice({ threads: 1 });
      const direction = { distribution: 'normal', seed: 1n, stream: 1n };
      // What is asked for waits behind this, however late the next line comes.
      const count = 1 << 24;
      const buffer = device.allocate(4 * count);
      const terms = Array.from({ length: 40 }, () => ({ direction, coefficient: 1e-3 }));
      device.submit(new CommandList().pass(buffer, buffer, count, [{ kind: 'add', terms }])).catch(() => {});
      const asked = Array.from({ length: 3 }, () => device.direction(direction, 4));
      device.dispose();
      console.log((await Promise.allSettled(asked)).map(({ reason }) => reason.code).join());
      await new Promise((resolve) => setImmediate(resolve));
      try { await device.direction(direction, 4); } catch ({ code }) { console.log(code); }`);
    expect(run).toMatchObject({
      status: 0,
      stderr: '',
      stdout: `${Array(3).fill('ERR_ZEROTH_ABORTED').join()}\nERR_ZEROTH_DISPOSED\n`,
    });
  });

  it('without the work that waits for its turn, and without holding up the event loop for what is under way', () => {
    const run = child(`
      const device = openDevice({ threads: 2 });
      const count = 1 << 24;
      const buffer = device.allocate(4 * count);
      const terms = Array.from({ length: 20 }, (_, i) => ({
        direction: { distribution: 'normal', seed: 1n, stream: BigInt(i) },
        coefficient: 1e-3,
      }));
      const pass = () => device.submit(new CommandList().pass(buffer, buffer, count, [{ kind: 'add', terms }]));
      const work = Promise.allSettled([...Array.from({ length: 40 }, pass), buffer.read(), buffer.write(new Uint8Array(8))]);
      let ended = false;
      const disposed = device.dispose().then(() => { ended = true; });
      // No turn of the event loop has passed: it can only have ended by now if it held everything up.
      for (let i = 0; i < 20; i++) await Promise.resolve();
      const waited = ended;
      await disposed;
      const outcomes = (await work).map(({ status, reason }) => reason?.code ?? status);
      console.log(waited, [...new Set(outcomes)].join());`);
    expect(run).toMatchObject({ status: 0, stderr: '', stdout: 'false ERR_ZEROTH_ABORTED\n' });
  });
});
