// Prints one hash of all that prebuilds/ is made from and of what it holds: the addon's sources (scripts/setup has hashed them), the libraries
// that ship with it as this system has them, the scripts that make it. The same hash as after the last time: nothing to do.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shippedLibraries } from './shipped-libraries.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const hash = createHash('sha256');
const add = (name, path) => hash.update(`${name}\0`).update(createHash('sha256').update(readFileSync(path)).digest());

hash.update(`${process.platform}-${process.arch}\0`);
add('sources', join(root, 'build/native.stamp'));
for (const script of ['prebuild', 'prebuild-shim.js', 'prebuild-stamp.js', 'shipped-libraries.js'])
  add(script, join(root, 'scripts', script));
for (const { name, path } of shippedLibraries(join(root, 'build/Release/zeroth.node'))) {
  if (path.startsWith('/')) add(basename(name), path);
}
const made = join(root, 'prebuilds');
const files = existsSync(made) ? readdirSync(made, { recursive: true, withFileTypes: true }) : [];
for (const path of files
  .filter((file) => file.isFile())
  .map((file) => join(file.parentPath ?? file.path, file.name))
  .sort())
  add(path.slice(made.length), path);
console.log(hash.digest('hex'));
