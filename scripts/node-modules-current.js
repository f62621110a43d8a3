// Exits 0 where node_modules holds exactly what package-lock.json asks for, by npm's own record of what it installed.
import { readFileSync } from 'node:fs';

function packages(file) {
  try {
    return JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

const wanted = packages('../package-lock.json');
const installed = packages('../node_modules/.package-lock.json');
if (!wanted || !installed) process.exit(1);
const same = (a, b) => a.version === b.version && a.integrity === b.integrity;
for (const [path, entry] of Object.entries(wanted)) {
  if (path === '') continue;
  // Optional packages for other systems are rightly absent.
  if (installed[path] ? !same(installed[path], entry) : !entry.optional) process.exit(1);
}
for (const path of Object.keys(installed)) if (!wanted[path]) process.exit(1);
