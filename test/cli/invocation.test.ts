import { describe, expect, it } from 'vitest';
import { invocation } from '../../lib/cli/invocation.ts';

const cwd = '/home/me/project';

describe('how this program is typed', () => {
  it.each([
    ['found by npx', '/home/me/.npm/_npx/1/node_modules/.bin/zeroth', { npm_command: 'exec' }, 'npx zeroth'],
    ['a script of package.json', '/home/me/project/dist/cli/main.js', { npm_command: 'run-script' }, 'npx zeroth'],
    ['a command on the path', '/usr/local/bin/zeroth', { PATH: '/usr/bin:/usr/local/bin' }, 'zeroth'],
    ['a command elsewhere', '/opt/my tools/zeroth', { PATH: '/usr/bin' }, "'/opt/my tools/zeroth'"],
    ['a file below', '/home/me/project/dist/cli/main.js', {}, 'node dist/cli/main.js'],
    ['a file elsewhere', '/opt/zeroth/main.js', {}, 'node /opt/zeroth/main.js'],
  ])('%s', (_, program, env, expected) => {
    expect(invocation({ program, env, cwd })).toBe(expected);
  });
});
