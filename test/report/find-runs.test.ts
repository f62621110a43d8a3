import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { compile } from '../../lib/objective/objective.ts';
import { zoGD } from '../../lib/optimizers/recipes.ts';
import { writePlots, writeReport } from '../../lib/report/report.ts';
import { findRuns } from '../../lib/train/find-runs.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from '../train/small-problem.ts';
import { bundleClient } from './client-bundle.ts';

let folder = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'zeroth-find-runs-'));
  const device = openDevice();
  for (const [i, name] of ['demo/run-10', 'demo/run-9', 'demo/deep/er/run', 'alone'].entries()) {
    await using objective = await compile(device, smallProblem(), { seed: i });
    await train(objective, zoGD({ lr: 0.01 * (i + 1) }), {
      steps: 3,
      monitorEvery: 2,
      probes: 2,
      out: join(folder, name),
    });
  }
  await device.dispose();
  mkdirSync(join(folder, 'empty', 'inside'), { recursive: true });
  writeFileSync(join(folder, 'empty', 'notes.txt'), '');
  symlinkSync(folder, join(folder, 'demo', 'loop'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('a folder stands for the runs inside, in the order of their names, a run for itself', () => {
  const at = (...names: string[]) => names.map((name) => join(folder, name));
  expect(findRuns(join(folder, 'demo'))).toEqual(at('demo/deep/er/run', 'demo/run-9', 'demo/run-10'));
  expect(findRuns(join(folder, 'alone'))).toEqual(at('alone'));
  expect(findRuns(join(folder, 'alone', 'run.jsonl'))).toEqual(at('alone/run.jsonl'));
  expect(findRuns(join(folder, 'nowhere'))).toEqual(at('nowhere'));
  expect(findRuns(folder)).toHaveLength(4);
});

it('a folder without a run says what was expected', () => {
  expect(() => findRuns(join(folder, 'empty'))).toThrow(
    expect.objectContaining({ code: 'ERR_ZEROTH_FILE', message: expect.stringContaining('run folders inside') }),
  );
});

it('a report of runs that the API made, in a folder of runs, shows all of them', async () => {
  const out = join(folder, 'report.html');
  const { summaries } = await writeReport([join(folder, 'demo')], out, { clientScript: bundleClient(folder) });
  expect(summaries.map(({ source }) => source)).toEqual(['demo/deep/er/run', 'demo/run-9', 'demo/run-10']);
  expect(summaries.map(({ monitors }) => monitors.length)).toEqual([3, 3, 3]);
  expect(
    (await writePlots([join(folder, 'demo'), join(folder, 'alone')], join(folder, 'plots'))).length,
  ).toBeGreaterThan(1);
});
