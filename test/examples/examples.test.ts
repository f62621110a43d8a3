import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { packageRoot } from '../../lib/device/native.ts';

const folder = join(packageRoot, 'examples');

/** Runs an example as a person would: what it prints, and nothing on stderr. */
async function run(name: string): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(folder, name)]);
  expect(stderr).toBe('');
  return stdout;
}

/** The numbers that groups of a pattern match, one row a match. */
const numbers = (text: string, pattern: RegExp): number[][] =>
  [...text.matchAll(pattern)].map((match) => match.slice(1).map(Number));

const list = (text: string): number[] => text.split(', ').map(Number);

it('own-loss.js recovers the weights that made its labels', async () => {
  const text = await run('own-loss.js');
  const losses = numbers(text, /step +(\d+) {3}loss ([\d.]+)/g);
  expect(losses.map(([step]) => step)).toEqual([0, 200, 400, 600, 800]);
  // Zero weights leave log 2.
  expect(losses[0][1]).toBeCloseTo(Math.log(2), 3);
  expect(losses[4][1]).toBeLessThan(0.45);
  const [, learned, truth] = /learned weights ([^;]+); true ones (.+)/.exec(text)!;
  expect(list(truth)).toEqual([2, -1, 0.5]);
  // The standard error of a weight estimated from 2000 labels is about 0.08.
  for (const [i, weight] of list(learned).entries()) expect(Math.abs(weight - list(truth)[i])).toBeLessThan(0.25);
  const [[bias, trueBias]] = numbers(text, /learned bias (\S+); true one (\S+)/g);
  expect(Math.abs(bias - trueBias)).toBeLessThan(0.25);
});

it('own-optimizer.js finds the minimum, and goes on to the same numbers from where it was stopped', async () => {
  const text = await run('own-optimizer.js');
  const [[whole], [resumed]] = numbers(text, /Completed 1000 steps\. Last loss (\S+)\./g);
  expect(whole).toBeLessThan(0.01);
  expect(resumed).toBe(whole);
  const [[x, y]] = numbers(text, /x, y = (\S+), (\S+); the same: true/g);
  expect(Math.abs(x - 1)).toBeLessThan(0.1);
  expect(Math.abs(y - 1)).toBeLessThan(0.1);
});

it('lstm.js learns over 2,000 steps in the memory of one', async () => {
  const text = await run('lstm.js');
  const [[arena, kept]] = numbers(text, /works in (\d+) bytes; .* would be (\d+)/g);
  expect(kept).toBe(2000 * 128 * 8 * 2 * 4);
  expect(arena).toBeLessThan(10 * (kept / 2000));
  const rows = numbers(text, /step (\d+) +loss ([\d.]+) +accuracy ([\d.]+)/g);
  expect(rows.map(([step]) => step)).toEqual([0, 50, 100, 150, 200, 250]);
  expect(rows[0][2]).toBeLessThan(0.7);
  expect(rows[5][2]).toBeGreaterThan(0.95);
});

it('edge.js shows the trace rise with the step size, and only the largest step reach its limit', async () => {
  const text = await run('edge.js');
  const rows = numbers(text, /η = ([\d.]+) +step +(\d+) .*of its limit ([\d.]+)/g);
  expect(rows).toHaveLength(3 * 4);
  const last = [0.01, 0.03, 0.05].map((eta) => rows.find(([lr, step]) => lr === eta && step === 1500)![2]);
  expect(last[0]).toBeLessThan(0.1);
  expect(last[1]).toBeGreaterThan(last[0]);
  expect(last[1]).toBeLessThan(0.6);
  expect(last[2]).toBeGreaterThan(0.7);
  expect(last[2]).toBeLessThan(1.3);
  const atEdge = text.split('\n').filter((line) => line.endsWith('   at'));
  expect(atEdge.length).toBeGreaterThan(0);
  for (const line of atEdge) expect(line).toMatch(/^η = 0\.05 /);
});

