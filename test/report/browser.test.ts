import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeReport } from '../../lib/report/report.ts';
import { bundleClient } from './client-bundle.ts';
import { type SyntheticRun, syntheticRun, writeRunFolder } from './synthetic-run.ts';

/** Debian's, or what ZEROTH_CHROMIUM names. */
const executablePath = process.env.ZEROTH_CHROMIUM ?? '/usr/bin/chromium';

const runs: readonly SyntheticRun[] = [
  { lr: 0.05 },
  { lr: 0.03, settle: 1.7, name: 'a-model-with-a-rather-long-name' },
  { lr: 0.002, preconditioned: true },
  { lr: 0.05, seed: '2', end: 'diverged', loss: (step) => (step < 990 ? 1 : 1e12) },
  { lr: 0.05, seed: '3', end: 'none', monitorEvery: 0 },
];

describe.skipIf(!existsSync(executablePath))('a report in Chromium (set ZEROTH_CHROMIUM where it is elsewhere)', () => {
  let folder: string;
  let browser: Browser;
  let address: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'zeroth-browser-'));
    const folders = runs.map((run, i) => writeRunFolder(join(folder, `run-${i}`), syntheticRun(run)));
    const clientScript = bundleClient(folder);
    const { file } = await writeReport(folders, join(folder, 'report.html'), { clientScript });
    address = pathToFileURL(file).href;
    const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'];
    args.push('--disable-background-networking', '--disable-component-update', '--disable-sync');
    browser = await chromium.launch({ executablePath, args });
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Opens the report, and collects what should not be there. */
  async function open(width: number, height: number, colorScheme: 'light' | 'dark') {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme });
    const wrong: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') wrong.push(message.text());
    });
    page.on('pageerror', (error) => wrong.push(error.message));
    page.on('request', (request) => {
      if (request.url() !== address) wrong.push(`request of ${request.url()}`);
    });
    await page.goto(address, { waitUntil: 'load' });
    await page.waitForSelector('#squared-norm svg');
    return { page, wrong };
  }

  const marks = (page: Page, plot: string) => page.locator(`#${plot} svg circle`).count();

  it.each([
    [1280, 800, 'light'],
    [1280, 800, 'dark'],
    [375, 800, 'light'],
    [375, 800, 'dark'],
  ] as const)('at %s×%s, %s, has no error, asks for nothing, and cuts nothing off', async (width, height, scheme) => {
    const { page, wrong } = await open(width, height, scheme);
    const cut = await page.evaluate(() => {
      const wide = document.documentElement.scrollWidth;
      const beyond: string[] = [];
      for (const element of document.querySelectorAll('h1, h2, li, button, .caption, .plot, .plot svg')) {
        const { left, right } = element.getBoundingClientRect();
        if (left < 0 || right > innerWidth + 0.5)
          beyond.push(`${element.tagName} ${element.textContent?.slice(0, 30)}`);
      }
      // Text inside a plot that reaches beyond the plot's own box would be cut off there.
      for (const text of document.querySelectorAll('.plot svg text')) {
        const box = text.getBoundingClientRect();
        const plot = (text.closest('section') as HTMLElement).getBoundingClientRect();
        if (box.width > 0 && (box.left < plot.left || box.right > plot.right + 0.5))
          beyond.push(`text ${text.textContent}`);
      }
      return { overflow: wide > innerWidth, beyond };
    });
    expect(cut).toEqual({ overflow: false, beyond: [] });
    expect(wrong).toEqual([]);
    await page.close();
  });

  it('shows what happened and the first plot above the fold at 1280×800', async () => {
    const single = join(folder, 'two.html');
    const folders = [0, 1].map((i) => join(folder, `run-${i}`));
    await writeReport(folders, single, { clientScript: join(folder, 'client.js') });
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await page.goto(pathToFileURL(single).href);
    await page.waitForSelector('#ratio svg');
    const bottom = await page.locator('#ratio .plot').evaluate((plot) => plot.getBoundingClientRect().bottom);
    expect(bottom).toBeLessThan(800);
    await page.close();
  });

  it('shows the first plot above the fold at 1280×800 also of six runs, whose sentences stand under it', async () => {
    const six = join(folder, 'six.html');
    const folders = Array.from({ length: 6 }, (_, i) =>
      writeRunFolder(
        join(folder, `six-${i}`),
        syntheticRun({ lr: 0.01 * (i + 1), seed: String(i), name: `model-${i % 2}` }),
      ),
    );
    await writeReport(folders, six, { clientScript: join(folder, 'client.js') });
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await page.goto(pathToFileURL(six).href);
    await page.waitForSelector('#ratio svg');
    expect(await page.locator('#ratio .plot').evaluate((plot) => plot.getBoundingClientRect().bottom)).toBeLessThan(
      800,
    );
    await page.close();
  });

  it.each([375, 1280])(
    'draws no text over another in a plot %s px wide, and gives every logarithmic tick a label',
    async (width) => {
      const { page } = await open(width, 800, 'light');
      const overlaps = await page.evaluate(() => {
        const found: string[] = [];
        for (const svg of document.querySelectorAll('.plot svg')) {
          const texts = [...svg.querySelectorAll('text')]
            .filter((text) => text.textContent !== '' && !text.closest('[aria-label="tip"]'))
            .map((text) => ({ text: text.textContent, box: text.getBoundingClientRect() }));
          texts.forEach(({ text, box }, i) => {
            for (const { text: other, box: over } of texts.slice(i + 1)) {
              const apart =
                box.right <= over.left ||
                over.right <= box.left ||
                box.bottom - 3 <= over.top ||
                over.bottom - 3 <= box.top;
              if (!apart) found.push(`${text} / ${other}`);
            }
          });
        }
        return found;
      });
      expect(overlaps).toEqual([]);
      await page.close();
    },
  );

  it.each(['light', 'dark'] as const)(
    'has contrast for its text (4.5) and its lines (3) in %s, hidden runs included',
    async (scheme) => {
      const { page } = await open(1280, 800, scheme);
      await page.locator('button.run').first().click();
      const low = await page.evaluate(() => {
        const rgba = (colour: string) => (colour.match(/[\d.]+/g) ?? []).map(Number);
        const luminance = ([r, g, b]: number[]) =>
          [r, g, b]
            .map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = (element: Element | null): number[] => {
          for (let e = element; e; e = e.parentElement) {
            const colour = rgba(getComputedStyle(e).backgroundColor);
            if (colour.length === 3 || colour[3] > 0) return colour;
          }
          return [255, 255, 255];
        };
        const contrast = (element: Element, colour: string) => {
          const [a, b] = [luminance(rgba(colour)), luminance(behind(element))].sort((x, y) => y - x);
          return (a + 0.05) / (b + 0.05);
        };
        const found: string[] = [];
        for (const e of document.querySelectorAll('h1, h2, li, strong, button, .caption, th, td, .plot svg text')) {
          const style = getComputedStyle(e);
          if (e.textContent === '' || e.getBoundingClientRect().width === 0) continue;
          const value = contrast(e, e.tagName === 'text' ? style.fill : style.color) * Number(style.opacity);
          if (value < 4.5) found.push(`${e.tagName} ${e.textContent?.slice(0, 30)} ${value}`);
        }
        for (const e of document.querySelectorAll('button')) {
          const value = contrast(e.parentElement as Element, getComputedStyle(e).borderColor);
          if (value < 3) found.push(`border of ${e.textContent} ${value}`);
        }
        return found;
      });
      expect(low).toEqual([]);
      await page.close();
    },
  );

  it.each(['light', 'dark'] as const)('draws twelve runs in colours of 3 : 1 at least, in %s', async (colorScheme) => {
    const twelve = join(folder, 'twelve.html');
    const folders = Array.from({ length: 12 }, (_, i) =>
      writeRunFolder(join(folder, `twelve-${i}`), syntheticRun({ seed: String(i), steps: 20 })),
    );
    await writeReport(folders, twelve, { clientScript: join(folder, 'client.js') });
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme });
    await page.goto(pathToFileURL(twelve).href);
    await page.waitForSelector('#loss svg');
    const colours = await page.evaluate(() => {
      const rgb = (text: string) => (text.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
      const card = rgb(getComputedStyle(document.querySelector('section') as Element).backgroundColor);
      const lines = [...document.querySelectorAll('#loss svg g[aria-label="line"] path')];
      return { card, lines: lines.map((line) => rgb(getComputedStyle(line).stroke)) };
    });
    const luminance = (rgb: number[]) =>
      rgb
        .map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    expect(new Set(colours.lines.map(String)).size).toBe(12);
    for (const line of colours.lines) {
      const [light, dark] = [luminance(line), luminance(colours.card)].sort((a, b) => b - a);
      expect((light + 0.05) / (dark + 0.05)).toBeGreaterThanOrEqual(3);
    }
    await page.close();
  });

  it('is usable by keyboard: every control has a name of its own and a ring, the table of facts can be scrolled', async () => {
    const { page } = await open(375, 800, 'light');
    const names = await page
      .locator('button')
      .evaluateAll((buttons) => buttons.map((button) => button.getAttribute('aria-label') ?? button.textContent));
    expect(new Set(names).size).toBe(names.length);
    const table = page.locator('.scroll');
    await table.focus();
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction(() => (document.querySelector('.scroll')?.scrollLeft ?? 0) > 0);
    expect(await table.evaluate((element) => getComputedStyle(element).outlineStyle)).toBe('solid');
    await page.close();
  });

  it('hides a run in every plot when its name is pressed, by mouse or keyboard, and shows it again', async () => {
    const { page, wrong } = await open(1280, 800, 'light');
    const before = await marks(page, 'ratio');
    const button = page.locator('button.run').first();
    expect(await button.getAttribute('aria-pressed')).toBe('true');
    const colour = await page.locator('#loss svg g[aria-label="line"] path').nth(1).getAttribute('stroke');
    await button.click();
    expect(await button.getAttribute('aria-pressed')).toBe('false');
    const without = await marks(page, 'ratio');
    expect(without).toBeLessThan(before);
    expect(await marks(page, 'trace')).toBeGreaterThan(0);
    // The others keep their colours.
    expect(await page.locator('#loss svg g[aria-label="line"] path').first().getAttribute('stroke')).toBe(colour);
    await button.focus();
    await page.keyboard.press('Enter');
    expect(await button.getAttribute('aria-pressed')).toBe('true');
    expect(await marks(page, 'ratio')).toBe(before);
    for (const each of await page.locator('button.run').all()) await each.click();
    expect(await page.locator('.plot svg').count()).toBe(0);
    expect(wrong).toEqual([]);
    await page.close();
  });

  it('cuts no dot at the frame', async () => {
    const { page } = await open(1280, 800, 'light');
    const clipped = await page.evaluate(
      () =>
        [...document.querySelectorAll('.plot svg circle')].filter((dot) => dot.closest('[clip-path]') !== null).length,
    );
    expect(clipped).toBe(0);
    await page.close();
  });
});
