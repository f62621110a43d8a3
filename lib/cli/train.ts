import type { Command } from 'commander';
import { MAX_THREADS } from '../device/device.ts';
import { MAX_STEPS, MAX_VECTORS } from '../random/run-streams.ts';
import { formatDuration, formatNumber } from '../report/format.ts';
import type { EndEvent } from '../train/events.ts';
import type { CliContext } from './context.ts';
import { exitCodes, usageError } from './exit-codes.ts';
import { quoted } from './invocation.ts';
import { optimizerNames } from './optimizers.ts';
import { addOptimizerOptions } from './options.ts';
import { batchSize, integerWithin, monitorInterval, seed } from './parse.ts';
import { isTuned, type PresetName, presetNames, presets, seedDefault, tunedNames } from './presets.ts';
import { type Progress, progress } from './progress.ts';
import { loggedSettings } from './run-folder.ts';
import type { RunRequest } from './session.ts';
import {
  defaultFolder,
  hasRun,
  newSettings,
  resumedSettings,
  type TrainOptions,
  type TrainSettings,
} from './settings.ts';
import { wrapped } from './wrap.ts';

interface TrainFlags extends TrainOptions {
  readonly out?: string;
  readonly resume?: boolean;
  readonly json?: boolean;
}

const silent: Progress = { show() {}, close() {} };

export function trainCommand(command: Command): Command {
  command
    .description('train a preset and watch how far its step size is from the edge of stability')
    .argument('<preset>', presetNames.join(' or '));
  return addOptimizerOptions(command)
    .option('--steps <n>', 'steps of the whole run (default: by preset and optimizer)', integerWithin(1, MAX_STEPS - 1))
    .option(
      '--seed <n>',
      `seed of made-up data, initial parameters, directions, batches and probes (default: ${seedDefault})`,
      seed,
    )
    .option('--batch <n>', 'examples of a step, or "full" (default: full)', batchSize)
    .option('--data <folder>', 'folder of the data set, for presets that read one')
    .option(
      '--monitor-every <n>',
      'steps between measurements of curvature, "auto" (a tenth of the run at most) or "off" (default: auto)',
      monitorInterval,
    )
    .option(
      '--probes <n>',
      'Hutchinson probes of a measurement (default: 16 with "auto", else 64)',
      integerWithin(2, MAX_VECTORS),
    )
    .option('--out <folder>', 'run folder (default: runs/<preset>-<optimizer>-<lr>-<seed>)')
    .option('--resume', 'go on with the run in the folder; its settings are kept')
    .option('--threads <n>', 'threads of the device (default: all processors)', integerWithin(1, MAX_THREADS))
    .option('--json', 'every event as one line of JSON on stdout, and nothing else there')
    .addHelpText(
      'after',
      `
Presets, and the step size and steps of each optimizer where --lr and --steps
are not given (* stays below its edge: beyond it this net's weights run away):
${presetTable()}

The other optimizers need --lr:
  ${optimizerNames.filter((name) => !isTuned(name)).join(', ')}
An optimizer is an estimate times a rule: all zo-… but zo-svrg, and mezo, take
any --estimator; those and spsa the mean of several --queries. Of the edge of
clipped estimates, of signs and weight decay, nothing is claimed.

Examples:
  $ zeroth train sorting-small
  $ zeroth train sorting-small --lr 0.03 --seed 7 --out runs/calm
  the control, what the same step size does without noise:
  $ zeroth train sorting-small --optimizer gd --lr 0.05 --steps 30000
  other rules and estimates, by the names of the library:
  $ zeroth train sorting-small --optimizer zo-lion --lr 1e-4 --queries 4
  $ zeroth train sorting-small --optimizer zo-gdm --estimator sphere-two-point
  $ zeroth train sorting-small --optimizer spsa --lr 0.02 --clip-norm 5
  raise the step size in mid-run:
  $ zeroth train sorting-small --lr 0:0.04,20000:0.05
  $ zeroth train cifar-small --data cifar-10-batches-bin
  go on after Ctrl-C, or a kill:
  $ zeroth train sorting-small --out runs/calm --resume

Exit codes: 0 done, 1 error, 2 usage, 3 diverged, 130 stopped by Ctrl-C.`,
    );
}

