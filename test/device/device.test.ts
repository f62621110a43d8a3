import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { CommandList, type OutputBinding, type PassOp } from '../../lib/device/commands.ts';
import { type DeviceBuffer, openDevice } from '../../lib/device/device.ts';
import { packageRoot } from '../../lib/device/native.ts';
import * as $ from '../../lib/graph/build.ts';
import type { Direction } from '../../lib/random/direction.ts';
import { elementSign } from '../../lib/random/philox.ts';
import { graphOf, planOf } from '../graph/plan/support.ts';

const direction: Direction = { distribution: 'rademacher', seed: 7n, stream: (1n << 63n) + 5n };

const stored = (buffer: DeviceBuffer) =>
  ({ mode: 'store', buffer, byteOffset: 0, rowLength: 3, byteStride: 12, weight: 1 }) as const;

describe('device', () => {
  it('gives back the bytes that were written, in order of submission', async () => {
    await using device = openDevice();
    const buffer = device.allocate(16);
    void buffer.write(Float32Array.of(1, 2, 3, 4));
    void buffer.write(Float32Array.of(9), 4);
    expect([...(await buffer.readF32())]).toEqual([1, 9, 3, 4]);
    expect([...(await buffer.readF32(2, 2))]).toEqual([3, 4]);
  });

  it('writes from shared memory, from parts of arrays and from empty ones', async () => {
    await using device = openDevice();
    const buffer = device.allocate(12);
    const shared = new Float32Array(new SharedArrayBuffer(16));
    shared.set([1, 2, 3, 4]);
    await buffer.write(shared.subarray(1));
    await buffer.write(new Float32Array(0), 12);
    expect([...(await buffer.readF32())]).toEqual([2, 3, 4]);
  });

  it.each([1 << 10, 1 << 18, 1 << 20])(
    'writes %d numbers in order with everything else that was submitted',
    async (count) => {
      await using device = openDevice();
      const [buffer, copy, last] = [0, 1, 2].map(() => device.allocate(4 * count));
      const one = new Float32Array(count).fill(1);
      const two = new Float32Array(count).fill(2);
      const small = Float32Array.of(5, 6);
      const list = (to: DeviceBuffer) => new CommandList().copy(buffer, 0, to, 0, 4 * count);
      const work = [
        buffer.write(one),
        device.submit(list(copy)),
        buffer.write(two),
        buffer.write(small, 4),
        device.submit(list(last)),
        buffer.write(one),
      ];
      small.fill(Number.NaN); // it was copied
      const read = buffer.readF32();
      await Promise.all(work);
      const shape = (values: Float32Array) => [
        values.length,
        values[0],
        values[1],
        values[2],
        values[3],
        values[count - 1],
      ];
      expect(shape(await copy.readF32())).toEqual([count, 1, 1, 1, 1, 1]);
      expect(shape(await last.readF32())).toEqual([count, 2, 5, 6, 2, 2]);
      expect(shape(await read)).toEqual([count, 1, 1, 1, 1, 1]);
    },
  );

  it('zero-fills memory and counts it', async () => {
    await using device = openDevice();
    const before = device.memory().bufferBytes;
    const buffer = device.allocate(4000);
    expect(device.memory().bufferBytes - before).toBe(4000);
    expect((await buffer.readF32()).every((x) => x === 0)).toBe(true);
    buffer.dispose();
    expect(device.memory().bufferBytes).toBe(before);
  });

  it('makes directions from the 64-bit seed and stream that the independent Philox makes', async () => {
    await using device = openDevice();
    const values = await device.direction(direction, 5000, 37);
    const signs = Array.from({ length: 5000 }, (_, i) => elementSign(direction.seed, direction.stream, 37 + i));
    expect([...values]).toEqual(signs);
  });

  it('gathers rows', async () => {
    await using device = openDevice();
    const from = await device.upload(Int32Array.from({ length: 12 }, (_, i) => i));
    const to = device.allocate(24);
    await device.submit(new CommandList().gatherRows(from, to, 12, Uint32Array.of(3, 1)));
    expect([...new Int32Array(await to.read())]).toEqual([9, 10, 11, 3, 4, 5]);
  });

  it('sums elements and squares in f64, and shows one that is not finite', async () => {
    await using device = openDevice();
    const buffer = await device.upload(Float32Array.of(9, 1, -2, 3e38));
    const list = new CommandList(6)
      .sums(buffer, 4, 2, 0)
      .sums(buffer, 0, 2, 0)
      .sums(buffer, 12, 1, 2)
      .sums(buffer, 16, 0, 4);
    const large = Math.fround(3e38);
    expect([...(await device.submit(list))]).toEqual([9, 87, large, large * large, 0, 0]);
    await buffer.write(Float32Array.of(Number.NaN), 4);
    const [, squares] = await device.submit(new CommandList(2).sums(buffer, 0, 4, 0));
    expect(squares).toBeNaN();
  });

  it.each([
    ['a write beyond the end', async (d: ReturnType<typeof openDevice>) => d.allocate(8).write(new Float32Array(3))],
    [
      'a pass over more elements than there are',
      async (d: ReturnType<typeof openDevice>) => {
        const b = d.allocate(8);
        return d.submit(new CommandList().pass(b, b, 3, []));
      },
    ],
    [
      'sums over more elements than there are',
      async (d: ReturnType<typeof openDevice>) => d.submit(new CommandList(2).sums(d.allocate(8), 4, 2, 0)),
    ],
    [
      'a row that does not exist',
      async (d: ReturnType<typeof openDevice>) => {
        const b = d.allocate(8);
        return d.submit(new CommandList().gatherRows(b, d.allocate(8), 4, Uint32Array.of(2)));
      },
    ],
    [
      'rows gathered from the buffer that they go to',
      async (d: ReturnType<typeof openDevice>) => {
        const b = d.allocate(8);
        return d.submit(new CommandList().gatherRows(b, b, 4, Uint32Array.of(1)));
      },
    ],
    [
      'a momentum that is the parameters themselves',
      async (d: ReturnType<typeof openDevice>) => {
        const b = d.allocate(8);
        return d.submit(new CommandList().pass(b, b, 2, [{ kind: 'momentum', terms: [], beta1: 0.9, lr: 1, m: b }]));
      },
    ],
    [
      'a β of 1',
      async (d: ReturnType<typeof openDevice>) => {
        const b = d.allocate(8);
        const m = d.allocate(8);
        return d.submit(new CommandList().pass(b, b, 2, [{ kind: 'momentum', terms: [], beta1: 1, lr: 1, m }]));
      },
    ],
    [
      'a coefficient beyond f32',
      async (d: ReturnType<typeof openDevice>) => {
        const b = d.allocate(8);
        return d.submit(new CommandList().pass(b, b, 2, [{ kind: 'add', terms: [{ direction, coefficient: 1e39 }] }]));
      },
    ],
  ])('refuses %s', async (_, act) => {
    await using device = openDevice();
    await expect(act(device)).rejects.toMatchObject({ code: 'ERR_ZEROTH_NATIVE' });
  });

  const outputs: [string, (buffer: DeviceBuffer) => OutputBinding[]][] = [
    ['too few outputs', () => []],
    ['an output that does not fit into its buffer', (buffer) => [{ ...stored(buffer), byteOffset: 4 }]],
    ['an output that is too small', (buffer) => [{ ...stored(buffer), rowLength: 2, byteStride: 8 }]],
    ['a vector that is bound to a result slot', () => [{ mode: 'addToSlot', slot: 0, weight: 1 }]],
    ['a slot for one output too many', (buffer) => [stored(buffer), { mode: 'addToSlot', slot: 0, weight: 1 }]],
    ['a weight that is no number', (buffer) => [{ ...stored(buffer), weight: Number.NaN }]],
  ];
  it.each(outputs)('refuses a whole job for %s: a pass that stands before the call is not run', async (_, bind) => {
    await using device = openDevice();
    const x = $.input('x', [3]);
    const program = await device.load(planOf(graphOf([x], $.mul(x, x))).bytes);
    const theta = await device.upload(Float32Array.of(1, 2, 3));
    const into = device.allocate(12);
    const step: PassOp = { kind: 'add', terms: [{ direction, coefficient: 0.5 }] };
    const inputs = [{ buffer: theta, byteOffset: 0 }];
    const job = (to: readonly OutputBinding[]) =>
      new CommandList(1).pass(theta, theta, 3, [step]).call(program, inputs, to);
    await expect(device.submit(job(bind(into)))).rejects.toMatchObject({ code: 'ERR_ZEROTH_NATIVE' });
    expect([...(await theta.readF32())]).toEqual([1, 2, 3]);
    expect([...(await into.readF32())]).toEqual([0, 0, 0]);
    // The same job, bound as it should be, does both.
    await device.submit(job([stored(into)]));
    const moved = [...(await theta.readF32())];
    expect(moved).not.toEqual([1, 2, 3]);
    expect([...(await into.readF32())]).toEqual(moved.map((value) => value * value));
  });

  it.each([
    ['byteOffset', 12, 0],
    ['byteOffset', -1, 1],
    ['byteOffset', 0.5, 1],
    ['bytes', 4, 8],
    ['bytes', 0, -1],
    ['bytes', 0, Number.NaN],
    ['bytes', 0, 1e15],
  ])('refuses a read beyond the end: %s of %d, %d', async (name, byteOffset, bytes) => {
    await using device = openDevice();
    await expect(device.allocate(8).read(byteOffset, bytes)).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ARGUMENT',
      message: expect.stringContaining(name),
    });
  });

  it('refuses a program that is none', async () => {
    await using device = openDevice();
    await expect(device.load(new Uint8Array(64))).rejects.toMatchObject({ code: 'ERR_ZEROTH_PROGRAM' });
  });

  it('says that it is disposed', async () => {
    const device = openDevice();
    const buffer = device.allocate(4);
    await device.dispose();
    await device.dispose();
    await expect(buffer.read()).rejects.toMatchObject({ code: 'ERR_ZEROTH_DISPOSED' });
    expect(() => device.allocate(4)).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_DISPOSED' }));
  });

  it('settles what is under way when it is disposed', async () => {
    const device = openDevice();
    const buffer = device.allocate(64 << 20);
    const work = Array.from({ length: 8 }, () =>
      device.submit(new CommandList().fill(buffer, 0, { ...direction, distribution: 'normal' }, 0, 16 << 20)),
    );
    const settling = Promise.allSettled(work);
    await device.dispose();
    const settled = await settling;
    for (const result of settled) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'ERR_ZEROTH_ABORTED' });
    }
    expect(settled.length).toBe(8);
  });

  it('does not run commands that were aborted before their turn', async () => {
    await using device = openDevice();
    const buffer = device.allocate(4);
    const abort = AbortSignal.abort();
    const fill = new CommandList().fill(buffer, 0, { ...direction, distribution: 'uniform' }, 0, 1);
    const busy = device.allocate(32 << 20);
    const first = device.submit(new CommandList().fill(busy, 0, direction, 0, 8 << 20));
    await expect(device.submit(fill, abort)).rejects.toMatchObject({ code: 'ERR_ZEROTH_ABORTED' });
    await first;
    expect([...(await buffer.readF32())]).toEqual([0]);
  });

  it('still makes the passes of a job that was aborted', async () => {
    await using device = openDevice();
    const [x, y] = [device.allocate(8), device.allocate(8)];
    const one = await device.upload(Float32Array.of(1, 2));
    const job = new CommandList()
      .fill(y, 0, direction, 0, 2)
      .pass(x, x, 2, [{ kind: 'add', terms: [], dense: one, denseCoefficient: 3 }]);
    await expect(device.submit(job, AbortSignal.abort())).rejects.toMatchObject({ code: 'ERR_ZEROTH_ABORTED' });
    expect([...(await x.readF32())]).toEqual([3, 6]);
    expect([...(await y.readF32())]).toEqual([0, 0]);
  });

  it.each([
    ['device', { device: 'tpu' }],
    ['threads', { threads: 0 }],
    ['threads', { threads: 1.5 }],
  ])('refuses a bad option: %s', (name, options) => {
    expect(() => openDevice(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT', message: expect.stringContaining(name) }),
    );
  });

  it('stops between two kernels when the signal fires while they run', async () => {
    await using device = openDevice();
    const busy = device.allocate(4 << 22);
    const last = device.allocate(4 * 16);
    const list = new CommandList();
    const normal = { ...direction, distribution: 'normal' } as const;
    // Some seconds of work, were it not stopped.
    for (let i = 0; i < 500; i++) list.fill(busy, 0, normal, 0, 1 << 22);
    list.fill(last, 0, normal, 0, 16);
    const abort = new AbortController();
    const running = device.submit(list, abort.signal);
    abort.abort();
    await expect(running).rejects.toMatchObject({ code: 'ERR_ZEROTH_ABORTED' });
    expect([...(await last.readF32())]).toEqual(new Array(16).fill(0));
  });

  it('refuses a ZEROTH_ISA that this machine does not have, and says which it has', () => {
    const body = `const { openDevice } = await import(${JSON.stringify(join(packageRoot, 'dist/device/device.js'))});
      try { openDevice(); } catch ({ code, message }) { console.log(code, message); }`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', body], {
      encoding: 'utf8',
      env: { ...process.env, ZEROTH_ISA: 'nonsense' },
    });
    expect(stdout).toMatch(/^ERR_ZEROTH_DEVICE .*expected one of scalar.*"nonsense"/);
  });

  it('does not replace a GPU silently', () => {
    expect(() => openDevice({ device: 'cuda' })).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_DEVICE' }));
  });

  const script = (body: string) => `
    import { createRequire } from 'node:module';
    const { Device } = createRequire(import.meta.url)('node-gyp-build')(${JSON.stringify(packageRoot)});
    const device = new Device(2);
    const id = device.allocate(256 << 20);
    ${body}`;

  it('lets the process end when idle, and keeps it alive while work is under way', () => {
    const run = spawnSync(
      process.execPath,
      ['--input-type=module', '-e', script(`device.read(id, 0, new ArrayBuffer(8)).then(() => console.log('done'));`)],
      {
        cwd: packageRoot,
        encoding: 'utf8',
      },
    );
    expect(run).toMatchObject({ status: 0, stdout: 'done\n', stderr: '' });
  });

  it('refuses to open where ZEROTH_ISA names what this machine cannot run', () => {
    const body = `try { new Device(1); } catch (error) { console.log(error.code, error.message.includes('sse9')); }`;
    const source = script(body).replace(/const device = .*\n.*\n/, '');
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
      cwd: packageRoot,
      encoding: 'utf8',
      env: { ...process.env, ZEROTH_ISA: 'sse9' },
    });
    expect(run).toMatchObject({ status: 0, stdout: 'ERR_ZEROTH_DEVICE true\n', stderr: '' });
  });

  it('survives process.exit with work under way', () => {
    const body = `for (let i = 0; i < 20; i++) device.read(id, 0, new ArrayBuffer(64 << 20)); process.exit(5);`;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script(body)], {
      cwd: packageRoot,
      encoding: 'utf8',
    });
    expect(run).toMatchObject({ status: 5, stderr: '' });
  });

  it('loads in worker threads and survives their termination with work under way', async () => {
    const source = `
      const { parentPort } = require('node:worker_threads');
      const { Device } = require('node-gyp-build')(${JSON.stringify(packageRoot)});
      const device = new Device(2);
      const id = device.allocate(64 << 20);
      for (let i = 0; i < 10; i++) device.read(id, 0, new ArrayBuffer(32 << 20));
      device.read(id, 0, new ArrayBuffer(8)).then(() => parentPort.postMessage('never waited for'));
      parentPort.postMessage('busy');`;
    for (let i = 0; i < 3; i++) {
      const worker = new Worker(source, { eval: true });
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      expect(await worker.terminate()).toBeTypeOf('number');
    }
  });
});
