import { describe, expect, it } from 'vitest';
import * as $ from '../../lib/graph/build.ts';
import { graphOf, planOf } from '../graph/plan/support.ts';
import { child } from './child.ts';

/** A program whose arena holds `size` × `size` numbers, as a constant of a script. */
function programOf(size: number): string {
  const inputs = [$.input('a', [size, 1]), $.input('b', [1, size])] as const;
  const { bytes } = planOf(graphOf(inputs, $.sum($.matmul(...inputs), [0, 1])));
  return `const LARGE = Buffer.from(${JSON.stringify(Buffer.from(bytes).toString('base64'))}, 'base64');`;
}

/** What holds up a device's queue for a while. */
const busy = `
  const direction = { distribution: 'normal', seed: 1n, stream: 1n };
  const held = device.allocate(4 << 22);
  const work = [device.submit(new CommandList().fill(held, 0, direction, 0, 1 << 22))];`;

describe('memory', () => {
  it('of a device is freed when its handle is garbage', () => {
    const run = child(
      `const device = openDevice();
      const kept = device.allocate(1000);
      (() => { for (let i = 0; i < 100; i++) device.allocate(10_000); })();
      const before = device.memory().bufferBytes;
      // Finalizers run some turns after a collection.
      for (let i = 0; i < 200 && device.memory().bufferBytes > kept.byteLength; i++) {
        globalThis.gc();
        await new Promise((resolve) => setImmediate(resolve));
      }
      console.log(before, device.memory().bufferBytes);`,
      { flags: ['--expose-gc'] },
    );
    expect(run).toMatchObject({ status: 0, stderr: '', stdout: '1001000 1000\n' });
  });

  it.each([
    ['buffers', 'device.allocate(64 << 20)', 'bufferBytes'],
    ['the arenas of programs', 'await device.load(LARGE)', 'arenaBytes'],
  ])('of %s is known to the collector, so that what has no owner is freed before it grows', (_, make, what) => {
    const run = child(`${programOf(4096)}
      const device = openDevice();
      let peak = 0;
      for (let i = 0; i < 300; i++) {
        ${make};
        peak = Math.max(peak, device.memory().${what});
        await new Promise((resolve) => setImmediate(resolve));
      }
      console.log(peak / (64 << 20));`);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(Number(run.stdout)).toBeGreaterThanOrEqual(1);
    expect(Number(run.stdout)).toBeLessThan(150);
  });

  it('that is not to be had is an error with a code, of a buffer, an arena, a read and a write, and the device goes on', () => {
    const run = child(`${programOf(1 << 14)}
      const { execFileSync } = await import('node:child_process');
      const { readFileSync } = await import('node:fs');
      const device = openDevice({ threads: 2 });
      const gibibyte = device.allocate(1 << 30);
      const data = new Uint8Array(1 << 30);
      const resizable = new Uint8Array(new ArrayBuffer(1 << 30, { maxByteLength: 1 << 30 }));
      await product(device);
      const used = 1024 * Number(/VmSize:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
      execFileSync('prlimit', ['--as=' + (used + (1 << 28)), '--pid', String(process.pid)]);
      const attempts = [
        () => device.allocate(1 << 30),
        () => device.load(LARGE),
        () => gibibyte.read(),
        () => gibibyte.readF32(),
        () => gibibyte.write(resizable),
      ];
      const codes = [];
      for (const attempt of attempts) {
        try { await attempt(); codes.push('none'); } catch ({ name, code }) { codes.push(name + ' ' + code); }
      }
      // What is read where it is takes none.
      await gibibyte.write(data);
      console.log([...new Set(codes)].join(), codes.length, await product(device));`);
    expect(run).toMatchObject({ status: 0, stderr: '', stdout: 'ZerothError ERR_ZEROTH_DEVICE 5 0\n' });
  });

  it.each([
    ['read', 'bytes = new Uint8Array(await buffer.read());'],
    ['written', 'await buffer.write(bytes);'],
    ['uploaded', 'await device.upload(bytes);'],
  ])('is %s on the thread of the device: the JavaScript thread neither fills nor copies it', (_, move) => {
    const run = child(`
      const { readdirSync, readFileSync } = await import('node:fs');
      // Nanoseconds on a processor, whatever else the machine does.
      const spent = (thread) => Number(readFileSync('/proc/self/task/' + thread + '/schedstat', 'utf8').split(' ')[0]);
      const before = new Set(readdirSync('/proc/self/task'));
      const device = openDevice({ threads: 1 });
      const [worker] = readdirSync('/proc/self/task').filter((thread) => !before.has(thread));
      const buffer = device.allocate(128 << 20);
      let bytes = new Uint8Array(buffer.byteLength).fill(7);
      await buffer.write(bytes);
      const start = [spent(process.pid), spent(worker)];
      ${move}
      const [mine, theirs] = [spent(process.pid) - start[0], spent(worker) - start[1]];
      console.log(bytes.length === 128 << 20, bytes[0], bytes.at(-1), mine < theirs / 4, mine, theirs);`);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/^true 7 7 true /);
  });

  it('that waits to be written is kept while nobody else holds it, and not read where it is if it can shrink', () => {
    const run = child(
      `
      const device = openDevice({ threads: 1 });
      const [large, other] = [device.allocate(32 << 20), device.allocate(32 << 20)];
      ${busy}
      (() => { work.push(large.write(new Uint8Array(32 << 20).fill(7))); })();
      const resizable = new ArrayBuffer(32 << 20, { maxByteLength: 32 << 20 });
      work.push(other.write(new Uint8Array(resizable).fill(8)));
      resizable.resize(0);
      for (let i = 0; i < 8; i++) { globalThis.gc(); new Uint8Array(32 << 20).fill(9); }
      await Promise.all(work);
      const all = async (buffer, value) => new Uint8Array(await buffer.read()).every((byte) => byte === value);
      console.log(await all(large, 7), await all(other, 8));`,
      { flags: ['--expose-gc'] },
    );
    expect(run).toMatchObject({ status: 0, stderr: '', stdout: 'true true\n' });
  });

  it('of copies that wait to be written is known to the collector, until they are', () => {
    const run = child(`
      const { constants, PerformanceObserver } = await import('node:perf_hooks');
      let collections = 0;
      new PerformanceObserver((list) => {
        for (const { detail } of list.getEntries()) if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) collections++;
      }).observe({ entryTypes: ['gc'] });
      const device = openDevice({ threads: 1 });
      const buffer = device.allocate(1 << 19);
      const bytes = new Uint8Array(1 << 19);
      const counted = async (copy) => {
        const before = collections;
        await copy();
        for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve)); // the observer is told later
        return collections - before;
      };
      const oneByOne = async () => { for (let i = 0; i < 600; i++) await buffer.write(bytes); };
      const atOnce = async () => {
        ${busy}
        for (let i = 0; i < 600; i++) work.push(buffer.write(bytes));
        await Promise.all(work);
      };
      const [some, few] = [await counted(atOnce), await counted(oneByOne)];
      console.log(some > few + 1, some, few);`);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/^true/);
  });
});
