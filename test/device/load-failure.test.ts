import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diagnoseLoadFailure, type Host, isLoadable, readElfHeader } from '../../lib/device/load-failure.ts';
import { packageRoot } from '../../lib/device/native.ts';

const host: Host = {
  platform: 'linux',
  arch: 'x64',
  node: 'v20.17.0',
  glibc: '2.31',
  root: '/app/node_modules/zeroth',
  checkout: false,
};
const path = `${host.root}/prebuilds/linux-x64/zeroth.node`;
const addon = { path, bytes: 1e6, elf: { machine: 'x64', bytes: 1e6 } };

/** The header of a 64-bit ELF file whose table of sections, 10 of 64 bytes, starts at byte 5000. */
function elf(machine: number, littleEndian = true): Uint8Array {
  const header = new Uint8Array(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, littleEndian ? 1 : 2]);
  const view = new DataView(header.buffer);
  view.setUint16(18, machine, littleEndian);
  view.setBigUint64(40, 5000n, littleEndian);
  view.setUint16(58, 64, littleEndian);
  view.setUint16(60, 10, littleEndian);
  return header;
}

describe('what the loader says', () => {
  it.each([
    [
      'libdnnl.so.2: cannot open shared object file: No such file or directory',
      'library',
      'libdnnl.so.2',
      path,
      'apt-get install libdnnl2',
    ],
    [
      'libOpenCL.so.1: cannot open shared object file: No such file or directory',
      'library',
      'libOpenCL.so.1',
      path,
      'apt-get install ocl-icd-libopencl1',
    ],
    ['libelse.so: cannot open shared object file: No such file', 'library', 'libelse.so', path, `ldd ${path}`],
    [
      `/lib/x86_64-linux-gnu/libc.so.6: version \`GLIBC_2.34' not found (required by ${path})`,
      'glibc',
      'glibc 2.31',
      'glibc 2.34',
      'npm run setup',
    ],
    [
      `/lib/x86_64-linux-gnu/libm.so.6: version 'GLIBC_2.35' not found (required by ${path})`,
      'glibc',
      'glibc 2.31',
      'glibc 2.35',
      'npm run setup',
    ],
    [
      `/lib/x86_64-linux-gnu/libstdc++.so.6: version \`GLIBCXX_3.4.30' not found (required by ${path})`,
      'glibc',
      'libstdc++.so.6 that is older',
      'GLIBCXX_3.4.30',
      'npm run setup',
    ],
    [`${path}: file too short`, 'damaged', '1000000 bytes', 'whole', 'npm ci'],
    [`${path}: ELF load command past end of file`, 'damaged', 'cut short', 'whole', 'npm ci'],
    [`${path}: undefined symbol: napi_create_something_new`, 'node', 'v20.17.0', 'Node 20.17', 'newer Node'],
    [`${path}: undefined symbol: dnnl_matmul_create`, 'unknown', 'dnnl_matmul_create', 'built with', 'npm run setup'],
    ['something else', 'unknown', 'something else', 'loads', 'npm ci'],
  ])('becomes what was found, what is needed and what mends it: %s', (message, kind, found, needed, cure) => {
    const failure = diagnoseLoadFailure(message, addon, host);
    expect(failure.kind).toBe(kind);
    expect(failure.found).toContain(found);
    expect(failure.needed).toContain(needed);
    expect(failure.cure).toContain(cure);
  });

  it('that the addon is not there is another processor where the file is there', () => {
    const message = `${path}: cannot open shared object file: No such file or directory`;
    for (const machine of ['arm64', 'ia32']) {
      expect(diagnoseLoadFailure(message, { ...addon, elf: { machine, bytes: 1e6 } }, host)).toMatchObject({
        kind: 'architecture',
        found: `${path} is built for ${machine}`,
        needed: expect.stringContaining('x64'),
        cure: expect.stringContaining('npm ci'),
      });
    }
  });

  it('of a system without the GNU C library is that', () => {
    const message = 'Error loading shared library libgomp.so.1: No such file or directory (needed by /a/zeroth.node)';
    const failure = diagnoseLoadFailure(message, addon, { ...host, glibc: undefined });
    expect(failure).toMatchObject({ kind: 'library', cure: expect.stringContaining('GNU C library') });
  });

  it('leads to other commands in a checkout', () => {
    const checkout = { ...host, checkout: true };
    expect(diagnoseLoadFailure('', undefined, host).cure).toContain('no build for linux-x64');
    expect(diagnoseLoadFailure('', undefined, checkout).cure).toContain('npm run setup');
    expect(diagnoseLoadFailure('', { ...addon, elf: undefined }, checkout).cure).toContain('rm -rf build');
  });
});

