import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

/*
 * The examples in the docstrings of lib/optimizers and lib/stability are run, and what they return is compared with what the comment beside
 * them says: numbers to rounding, or to the digits shown before an ellipsis.
 */
const folders = ['optimizers', 'optimizers/estimators', 'optimizers/rules', 'stability'];

interface Example {
  readonly file: string;
  readonly lines: { code: string; says: string | undefined }[];
}

const scope: Record<string, unknown> = {};
const examples: Example[] = [];
for (const folder of folders) {
  const at = new URL(`../../lib/${folder}/`, import.meta.url);
  for (const name of readdirSync(at).filter((file) => file.endsWith('.ts'))) {
    Object.assign(scope, await import(new URL(name, at).pathname));
    for (const [, body] of readFileSync(new URL(name, at), 'utf8').matchAll(
      /@example\n([\s\S]*?)(?=\n \* @|\n \*\/)/g,
    )) {
      const lines: Example['lines'] = [];
      for (const line of body.split('\n').map((raw) => raw.replace(/^ \* ?/, ''))) {
        const [code, says] = line.split(/ ?\/\/ /);
        if (code === '') lines[lines.length - 1].says = says;
        else lines.push({ code, says });
      }
      examples.push({ file: `${folder}/${name}`, lines });
    }
  }
}

/** Text with its numbers taken out, and the numbers with the precision that they claim. */
function dissect(text: string) {
  const numbers: { value: number; tolerance: number }[] = [];
  const rest = text.replace(
    /(\d+(?:\.(\d+))?(?:e[+-]?\d+)?)(…?)/g,
    (_, digits: string, decimals = '', more: string) => {
      numbers.push({ value: Number(digits), tolerance: more ? 10 ** -decimals.length : 1e-12 * Number(digits) });
      return '#';
    },
  );
  return { numbers, rest };
}

function shownAs(value: unknown): string {
  return JSON.stringify(value)
    .replace(/"(\w+)":/g, '$1: ')
    .replaceAll('"', "'");
}

const plain = (text: string): string => text.replace(/[\s]/g, '');

describe('the examples in docstrings', () => {
  it('are found', () => {
    expect(examples.length).toBeGreaterThan(20);
  });

  it.each(examples)('of $file return what they say', ({ lines }) => {
    const names = Object.keys(scope);
    let before = '';
    let compared = 0;
    for (const { code, says } of lines) {
      if (says === undefined) {
        before += `${code}\n`;
        continue;
      }
      const value: unknown = new Function(...names, `'use strict';${before}return (${code});`)(
        ...names.map((name) => scope[name]),
      );
      // Names in the result (s1, s2) keep their digits apart from numbers.
      const claim = dissect(says.replace(/ \(.*$|(?<=^(?:true|false)): .*$/, '').replace(/\b(s|beta)(?=\d)/g, '$1_ '));
      const fact = dissect(shownAs(value).replace(/\b(s|beta)(?=\d)/g, '$1_ '));
      expect(plain(fact.rest)).toBe(plain(claim.rest));
      for (const [i, { value: claimed, tolerance }] of claim.numbers.entries()) {
        expect(Math.abs(fact.numbers[i].value - claimed), code).toBeLessThanOrEqual(tolerance);
      }
      compared++;
    }
    expect(compared).toBeGreaterThan(0);
  });
});
