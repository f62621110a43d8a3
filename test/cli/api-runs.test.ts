import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { compile } from '../../lib/objective/objective.ts';
import { zoGD } from '../../lib/optimizers/recipes.ts';
import type { MonitorEvent } from '../../lib/train/events.ts';
import { readRunLog } from '../../lib/train/log.ts';
import type { TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';
import { bundleClient } from '../report/client-bundle.ts';
import { smallProblem } from '../train/small-problem.ts';
import { zeroth } from './fixtures.ts';

let folder = '';
let measured = '';
let unmeasured = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'zeroth-api-runs-'));
  const device = openDevice();
  const make = async (name: string, options: TrainOptions) => {
    await using objective = await compile(device, smallProblem(), { seed: 1 });
    const out = join(folder, 'runs', name);
    await train(objective, zoGD({ lr: 0.02 }), { ...options, out });
    return out;
  };
  measured = await make('measured', { steps: 9, monitorEvery: 3, probes: 4 });
  unmeasured = await make('unmeasured', { steps: 9 });
  await device.dispose();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('of a run that the API made', () => {
  it('`zeroth curvature` shows what the run measured last, and says so', async () => {
    const { type: _, ...last } = readRunLog(measured).findLast(
      (event): event is MonitorEvent => event.type === 'monitor',
    )!;
    expect(last.step).toBe(9);
    const { code, stdout, session } = await zeroth(['curvature', measured]);
    expect(code).toBe(0);
    expect(stdout.text).toMatch(/step 9, \d+ Hessian-vector products, as the run measured it last\n/);
    expect(stdout.text).toMatch(/tr\(H\)[\s\S]*limit\s+100 of the trace/);
    expect(session.requests).toEqual([]);
    const json = await zeroth(['curvature', measured, '--json']);
    expect(JSON.parse(json.stdout.text)).toEqual(JSON.parse(JSON.stringify(last)));
  });

  it('`zeroth curvature` does not pretend to measure: other probes are refused', async () => {
    for (const flags of [
      ['--probes', '100'],
      ['--threads', '1'],
    ]) {
      const { code, stderr } = await zeroth(['curvature', measured, ...flags]);
      expect(code).toBe(2);
      expect(stderr.text).toContain('leave out --probes and --threads');
    }
  });

  it('`zeroth curvature` says why there is nothing to show', async () => {
    const { code, stderr } = await zeroth(['curvature', unmeasured]);
    expect(code).not.toBe(0);
    expect(stderr.text).toMatch(/ERR_ZEROTH_LOG: .*No curvature is measured within 9 steps.*Say monitorEvery/s);
  });

  it('`zeroth report` makes a page, of the run or of the folder that holds it', async () => {
    const reportClient = bundleClient(folder);
    const all = await zeroth(['report', join(folder, 'runs')], { reportClient });
    expect(all.code).toBe(0);
    expect(all.stdout.lines.at(-1)).toBe(join(folder, 'runs', 'report.html'));
    expect((await zeroth(['report', measured], { reportClient })).code).toBe(0);
    expect(existsSync(join(measured, 'report.html'))).toBe(true);
    const none = await zeroth(['report', tmpdirInside('nothing')], { reportClient });
    expect(none.stderr.text).toContain('run folders inside');
  });
});

function tmpdirInside(name: string): string {
  return mkdtempSync(join(folder, name));
}