it('the header of an ELF file is read in either order of bytes, and nothing is read into another file', () => {
  const machines = [elf(62), elf(183), elf(3), elf(22, false)].map((header) => readElfHeader(header)?.machine);
  expect(machines).toEqual(['x64', 'arm64', 'ia32', 's390x']);
  expect(readElfHeader(elf(22, false))).toEqual({ machine: 's390x', bytes: 5640 });
  expect(readElfHeader(elf(9999))?.machine).toBe('machine 9999');
  for (const none of [new Uint8Array(0), elf(62).subarray(0, 63), new Uint8Array(64), Buffer.from('MZ'.padEnd(64))]) {
    expect(readElfHeader(none)).toBeUndefined();
  }
  const whole = { path, bytes: 5640, elf: { machine: 'x64', bytes: 5640 } };
  expect(
    [whole, { ...whole, bytes: 5639 }, { ...whole, elf: undefined }].map((file) => isLoadable(file, 'x64')),
  ).toEqual([true, false, false]);
  expect(isLoadable(whole, 'arm64')).toBe(false);
});

/** A copy of the package whose addon is what a case makes of the real one. */
describe('an addon that does not load', () => {
  let copy: string;
  const built = readFileSync(join(packageRoot, 'build/Release/zeroth.node'));

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), 'zeroth-load-'));
    cpSync(join(packageRoot, 'dist'), join(copy, 'dist'), { recursive: true });
    cpSync(join(packageRoot, 'package.json'), join(copy, 'package.json'));
    symlinkSync(join(packageRoot, 'node_modules'), join(copy, 'node_modules'));
    mkdirSync(join(copy, 'build/Release'), { recursive: true });
  });
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  /** Every occurrence of one string in the addon's tables replaced by another of the same length. */
  function patched(from: RegExp, to: (found: string) => string): Buffer {
    const text = built.toString('latin1');
    const names = new Set(text.match(from));
    expect(names.size).toBeGreaterThan(0);
    return Buffer.from(
      [...names].reduce((all, name) => all.replaceAll(name, to(name)), text),
      'latin1',
    );
  }

  const otherMachine = () => {
    const bytes = Buffer.from(built);
    bytes.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18);
    return bytes;
  };

  it.each<[string, () => Buffer | undefined, RegExp]>([
    ['is whole', () => built, /^opened$/],
    ['is missing', () => undefined, /Found: no addon in .*Needed: .*To mend it: .*npm run setup/],
    [
      'needs a library that is missing',
      () => patched(/libdnnl\.so\.\d/g, (name) => name.replace('dnnl', 'dnnX')),
      /Found: no libdnnX\.so\.\d for .*Needed: libdnnX.*To mend it: .*ldd /,
    ],
    [
      'needs a newer C library',
      () => patched(/GLIBC_2\.\d+/g, (name) => name.replace('2.', '9.')),
      /Found: glibc 2\.\d+\. Needed: glibc 9\.\d+ or newer\. To mend it: .*npm run setup/,
    ],
    [
      'is for another processor',
      otherMachine,
      /Found: .* is built for (arm64|x64)\. Needed: one for .*To mend it: .*npm ci/,
    ],
    ['is cut short', () => built.subarray(0, 4096), /Found: .*cut short.*4096 bytes.*To mend it: .*npm ci/],
    ['lacks its last byte', () => built.subarray(0, -1), /Found: .*cut short.*To mend it: .*npm ci/],
    ['is cut to nothing', () => built.subarray(0, 10), /Found: .* no ELF file .10 bytes.*To mend it: .*npm ci/],
    ['is a page of text', () => Buffer.from('<html>Not found</html>'), /Found: .* no ELF file.*To mend it: .*npm ci/],
  ])('says what was found, what is needed and what mends it: it %s', (_, make, expected) => {
    const file = join(copy, 'build/Release/zeroth.node');
    const bytes = make();
    if (bytes) writeFileSync(file, bytes);
    else rmSync(file, { force: true });
    const script = `
      const { openDevice } = await import(${JSON.stringify(join(copy, 'dist/device/device.js'))});
      try { await openDevice({ threads: 1 }).dispose(); console.log('opened'); }
      catch ({ name, code, message }) { console.log(name, code, message); }`;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout.trim()).toMatch(expected);
    if (stdout !== 'opened\n')
      expect(stdout).toMatch(/^ZerothError ERR_ZEROTH_NATIVE Zeroth's native addon did not load/);
  });

  it('asks no name server for the ends of open connections, and leaves the reports of the process as they were', () => {
    rmSync(join(copy, 'build/Release/zeroth.node'), { force: true });
    const script = `
      const { openDevice } = await import(${JSON.stringify(join(copy, 'dist/device/device.js'))});
      const { report } = process;
      let seen = [];
      const original = report.getReport;
      Object.defineProperty(report, 'getReport', { value: () => { seen.push(report.excludeNetwork); return original.call(report); } });
      const before = report.excludeNetwork;
      try { openDevice(); } catch ({ code }) { seen.push(code); }
      console.log(JSON.stringify([before ?? null, ...seen.map((one) => one ?? null), report.excludeNetwork ?? null]));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(stderr).toBe('');
    const has = 'excludeNetwork' in process.report;
    const unset = has ? false : null;
    expect(JSON.parse(stdout)).toEqual([unset, has ? true : null, 'ERR_ZEROTH_NATIVE', unset]);
  });
});
