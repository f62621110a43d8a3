import { readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { packageRoot } from '../device/native.ts';
import { checkOptions, invalidArgument, ZerothError } from '../errors.ts';
import { findRuns } from '../train/find-runs.ts';
import { makeFolder } from '../train/folder.ts';
import { readRunLog } from '../train/log.ts';
import { reportPage } from './page.ts';
import { plotRuns } from './plot-data.ts';
import { type RunSummary, summarizeRun } from './summary.ts';
import { svgPlots } from './svg.ts';

/** Options of `writeReport`. */
export interface ReportOptions {
  /** Heading of the page. Default: `Zeroth: ` and the names of the problems. */
  readonly title?: string;
  /** The bundled plotting code. Default: the package's `dist/report/client.js`, where `npm run build:ts` puts it. */
  readonly clientScript?: string;
}

/**
 * Writes a report of one run, or a comparison of several, as one self-contained HTML file: it loads nothing, and follows
 * the reader's light or dark setting.
 *
 * @param runFolders folders that hold a `run.jsonl`, or that hold such folders; finished, unfinished and killed runs alike, whoever made them.
 * @param outFile the HTML file to write; its folder is made where it is missing.
 * @returns the absolute path of the file, and the summaries it shows.
 * @throws ZerothError `ERR_ZEROTH_ARGUMENT` without a folder, `ERR_ZEROTH_LOG` or `ERR_ZEROTH_FILE` where a log is missing or is not one, or the report cannot be written.
 * @example
 * await writeReport(['runs/a', 'runs/b'], 'report.html', { title: 'Two step sizes' });
 */
export async function writeReport(
  runFolders: readonly string[],
  outFile: string,
  options: ReportOptions = {},
): Promise<{ file: string; summaries: RunSummary[] }> {
  checkOptions('options', options, { title: true, clientScript: true });
  const summaries = readSummaries(runFolders);
  const title = options.title ?? `Zeroth: ${[...new Set(summaries.map(({ run }) => run.name))].join(', ')}`;
  const file = resolve(outFile);
  const page = reportPage(summaries, await readClientScript(options.clientScript), title);
  makeFolder(dirname(file));
  await write(file, page);
  return { file, summaries };
}

/**
 * Writes the plots of a report as SVG files into `folder`: `loss.svg`, and of what was measured `ratio.svg`, `trace.svg`, `lambda-max.svg`,
 * `squared-norm.svg` (`…-preconditioned.svg` for P⁻¹H).
 *
 * @returns their absolute paths.
 */
export async function writePlots(runFolders: readonly string[], folder: string): Promise<string[]> {
  const summaries = readSummaries(runFolders);
  makeFolder(folder);
  const files = svgPlots(plotRuns(summaries));
  return Promise.all(
    files.map(async ({ name, svg }) => {
      const file = resolve(join(folder, name));
      await write(file, svg);
      return file;
    }),
  );
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new ZerothError('ERR_ZEROTH_FILE', `${file}: could not be written: ${reason}. Choose another place.`, {
      cause,
    });
  }
}

function readSummaries(runFolders: readonly string[]): RunSummary[] {
  if (runFolders.length === 0) invalidArgument('runFolders', 'at least one run folder', runFolders);
  return runFolders.flatMap((given) =>
    findRuns(given).map((folder) => {
      const inside = relative(resolve(given), resolve(folder));
      return summarizeRun(join(basename(resolve(given)), inside), readRunLog(folder));
    }),
  );
}

async function readClientScript(given: string | undefined): Promise<string> {
  const file = given ?? join(packageRoot, 'dist', 'report', 'client.js');
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new ZerothError(
      'ERR_ZEROTH_FILE',
      `The report needs its plotting code at ${file}, which cannot be read. Run "npm run build:ts", which makes it.`,
      { cause },
    );
  }
}
