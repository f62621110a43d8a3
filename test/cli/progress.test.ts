import { describe, expect, it } from 'vitest';
import { progress } from '../../lib/cli/progress.ts';
import { wrapped } from '../../lib/cli/wrap.ts';
import type { Optimizer } from '../../lib/optimizers/optimizer.ts';
import { adam, gdm, zoGD } from '../../lib/optimizers/recipes.ts';
import type { Sampling } from '../../lib/stability/bounds.ts';
import { edgeOfStability } from '../../lib/stability/edge.ts';
import { monitorAt, syntheticRun } from '../report/synthetic-run.ts';
import { TextSink } from './fixtures.ts';

function play(stream: TextSink, { steps = 1000, msPerStep = 2, monitorEvery = 100 } = {}) {
  let clock = 0;
  const shown = progress(stream, { steps, now: () => clock });
  const draws: number[] = [];
  for (const event of syntheticRun({ steps, monitorEvery })) {
    const before = stream.text.length;
    shown.show(event);
    if (event.type === 'step') {
      if (stream.text.length > before) draws.push(clock);
      clock += msPerStep;
    }
  }
  shown.close();
  return { draws, clock };
}

/** What a terminal shows in the end: \r goes to the start of the line, ESC[2K empties it. */
function screen(text: string): string[] {
  return text.split('\n').map((line) => line.split('\r\x1b[2K').at(-1) ?? '');
}

/** The rows of a terminal of so many columns, which goes on in the next row where one is full. */
function rows(text: string, columns: number): string[] {
  const shown: string[][] = [[]];
  let [row, column] = [0, 0];
  // One letter for what empties the line.
  for (const token of text.replaceAll('\x1b[2K', '\x1b')) {
    if (token === '\x1b') shown[row] = [];
    else if (token === '\r') column = 0;
    else if (token === '\n') {
      [row, column] = [row + 1, 0];
      shown[row] ??= [];
    } else {
      if (column === columns) [row, column] = [row + 1, 0];
      shown[row] ??= [];
      shown[row][column++] = token;
    }
  }
  return shown.map((line) => Array.from(line, (letter) => letter ?? ' ').join(''));
}

it.each([true, false])('progress shows a warning when it comes (on a terminal: %s)', (isTTY) => {
  const stream = new TextSink({ isTTY, columns: 80 });
  const shown = progress(stream, { steps: 10, now: () => 0 });
  shown.show({ type: 'warning', step: 1234, code: 'loss-flat', message: 'The loss is 2 whatever the parameters.' });
  shown.close();
  expect(screen(stream.text)).toContain('warning at step 1,234: The loss is 2 whatever the parameters.');
});

