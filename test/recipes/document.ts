import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/device/native.ts';

const text = readFileSync(join(packageRoot, 'docs/architecture.md'), 'utf8');
const section = text.slice(text.indexOf('\n## How to add'), text.indexOf('\n## Tests'));

/** The files that the numbered steps of a "How to add" paragraph name; `…` stands for a name that one gives. What no number counts may be left out. */
export function filesOf(title: string): string[] {
  const begin = section.indexOf(`\n**${title}.**`);
  if (begin < 0) throw new Error(`docs/architecture.md does not say how to add: ${title}`);
  const rest = section.slice(begin + 1);
  const end = rest.slice(2).search(/\n\*\*[A-Z]/);
  const steps = [...rest.slice(0, end < 0 ? undefined : end + 2).matchAll(/^\d+\. .*(?:\n {3}.*)*/gm)].join('\n');
  return [...new Set([...steps.matchAll(/`((?:lib|native|test)\/[^`]+)`/g)].map(([, file]) => file))];
}

/** Whether a file is what a path of the document means. */
export const isNamed = (file: string, path: string): boolean => {
  const [before, after] = path.split('…');
  return after === undefined ? file === path : file.startsWith(before) && file.endsWith(after);
};
