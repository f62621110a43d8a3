import { ZerothError } from '../errors.ts';
import { loadNative } from './native.ts';

/**
 * Holds a file for one holder, whoever it is: two processes, two threads, two copies of this module or two calls exclude each other. The
 * kernel keeps the lock (flock), so that nobody is left holding it who has ended, however he ended; the file itself binds nobody.
 *
 * @param owner who holds it, for those who are refused: the file's contents while it is held.
 * @returns a function that gives the file back and removes it, or null where another holds it.
 * @throws ERR_ZEROTH_FILE where there can be no such file, or the file system has no locks.
 */
export function lockFile(path: string, owner: string): (() => void) | null {
  try {
    return loadNative().lockFile(path, owner);
  } catch (cause) {
    if (cause instanceof ZerothError || (cause as { code?: unknown }).code !== 'ERR_ZEROTH_FILE') throw cause;
    throw new ZerothError('ERR_ZEROTH_FILE', (cause as Error).message, { cause });
  }
}
