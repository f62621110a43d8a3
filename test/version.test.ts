import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../lib/device/native.ts';
import { version } from '../lib/version.ts';

it('the version that the library says is the one in package.json', () => {
  expect(version).toBe(JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')).version);
});
