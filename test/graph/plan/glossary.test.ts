import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../../lib/device/native.ts';

it('explains words that the planner uses: each is a name in its code', () => {
  const folder = join(packageRoot, 'lib/graph/plan');
  const [head] = /^\/\/ Words of this folder[\s\S]*?\n\n/m.exec(readFileSync(join(folder, 'plan.ts'), 'utf8'))!;
  const words = [...head.matchAll(/^\/\/ {3}(\w+) {2}/gm)].map(([, word]) => word);
  expect(words.length).toBeGreaterThan(10);
  const code = readdirSync(folder)
    .map((file) => readFileSync(join(folder, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, ''))
    .join('\n');
  const isName = (word: string) => new RegExp(`\\b${word}s?\\b`, 'i').test(code);
  expect(words.filter((word) => !isName(word))).toEqual([]);
});
