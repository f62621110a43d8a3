import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let folder: string | undefined;

/** Everything that tests and the programs they start put into the temporary folder lies in one of its own, which goes with the run. */
export function setup(): void {
  folder = mkdtempSync(join(tmpdir(), 'zeroth-test-'));
  process.env.TMPDIR = folder;
}

export function teardown(): void {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}
