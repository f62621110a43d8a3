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
  it('gives limit, band and step sizes of ZO-GD: 2/η, [tr, tr + 2λmax]', async () => {
    expect(await result('--trace', '38', '--lambda-max', '4', '--lambda-min', '0', '--lr', '0.05')).toMatchObject({
      optimizer: 'zo-gd',
      governs: 'trace',
      lower: 38,
      upper: 46,
      limit: 40,
      ratio: 0.95,
      stepSizeMin: 2 / 46,
      stepSizeMax: 2 / 38,
      verdict: 'at',
      stable: null,
    });
  });

  it('calls no step stable that a Hessian with negative eigenvalues does not bear', async () => {
    // (4, −3) has this trace and this λmax, and η* = 1/6.
    const open = ['--trace', '1', '--lambda-max', '4'];
    expect(await result(...open, '--lr', '0.2')).toMatchObject({
      stable: false,
      verdict: 'beyond',
      stepSizeMin: 0,
      upper: null,
    });
    expect((await result(...open)).stepSizeMax).toBeCloseTo(1 / 6, 14);
    expect(await result(...open, '--lr', '0.1')).toMatchObject({ stable: null, verdict: 'undecided' });
    expect(await result('--trace', '-5', '--lambda-max', '4', '--lr', '0.5')).toMatchObject({ stable: false });
    expect(await result(...open, '--negative-trace', '3', '--lr', '0.1')).toMatchObject({
      stable: true,
      stepSizeMin: 1 / 6,
    });
    const file = join(folder, 'indefinite.txt');
    writeFileSync(file, '4 -3');
    const exact = await result('--spectrum', file, '--lr', '0.1');
    expect(exact).toMatchObject({ stable: true, negativeTrace: 3 });
    for (const bound of ['stepSizeMin', 'criticalStepSize', 'stepSizeMax']) expect(exact[bound]).toBeCloseTo(1 / 6, 12);
  });

  it('says why it is undecided', async () => {
    const text = async (...args: string[]) => (await zeroth(['stability', ...args])).stdout.text;
    expect(await text('--trace', '1', '--lambda-max', '4', '--lr', '0.1')).toMatch(
      /λmax > trace: there are negative eigenvalues.*--lambda-min 0 .*--negative-trace.*--spectrum[\s\S]*verdict\s+undecided/,
    );
    expect(await text('--trace', '38', '--lambda-max', '4', '--lr', '0.01')).toMatch(
      /there may be negative eigenvalues, and then[\s\S]*at least 19 % of it[\s\S]*verdict\s+undecided/,
    );
    expect(await text('--trace', '38', '--lambda-max', '4', '--lambda-min', '0', '--lr', '0.01')).not.toMatch(/note/);
    expect(await text('--trace', '-38', '--lambda-max', '4', '--optimizer', 'gd', '--lr', '0.01')).not.toMatch(/note/);
  });

  it('gives 2/λmax for gradient descent and 2(1+β)/λmax with momentum, whatever the trace', async () => {
    const gd = await result('--trace', '100', '--lambda-max', '4', '--optimizer', 'gd', '--lr', '0.4');
    expect(gd).toMatchObject({
      stable: true,
      verdict: 'below',
      governs: 'lambdaMax',
      stepSizeMin: 0.5,
      stepSizeMax: 0.5,
    });
    // At 2/λmax itself nothing decays.
    const at = ['--trace', '100', '--lambda-max', '4', '--optimizer', 'gd', '--lr', '0.5'];
    expect(await result(...at)).toMatchObject({ stable: false, verdict: 'at' });
    const gdm = await result('--trace', '-1', '--lambda-max', '7.5', '--optimizer', 'gdm', '--lr', '0.5');
    expect(gdm.limit).toBeCloseTo(7.6, 12);
    expect(gdm).toMatchObject({ stable: true, verdict: 'at', lower: 7.5, upper: 7.5 });
    const args = ['--trace', '100', '--lambda-max', '4', '--optimizer', 'gdm', '--beta', '0.5', '--lr', '0.8'];
    const beyond = await result(...args);
    expect(beyond.stepSizeMin).toBeCloseTo(0.75, 12);
    expect(beyond.stable).toBe(false);
  });

  it('gives bounds with a mini-batch, and is undecided between them', async () => {
    const batch = ['--trace', '38', '--lambda-max', '4', '--lambda-min', '0', '--batch', '100', '--examples', '1000'];
    expect(await result(...batch, '--lr', '0.02')).toMatchObject({
      lower: 38,
      upper: 460,
      ratio: 0.38,
      ratioMax: 3.8,
      stable: null,
      verdict: 'undecided',
    });
    expect(await result(...batch, '--lr', '0.004')).toMatchObject({ stable: true });
    expect(await result(...batch, '--lr', '0.08')).toMatchObject({ stable: false, verdict: 'beyond' });
    const { stdout } = await zeroth(['stability', ...batch, '--lr', '0.02']);
    expect(stdout.text).toMatch(/note\s+with mini-batches the law gives bounds only[\s\S]*38 % to 380 % of it/);
    const file = join(folder, 'batched.txt');
    writeFileSync(file, '1 0.5');
    expect(await result('--spectrum', file, '--batch', '1', '--examples', '2')).not.toHaveProperty('criticalStepSize');
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
    expect(fromJson).toMatchObject({ trace: 1.85, lambdaMax: 1, lambdaMin: 0.1, negativeTrace: 0, dimension: 4 });
    expect(await result('--spectrum', text)).toEqual(fromJson);
    expect(await result('--spectrum', json, '--lr', String(eta * 0.99))).toMatchObject({ stable: true });
    expect(await result('--spectrum', json, '--lr', String(eta * 1.01))).toMatchObject({ stable: false });
  });

  it('explains itself in words', async () => {
    const definite = ['stability', '--trace', '38', '--lambda-max', '4', '--lambda-min', '0'];
    const { stdout } = await zeroth([...definite, '--lr', '0.01']);
    expect(stdout.text).toMatch(/band\s+38 … 46/);
    expect(stdout.text).toMatch(/limit\s+200 of the trace of the positive part, which takes up 19 % of it/);
    expect(stdout.text).toMatch(/verdict\s+stable.*; below the edge of stability/);
    const { stdout: beyond } = await zeroth([...definite, '--lr', '0.1']);
    expect(beyond.text).toMatch(/verdict\s+unstable.*; beyond the edge of stability/);
  });

  it.each([
    [[], /--trace and --lambda-max, or --spectrum/],
    [['--trace', '3'], /--trace and --lambda-max/],
    [
      ['--trace', '3', '--lambda-max', '4', '--lambda-min', '0'],
      /needs negative eigenvalues that add up to -1 or less/,
    ],
    [['--trace', '3', '--lambda-max', '4', '--negative-trace', '0.5'], /needs negative eigenvalues/],
    [['--trace', '3', '--lambda-max', '1', '--lambda-min', '2'], /λmin 2 is above λmax 1/],
    [['--trace', '3', '--lambda-max', '1', '--lambda-min', '-2', '--negative-trace', '0'], /at least 2, and it is 0/],
    [
      ['--trace', '38', '--lambda-max', '4', '--lambda-min', '-10', '--negative-trace', '1', '--lr', '0.04'],
      /λmin -10 makes Σ max\(−λ, 0\) at least 10, and it is 1/,
    ],
    [['--trace', '38', '--lambda-max', '4', '--lambda-min', '0', '--negative-trace', '1'], /no negative eigenvalue/],
    [['--trace', '-3', '--lambda-max', '0', '--negative-trace', '1'], /no positive eigenvalue/],
    [['--trace', '5', '--lambda-max', '4', '--lambda-min', '2'], /no trace of 5 comes of any number of eigenvalues/],
    [['--trace', '3', '--lambda-max', '-1'], /a trace of 3 needs an eigenvalue above λmax -1/],
    [['--trace', '3', '--lambda-max', '1', '--negative-trace', '-1'], /--negative-trace/],
    [['--trace', '3', '--lambda-max', '1', '--batch', '10'], /--batch and --examples together/],
    [['--trace', '3', '--lambda-max', '1', '--batch', '10', '--examples', '5'], /more than there are/],
    [['--spectrum', 'x', '--lambda-min', '0'], /holds all of it already/],
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
