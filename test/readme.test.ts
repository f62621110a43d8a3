import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../lib/device/native.ts';

const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8');

describe('README', () => {
  it('has an example of at most 15 lines that runs as it is written, and learns', () => {
    const example = /```js\n([\s\S]*?)```/.exec(readme)![1];
    expect(
      example.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('//')).length,
    ).toBeLessThanOrEqual(15);
    // Inside the package, so that 'zeroth' is this package.
    const folder = join(packageRoot, 'build', 'readme');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'example.mjs'), example);
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'example.mjs')], { encoding: 'utf8' });
    rmSync(folder, { recursive: true });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const lines = [...stdout.matchAll(/^step (\d+) {2}loss ([\d.]+) {2}trace ([\d.]+) of 66\.7$/gm)].map((match) =>
      match.slice(1).map(Number),
    );
    expect(stdout).toContain('Completed 5000 steps.');
    expect(lines.map(([step]) => step)).toEqual([0, 1000, 2000, 3000, 4000, 5000]);
    const [first, last] = [lines[0], lines[5]];
    expect(last[1]).toBeLessThan(0.5 * first[1]);
  });

  it('shows commands that the command line has', () => {
    const commands = [...readme.matchAll(/^npx zeroth (\w+)([^\n#]*)/gm)];
    expect(commands.length).toBeGreaterThan(5);
    for (const [, command, rest] of commands) {
      const help = spawnSync(process.execPath, [join(packageRoot, 'dist/cli/main.js'), command, '--help'], {
        encoding: 'utf8',
      });
      expect(help.status).toBe(0);
      for (const [option] of rest.matchAll(/--[a-z-]+/g)) expect(help.stdout).toContain(option);
    }
  });

  it('links to files that exist', () => {
    for (const [, target] of readme.matchAll(/\]\(((?!https?:)[^)]+)\)/g)) {
      expect(() => readFileSync(join(packageRoot, target)), target).not.toThrow(/ENOENT/);
    }
  });
});

describe('README, docs and docstrings', () => {
  it('do not say that runs die of heavy tails: at the edge steps are close to Gaussian, and it is the weights that diffuse', () => {
    const sources = readdirSync(join(packageRoot, 'lib'), { recursive: true, encoding: 'utf8' });
    const files = [
      'README.md',
      ...readdirSync(join(packageRoot, 'docs')).map((file) => `docs/${file}`),
      ...sources.map((file) => `lib/${file}`),
    ].filter((file) => /\.(md|ts)$/.test(file));
    expect(files.length).toBeGreaterThan(100);
    for (const file of files) {
      expect(readFileSync(join(packageRoot, file), 'utf8'), file).not.toMatch(/heavy[\s-]+tail/i);
    }
    expect(readFileSync(join(packageRoot, 'docs/mathematics.md'), 'utf8')).toContain('The weights *diffuse*');
  });
});
