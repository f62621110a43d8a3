import type { Command } from 'commander';
import type { CliContext } from './context.ts';
import { exitCodes } from './exit-codes.ts';

export function devicesCommand(command: Command): Command {
  return command
    .description('say which devices were found, what was tried, and why not')
    .option('--json', 'the list as JSON')
    .addHelpText('after', '\nExamples:\n  $ zeroth devices\n  $ zeroth devices --json');
}

/** `zeroth devices`. @returns the exit code: an error where no device can be used. */
export async function devices(flags: { json?: boolean }, context: CliContext): Promise<number> {
  const listing = await context.session.listDevices();
  if (flags.json) context.stdout.write(`${JSON.stringify(listing)}\n`);
  else {
    for (const { kind, available, description, details } of listing) {
      context.stdout.write(`${available ? '✓' : '✗'} ${kind.padEnd(5)} ${description}\n`);
      for (const [name, value] of Object.entries(details)) context.stdout.write(`        ${name}: ${value}\n`);
    }
  }
  return listing.some(({ available }) => available) ? exitCodes.done : exitCodes.error;
}
