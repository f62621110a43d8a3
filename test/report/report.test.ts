import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plotRuns } from '../../lib/report/plot-data.ts';
import { writePlots, writeReport } from '../../lib/report/report.ts';
import { summarizeRun } from '../../lib/report/summary.ts';
import { svgPlots } from '../../lib/report/svg.ts';
import type { TrainEvent } from '../../lib/train/events.ts';
import { bundleClient } from './client-bundle.ts';
import { monitorAt, resumeOf, type SyntheticRun, syntheticRun, writeRunFolder } from './synthetic-run.ts';
import { checkXml } from './xml.ts';

let folder: string;
let clientScript: string;
let made = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'zeroth-report-'));
  clientScript = bundleClient(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

const run = (options: SyntheticRun = {}) => writeRunFolder(join(folder, `run-${made++}`), syntheticRun(options));

async function reportOf(runs: string[], title?: string) {
  const { file } = await writeReport(runs, join(folder, `out-${made++}`, 'report.html'), { clientScript, title });
  const html = readFileSync(file, 'utf8');
  return { html, document: parseHTML(html).document };
}

describe('report.html', () => {
  it('holds the data, the headline and the facts of each run', async () => {
    const { document } = await reportOf([run({ lr: 0.05, settle: 1 }), run({ lr: 0.03, settle: 0.45 })]);
    const data = JSON.parse(document.getElementById('report-data')?.textContent ?? '');
    expect(data.runs).toHaveLength(2);
    expect(data.runs[0].loss).toHaveLength(1000);
    expect(data.runs[1].monitors).toHaveLength(10);
    const headlines = [...document.querySelectorAll('.headline li')].map((item) => item.textContent);
    expect(headlines[0]).toMatch(/η = 0\.05 reached the edge/);
    expect(headlines[1]).toMatch(/η = 0\.03 spent its second half below the edge/);
    const facts = Object.fromEntries(
      [...document.querySelectorAll('tbody tr')].map((row) => [
        row.children[0].textContent,
        [...row.children].slice(1).map((cell) => cell.textContent),
      ]),
    );
    expect(facts).toMatchObject({
      optimizer: ['zo-gd', 'zo-gd'],
      'step size η': ['0.05', '0.03'],
      parameters: ['2,752', '2,752'],
      'steps a second': ['500', '500'],
      end: ['completed', 'completed'],
      'at the edge, second half': ['100 % of monitor points', '0 % of monitor points'],
    });
    for (const id of ['ratio', 'loss', 'trace', 'lambda-max', 'squared-norm'])
      expect(document.querySelector(`#${id} .plot`)).not.toBeNull();
  });

  it('loads nothing: no address outside the page, and a policy that forbids one', async () => {
    const { html, document } = await reportOf([run()]);
    expect(
      document.querySelectorAll('link, img, iframe, object, embed, script[src], [srcset], base, form'),
    ).toHaveLength(0);
    expect(html).not.toMatch(/@import|url\(\s*["']?(?:https?:)?\/\//);
    // Namespaces are names; nothing fetches them.
    const addresses = new Set([...html.matchAll(/https?:\/\/[\w./-]+/g)].map(([address]) => address));
    for (const address of addresses) expect(address).toMatch(/^http:\/\/www\.w3\.org\//);
    expect(document.querySelector('meta[http-equiv="Content-Security-Policy"]')?.getAttribute('content')).toMatch(
      /^default-src 'none'/,
    );
  });

  it('shows hostile names as text', async () => {
    const hostile = '</script><script>alert(1)</script><img src=x onerror=alert(1)>"\'&';
    const { html, document } = await reportOf([run({ name: hostile }), run({ name: 'plain' })], `title ${hostile}`);
    expect(html).not.toContain('<script>alert(1)');
    expect(html).not.toContain('<img');
    expect(document.querySelectorAll('script')).toHaveLength(2);
    expect(document.querySelector('h1')?.textContent).toBe(`title ${hostile}`);
    const data = JSON.parse(document.getElementById('report-data')?.textContent ?? '');
    expect(data.runs[0].label).toMatch(/^<\/script><script>a…/);
    expect(html.match(/<\/script/g)).toHaveLength(2);
  });

  it('has a plotting script that is JavaScript still', async () => {
    const { document } = await reportOf([run()]);
    const code =
      [...document.querySelectorAll('script')].find((script) => !script.getAttribute('type'))?.textContent ?? '';
    expect(code.length).toBeGreaterThan(100_000);
    expect(() => new Function(code)).not.toThrow();
  });

  it('keeps code that speaks of script elements inside its own', async () => {
    const script = join(folder, 'speaks.js');
    writeFileSync(script, 'globalThis.spoken = ["</script>", "</SCRIPT>", "<!--"];');
    const { file } = await writeReport([run()], join(folder, 'speaks.html'), { clientScript: script });
    const html = readFileSync(file, 'utf8');
    const code = html.slice(html.lastIndexOf('<script>') + 8, html.lastIndexOf('</script>'));
    expect(code).not.toMatch(/<\/script|<!--/i);
    const global: { spoken?: string[] } = {};
    new Function('globalThis', code)(global);
    expect(global.spoken).toEqual(['</script>', '</SCRIPT>', '<!--']);
  });

  it('stays small for long runs', async () => {
    const { html } = await reportOf([run({ steps: 50_000, monitorEvery: 500 })]);
    expect(html.length - statSync(clientScript).size).toBeLessThan(80_000);
  });

  it('reports a killed run, and one without monitor points', async () => {
    const { document } = await reportOf([run({ end: 'none', steps: 30, monitorEvery: 0 })]);
    expect(document.body.textContent).toMatch(/curvature was not measured/);
    expect(document.body.textContent).toMatch(/unfinished/);
    expect(document.querySelector('#trace')).toBeNull();
    expect(document.querySelector('#loss')).not.toBeNull();
  });

  it('shows what a run followed beside the loss, at its end or so far', async () => {
    const following = (events: TrainEvent[]): TrainEvent[] =>
      events.map(
        (event): TrainEvent =>
          event.type === 'monitor'
            ? { ...event, metrics: { accuracy: 0.5 } }
            : event.type === 'end'
              ? { ...event, metrics: { accuracy: 0.953, 'top <5>': 1 } }
              : event,
      );
    const folders = [syntheticRun(), syntheticRun({ end: 'none', seed: '2' })].map((events, i) =>
      writeRunFolder(join(folder, `metrics-${i}`), following(events)),
    );
    const { document } = await reportOf(folders);
    const rows = [...document.querySelectorAll('tbody tr')].map((row) => [...row.children].map((c) => c.textContent));
    expect(rows).toContainEqual(['accuracy, last', '0.953', '0.5']);
    expect(rows).toContainEqual(['top <5>, last', '1', '–']);
  });

  it('says in its facts what is so: one thread, a date, what the time of a resumed run covers', async () => {
    const events = syntheticRun().map((event) =>
      event.type === 'run' ? { ...event, device: { ...event.device, threads: 1 } } : event,
    );
    const end = events.at(-1) as TrainEvent;
    const resumed = [...events, resumeOf(events, 1000), end];
    const { document } = await reportOf([
      writeRunFolder(join(folder, 'resumed'), resumed),
      writeRunFolder(join(folder, 'resumed-unfinished'), resumed.slice(0, -1)),
    ]);
    const rows = Object.fromEntries(
      [...document.querySelectorAll('tbody tr')].map((row) => {
        const [name, ...cells] = [...row.children].map((cell) => cell.textContent);
        return [name, cells];
      }),
    );
    expect(rows.device?.[0]).toBe('a processor (avx2, 1 thread)');
    expect(rows.started?.[0]).toBe('2026-01-01 00:00:00 UTC');
    expect(rows.time).toEqual(['2 s since its last resume (of 1)', '–']);
  });

  it('puts the sentences of many runs under the first plot, and their toggles above it', async () => {
    const order = async (count: number) => {
      const { html, document } = await reportOf(Array.from({ length: count }, (_, i) => run({ seed: String(i) })));
      expect(document.querySelectorAll('button.run')).toHaveLength(count);
      expect(document.querySelectorAll('.headline li')).toHaveLength(count);
      const [button, sentence, plot] = ['class="run"', 'class="headline"', 'id="ratio"'].map((text) =>
        html.indexOf(text),
      );
      return [button < plot, sentence < plot];
    };
    expect(await order(3)).toEqual([true, true]);
    expect(await order(4)).toEqual([true, false]);
  });

  it('labels preconditioned curvature as such', async () => {
    const { document } = await reportOf([run({ preconditioned: true })]);
    expect(document.querySelector('#trace-preconditioned h2')?.textContent).toContain('tr₊(P⁻¹H)');
    expect(document.querySelector('#lambda-max-preconditioned h2')?.textContent).toContain('λmax(P⁻¹H)');
  });

  it('says what is wrong: no folder, no log, an empty log, no plotting code', async () => {
    const out = join(folder, 'never.html');
    for (const place of [join(folder, 'script.js', 'report.html'), folder, '/proc/zeroth/report.html']) {
      writeFileSync(join(folder, 'script.js'), '');
      await expect(writeReport([run()], place, { clientScript })).rejects.toMatchObject({ code: 'ERR_ZEROTH_FILE' });
      await expect(writePlots([run()], join(place, 'plots', 'loss.svg', '\0'))).rejects.toMatchObject({
        code: 'ERR_ZEROTH_FILE',
      });
    }
    await expect(writeReport([], out)).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    await expect(writeReport([join(folder, 'nowhere')], out, { clientScript })).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_ZEROTH_(LOG|FILE)$/),
    });
    await expect(writeReport([writeRunFolder(join(folder, 'empty'), [])], out, { clientScript })).rejects.toMatchObject(
      { code: 'ERR_ZEROTH_LOG' },
    );
    await expect(writeReport([run()], out, { clientScript: join(folder, 'missing.js') })).rejects.toThrow(
      /missing\.js.*npm run build:ts/,
    );
    expect(existsSync(out)).toBe(false);
  });
});

describe('SVG plots', () => {
  const svgOf = (...runs: SyntheticRun[]) => {
    const summaries = runs.map((options, i) => summarizeRun(`run-${i}`, syntheticRun(options)));
    return Object.fromEntries(svgPlots(plotRuns(summaries)).map(({ name, svg }) => [name, svg]));
  };

  it('are well-formed XML that stands alone, hostile names included', () => {
    const files = svgOf({ name: '<b>&"\'</script>' }, { name: 'two' });
    expect(Object.keys(files)).toEqual(['ratio.svg', 'loss.svg', 'trace.svg', 'lambda-max.svg', 'squared-norm.svg']);
    for (const svg of Object.values(files)) {
      expect(checkXml(svg)[0]).toBe('svg');
      expect(svg).toContain('xmlns="http://www.w3.org/2000/svg"');
      expect(svg).not.toMatch(/stroke="var\(|fill="var\(|color:var\(/);
    }
  });

  it('draw one line a run, the band, the error bars, the dots and the threshold', () => {
    const { document } = parseHTML(
      `<html><body>${svgOf({ lr: 0.05 }, { lr: 0.03, settle: 0.45 })['trace.svg']}</body></html>`,
    );
    const marks = (label: string, tag: string) => document.querySelectorAll(`g[aria-label="${label}"] ${tag}`);
    expect(marks('area', 'path')).toHaveLength(2);
    expect(marks('dot', 'circle')).toHaveLength(20);
    expect(marks('rule', 'line')).toHaveLength(20);
    const lines = [...document.querySelectorAll('g[aria-label="line"]')];
    expect(
      lines.map((group) => [group.querySelector('[stroke-dasharray]') !== null, group.querySelectorAll('path').length]),
    ).toEqual([
      [true, 2],
      [false, 2],
    ]);
    const strokes = new Set([...marks('dot', 'circle')].map((dot) => dot.getAttribute('fill')));
    expect(strokes.size).toBe(2);
    expect(document.body.textContent).toContain('2/η = 40');
    expect(document.body.textContent).toContain('2/η = 66.67');
  });

  it('show first-order runs the λmax that they must not pass, and zeroth-order runs none', () => {
    // Gradient descent: the limit 2/η = 40 is one of λmax.
    const events = syntheticRun({ settle: 3 }).map((event) =>
      event.type === 'run'
        ? { ...event, optimizer: { ...event.optimizer, name: 'gd', moments: { s1: 1, s2: 0 } } }
        : event.type === 'monitor'
          ? monitorAt(event.step, { lr: event.lr, trace: event.trace, governs: 'lambdaMax' })
          : event,
    );
    const files = svgPlots(plotRuns([summarizeRun('gd', events)]));
    const lambdaMax = files.find(({ name }) => name === 'lambda-max.svg')?.svg ?? '';
    expect(lambdaMax).toContain('first-order limit');
    const { document } = parseHTML(`<html><body>${lambdaMax}</body></html>`);
    // y = 40 has its tick: the line lies at the same height.
    const ticks = [...document.querySelectorAll('g[aria-label="y-axis tick label"] text')];
    const height = ticks
      .find((tick) => tick.textContent === '40')
      ?.getAttribute('transform')
      ?.match(/,([\d.]+)\)/)?.[1];
    const line = document
      .querySelector('g[aria-label="line"] path')
      ?.getAttribute('d')
      ?.match(/^M[\d.]+,([\d.]+)/)?.[1];
    expect(Number(line)).toBeCloseTo(Number(height), 1);
    expect(svgOf({})['lambda-max.svg']).not.toContain('first-order limit');
  });

  it('use a logarithmic loss axis unless a loss is not positive', () => {
    expect(svgOf({})['loss.svg']).toContain('loss, logarithmic');
    expect(svgOf({ loss: (step) => 1 - step / 500 })['loss.svg']).not.toContain('logarithmic');
  });

  it('draw a run of one step, one with infinite losses, and one that diverged by orders of magnitude', () => {
    for (const options of [
      { steps: 1, monitorEvery: 0 },
      { loss: () => Number.NaN },
      { settle: 1e6 },
      { steps: 1 },
    ] as SyntheticRun[]) {
      for (const svg of Object.values(svgOf(options))) {
        checkXml(svg);
        expect(svg).not.toMatch(/NaN|Infinity/);
      }
    }
  });

  it('are written as files; only the loss where nothing was measured', async () => {
    const names = async (options: SyntheticRun) =>
      (await writePlots([run(options)], join(folder, `svg-${made++}`))).map((file) => file.split('/').at(-1));
    expect(await names({})).toEqual(['ratio.svg', 'loss.svg', 'trace.svg', 'lambda-max.svg', 'squared-norm.svg']);
    expect(await names({ monitorEvery: 0 })).toEqual(['loss.svg']);
  });

  it('make room for a legend of many runs', () => {
    const runs = Array.from({ length: 12 }, (_, i) => ({ lr: 0.01 * (i + 1), steps: 20, monitorEvery: 10 }));
    const svg = svgOf(...runs)['loss.svg'];
    checkXml(svg);
    const colours = new Set([...svg.matchAll(/<path [^>]*stroke="(hsl[^"]+)"/g)].map((match) => match[1]));
    expect(colours.size).toBe(12);
  });
});