function presetTable(): string {
  return presetNames
    .map((name) => {
      const { summary, runs } = presets[name];
      const defaults = tunedNames.map((optimizer) => {
        const { lr, steps, reaches } = runs[optimizer];
        return `${optimizer} ${lr}/${steps}${reaches === 'below' ? '*' : ''}`;
      });
      const lines = [summary, defaults.slice(0, 3).join('  '), defaults.slice(3).join('  ')];
      return lines.map((line, i) => `  ${(i === 0 ? name : '').padEnd(14)} ${line}`).join('\n');
    })
    .join('\n');
}

/** `zeroth train`. @returns the exit code. */
export async function train(preset: string, flags: TrainFlags, context: CliContext): Promise<number> {
  const { out: givenOut, resume = false, json = false, ...options } = flags;
  const name = presetNames.find((known) => known === preset);
  if (name === undefined) throw usageError(`There is no preset "${preset}". Presets: ${presetNames.join(', ')}.`);
  const { settings, out } = resolveRun(name, options, givenOut, resume);

  const end = await watchRun({ settings, out, resume, signal: context.signal }, context, { json });
  if (!json) {
    const { said, next } = endLines(end, settings, out, context.program);
    // What is to be typed stays one line.
    context.stdout.write(`${wrapped(said, context.stdout)}\n${next}\n`);
  }
  if (end.reason === 'diverged') return exitCodes.diverged;
  return end.reason === 'aborted' ? exitCodes.interrupted : exitCodes.done;
}

/** Runs to the end, showing what happens on the way: progress for people, or every event as JSON. */
export async function watchRun(
  request: RunRequest,
  context: CliContext,
  { json = false, prefix }: { json?: boolean; prefix?: string } = {},
): Promise<EndEvent> {
  const { settings } = request;
  const { stdout, now } = context;
  const events = await context.session.startRun(request);
  const shown = json ? silent : progress(stdout, { steps: settings.steps, now, prefix });
  let end: EndEvent | undefined;
  try {
    for await (const event of events) {
      if (json) stdout.write(`${JSON.stringify(event)}\n`);
      shown.show(event);
      if (event.type === 'end') end = event;
    }
  } finally {
    shown.close();
  }
  if (end === undefined) throw new Error('the run stopped without saying why (no end event)');
  return end;
}

function resolveRun(
  name: PresetName,
  options: TrainOptions,
  givenOut: string | undefined,
  resume: boolean,
): { settings: TrainSettings; out: string } {
  if (resume) {
    const out = givenOut ?? defaultFolder(newSettings(name, options));
    if (!hasRun(out))
      throw usageError(
        `There is no run to resume in ${out} (no run.jsonl). Name its folder with --out, or leave out --resume.`,
      );
    return { settings: resumedSettings(loggedSettings(out), name, options), out };
  }
  const settings = newSettings(name, options);
  const out = givenOut ?? defaultFolder(settings);
  if (hasRun(out)) {
    throw usageError(
      `${out} holds a run already. Go on with it by --resume, choose another folder by --out, or remove it.`,
    );
  }
  return { settings, out };
}

/** `, accuracy 0.953`. */
function followed({ metrics = {} }: EndEvent): string {
  return Object.entries(metrics)
    .map(([name, value]) => `, ${name} ${formatNumber(value, 3)}`)
    .join('');
}

function endLines(
  end: EndEvent,
  settings: TrainSettings,
  out: string,
  program: string,
): { said: string; next: string } {
  const speed = `${formatNumber(end.stepsPerSecond, 3)} steps/s`;
  const said = [
    end.message,
    `${formatNumber(end.steps, 15)} steps in ${formatDuration(end.seconds)} (${speed}), loss ${formatNumber(end.loss)}${followed(end)}, run folder ${out}`,
  ];
  const next =
    end.reason === 'aborted'
      ? `Go on with:  ${program} train ${settings.preset} --out ${quoted(out)} --resume`
      : `See it with:  ${program} report ${quoted(out)}`;
  return { said: said.join('\n'), next };
}
