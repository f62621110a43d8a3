// package.json as it ships: without scripts, and what only they need, none of which is there. npm packs the file that it finds. So it is put in place
// before, and with --restore the whole one after; scripts/setup takes it back, too, where packing was killed in between.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const [here, kept] = [path('package.json'), path('build/package.json')];
const text = readFileSync(here, 'utf8');
const { scripts, devDependencies: _, ...shipped } = JSON.parse(text);

if (process.argv.includes('--restore')) {
  if (scripts === undefined && existsSync(kept)) renameSync(kept, here);
} else if (scripts !== undefined) {
  writeFileSync(kept, text);
  writeFileSync(`${kept}.shipped`, `${JSON.stringify(shipped, null, 2)}\n`);
  renameSync(`${kept}.shipped`, here);
}
