import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/device/native.ts';

const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

describe('the npm package', () => {
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
