import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/device/native.ts';

const addon = join(packageRoot, 'build/Release/zeroth.node');
const platform = `${process.platform}-${process.arch}`;
/** The libraries that the addon needs and a machine may lack, where they lie here. */
const libraries = spawnSync('ldd', [addon], { encoding: 'utf8' })
  .stdout.split('\n')
  .flatMap((line) => /=> (\S*lib(?:dnnl|gomp|OpenCL)\.so\S*)/.exec(line)?.[1] ?? []);

function write(file: string, text: string, mode = 0o644): void {
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
}

/** A folder with the real scripts. */
function freshPackage(): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'zeroth-prebuild-')));
  cpSync(join(packageRoot, 'scripts'), join(root, 'scripts'), { recursive: true });
  for (const file of ['package.json', 'README.md', 'LICENSE']) copyFileSync(join(packageRoot, file), join(root, file));
  return root;
}

describe('prebuilds are made', () => {
  it('anew where anything that they are made from has changed, or they themselves, and only then', () => {
    const root = freshPackage();
    const ours = join(root, 'libraries');
    mkdirSync(ours);
    const library = libraries.find((path) => path.includes('gomp'))!;
    copyFileSync(library, join(ours, basename(library)));
    mkdirSync(join(root, 'build/Release'), { recursive: true });
    copyFileSync(addon, join(root, 'build/Release/zeroth.node'));
    write(join(root, 'build/native.stamp'), 'sources');
    write(join(root, 'scripts/setup'), 'exit 0\n');
    write(
      join(root, 'node_modules/.bin/prebuildify'),
      `#!/bin/sh\nmkdir -p prebuilds/${platform} && cp build/Release/zeroth.node libraries/* prebuilds/${platform} && echo made\n`,
      0o755,
    );
    // Whose package it is that a library belongs to is not what this is about.
    write(join(root, 'tools/dpkg'), '#!/bin/sh\necho "base-files: /usr/lib/any"\n', 0o755);
    write(
      join(root, 'tools/cat'),
      '#!/bin/sh\ncase "$1" in /usr/share/doc/*) echo licence ;; *) exec /bin/cat "$@" ;; esac\n',
      0o755,
    );
    const made = () => {
      const { status, stdout, stderr } = spawnSync('bash', [join(root, 'scripts/prebuild')], {
        encoding: 'utf8',
        env: { ...process.env, PATH: `${join(root, 'tools')}:${process.env.PATH}`, LD_LIBRARY_PATH: ours },
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      return stdout.includes('made');
    };
    expect([made(), made(), made()]).toEqual([true, false, false]);
    const folder = join(root, 'prebuilds', platform);
    const changes = [
      () => writeFileSync(join(root, 'build/native.stamp'), 'other sources'),
      () => appendFileSync(join(root, 'scripts/prebuild-shim.js'), '// changed\n'),
      () => appendFileSync(join(ours, basename(library)), 'updated'),
      () => rmSync(join(folder, 'zeroth.node')),
      () => appendFileSync(join(folder, basename(library)), 'damaged'),
      () => writeFileSync(join(folder, 'libolder.so.1'), ''),
      () => rmSync(join(root, 'prebuilds'), { recursive: true }),
    ];
    const outcomes = changes.map((change) => {
      change();
      return made();
    });
    expect([...outcomes, made()]).toEqual([...changes.map(() => true), false]);
    expect(existsSync(join(folder, 'libolder.so.1'))).toBe(false);
    expect(readFileSync(join(folder, 'THIRD-PARTY-NOTICES.txt'), 'utf8')).toContain('licence');
  });
});

describe('the package', () => {
  const check = (root: string) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(root, 'scripts/check-package.js'), '--binary'],
      {
        encoding: 'utf8',
      },
    );
    return { status, said: stdout + stderr };
  };

  // That it is packed with all of them is seen where it is packed: .ci/run.
  it('is not packed without the addon, nor without a library that the addon loads', () => {
    const root = freshPackage();
    for (const file of ['index.js', 'index.d.ts', 'cli/main.js']) write(join(root, 'dist', file), '');
    const folder = join(root, 'prebuilds', platform);
    const lacking = (...files: string[]) => ({
      status: 1,
      said: expect.stringContaining(`lacks: ${files.map((file) => `prebuilds/${platform}/${file}`).join(', ')}.`),
    });
    write(join(folder, 'THIRD-PARTY-NOTICES.txt'), '');
    expect(check(root)).toEqual(lacking('zeroth.node'));
    copyFileSync(addon, join(folder, 'zeroth.node'));
    expect(check(root)).toEqual(lacking(...libraries.map((library) => basename(library))));
    const gomp = libraries.find((path) => path.includes('gomp'))!;
    copyFileSync(gomp, join(folder, basename(gomp)));
    expect(check(root)).toEqual(lacking(...libraries.filter((path) => path !== gomp).map((path) => basename(path))));
  });
});
