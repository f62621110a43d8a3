import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { threadId } from 'node:worker_threads';
import { lockFile } from '../device/file-lock.ts';
import { ZerothError } from '../errors.ts';

/** Stands in a run folder while somebody writes there: says who. */
const LOCK_FILE = 'run.lock';

/**
 * Keeps a run folder for one writer: two would cut and append to one log. A writer that ended, or was ended, binds nobody.
 *
 * @returns a function that gives the folder back. It is to be kept as long as the folder: with it the lock is collected.
 * @throws ERR_ZEROTH_FILE when a run that is still going writes to the folder, or it cannot be written.
 */
export function lockFolder(folder: string): () => void {
  const file = join(resolve(folder), LOCK_FILE);
  let release: (() => void) | null;
  try {
    release = lockFile(file, `process ${process.pid}, thread ${threadId}`);
  } catch (cause) {
    if (!(cause instanceof ZerothError) || cause.code !== 'ERR_ZEROTH_FILE') throw cause;
    throw new ZerothError(
      'ERR_ZEROTH_FILE',
      `${folder}: expected a folder in which files can be written and locked; ${LOCK_FILE} ${cause.message}. Choose another folder.`,
      { cause },
    );
  }
  if (release) return release;
  throw new ZerothError(
    'ERR_ZEROTH_FILE',
    `${folder}: expected a folder that no run is writing to, received one in use by ${holder(file)}; ` +
      'wait for that run, stop it, or choose another folder.',
  );
}

function holder(file: string): string {
  try {
    return readFileSync(file, 'utf8') || 'another run';
  } catch {
    // Given back in the meantime.
    return 'another run';
  }
}