it('hessian.js agrees with itself: trace by diagonal and by spectrum, and step sizes by the law', async () => {
  const text = await run('hessian.js');
  expect(text).toContain('sorting-mlp, 8352 parameters');
  const [[trace, error]] = numbers(text, /trace ([\d.]+) ± ([\d.]+)/g);
  expect(trace).toBeGreaterThan(0);
  expect(error).toBeLessThan(0.1 * trace);
  const [[negative]] = numbers(text, /add up to −([\d.]+) ±/g);
  const [[least, most]] = numbers(text, /lies between ([\d.]+), ([\d.]+)/g);
  expect(most).toBeCloseTo(2 / (trace + negative), 2);
  expect(least).toBeLessThan(most);

  const spectrum = list(/spectrum (.+)/.exec(text)![1]);
  expect(spectrum).toHaveLength(17);
  const [[diagonal, total]] = numbers(text, /trace ([\d.]+) from the diagonal, ([\d.]+) from/g);
  expect(total).toBeCloseTo(diagonal, 3);
  const [[zo], [gd]] = numbers(text, /critical step size of (?:ZO-)?GD ([\d.]+)/g);
  expect(gd).toBeCloseTo(2 / spectrum[0], 1);
  // The law of ZO-GD, Σ ηλ / (2(1 − ηλ)) = 1, on the printed digits.
  const law = spectrum.reduce((sum, value) => sum + (value > 0 ? (zo * value) / (2 * (1 - zo * value)) : 0), 0);
  expect(law).toBeGreaterThan(0.99);
  expect(law).toBeLessThan(1.01);
});

it('catapult.js shows the loss jump after the step size, and the trace fall back below its limit', async () => {
  const text = await run('catapult.js');
  expect(text).toContain('η is raised from 0.003 to 0.01');
  const rows = numbers(text, /step +(\d+) {3}loss ([\d.]+) \(at most ([\d.]+) .*limit (\d+) {3}ratio ([\d.]+)/g);
  const at = (step: number) => rows.find((row) => row[0] === step)!;
  const [, before, , limit] = at(1000);
  expect(at(875)[4]).toBeLessThan(0.8);
  expect(limit).toBe(200);
  const after = rows.filter(([step]) => step > 1000);
  const jump = Math.max(...after.map((row) => row[2]));
  expect(jump).toBeGreaterThan(2 * before);
  expect(Math.max(...after.map((row) => row[4]))).toBeGreaterThan(1.4);
  expect(at(2500)[4]).toBeLessThan(0.9);
  expect(at(2500)[1]).toBeLessThan(jump / 2);
  expect(text).toContain('Completed 2500 steps.');
});

it('classifier.js scores rows held out far above chance, and predicts with loaded weights what the saved ones do', async () => {
  const text = await run('classifier.js');
  const rows = numbers(text, /step +(\d+) {3}loss ([\d.]+) {3}accuracy on rows held out ([\d.]+)/g);
  expect(rows.map(([step]) => step)).toEqual([0, 500, 1000, 1500]);
  expect(rows[3][1]).toBeLessThan(rows[0][1] / 3);
  // Three rings 1 apart whose points scatter by 0.3: 5 % of the points of a ring lie beyond each of its borders, 6.3 % of all.
  expect(rows[3][2]).toBeGreaterThan(0.85);
  const predictions = (who: string) =>
    text
      .split('\n')
      .filter((line) => line.startsWith(who))
      .map((line) => line.slice(who.length));
  expect(predictions('trained: ')).toHaveLength(3);
  expect(predictions('loaded: ')).toEqual(predictions('trained: '));
  for (const line of predictions('loaded: ')) {
    const shares = numbers(line, /(?:inner|middle|outer) ([\d.]+)/g).flat();
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 2);
  }
});

it('every example is tested here, is short, and says on top what one sees', () => {
  const names = readdirSync(folder).sort();
  expect(names).toEqual([
    'catapult.js',
    'classifier.js',
    'edge.js',
    'hessian.js',
    'lstm.js',
    'own-loss.js',
    'own-optimizer.js',
  ]);
  for (const name of names) {
    const lines = readFileSync(join(folder, name), 'utf8').trimEnd().split('\n');
    expect(lines.length, name).toBeLessThanOrEqual(50);
    expect(lines[0], name).toMatch(/^\/\/ /);
    expect(lines.slice(0, 5).join('\n'), name).toContain('One sees');
  }
});