describe('progress on a terminal', () => {
  it('redraws one line at most ten times a second', () => {
    const stream = new TextSink({ isTTY: true, columns: 120 });
    const { draws, clock } = play(stream, { monitorEvery: 0 });
    expect(draws.length).toBeGreaterThan(10);
    expect(draws.length).toBeLessThanOrEqual(clock / 100 + 1);
  });

  it('shows the bar, how much is done and left, the loss, the share of the limit, the step and the speed', () => {
    const stream = new TextSink({ isTTY: true, columns: 120 });
    play(stream);
    const last = stream.text
      .split('\x1b[2K')
      .filter((part) => part.includes('█'))
      .at(-1);
    expect(last).toMatch(
      /█+░* {2}9\d % {2}0\.\d+ s left {2}loss 0\.\d+ {2}tr₊\(H\) 9\d % of its limit {2}9\d\d\/1,000 {2}500 steps\/s\s*$/,
    );
  });

  it('leaves no trace of the line when it closes, and keeps the monitor points', () => {
    const stream = new TextSink({ isTTY: true });
    play(stream);
    const shown = screen(stream.text);
    expect(shown.at(-1)).toBe('');
    expect(shown.filter((line) => line.includes('█'))).toEqual([]);
    expect(shown.filter((line) => line.includes('limit'))).toHaveLength(10);
  });

  it('leaves no trace of the line after Ctrl-C either, which the terminal writes behind it, at any width', () => {
    const torn: string[] = [];
    for (let columns = 12; columns <= 130; columns++) {
      // Stopped at each step at which the line may have another length.
      for (const steps of [1, 60, 300, 640]) {
        const stream = new TextSink({ isTTY: true, columns });
        let clock = 0;
        const shown = progress(stream, { steps: 1000, now: () => clock });
        for (const event of syntheticRun({ steps: 1000, monitorEvery: 100 })) {
          if (event.type === 'step' && event.step === steps) break;
          shown.show(event);
          clock += 10;
        }
        stream.write('^C');
        shown.close();
        const left = rows(stream.text, columns).filter((line) => /[█░]|\^C/.test(line));
        if (left.length > 0) torn.push(`${columns} columns: ${left.join(' / ')}`);
      }
    }
    expect(torn).toEqual([]);
  });

  it('never draws a line longer than the terminal', () => {
    const stream = new TextSink({ isTTY: true, columns: 30 });
    play(stream);
    const drawn = stream.text
      .split('\n')
      .flatMap((line) => line.split('\r\x1b[2K'))
      .filter((part) => part.includes('░'));
    expect(drawn.length).toBeGreaterThan(0);
    for (const line of drawn) expect([...line].length).toBeLessThan(30);
  });

  it.each([20, 40, 60, 80, 100, 120])(
    'at %s columns shows whole parts only, what is left before what is nice to know',
    (columns) => {
      const stream = new TextSink({ isTTY: true, columns });
      play(stream, { steps: 123456, msPerStep: 1, monitorEvery: 10000 });
      const parts = [
        /^█*░*$/,
        /^\d+ %$/,
        /^(\d+ min )?[\d.]+ s left$/,
        /^loss [\d.]+$/,
        /^tr₊\(H\) \d+ % of its limit$/,
        /^[\d,]+\/123,456$/,
        /^[\d,]+ steps\/s$/,
      ];
      const drawn = stream.text.split('\r\x1b[2K').filter((part) => part.includes('░') && !part.includes('\n'));
      expect(drawn.length).toBeGreaterThan(100);
      for (const line of drawn.slice(50)) {
        const shown = line.split('  ');
        expect(shown.length).toBeGreaterThanOrEqual(columns >= 100 ? 5 : columns >= 60 ? 3 : 1);
        shown.forEach((part, i) => {
          expect(part).toMatch(parts[i]);
        });
      }
    },
  );

  it('cleans up when it closes in mid-run', () => {
    const stream = new TextSink({ isTTY: true });
    const shown = progress(stream, { steps: 10, now: () => 0 });
    for (const event of syntheticRun({ steps: 10 }).slice(0, 3)) shown.show(event);
    expect(stream.text).toContain('█'.repeat(2));
    shown.close();
    expect(stream.text.endsWith('\r\x1b[2K')).toBe(true);
  });
});

describe('what is said on a terminal', () => {
  const show = (columns: number, prefix = '') => {
    const stream = new TextSink({ isTTY: true, columns });
    const shown = progress(stream, { steps: 10, now: () => 0, prefix });
    for (const event of syntheticRun({ steps: 1 })) shown.show(event);
    shown.show({
      type: 'warning',
      step: 1234,
      code: 'weights-diffuse',
      message: 'The weights diffuse. '.repeat(9).trim(),
    });
    shown.close();
    return screen(stream.text).filter((line) => line !== '');
  };

  it.each([40, 80, 100, 120])('breaks at spaces where %s columns are too few, and goes on indented', (columns) => {
    const lines = show(columns, 'zo-gd  ');
    for (const line of lines) expect([...line].length).toBeLessThan(columns);
    const parted = lines.join('\n').replaceAll(/\n {2}/g, ' ');
    expect(parted).toContain('zo-gd  warning at step 1,234: The weights diffuse. The weights diffuse.');
    expect(parted).toMatch(/zo-gd {2}step 0 +loss 0\.1 +tr₊\(H\) 7 ± 0\.21 +λmax 1\.17 +18 % of the limit 40/);
  });

  it('is not broken elsewhere, nor in a word or a path, whatever the width', () => {
    const path = '/a/very/long/path/'.repeat(10);
    expect(wrapped(`${path} ${path}`, new TextSink({ columns: 40 }))).toBe(`${path} ${path}`);
    expect(wrapped(`${path} b`, new TextSink({ isTTY: true, columns: 40 }))).toBe(`${path}\n  b`);
    expect(wrapped('a b', new TextSink({ isTTY: true, columns: 0 }))).toBe('a b');
  });
});

