import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ZerothError } from '../errors.ts';

/**
 * Makes a folder, and those above it, unless it is there.
 *
 * Not by mkdir's `recursive`, which never returns where a file system says "no such file" to a mkdir in a folder that exists (/proc).
 *
 * @throws ERR_ZEROTH_FILE
 */
export function makeFolder(path: string): void {
  try {
    make(resolve(path));
  } catch (cause) {
    throw new ZerothError(
      'ERR_ZEROTH_FILE',
      `${path}: expected a folder that can be made and written; ${(cause as Error).message}. Choose another folder.`,
      { cause },
    );
  }
}

function make(path: string): void {
  if (isFolder(path)) return;
  const above = dirname(path);
  if (above !== path && !isFolder(above)) make(above);
  mkdirSync(path);
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
