import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { packageRoot } from '../../lib/device/native.ts';
import { compile } from '../../lib/objective/objective.ts';
import { zoAdam } from '../../lib/optimizers/recipes.ts';
import { readRunLog } from '../../lib/train/log.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from '../train/small-problem.ts';

const docs = join(packageRoot, 'docs');
const files = ['lib', 'native', 'test', 'bench', 'examples', 'scripts', 'docs'].flatMap((top) =>
  readdirSync(join(packageRoot, top), { recursive: true, encoding: 'utf8' }).map((path) => `/${top}/${path}`),
);
const pages = readdirSync(docs).filter((name) => name.endsWith('.md'));
const read = (name: string): string => readFileSync(join(docs, name), 'utf8');

/** Text in backticks. */
const spans = (text: string): string[] => [...text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]);

describe.each(pages)('docs/%s', (name) => {
  const text = read(name);

  it('names files and folders that exist, by the end of their path', () => {
    // The excluded spans are endings, not names.
    const named = spans(text)
      .filter((span) => /^[\w./-]*\w\.(ts|js|cpp|h|cu|md)$|^(lib|native|test|bench|docs)\/[\w/-]+$/.test(span))
      .filter((span) => !['x.avx2.cpp', '.ts', '.avx2.cpp', '.avx512.cpp'].includes(span));
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((path) => !files.some((file) => file.endsWith(`/${path.replace(/\/$/, '')}`)))).toEqual([]);
  });

  it('links to pages and headings that exist', () => {
    for (const [, page, heading] of text.matchAll(/\]\(([\w-]+\.md)(?:#([^)]+))?\)/g)) {
      const headings = [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
        title
          .toLowerCase()
          .replace(/[^\p{L}\p{N} -]/gu, '')
          .replaceAll(' ', '-'),
      );
      if (heading !== undefined) expect(headings).toContain(heading);
    }
  });
});

it('docs/run-folder.md documents every file of a run, and every field of every event', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'zeroth-docs-'));
  const device = openDevice({ threads: 1 });
  const options = { steps: 3, monitorEvery: 1, probes: 2, out: folder };
  for (const resume of [false, true]) {
    const objective = await compile(device, smallProblem(), { seed: 1 });
    const steps = resume ? 5 : 3;
    for await (const _ of train(objective, zoAdam({ lr: 0.001 }), { ...options, steps, resume }));
  }
  const events = readRunLog(folder);
  expect(new Set(events.map(({ type }) => type)).size).toBe(6);
  const names = (value: object): string[] =>
    Object.entries(value).flatMap(([key, inner]) => [
      key,
      ...(typeof inner === 'object' && inner !== null ? names(inner) : []),
    ]);
  const documented = new Set(spans(read('run-folder.md')).flatMap((span) => span.match(/[\w.]+/g) ?? []));
  const wanted = [...events.flatMap(names), ...events.map(({ type }) => type), ...readdirSync(folder)];
  expect([...new Set(wanted)].filter((word) => word !== 'type' && !documented.has(word))).toEqual([]);
  await device.dispose();
  rmSync(folder, { recursive: true });
});
