import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ZerothError } from '../errors.ts';
import { RUN_LOG } from './log.ts';

/** How far below a folder its runs may lie. */
const DEPTH = 4;

/**
 * The runs that a path names: itself, where it is a log or a run folder; else the run folders inside, in the order of their names (with
 * numbers in theirs). Links are not followed.
 *
 * @throws ERR_ZEROTH_FILE for a folder without a run, or one that cannot be read. A path that does not exist is left to who reads it.
 */
export function findRuns(path: string): string[] {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path];
  const found = runsIn(path, DEPTH);
  if (found.length > 0) return found;
  throw new ZerothError(
    'ERR_ZEROTH_FILE',
    `${path}: expected a run folder (with a ${RUN_LOG}), or one with run folders inside, received neither; name the folder that was given as \`out\`.`,
  );
}

function runsIn(folder: string, depth: number): string[] {
  const entries = entriesOf(folder);
  if (entries.some((entry) => entry.name === RUN_LOG && entry.isFile())) return [folder];
  if (depth === 0) return [];
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  folders.sort(new Intl.Collator('en', { numeric: true }).compare);
  return folders.flatMap((name) => runsIn(join(folder, name), depth - 1));
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (cause) {
    throw new ZerothError(
      'ERR_ZEROTH_FILE',
      `${folder}: expected a folder that can be read; ${(cause as Error).message}.`,
      {
        cause,
      },
    );
  }
}
