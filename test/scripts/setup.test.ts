import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const scripts = fileURLToPath(new URL('../../scripts/', import.meta.url));
const freshFolder = () => mkdtempSync(join(tmpdir(), 'zeroth-setup-'));

/** A folder to be the whole PATH: the real tools that are named, and stand-ins with the given shell text. */
function path(real: readonly string[], standIns: Readonly<Record<string, string>>): string {
  const folder = freshFolder();
  for (const tool of real) {
    const found = spawnSync('/bin/bash', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim();
    symlinkSync(found, join(folder, tool));
  }
  for (const [name, text] of Object.entries(standIns)) {
    writeFileSync(join(folder, name), `#!/bin/bash\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return folder;
}

function installMissing(
  standIns: Readonly<Record<string, string>>,
  packages: readonly string[] = ['libdnnl-dev', 'cmake'],
) {
  const log = join(freshFolder(), 'log');
  const needs = packages.map((name) => `need ${name};`).join(' ');
  const command = `. ${scripts}system-packages.sh; ${needs} install_missing ${log} "the build"`;
  const PATH = path(['env', 'tail'], standIns);
  const { status, stdout, stderr } = spawnSync('/bin/bash', ['--norc', '-euo', 'pipefail', '-c', command], {
    encoding: 'utf8',
    env: { PATH },
  });
  return { status, stdout, stderr, log: existsSync(log) ? readFileSync(log, 'utf8') : '' };
}

describe('system packages', () => {
  it('are not asked for when none is missing', () => {
    const { status, stdout, stderr } = installMissing({}, []);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it('are installed by root, after saying so, without questions', () => {
    const { status, stdout, log } = installMissing({ id: 'echo 0', 'apt-get': 'echo "$DEBIAN_FRONTEND $*"' });
    expect(status).toBe(0);
    expect(stdout).toBe('zeroth set-up: installing system packages with apt-get: libdnnl-dev cmake\n');
    expect(log).toMatch(/^noninteractive .*install -y -q --no-install-recommends libdnnl-dev cmake\n$/);
  });

  it('are installed through sudo where it asks for no password', () => {
    const { status, log } = installMissing({
      id: 'echo 1000',
      sudo: 'shift; [ "$1" = true ] || { echo "as root: $1"; "$@"; }',
      true: 'exit 0',
      'apt-get': 'echo "apt-get $*"',
    });
    expect(status).toBe(0);
    expect(log).toMatch(/^as root: env\napt-get .*install/);
  });

  it('are installed after the package lists have been fetched, where these were missing', () => {
    const seen = join(freshFolder(), 'updated');
    const aptGet = `case "$*" in *update*) echo updated; : >${seen};; *) [ -e ${seen} ] && echo installed;; esac`;
    const { status, log } = installMissing({ id: 'echo 0', 'apt-get': aptGet });
    expect(status).toBe(0);
    expect(log).toBe('updated\ninstalled\n');
  });

  it('are left to the person who may install them, with the exact command', () => {
    for (const sudo of [{}, { sudo: 'exit 1' }] as Record<string, string>[]) {
      const { status, stderr } = installMissing({ id: 'echo 1000', 'apt-get': 'echo never', ...sudo });
      expect(status).toBe(1);
      expect(stderr).toContain('\n  sudo apt-get update && sudo apt-get install -y libdnnl-dev cmake\n');
    }
  });

  it('that cannot be installed are reported with the end of the log', () => {
    const { status, stderr } = installMissing({ id: 'echo 0', 'apt-get': 'echo "E: no such package"; exit 100' });
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /E: no such package\n.*could not install libdnnl-dev cmake.*\n {2}apt-get update && apt-get install/s,
    );
  });

  it('are named where there is no apt-get', () => {
    const { status, stderr } = installMissing({});
    expect(status).toBe(1);
    expect(stderr).toMatch(/no apt-get: libdnnl-dev cmake\n/);
  });
});

describe('set-up', () => {
  const setup = (env: Record<string, string | undefined>) => {
    const root = freshFolder();
    cpSync(scripts, join(root, 'scripts'), { recursive: true });
    return spawnSync('/bin/bash', [join(root, 'scripts/setup')], { encoding: 'utf8', cwd: '/', env });
  };
  const tools = ['dirname', 'mkdir', 'touch'];

  it('says that Node is missing, or too old, and where to get it', () => {
    const missing = setup({ PATH: path(tools, {}) });
    expect(missing.status).toBe(1);
    expect(missing.stderr).toMatch(/^zeroth: Node\.js is not on the PATH.*20\.17.*nodejs\.org/);
    const old = setup({ PATH: path(tools, { node: '[ "$1" = --version ] && echo v18.1.0 || exit 1' }) });
    expect(old.status).toBe(1);
    expect(old.stderr).toMatch(/^zeroth: Node 20\.17 or newer is needed, and this is v18\.1\.0/);
  });

  it('says that the compiler named by CXX is not there', () => {
    const { status, stderr } = setup({ PATH: process.env.PATH, CXX: 'no-such-compiler' });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^zeroth: CXX names the C\+\+ compiler no-such-compiler/);
  });
});

describe('node_modules', () => {
  const current = (wanted: unknown, installed: unknown): boolean => {
    const root = freshFolder();
    mkdirSync(join(root, 'scripts'));
    mkdirSync(join(root, 'node_modules'));
    writeFileSync(join(root, 'package.json'), '{"type":"module"}');
    cpSync(join(scripts, 'node-modules-current.js'), join(root, 'scripts/node-modules-current.js'));
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: wanted }));
    if (installed)
      writeFileSync(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages: installed }));
    return spawnSync(process.execPath, [join(root, 'scripts/node-modules-current.js')]).status === 0;
  };
  const a = { version: '1.0.0', integrity: 'sha512-a' };

  it('are current when every package that is asked for is there, and no other', () => {
    expect(current({ '': {}, 'node_modules/a': a }, { 'node_modules/a': a })).toBe(true);
    expect(
      current(
        { '': {}, 'node_modules/a': a, 'node_modules/b': { version: '1.0.0', optional: true } },
        { 'node_modules/a': a },
      ),
    ).toBe(true);
    expect(current({ '': {}, 'node_modules/a': a }, undefined)).toBe(false);
    expect(current({ '': {}, 'node_modules/a': a }, {})).toBe(false);
    expect(current({ '': {} }, { 'node_modules/a': a })).toBe(false);
    expect(current({ '': {}, 'node_modules/a': { ...a, version: '1.0.1' } }, { 'node_modules/a': a })).toBe(false);
    expect(current({ '': {}, 'node_modules/a': { ...a, integrity: 'sha512-b' } }, { 'node_modules/a': a })).toBe(false);
  });
});
