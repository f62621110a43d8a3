// Fails where the npm tarball would lack something that it needs, or would hold something that should not ship. With --binary, as before packing,
// the addon for this platform is needed, too, with the libraries that it loads: without them the package is of no use to anybody.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brokenLinks } from './packed-links.js';
import { shippedLibraries } from './shipped-libraries.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const listing = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
  cwd: root,
  encoding: 'utf8',
});
const files = JSON.parse(listing)[0].files.map(({ path }) => path);
const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

const entry = manifest.exports['.'];
const needed = [entry.types, entry.default, ...Object.values(manifest.bin), 'README.md', 'LICENSE', 'package.json'];
if (process.argv.includes('--binary')) {
  const folder = `prebuilds/${process.platform}-${process.arch}`;
  const addon = `${folder}/zeroth.node`;
  needed.push(addon, `${folder}/THIRD-PARTY-NOTICES.txt`);
  const libraries = existsSync(join(root, addon)) ? shippedLibraries(join(root, addon)) : [];
  needed.push(...libraries.map(({ name }) => `${folder}/${name}`));
}
const missing = needed.map((path) => path.replace(/^\.\//, '')).filter((path) => !files.includes(path));
const allowed = [
  /^dist\/.+\.(js|d\.ts|map|css)$/,
  /^prebuilds\/[\w-]+\/[\w.+-]+\.(node|so[\d.]*)$/,
  /^prebuilds\/[\w-]+\/THIRD-PARTY-NOTICES\.txt$/,
  /^docs\/([\w-]+\.md|images\/[\w-]+\.svg)$/,
  /^examples\/[\w-]+\.js$/,
  /^bench\/results\/[\d-]+\w+\.json$/,
  /^(README\.md|LICENSE|package\.json)$/,
];
const stray = files.filter((path) => !allowed.some((pattern) => pattern.test(path)));
const broken = brokenLinks(files, (file) => readFileSync(join(root, file), 'utf8'));

if (missing.length > 0) console.error(`The package lacks: ${missing.join(', ')}. Build first (npm run prebuilds).`);
if (stray.length > 0) console.error(`The package holds what should not ship: ${stray.join(', ')}.`);
if (broken.length > 0) console.error(`The package's documents link to what does not ship: ${broken.join(', ')}.`);
if (missing.length + stray.length + broken.length > 0) process.exit(1);
console.log(`npm package: ${files.length} files, none missing, none stray, no broken link`);
