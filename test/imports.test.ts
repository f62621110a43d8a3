import { describe, expect, it } from 'vitest';
import { circlesOf, importsIn } from './imports.ts';

const circles = (graph: Record<string, string>) => circlesOf(Object.keys(graph), (node) => [...(graph[node] ?? '')]);

describe('what the test of the layers goes by', () => {
  it('tells what is loaded from what is only named', () => {
    const source = `
      import { a, type B } from './value.ts';
      import type { C } from './type.ts';
      import './effect.ts';
      export * from './passed.ts';
      export type * from './passed-type.ts';
      export {
        type D,
        e,
      } from './lines.ts';
      const later = await import('./dynamic.ts');
      // import { x } from './comment.ts';
      /* import { x } from './example.ts'; */
      export const from = 'nowhere';
    `;
    const found = importsIn(source).map(({ target, value }) => `${target} ${value}`);
    expect(found).toEqual([
      './value.ts true',
      './type.ts false',
      './effect.ts true',
      './passed.ts true',
      './passed-type.ts false',
      './lines.ts true',
      './dynamic.ts true',
    ]);
  });

  it('finds circles of any length, each once, and nothing where there is none', () => {
    expect(circles({ a: 'bc', b: 'c', c: '' })).toEqual([]);
    expect(circles({ a: 'a' })).toEqual(['a → a']);
    expect(circles({ a: 'b', b: 'c', c: 'a', d: 'a' })).toEqual(['a → b → c → a']);
    expect(circles({ a: 'b', b: 'ac', c: 'd', d: 'c' })).toEqual(['a → b → a', 'c → d → c']);
  });

  it('follows nothing that is no node', () => {
    expect(circles({ a: 'x' })).toEqual([]);
  });
});
