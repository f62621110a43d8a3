import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/device/native.ts';

const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

describe('the npm package', () => {
  it('is built and checked by npm itself: before it is packed or published, and where it is installed from git', () => {
    const { prepack, prepare, postpack } = manifest.scripts;
    // Joined so that a failure of the first is a failure of all.
    expect(prepack.split(' && ')).toEqual([
      'bash scripts/prebuild',
      'node scripts/check-package.js --binary',
      'node scripts/packed-manifest.js',
    ]);
    expect(postpack).toBe('node scripts/packed-manifest.js --restore');
    expect(prepare).toBe('bash scripts/prebuild');
    const prebuild = readFileSync(join(packageRoot, 'scripts/prebuild'), 'utf8');
    expect(prebuild).toMatch(/^set -euo pipefail$/m);
    expect(prebuild).toMatch(/^bash scripts\/setup$/m);
    expect(prebuild).toContain('prebuildify');
  });

  it('ships what its documents link to, nothing else, and each file that it needs', () => {
    const said = execFileSync(process.execPath, [join(packageRoot, 'scripts/check-package.js')], { encoding: 'utf8' });
    expect(said).toMatch(/^npm package: \d+ files, none missing, none stray, no broken link$/m);
  });

  it('is not packed with a link that leads nowhere', async () => {
    const script = join(packageRoot, 'scripts/packed-links.js');
    const { brokenLinks } = (await import(script)) as {
      brokenLinks(files: readonly string[], read: (file: string) => string): string[];
    };
    const texts: Record<string, string> = {
      'README.md': '[a](docs/a.md) [b](docs/b.md#here) [c](docs) [d](https://x.y/z) [e](#below) ![f](docs/f.svg)',
      'docs/a.md': '[up](../README.md) [beside](b.md#there) [gone](gone.md) [out](../lib/x.ts)',
      'docs/b.md': '',
      'docs/f.svg': '](nowhere)',
    };
    expect(brokenLinks(Object.keys(texts), (file) => texts[file])).toEqual([
      'docs/a.md → docs/gone.md',
      'docs/a.md → lib/x.ts',
    ]);
    const { 'docs/f.svg': _, ...less } = texts;
    expect(brokenLinks(Object.keys(less), (file) => texts[file])).toContain('README.md → docs/f.svg');
  });

  it('has a package.json without scripts while it is packed, and the whole one, byte for byte, after', () => {
    const root = mkdtempSync(join(tmpdir(), 'zeroth-manifest-'));
    for (const folder of ['scripts', 'build']) mkdirSync(join(root, folder));
    cpSync(join(packageRoot, 'scripts/packed-manifest.js'), join(root, 'scripts/packed-manifest.js'));
    const file = join(root, 'package.json');
    const whole = readFileSync(join(packageRoot, 'package.json'), 'utf8');
    writeFileSync(file, whole);
    const turn = (...args: string[]) => {
      execFileSync(process.execPath, [join(root, 'scripts/packed-manifest.js'), ...args]);
      return readFileSync(file, 'utf8');
    };
    expect(turn('--restore')).toBe(whole);
    const { scripts, devDependencies, ...rest } = JSON.parse(whole) as Record<string, unknown>;
    expect([scripts, devDependencies]).toEqual([expect.any(Object), expect.any(Object)]);
    // Twice each: packing may have been killed before.
    for (const _ of [1, 2]) expect(JSON.parse(turn())).toEqual(rest);
    for (const _ of [1, 2]) expect(turn('--restore')).toBe(whole);
    expect(existsSync(join(root, 'build/package.json'))).toBe(false);
    // A whole one that was changed since is not put back to what it was.
    turn();
    writeFileSync(file, whole.replace('"version"', '"more": 1,\n  "version"'));
    expect(turn('--restore')).toContain('"more": 1');
    rmSync(root, { recursive: true });
  });

  it('is installed as the README says by what tries it: a tarball of npm pack', () => {
    const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8');
    const script = readFileSync(join(packageRoot, 'scripts/try-package'), 'utf8');
    const { version } = manifest as unknown as { version: string };
    const [, shell] = /## In your own project[\s\S]*?```sh\n([\s\S]*?)```/.exec(readme) ?? [];
    const commands = shell
      .trim()
      .split('\n')
      .map((line) => line.replace(/\s+#.*$/, '').trim());
    expect(commands).toEqual([
      'npm install git+https://…/zeroth.git',
      'npm pack',
      `npm install ./zeroth-${version}.tgz`,
    ]);
    // The same commands, with options and without a version.
    expect(script).toMatch(/^npm pack( --\S+( "\$\w+")?)* >\/dev\/null$/m);
    expect(script).toMatch(/^npm install( --\S+)* \.\/zeroth-\*\.tgz$/m);
    expect(readFileSync(join(packageRoot, '.ci/run'), 'utf8')).toContain('scripts/try-package');
  });
});
