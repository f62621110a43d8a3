import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ZerothError } from '../../errors.ts';

/**
 * Writes a file under another name, and gives it its own when it is on the disk: whoever opens `path` at any moment, even after a crash,
 * finds the old contents or the new ones, whole.
 *
 * @throws ERR_ZEROTH_FILE when it cannot be written, or what `write` throws with a code of its own; the old file then stays.
 */
export async function replaceFile(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  // In the same folder, because a rename is atomic only within a file system.
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await withFile(temporary, 'wx', async (file) => {
      await write(file);
      await file.sync();
    });
    await rename(temporary, path);
    await withFile(dirname(path), 'r', (folder) => folder.sync());
  } catch (cause) {
    await rm(temporary, { force: true });
    if (cause instanceof ZerothError) throw cause;
    throw new ZerothError('ERR_ZEROTH_FILE', `${path}: could not be written: ${(cause as Error).message}.`, { cause });
  }
}

/** Removes what writers of `path` that were killed have left. For the one who may write it now, and nobody else. */
export async function removeLeftovers(path: string): Promise<void> {
  const begin = `${basename(path)}.`;
  for (const name of await readdir(dirname(path))) {
    if (name.startsWith(begin) && /^[0-9a-f]{12}\.tmp$/.test(name.slice(begin.length)))
      await rm(join(dirname(path), name), { force: true });
  }
}

async function withFile(path: string, flags: string, use: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, flags);
  try {
    await use(file);
  } finally {
    await file.close();
  }
}