describe('progress elsewhere', () => {
  it('is about twenty plain lines and the monitor points, without control characters', () => {
    const stream = new TextSink();
    play(stream, { steps: 5000, monitorEvery: 240 });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is the point.
    expect(stream.text).not.toMatch(/[\x00-\x09\x0b-\x1f]/);
    expect(stream.lines.filter((line) => /^step [\d,]+ {2}loss [^ ]+( {2}[\d.,]+ steps\/s)?$/.test(line))).toHaveLength(
      // Of 20, at steps 0, 250, …, that of step 0 is a monitor point; the last step has a line of its own.
      20,
    );
    expect(stream.lines.filter((line) => line.includes('limit'))).toHaveLength(21);
    const steps = stream.lines.flatMap((line) => /^step ([\d,]+)/.exec(line)?.[1] ?? []);
    expect(new Set(steps).size).toBe(steps.length);
    expect(stream.lines[0]).toMatch(/2,752 parameters, 1,000 examples, zo-gd η = 0\.05, μ = 0\.001, seed 1/);
  });

  it('shows the curvature that the share is of: the positive part where there are negative eigenvalues', () => {
    const stream = new TextSink();
    const monitor = { ...monitorAt(0, { lr: 0.05, trace: 10 }), trace: 5, negativeTrace: 5, negativeTraceStdErr: 0.4 };
    progress(stream, { steps: 1, now: () => 0 }).show(monitor);
    expect(stream.text).toMatch(/tr₊\(H\) 10 ± 0\.5 .* 25 % of the limit 40/);
  });

  it('says where each point stands against its limit', () => {
    const stream = new TextSink();
    play(stream);
    const monitors = stream.lines.filter((line) => line.includes('limit'));
    expect(monitors[0]).toMatch(/^step 0 .*tr₊\(H\) 7 ± 0\.21 {2}λmax 1\.17 {2}18 % of the limit 40$/);
    expect(monitors.at(-1)).toMatch(/ 97 % of the limit 40, at the edge$/);
  });

  it('holds first-order runs against the limit of λmax, gives a range for mini-batches, and knows when it does not know', () => {
    const at = (optimizer: Optimizer, sampling: Sampling = {}) => {
      const stream = new TextSink();
      const monitor = monitorAt(0, { lr: 0.05, trace: 45 });
      const edge = { ratioMax: undefined, ...edgeOfStability(monitor, optimizer, sampling) };
      progress(stream, { steps: 1, now: () => 0 }).show({ ...monitor, ...edge });
      return stream.text;
    };
    expect(at(gdm({ lr: 0.5 }))).toMatch(/λmax 7\.5 {2}99 % of the limit 7\.6 of λmax, at the edge\n$/);
    expect(at(adam({ lr: 0.001 }))).toMatch(/ 0 % of the limit 38,000 of λmax\n$/);
    expect(at(zoGD({ lr: 0.02 }), { batch: 10, examples: 100 })).toMatch(
      /45 % to 450 % of the limit 100, undecided\n$/,
    );
    const own = { ...zoGD({ lr: 0.02 }), estimator: { ...zoGD({ lr: 0.02 }).estimator, moments: () => null } };
    expect(at(own)).toMatch(/λmax 7\.5 {2}limit unknown\n$/);
  });
});
