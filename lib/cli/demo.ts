import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { MAX_THREADS } from '../device/device.ts';
import { MAX_STEPS } from '../random/run-streams.ts';
import type { CliContext } from './context.ts';
import { demoStory } from './demo-story.ts';
import { exitCodes } from './exit-codes.ts';
import { quoted } from './invocation.ts';
import { integerWithin, seed as parseSeed } from './parse.ts';
import { presets, seedDefault } from './presets.ts';
import { newSettings } from './settings.ts';
import { watchRun } from './train.ts';
import { wrapped } from './wrap.ts';

interface DemoFlags {
  readonly steps?: number;
  readonly seed?: string;
  readonly out?: string;
  readonly threads?: number;
}

const preset = 'sorting-small';
const { lr, steps: defaultSteps } = presets[preset].runs['zo-gd'];

/** Measurements of each run. */
const points = 24;

/** The run, and its control: what the same landscape does under the same step size without the noise. */
const optimizers = ['zo-gd', 'gd'] as const;

export function demoCommand(command: Command): Command {
  return command
    .description(
      `train ${preset} by zeroth-order steps to its edge of stability, and by gradient descent, the control, past it`,
    )
    .option('--steps <n>', `steps of each run (default: ${defaultSteps})`, integerWithin(1, MAX_STEPS - 1))
    .option('--seed <n>', `seed of both runs; any shows the same (default: ${seedDefault})`, parseSeed)
    .option(
      '--out <folder>',
      'where the runs and the report go; an earlier demo there is replaced (default: runs/demo)',
    )
    .option('--threads <n>', 'threads of the device (default: all processors)', integerWithin(1, MAX_THREADS))
    .addHelpText('after', '\nExamples:\n  $ zeroth demo\n  $ zeroth demo --seed 3 --out runs/demo-3');
}

/** `zeroth demo`. @returns the exit code. */
export async function demo(flags: DemoFlags, context: CliContext): Promise<number> {
  const { stdout } = context;
  const { out = join('runs', 'demo'), ...options } = flags;
  const folders: string[] = [];
  const say = (text: string) => stdout.write(wrapped(text, stdout));
  say(
    'A small network learns to sort by zeroth-order steps: each compares two losses along one random direction, without a gradient.\n' +
      `Then the same again, with the same step size η = ${lr}, by gradient descent: the control.\n\n`,
  );
  for (const optimizer of optimizers) {
    const folder = join(out, optimizer);
    if (existsSync(join(folder, 'run.jsonl'))) await rm(folder, { recursive: true });
    const steps = options.steps ?? defaultSteps;
    const settings = newSettings(preset, {
      ...options,
      ...{ optimizer, lr: [{ step: 0, lr }], steps },
      ...{ monitorEvery: Math.max(1, Math.floor(steps / points)), probes: 64 },
    });
    const request = { settings, out: folder, resume: false, signal: context.signal };
    const end = await watchRun(request, context, { prefix: `${optimizer.padEnd(5)}  ` });
    say(`${optimizer.padEnd(5)}  ${end.message}\n\n`);
    folders.push(folder);
    if (end.reason === 'aborted') {
      stdout.write(`Stopped. Start again with:  ${[context.program, 'demo', ...given(flags)].join(' ')}\n`);
      return exitCodes.interrupted;
    }
  }
  const { writeReport } = await import('../report/report.ts');
  const { file, summaries } = await writeReport(folders, join(out, 'report.html'), {
    title: `Zeroth demo: ZO-GD and GD at η = ${lr}`,
    clientScript: context.reportClient,
  });
  // A demo that diverges has still shown what it set out to show, so this is not an error.
  say(`${demoStory(summaries[0], summaries[1]).join('\n')}\n\n`);
  stdout.write(`Report: ${file}\n`);
  return exitCodes.done;
}

/** The options as they were given. */
function given({ steps, seed, out, threads }: DemoFlags): string[] {
  return Object.entries({ steps, seed, out, threads }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, quoted(String(value))],
  );
}
