import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Bundles the page's code into `folder`, by the script that the build uses. Returns the file. */
export function bundleClient(folder: string): string {
  const file = join(folder, 'client.js');
  execFileSync(process.execPath, ['scripts/bundle-report.js', file], { cwd: new URL('../..', import.meta.url) });
  return file;
}
