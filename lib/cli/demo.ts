import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { CliContext } from './context.ts';
import { demoStory } from './demo-story.ts';
import { exitCodes } from './exit-codes.ts';
import { integerFrom, seed as parseSeed } from './parse.ts';
import { presets, seedDefault } from './presets.ts';
import { newSettings } from './settings.ts';
import { watchRun } from './train.ts';

interface DemoFlags {
  readonly steps?: number;
  readonly seed?: string;
  readonly out?: string;
  readonly threads?: number;
}

const preset = 'sorting-small';
const { lr, steps: defaultSteps } = presets[preset].runs['zo-gd'];

/** The run, and its control: what the same landscape does under the same step size without the noise. */
const optimizers = ['zo-gd', 'gd'] as const;

export function demoCommand(command: Command): Command {
  return command
    .description(
      `train ${preset} by zeroth-order steps to its edge of stability, and by gradient descent, the control, past it`,
    )
    .option('--steps <n>', `steps of each run (default: ${defaultSteps})`, integerFrom(1))
    .option('--seed <n>', `seed of both runs; any shows the same (default: ${seedDefault})`, parseSeed)
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
      `A small network learns to sort with step size η = ${lr}; then the same again by gradient descent, as the control.\n\n`,
  );
  for (const optimizer of optimizers) {
    const folder = join(out, optimizer);
    if (existsSync(join(folder, 'run.jsonl'))) await rm(folder, { recursive: true });
    const settings = newSettings(preset, { steps: defaultSteps, ...options, optimizer, lr: [{ step: 0, lr }] });
    const request = { settings, out: folder, resume: false, signal: context.signal };
    const end = await watchRun(request, context, { prefix: `${optimizer.padEnd(5)}  ` });
    stdout.write(`${optimizer.padEnd(5)}  ${end.message}\n\n`);
    folders.push(folder);
    if (end.reason === 'aborted') {
      stdout.write('Stopped. Start again with:  zeroth demo\n');
      return exitCodes.interrupted;
    }
  }
  const { writeReport } = await import('../report/report.ts');
  const { file, summaries } = await writeReport(folders, join(out, 'report.html'), {
    title: `Zeroth demo: ZO-GD and GD at η = ${lr}`,
    clientScript: context.reportClient,
  });
  // A demo that diverges has still shown what it set out to show, so this is not an error.
  stdout.write(`${demoStory(summaries[0], summaries[1]).join('\n')}\n\nReport: ${file}\n`);
  return exitCodes.done;
}
