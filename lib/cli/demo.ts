import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { CliContext } from './context.ts';
import { demoStory } from './demo-story.ts';
import { exitCodes } from './exit-codes.ts';
import { integerFrom, seed as parseSeed } from './parse.ts';
import { newSettings } from './settings.ts';
import { watchRun } from './train.ts';

interface DemoFlags {
  readonly steps?: number;
  readonly seed?: string;
  readonly out?: string;
  readonly threads?: number;
}

const stepSizes = [0.05, 0.03];

export function demoCommand(command: Command): Command {
  return command
    .description('train sorting-mlp at two step sizes, one that reaches the edge of stability and one that does not')
    .option('--steps <n>', 'steps of each run (default: 5000)', integerFrom(1))
    .option('--seed <n>', 'seed of both runs (default: 22)', parseSeed)
    .option(
      '--out <folder>',
      'where the runs and the report go; an earlier demo there is replaced (default: runs/demo)',
    )
    .option('--threads <n>', 'threads of the device (default: all processors)', integerFrom(1))
    .addHelpText('after', '\nExamples:\n  $ zeroth demo\n  $ zeroth demo --seed 3 --out runs/demo-3');
}

/** `zeroth demo`. @returns the exit code. */
export async function demo(flags: DemoFlags, context: CliContext): Promise<number> {
  const { stdout } = context;
  const { out = join('runs', 'demo'), ...options } = flags;
  const folders: string[] = [];
  stdout.write(
    'Zeroth-order training: each step compares two losses along one random direction; no gradient is ever computed.\n' +
      `The same small network learns to sort at two step sizes, η = ${stepSizes.join(' and η = ')}.\n\n`,
  );
  for (const lr of stepSizes) {
    const folder = join(out, `eta-${lr}`);
    if (existsSync(join(folder, 'run.jsonl'))) await rm(folder, { recursive: true });
    const settings = newSettings('sorting-mlp', { ...options, lr: [{ step: 0, lr }] });
    const request = { settings, out: folder, resume: false, signal: context.signal };
    const end = await watchRun(request, context, { prefix: `η = ${lr}  ` });
    stdout.write(`η = ${lr}  ${end.message}\n\n`);
    folders.push(folder);
    if (end.reason === 'aborted') {
      stdout.write('Stopped. Start again with:  zeroth demo\n');
      return exitCodes.interrupted;
    }
  }
  const { writeReport } = await import('../report/report.ts');
  const { file, summaries } = await writeReport(folders, join(out, 'report.html'), {
    title: 'Zeroth demo: two step sizes',
    clientScript: context.reportClient,
  });
  // A demo that diverges has still shown what it set out to show, so this is not an error.
  stdout.write(`${demoStory(summaries).join('\n')}\n\nReport: ${file}\n`);
  return exitCodes.done;
}
