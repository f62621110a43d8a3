import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../lib/device/native.ts';
import type { Edit } from './recipe.ts';

const run = promisify(execFile);

/** A copy of the sources in which things are added. Inside the package, so that it is transformed and resolved as the package is. */
export class House {
  readonly folder = mkdtempSync(join(packageRoot, 'node_modules/.recipe-'));

  constructor() {
    for (const part of ['lib', 'native', 'test'])
      cpSync(join(packageRoot, part), join(this.folder, part), {
        recursive: true,
        filter: (file) => !file.endsWith('.test.ts') || file.includes('/test/graph/'),
      });
    const types = {
      extends: join(packageRoot, 'tsconfig.json'),
      include: ['lib', 'test/graph', 'test/optimizers', 'test/train/all-spaces.ts'],
    };
    writeFileSync(join(this.folder, 'tsconfig.json'), JSON.stringify(types));
  }

  /** @throws where a file does not have the text to write after, once. */
  edit([file, after, written]: Edit): void {
    const path = join(this.folder, file);
    if (after === null) {
      writeFileSync(path, written, { flag: 'wx' });
      return;
    }
    const parts = readFileSync(path, 'utf8').split(after);
    if (parts.length !== 2) throw new Error(`${file}: expected once, found ${parts.length - 1} times: ${after}`);
    writeFileSync(path, parts[0] + after + written + parts[1]);
  }

  load<T>(file: string): Promise<T> {
    return import(join(this.folder, file));
  }

  /** What the compiler says against the copy; nothing where all is well. */
  async typeErrors(): Promise<string> {
    try {
      await run(process.execPath, [join(packageRoot, 'node_modules/typescript/bin/tsc'), '-p', this.folder]);
      return '';
    } catch (error) {
      return (error as { stdout: string }).stdout;
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}
