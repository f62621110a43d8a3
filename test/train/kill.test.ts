import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../lib/device/native.ts';
import { PhiloxStream } from '../../lib/random/philox.ts';
import { readRunLog } from '../../lib/train/log.ts';

const cli = join(packageRoot, 'dist', 'cli', 'main.js');

/** Runs the command line; kills it when its log has grown by so many bytes. Resolves to the exit code, or null when killed. */
function run(args: string[], log: string, bytes = Number.POSITIVE_INFINITY): Promise<number | null> {
  const length = () => statSync(log, { throwIfNoEntry: false })?.size ?? 0;
  const start = length();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const timer = setInterval(() => {
      if (length() - start >= bytes) child.kill('SIGKILL');
    }, 1);
    child.on('error', reject);
    child.on('exit', (code) => {
      clearInterval(timer);
      if (code !== 0 && code !== null) reject(new Error(stderr));
      else resolve(code);
    });
  });
}

it('a run killed at random moments resumes to the bit-identical log and weights of an uninterrupted one', {
  timeout: 180_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'zeroth-kill-'));
  const options = [
    'train',
    'sorting-mlp',
    '--steps',
    '2000',
    '--seed',
    '4',
    '--monitor-every',
    '300',
    '--probes',
    '4',
    '--optimizer',
    'zo-adam',
    '--lr',
    '0.002',
  ];
  const whole = join(folder, 'whole');
  const cut = join(folder, 'cut');
  expect(await run([...options, '--out', whole], join(whole, 'run.jsonl'))).toBe(0);
  const random = new PhiloxStream(2n, 0n);
  let kills = 0;
  for (let code: number | null = null; code === null; ) {
    const args = [...options, '--out', cut, ...(existsSync(join(cut, 'state.safetensors')) ? ['--resume'] : [])];
    if (args.at(-1) !== '--resume') await rm(cut, { recursive: true, force: true });
    code = await run(args, join(cut, 'run.jsonl'), kills < 4 ? 1 + random.below(60_000) : undefined);
    if (code === null) {
      kills += 1;
      // Whatever moment it was, the log is a valid prefix.
      if (existsSync(join(cut, 'run.jsonl'))) readRunLog(cut);
    }
  }
  expect(kills).toBeGreaterThanOrEqual(3);
  const trajectory = (path: string) => readRunLog(path).filter(({ type }) => type === 'step' || type === 'monitor');
  expect(trajectory(cut)).toEqual(trajectory(whole));
  expect(readFileSync(join(cut, 'checkpoint.safetensors'))).toEqual(
    readFileSync(join(whole, 'checkpoint.safetensors')),
  );
  await rm(folder, { recursive: true, force: true });
});
