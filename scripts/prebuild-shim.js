#!/usr/bin/env node
// prebuildify calls this as if it were node-gyp. It builds with cmake-js instead, and lays the shared libraries that a machine may lack beside
// the addon, where prebuildify finds and ships them; the addon's RPATH is $ORIGIN.
import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shippedLibraries } from './shipped-libraries.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const release = join(root, 'build', 'Release');

const cmakeJs = join(root, 'node_modules', '.bin', 'cmake-js');
execFileSync(cmakeJs, ['build', '--config', 'Release'], { cwd: root, stdio: 'inherit' });
for (const { name, path } of shippedLibraries(join(release, 'zeroth.node'))) {
  if (!path.startsWith('/')) throw new Error(`${name}: expected where it lies, received "${path}" from ldd.`);
  console.log(`shipping ${basename(name)} from ${path}`);
  if (path !== join(release, name)) copyFileSync(path, join(release, name));
}
