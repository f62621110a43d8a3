import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The file that runs: this one, or a bundle that holds it. In a bundle of CommonJS `import.meta` is empty. */
const file =
  typeof import.meta.url === 'string'
    ? fileURLToPath(import.meta.url)
    : typeof __filename === 'string'
      ? __filename
      : join(process.cwd(), 'a bundle');

function isOwnFile(): boolean {
  if (!/[/\\](lib|dist)[/\\]place\.[jt]s$/.test(file)) return false;
  try {
    return JSON.parse(readFileSync(join(dirname(file), '..', 'package.json'), 'utf8')).name === 'zeroth';
  } catch {
    return false;
  }
}

/** The file that the library was bundled into; undefined where it runs from its own files. */
export const bundle: string | undefined = isOwnFile() ? undefined : file;

/** The folder of the library's own files, `lib/` or `dist/`; undefined in a bundle. */
export const libraryFolder: string | undefined = bundle === undefined ? dirname(file) : undefined;

/** The same as an address, `file:///…/`. */
export const libraryUrl: string | undefined = libraryFolder && `${pathToFileURL(libraryFolder).href}/`;
