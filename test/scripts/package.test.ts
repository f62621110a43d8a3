import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/device/native.ts';

const binary = `prebuilds/${process.platform}-${process.arch}`;
const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

/** What would ship, built, but for the addon. */
function copyWithoutBinary(): string {
  const copy = mkdtempSync(join(tmpdir(), 'zeroth-package-'));
  for (const path of ['package.json', 'README.md', 'LICENSE', 'dist', 'scripts'])
    cpSync(join(packageRoot, path), join(copy, path), { recursive: true });
  return copy;
}

function check(folder: string, ...options: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/check-package.js', ...options], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

describe('the npm package', () => {
  it('without its binary is refused before it is packed, by the name of what is missing', () => {
    const copy = copyWithoutBinary();
    const refused = check(copy, '--binary');
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toContain(`The package lacks: ${binary}/zeroth.node, ${binary}/THIRD-PARTY-NOTICES.txt.`);
    expect(refused.stderr).toContain('npm run prebuilds');
    mkdirSync(join(copy, binary), { recursive: true });
    for (const name of ['zeroth.node', 'THIRD-PARTY-NOTICES.txt']) writeFileSync(join(copy, binary, name), 'x');
    expect(check(copy, '--binary')).toMatchObject({ status: 0, stderr: '' });
  });

  it('is built and checked by npm itself: before it is packed or published, and where it is installed from git', () => {
    const { prepack, prepare } = manifest.scripts;
    // Joined so that a failure of the first is a failure of all.
    expect(prepack.split(' && ')).toEqual(['bash scripts/prebuild', 'node scripts/check-package.js --binary']);
    expect(prepare).toBe('bash scripts/prebuild');
    const prebuild = readFileSync(join(packageRoot, 'scripts/prebuild'), 'utf8');
    expect(prebuild).toMatch(/^set -euo pipefail$/m);
    expect(prebuild).toMatch(/^bash scripts\/setup$/m);
    expect(prebuild).toContain('prebuildify');
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
