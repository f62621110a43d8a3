import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cpuLimit } from '../../lib/device/cpu-limit.ts';
import { child, PRELUDE } from './child.ts';

/** What makes OpenMP bind threads to processors, and among them the one that loads it. */
const BOUND: Record<string, Record<string, string>> = {
  'OMP_PROC_BIND=true': { OMP_PROC_BIND: 'true' },
  'OMP_PROC_BIND=close': { OMP_PROC_BIND: 'close' },
  'OMP_PLACES=cores': { OMP_PLACES: 'cores' },
  GOMP_CPU_AFFINITY: {
    GOMP_CPU_AFFINITY: /Cpus_allowed_list:\s*(\S+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1],
  },
};

const HOSTILE: Record<string, Record<string, string>> = {
  'OMP_THREAD_LIMIT=1': { OMP_THREAD_LIMIT: '1' },
  'OMP_DYNAMIC=true': { OMP_DYNAMIC: 'true' },
  'OMP_MAX_ACTIVE_LEVELS=0': { OMP_MAX_ACTIVE_LEVELS: '0' },
  'OMP_NUM_THREADS=3': { OMP_NUM_THREADS: '3' },
  ...BOUND,
  'all of them': { OMP_THREAD_LIMIT: '1', OMP_DYNAMIC: 'true', OMP_MAX_ACTIVE_LEVELS: '0', OMP_NUM_THREADS: '2' },
};

/** How many processors a list like `0-2,5` names. */
const processorsIn = (list: string) =>
  list.split(',').reduce((sum, range) => {
    const [first, last = first] = range.split('-').map(Number);
    return sum + last - first + 1;
  }, 0);

describe('the threads of a device', () => {
  it.each(Object.entries(HOSTILE))('compute what they should whatever OpenMP is told: %s', (_, env) => {
    const everyThreadCount = `
      const wrong = [];
      for (const threads of [undefined, 1, 2, 3]) {
        const device = openDevice({ threads });
        wrong.push(await product(device), await product(device));
        await device.dispose();
      }`;
    const inWorker = `(async () => {${PRELUDE}${everyThreadCount}
      (await import('node:worker_threads')).parentPort.postMessage(wrong); })()`;
    const run = child(
      `${everyThreadCount}
      const { Worker } = await import('node:worker_threads');
      const worker = new Worker(${JSON.stringify(inWorker)}, { eval: true });
      const theirs = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      console.log(wrong.join(' '), '|', theirs.join(' '));`,
      { env },
    );
    const none = Array(8).fill(0).join(' ');
    expect(run).toMatchObject({ status: 0, stderr: '', stdout: `${none} | ${none}\n` });
  });

  it.each([['nothing', {}], ...Object.entries(BOUND)])(
    'may run, with that which loads it, wherever the process might before OpenMP was told: %s',
    (_, env) => {
      const list = `
        const { readFileSync, readdirSync } = process.getBuiltinModule('node:fs');
        const allowed = (thread) => /Cpus_allowed_list:\\s*(\\S+)/.exec(readFileSync('/proc/self/task/' + thread + '/status', 'utf8'))[1];
        const everywhere = () => {
          const lists = new Set();
          for (const thread of readdirSync('/proc/self/task')) {
            try { lists.add(allowed(thread)); } catch { /* one of Node's, which has ended since */ }
          }
          return [...lists];
        };`;
      const inWorker = `(async () => {${PRELUDE}${list}
        const device = openDevice({ threads: 2 });
        const wrong = await product(device);
        (await import('node:worker_threads')).parentPort.postMessage([wrong, ...everywhere()]); })()`;
      const run = child(
        `${list}
        const before = allowed(process.pid);
        const devices = [openDevice(), openDevice({ threads: 3 })];
        const opened = everywhere();
        const wrong = [await product(devices[0]), await product(devices[1])];
        const { Worker } = await import('node:worker_threads');
        const worker = new Worker(${JSON.stringify(inWorker)}, { eval: true });
        const theirs = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
        console.log(JSON.stringify([devices[0].threads, before, opened, wrong, everywhere(), theirs]));`,
        { env },
      );
      expect(run).toMatchObject({ status: 0, stderr: '' });
      const [threads, before, ...rest] = JSON.parse(run.stdout);
      expect(threads).toBe(Math.min(processorsIn(before), cpuLimit()));
      expect(rest).toEqual([[before], [0, 0], [before], [0, before]]);
    },
  );

  it('are all there when it opens, and the system is asked for none while it works', () => {
    const run = child(`
      const before = threadsNow();
      const device = openDevice({ threads: 5 });
      const opened = threadsNow() - before;
      const wrong = await product(device);
      const long = device.allocate(4 << 22);
      const direction = { distribution: 'normal', seed: 1n, stream: 1n };
      const step = { kind: 'add', terms: [{ direction, coefficient: 1e-3 }] };
      await device.submit(new CommandList().fill(long, 0, direction, 0, 1 << 22).pass(long, long, 1 << 22, [step]));
      console.log(opened, threadsNow() - before, wrong);`);
    expect(run).toMatchObject({ status: 0, stderr: '', stdout: '5 5 0\n' });
  });

  // Stacks count against the limit of address space, for root as well; processes only for other users.
  it('that the system does not grant are an error when a device opens, which leaves none behind', () => {
    const run = child(`
      const { execFileSync } = await import('node:child_process');
      const { readFileSync } = await import('node:fs');
      const used = () => 1024 * Number(/VmSize:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
      const open = openDevice({ threads: 200 });
      const program = await open.load(PROGRAM);
      const before = threadsNow();
      execFileSync('prlimit', ['--as=' + (used() + (1 << 30)), '--pid', String(process.pid)]);
      try {
        openDevice({ threads: 1024 });
      } catch ({ code, message }) {
        console.log(code, /1024 threads/.test(message), threadsNow() - before);
      }
      console.log(await product(open, program), await product(openDevice({ threads: 2 })));`);
    expect(run).toMatchObject({ status: 0, stderr: '', stdout: 'ERR_ZEROTH_DEVICE true 0\n0 0\n' });
  });

  it.each([
    ['by itself', {}],
    ['where OpenMP is told to wait actively', { OMP_WAIT_POLICY: 'active' }],
  ])('wait without using a processor, in a worker thread, too, once a product is done: %s', (_, env) => {
    // Nanoseconds on a processor of every thread of the device.
    const idle = `(async () => {${PRELUDE}
      const { readdirSync, readFileSync } = process.getBuiltinModule('node:fs');
      const spent = (thread) => Number(readFileSync('/proc/self/task/' + thread + '/schedstat', 'utf8').split(' ')[0]);
      const before = new Set(readdirSync('/proc/self/task'));
      const device = openDevice({ threads: 2 });
      const wrong = await product(device);
      const threads = readdirSync('/proc/self/task').filter((thread) => !before.has(thread));
      const total = () => threads.reduce((sum, thread) => sum + spent(thread), 0);
      const start = total();
      await new Promise((resolve) => setTimeout(resolve, 300));
      const idle = (total() - start) / 1e6;
      await device.dispose();
      return [threads.length, wrong, start > 0, idle < 3, idle];
    })()`;
    const run = child(
      `
      const { Worker } = await import('node:worker_threads');
      const script = ${JSON.stringify(`(${idle}).then((said) => process.getBuiltinModule('node:worker_threads').parentPort.postMessage(said))`)};
      const worker = new Worker(script, { eval: true });
      console.log(...(await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))));
      // And in the main thread, which loads the addon only now.
      console.log(...(await ${idle}));`,
      { env },
    );
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/^2 0 true true .*\n2 0 true true .*\n$/);
  });
});
