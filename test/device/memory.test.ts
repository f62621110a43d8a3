import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../lib/device/native.ts';

it('frees device memory when its handle is garbage', () => {
  const script = `
    const { openDevice } = await import(${JSON.stringify(join(packageRoot, 'dist/device/device.js'))});
    const device = openDevice();
    const kept = device.allocate(1000);
    (() => { for (let i = 0; i < 100; i++) device.allocate(10_000); })();
    const before = device.memory().bufferBytes;
    // Finalizers run some turns after a collection.
    for (let i = 0; i < 200 && device.memory().bufferBytes > kept.byteLength; i++) {
      globalThis.gc();
      await new Promise((resolve) => setImmediate(resolve));
    }
    console.log(before, device.memory().bufferBytes);`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(stdout).toBe('1001000 1000\n');
});
