import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { runLabels } from '../report/labels.ts';
import { headline } from '../report/verdict.ts';
import type { CliContext } from './context.ts';
import { exitCodes } from './exit-codes.ts';
import { wrapped } from './wrap.ts';

interface ReportFlags {
  readonly out?: string;
  readonly title?: string;
  readonly svg?: boolean;
}

export function reportCommand(command: Command): Command {
  return command
    .description('write report.html of a run, or a comparison of several; unfinished runs too')
    .argument('<run...>', 'run folders, or folders with runs inside')
    .option('--out <file>', 'the HTML file (default: report.html in the first folder)')
    .option('--title <text>', 'heading of the report')
    .option('--svg', 'also write each plot beside it: ratio.svg, loss.svg, trace.svg, lambda-max.svg, squared-norm.svg')
    .addHelpText(
      'after',
      `
The report is one file that loads nothing from anywhere: open it, mail it,
archive it.

Examples:
  $ zeroth report runs/sorting-small-zo-gd-0.05-1
  $ zeroth report runs/calm runs/sorting-small-zo-gd-0.05-1 --out two.html
  $ zeroth report runs/calm --title "A small step size"
  $ zeroth report runs --svg         every run inside`,
    );
}

/** `zeroth report`. @returns the exit code. */
export async function report(folders: readonly string[], flags: ReportFlags, context: CliContext): Promise<number> {
  // Drawing takes longer to load than most commands to run.
  const { writePlots, writeReport } = await import('../report/report.ts');
  const out = flags.out ?? join(folders[0], 'report.html');
  const { file, summaries } = await writeReport(folders, out, {
    title: flags.title,
    clientScript: context.reportClient,
  });
  const files = flags.svg ? [file, ...(await writePlots(folders, dirname(file)))] : [file];
  const said = headline(summaries, runLabels(summaries)).map((line) => wrapped(line, context.stdout));
  context.stdout.write([...said, ...files, ''].join('\n'));
  return exitCodes.done;
}
