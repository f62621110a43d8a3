import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundleClient } from '../report/client-bundle.ts';
import { zeroth } from './fixtures.ts';

const home = process.cwd();
let folder: string;
let reportClient: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'zeroth-help-'));
  reportClient = bundleClient(folder);
  process.chdir(folder);
  writeFileSync('eigenvalues.json', '[4, 2, 1, 0.5]');
});
afterAll(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true });
});

const commands = ['train', 'curvature', 'stability', 'report', 'devices', 'demo'];

/** The command lines of a help text; what follows three spaces says what they are for. */
async function examples(command: string[]): Promise<string[]> {
  const { stdout } = await zeroth([...command, '--help']);
  return stdout.lines.flatMap((line) => /^ {2}\$ zeroth (.+?)(?: {3,}.*)?$/.exec(line)?.[1] ?? []);
}

it('every example of the help texts runs as it stands, each command after those of "train"', async () => {
  const lines: string[] = [];
  for (const command of commands) {
    const own = await examples([command]);
    expect(own.length, command).toBeGreaterThan(1);
    expect(own.every((line) => line.startsWith(command))).toBe(true);
    lines.push(...own);
  }
  const general = await examples([]);
  expect(general.length).toBeGreaterThan(3);
  for (const line of [...lines, ...general.filter((line) => !line.startsWith('train'))]) {
    const args = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word);
    const { code, stderr } = await zeroth(args, { reportClient });
    expect([line, stderr.text, code]).toEqual([line, '', 0]);
  }
});
