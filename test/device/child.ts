import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../lib/device/native.ts';
import * as $ from '../../lib/graph/build.ts';
import { graphOf, planOf } from '../graph/plan/support.ts';

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
}

/** Where a module of the built package is, for `import()` in a script. */
const built = (module: string) => JSON.stringify(join(packageRoot, 'dist', module));

const inputs = [$.input('x', [64, 512]), $.input('w', [512, 512])] as const;
const program = Buffer.from(planOf(graphOf(inputs, $.matmul(...inputs))).bytes).toString('base64');

/** What scripts of these tests share; it also stands in a script that starts a worker thread. */
export const PRELUDE = `
  const { openDevice } = await import(${built('device/device.js')});
  const { CommandList } = await import(${built('device/commands.js')});
  const PROGRAM = Buffer.from(${JSON.stringify(program)}, 'base64');
  /** A product of ones, 64 × 512 by 512 × 512, small enough that all threads share it: how many elements are not 512. */
  async function product(device, program) {
    const [x, w, y] = [
      await device.upload(new Float32Array(64 * 512).fill(1)),
      await device.upload(new Float32Array(512 * 512).fill(1)),
      device.allocate(4 * 64 * 512),
    ];
    const whole = { mode: 'store', buffer: y, byteOffset: 0, rowLength: 512, byteStride: 2048, weight: 1 };
    program ??= await device.load(PROGRAM);
    const inputs = [{ buffer: x, byteOffset: 0 }, { buffer: w, byteOffset: 0 }];
    await device.submit(new CommandList().call(program, inputs, [whole]));
    return (await y.readF32()).filter((value) => value !== 512).length;
  }
  const threadsNow = () => process.getBuiltinModule('node:fs').readdirSync('/proc/self/task').length;
`;

/** Runs a script in a process of its own. */
export function child(body: string, { env = {}, flags = [] }: ChildOptions = {}) {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [...flags, '--input-type=module', '-e', PRELUDE + body],
    { encoding: 'utf8', env: { ...process.env, ...env }, timeout: 100_000 },
  );
  return { status, signal, stdout, stderr };
}
