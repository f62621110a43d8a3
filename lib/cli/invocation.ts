import { basename, relative } from 'node:path';

/** What must be known to tell how this program was called. */
interface Caller {
  /** The path of the program, `process.argv[1]`. */
  readonly program: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/**
 * How the person who started this program types it, for the lines that say what to type next: `zeroth` where it is a command of theirs,
 * `npx zeroth` where npm found it, else `node` and the file.
 */
export function invocation({ program, env, cwd }: Caller): string {
  // npx, or a script of package.json: in that folder npx finds the program again.
  if (env.npm_command === 'exec' || env.npm_command === 'run-script') return 'npx zeroth';
  if (basename(program) !== 'zeroth') {
    const path = relative(cwd, program);
    return `node ${quoted(path.startsWith('..') ? program : path)}`;
  }
  const folder = program.slice(0, -'/zeroth'.length);
  return (env.PATH ?? '').split(':').includes(folder) ? 'zeroth' : quoted(program);
}

/** A path as the shell reads it back. */
export function quoted(path: string): string {
  return /^[\w./@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
