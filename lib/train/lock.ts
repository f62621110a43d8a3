import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ZerothError } from '../errors.ts';

/** Stands in a run folder while a process writes there: its id, and when it began. */
const LOCK_FILE = 'run.lock';

/** Locks of this process, by file. */
const held = new Set<string>();

/**
 * Keeps a run folder for one writer: two would cut and append to one log. A process that was killed leaves a lock that binds nobody.
 *
 * @returns a function that gives the folder back.
 * @throws ERR_ZEROTH_FILE when a run that is still going writes to the folder, or it cannot be written.
 */
export function lockFolder(folder: string): () => void {
  const file = join(resolve(folder), LOCK_FILE);
  for (;;) {
    try {
      writeFileSync(file, owner('self'), { flag: 'wx' });
      break;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') {
        const reason = (cause as Error).message;
        throw new ZerothError('ERR_ZEROTH_FILE', `${folder}: expected a folder that can be written; ${reason}.`, {
          cause,
        });
      }
    }
    const by = readLock(file);
    if (isAlive(by, file)) {
      throw new ZerothError(
        'ERR_ZEROTH_FILE',
        `${folder}: expected a folder that no run is writing to, received one in use by process ${by.split(' ')[0]}; ` +
          'wait for that run, stop it, or choose another folder.',
      );
    }
    rmSync(file, { force: true });
  }
  held.add(file);
  return () => {
    if (held.delete(file)) rmSync(file, { force: true });
  };
}

/** An id alone is given again to other processes, above all in containers; with the time of its start it is not. */
function owner(pid: string): string {
  // "pid (name) state ppid …"; a name may hold anything, so fields count from the last parenthesis: 22 is the time of the start.
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return `${Number.parseInt(stat, 10)} ${fields[0] === 'Z' ? 'ended' : fields[22 - 3]}`;
}

function readLock(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Given back between the two calls.
    return '';
  }
}

function isAlive(by: string, file: string): boolean {
  const pid = /^(\d+) \d+$/.exec(by)?.[1];
  if (pid === undefined) return false;
  if (pid === String(process.pid)) return held.has(file);
  try {
    return owner(pid) === by;
  } catch {
    return false;
  }
}
