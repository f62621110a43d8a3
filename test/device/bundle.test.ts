import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, type Format } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/device/native.ts';

/** What bundles of modules are given so that packages of CommonJS in them find `require`. */
const BANNER = {
  js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
};

const PROGRAM = `
  import { mlp, openDevice, writeReport } from 'zeroth';
  async function main() {
    const device = openDevice({ threads: 1 });
    const buffer = await device.upload(Float32Array.of(1, 2));
    console.log((await buffer.readF32()).join(), typeof writeReport, typeof mlp);
    await device.dispose();
  }
  main().catch(({ name, code, message }) => console.log(name, code, message));`;

describe('a bundle of a program that imports zeroth', () => {
  const folder = mkdtempSync(join(tmpdir(), 'zeroth-bundle-'));
  const fileOf = (format: Format) => (format === 'esm' ? 'out.mjs' : 'out.cjs');

  const bundled = (outdir: string, format: Format, options: object) =>
    build({
      entryPoints: [join(folder, 'program.js')],
      outfile: join(outdir, fileOf(format)),
      bundle: true,
      platform: 'node',
      logLevel: 'silent',
      format,
      ...options,
    });

  beforeAll(async () => {
    writeFileSync(join(folder, 'program.js'), PROGRAM);
    mkdirSync(join(folder, 'installed/node_modules'), { recursive: true });
    symlinkSync(packageRoot, join(folder, 'installed/node_modules/zeroth'));
    mkdirSync(join(folder, 'alone'));
    mkdirSync(join(folder, 'stale/node_modules/zeroth'), { recursive: true });
    writeFileSync(join(folder, 'stale/node_modules/zeroth/package.json'), '{ "name": "zeroth", "version": "0.0.1" }');
    const alias = { zeroth: join(packageRoot, 'dist/index.js') };
    await Promise.all([bundled(folder, 'esm', { alias, banner: BANNER }), bundled(folder, 'cjs', { alias })]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function run(place: string, file: string): string {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, place, file)], {
      cwd: join(folder, place),
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return stdout;
  }

  it.each(['esm', 'cjs'] as const)(
    'works where the package is installed, and else says what to mark external: %s',
    (format) => {
      const said = (place: string) => {
        copyFileSync(join(folder, fileOf(format)), join(folder, place, fileOf(format)));
        return run(place, fileOf(format));
      };
      expect(said('installed')).toBe('1,2 function function\n');
      const alone = said('alone');
      expect(alone).toMatch(/^ZerothError ERR_ZEROTH_NATIVE .*Found: Zeroth's code in the bundle .*alone.out\..js/);
      expect(alone).toContain('esbuild --external:zeroth');
      const stale = said('stale');
      expect(stale).toMatch(
        /^ZerothError ERR_ZEROTH_NATIVE .*Found: Zeroth \S+ in the bundle .* package of 0\.0\.1 at/,
      );
      expect(stale).toContain('esbuild --external:zeroth');
    },
  );

  it('works where zeroth is marked external, as the message says', async () => {
    await bundled(join(folder, 'installed'), 'esm', { external: ['zeroth'] });
    expect(run('installed', fileOf('esm'))).toBe('1,2 function function\n');
  });
});
