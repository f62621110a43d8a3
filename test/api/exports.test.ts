import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../lib/device/native.ts';

/** Machinery that the API hands around inside: nobody makes one, and nobody has to name one. */
const MACHINERY =
  'CommandList DeviceHandle DeviceProgram DISTRIBUTIONS Graph HeldVector Node PendingAdd PendingUpdate PURPOSE SpaceOperator Tree WatchState'.split(
    ' ',
  );

const dist = join(packageRoot, 'dist');

interface DeclarationFile {
  /** What each name of the file stands for: a file and a name there. */
  readonly names: Map<string, string>;
  /** The text of each top-level declaration. */
  readonly declarations: Map<string, string>;
  /** Names that `export … from` passes on: by the exported name. */
  readonly passed: Map<string, string>;
}

const files = new Map<string, DeclarationFile>();

/** Reads a declaration file of the build: comments are taken out, and with them what is internal. */
function read(file: string): DeclarationFile {
  const known = files.get(file);
  if (known) return known;
  const text = readFileSync(file, 'utf8')
    .replaceAll(/\/\*\*(?:(?!\*\/)[\s\S])*@internal(?:(?!\*\/)[\s\S])*\*\/\s*[^;]*;/g, '')
    .replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '');
  const result: DeclarationFile = { names: new Map(), declarations: new Map(), passed: new Map() };
  files.set(file, result);
  const at = (target: string) => resolve(dirname(file), target.replace(/\.(?:js|ts)$/, '.d.ts'));
  for (const [, verb, list, target] of text.matchAll(
    /^(import|export)\s+(?:type\s+)?\{([^}]*)\}\s*from\s*'(\.[^']+)'/gm,
  )) {
    for (const part of list.split(',')) {
      const [name, alias = name] = part
        .trim()
        .replace(/^type\s+/, '')
        .split(/\s+as\s+/);
      if (name) (verb === 'import' ? result.names : result.passed).set(alias, `${at(target)}#${name}`);
    }
  }
  for (const [, alias, target] of text.matchAll(/^export\s+(?:type\s+)?\*(?:\s+as\s+(\w+))?\s+from\s*'(\.[^']+)'/gm)) {
    const whole = read(at(target));
    for (const name of [...whole.declarations.keys(), ...whole.passed.keys()])
      result.passed.set(alias ? `${alias}.${name}` : name, whole.passed.get(name) ?? `${at(target)}#${name}`);
  }
  for (const [statement, name] of text.matchAll(
    /^(?:export )?(?:declare )?(?:abstract )?(?:interface|class|type|function|const) (\w+)[\s\S]*?(?=^(?:export|import|declare|interface|class|type|function|const)\b|$(?![\s\S]))/gm,
  )) {
    result.names.set(name, `${file}#${name}`);
    result.declarations.set(name, (result.declarations.get(name) ?? '') + statement);
  }
  return result;
}

/** Follows what passes a name on to where it is declared. */
function declared(target: string): string {
  const [file, name] = target.split('#');
  const { passed, names } = read(file);
  const next = passed.get(name) ?? names.get(name) ?? target;
  return next === target ? target : declared(next);
}

it('every type that the public API names can be imported from it', () => {
  const exported = new Set([...read(join(dist, 'index.d.ts')).passed.values()].map(declared));
  expect(exported.size).toBeGreaterThan(100);
  const missing = new Set<string>();
  for (const target of exported) {
    const [file, name] = target.split('#');
    const { names, declarations } = read(file);
    const text = declarations.get(name);
    expect(text, target).toBeDefined();
    for (const [word] of (text ?? '').matchAll(/\b[A-Z]\w*\b/g)) {
      const type = names.get(word);
      if (type && !MACHINERY.includes(word) && !exported.has(declared(type)))
        missing.add(`${word}, which ${name} of ${relative(dist, file)} names`);
    }
  }
  expect([...missing].sort()).toEqual([]);
});
