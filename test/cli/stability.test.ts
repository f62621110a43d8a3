import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { zeroth } from './fixtures.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'zeroth-stability-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function result(...args: string[]) {
  const { code, stdout, stderr } = await zeroth(['stability', '--json', ...args]);
  expect(stderr.text).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout.text);
}

describe('zeroth stability', () => {
  it('gives threshold, band and step sizes of ZO-GD: 2/η, [tr, tr + 2λmax]', async () => {
    expect(await result('--trace', '38', '--lambda-max', '4', '--lr', '0.05')).toMatchObject({
      optimizer: 'zo-gd',
      lower: 38,
      upper: 46,
      threshold: 40,
      stepSizeMin: 2 / 46,
      stepSizeMax: 2 / 38,
      atEdge: true,
      stable: null,
    });
  });

  it('gives 2/λmax for gradient descent and 2(1+β)/λmax with momentum, whatever the trace', async () => {
    const gd = await result('--trace', '100', '--lambda-max', '4', '--optimizer', 'gd', '--lr', '0.4');
    expect(gd).toMatchObject({ stable: true, stepSizeMax: null });
    expect(gd.stepSizeMin).toBeCloseTo(0.5, 12);
    const gdm = await result(
      '--trace',
      '100',
      '--lambda-max',
      '4',
      '--optimizer',
      'gdm',
      '--beta',
      '0.5',
      '--lr',
      '0.8',
    );
    expect(gdm.stepSizeMin).toBeCloseTo(0.75, 12);
    expect(gdm.stable).toBe(false);
  });

  it('solves the critical step size of a spectrum, from JSON and from plain text', async () => {
    const values = [1, 0.5, 0.25, 0.1];
    const json = join(folder, 'spectrum.json');
    const text = join(folder, 'spectrum.txt');
    writeFileSync(json, JSON.stringify(values));
    writeFileSync(text, '1, 0.5\n0.25\t0.1\n');
    const fromJson = await result('--spectrum', json);
    const eta = fromJson.criticalStepSize;
    // The defining equation of ZO-GD.
    expect(values.reduce((sum, value) => sum + (eta * value) / (2 * (1 - eta * value)), 0)).toBeCloseTo(1, 10);
    expect(fromJson).toMatchObject({ trace: 1.85, lambdaMax: 1, eigenvalues: 4 });
    expect(await result('--spectrum', text)).toEqual(fromJson);
    expect(await result('--spectrum', json, '--lr', String(eta * 0.99))).toMatchObject({ stable: true });
    expect(await result('--spectrum', json, '--lr', String(eta * 1.01))).toMatchObject({ stable: false });
  });

  it('explains itself in words', async () => {
    const { stdout } = await zeroth(['stability', '--trace', '38', '--lambda-max', '4', '--lr', '0.01']);
    expect(stdout.text).toMatch(/band\s+38 … 46/);
    expect(stdout.text).toMatch(/threshold\s+200/);
    expect(stdout.text).toMatch(/verdict\s+stable/);
    const { stdout: beyond } = await zeroth(['stability', '--trace', '38', '--lambda-max', '4', '--lr', '0.1']);
    expect(beyond.text).toMatch(/verdict\s+unstable/);
  });

  it.each([
    [[], /--trace and --lambda-max, or --spectrum/],
    [['--trace', '3'], /--trace and --lambda-max/],
    [['--trace', 'x', '--lambda-max', '1'], /--trace/],
    [['--trace', '3', '--lambda-max', '1', '--lr', '0:1,5:2'], /--lr/],
    [['--trace', '3', '--lambda-max', '1', '--optimizer', 'sgd'], /Allowed choices/],
    [['--trace', '3', '--lambda-max', '1', '--beta', '0.5'], /--beta means nothing to zo-gd/],
    [['--trace', '3', '--lambda-max', '1', '--optimizer', 'zo-gdm', '--beta', '1'], /< 1/],
  ])('refuses %j with exit code 2', async (args, message) => {
    const { code, stderr, stdout } = await zeroth(['stability', ...args]);
    expect(code).toBe(2);
    expect(stderr.text).toMatch(message);
    expect(stdout.text).toBe('');
  });

  it('refuses files that hold no spectrum with exit code 1', async () => {
    for (const [name, content] of Object.entries({
      empty: '',
      words: 'one two',
      broken: '[1, 2',
      nested: '[[1]]',
      nulls: '[null]',
    })) {
      const file = join(folder, name);
      writeFileSync(file, content);
      const { code, stderr } = await zeroth(['stability', '--spectrum', file]);
      expect(code).toBe(1);
      expect(stderr.text).toMatch(/^error ERR_ZEROTH_DATA: .*eigenvalue|JSON array/);
    }
    expect((await zeroth(['stability', '--spectrum', join(folder, 'none')])).code).toBe(1);
  });
});
