import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Signals and pipes exist only between processes, so here a real one runs the command line. */
let folder: string;
let main: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'zeroth-process-'));
  mkdirSync(join(folder, 'cli'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ version: '0.0.0', type: 'module' }));
  main = join(folder, 'cli', 'main.js');
  await build({
    entryPoints: [fileURLToPath(new URL('./endless-main.ts', import.meta.url))],
    outfile: main,
    bundle: true,
    platform: 'node',
    format: 'esm',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'error',
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

function start(...args: string[]) {
  // As a person starts it, and not npm.
  const env = { ...process.env, npm_command: '' };
  const child = spawn(process.execPath, [main, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  child.stderr.on('data', (data) => {
    text.stderr += data;
  });
  return { child, text };
}

async function exit(child: ChildProcess): Promise<number | null> {
  const [code] = await once(child, 'close');
  return code;
}

describe('the process', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'at %s ends the run, says how to go on, and exits with 130',
    async (signal) => {
      const { child, text } = start('train', 'sorting-mlp', '--out', 'calm');
      child.stdout.once('data', () => child.kill(signal));
      child.stdout.on('data', (data) => {
        text.stdout += data;
      });
      expect(await exit(child)).toBe(130);
      expect(text.stdout).toContain('Stopped in time.');
      expect(text.stdout).toContain('Go on with:  node cli/main.js train sorting-mlp --out calm --resume');
      expect(text.stderr).toBe('');
    },
  );

  it('at a second Ctrl-C does not wait', async () => {
    const { child } = start('train', 'sorting-mlp', '--out', 'stubborn', '--json');
    child.stdout.once('data', () => child.kill('SIGINT'));
    child.stdout.resume();
    child.stderr.once('data', () => child.kill('SIGINT'));
    expect(await exit(child)).toBe(130);
  });

  it('stops quietly when nobody reads its output any more', async () => {
    const { child, text } = start('train', 'sorting-mlp', '--out', 'pipe', '--json');
    child.stdout.once('data', () => child.stdout.destroy());
    expect(await exit(child)).toBe(1);
    expect(text.stderr).toBe('');
  });

  it('exits with the code of its command', async () => {
    const { child, text } = start('train', 'nothing');
    expect(await exit(child)).toBe(2);
    expect(text.stderr).toMatch(/^error ERR_ZEROTH_USAGE: There is no preset "nothing"/);
  });
});
