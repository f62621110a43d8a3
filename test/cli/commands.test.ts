import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ZerothError } from '../../lib/errors.ts';
import { readRunLog } from '../../lib/train/log.ts';
import { bundleClient } from '../report/client-bundle.ts';
import { resumeOf, runOf, syntheticRun, writeRunFolder } from '../report/synthetic-run.ts';
import { FakeSession, TextSink, zeroth } from './fixtures.ts';

let root: string;
let reportClient: string;
let made = 0;
const fresh = () => join(root, `out-${made++}`);

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'zeroth-cli-'));
  reportClient = bundleClient(root);
});
afterAll(() => rmSync(root, { recursive: true }));

describe('zeroth train', () => {
  it('trains a preset with its defaults', async () => {
    const out = fresh();
    const { code, session, stdout, stderr } = await zeroth(['train', 'sorting-mlp', '--out', out]);
    expect(stderr.text).toBe('');
    expect(code).toBe(0);
    expect(session.requests[0]).toMatchObject({
      out,
      resume: false,
      settings: {
        preset: 'sorting-mlp',
        optimizer: 'zo-gd',
        lr: [{ step: 0, lr: 0.03 }],
        mu: 1e-3,
        steps: 5000,
        seed: '1',
        batch: 'full',
        monitorEvery: 'auto',
      },
    });
    expect(session.requests[0].settings).not.toHaveProperty('beta');
    expect(session.requests[0].settings).not.toHaveProperty('probes');
    expect(session.requests[0].settings).not.toHaveProperty('clipNorm');
    expect(stdout.text).toContain(`zeroth report ${out}`);
  });

  it('passes every option on', async () => {
    const { session } = await zeroth(
      `train cifar-mlp --data some/folder --optimizer zo-adam --lr 0:0.001,500:0.002 --mu 0.01 --beta 0.8 --beta2 0.99 --estimator one-sided --queries 3 --clip-norm 7 --steps 700 --seed 18446744073709551615 --batch 32 --monitor-every off --probes 8 --threads 1 --out ${fresh()}`.split(
        ' ',
      ),
    );
    expect(session.requests[0].settings).toEqual({
      preset: 'cifar-mlp',
      optimizer: 'zo-adam',
      lr: [
        { step: 0, lr: 0.001 },
        { step: 500, lr: 0.002 },
      ],
      mu: 0.01,
      beta: 0.8,
      beta2: 0.99,
      estimator: 'one-sided',
      queries: 3,
      clipNorm: 7,
      steps: 700,
      seed: '18446744073709551615',
      batch: 32,
      data: 'some/folder',
      monitorEvery: 'off',
      probes: 8,
      threads: 1,
    });
  });

  it('with --json writes every event as one line of JSON on stdout, and nothing else', async () => {
    const { code, stdout } = await zeroth([
      'train',
      'sorting-mlp',
      '--steps',
      '50',
      '--seed',
      '1',
      '--json',
      '--out',
      fresh(),
    ]);
    expect(code).toBe(0);
    const events = stdout.lines.map((line) => JSON.parse(line));
    expect(events).toEqual(
      JSON.parse(JSON.stringify(syntheticRun({ lr: 0.03, steps: 50, monitorEvery: 250, meta: events[0].meta }))),
    );
  });

  it('ends a diverged run with exit code 3', async () => {
    const { code, stdout } = await zeroth(['train', 'sorting-mlp', '--out', fresh()], {
      session: new FakeSession(() => ({ end: 'diverged' })),
    });
    expect(code).toBe(3);
    expect(stdout.text).toContain('Made up: diverged.');
  });

  it('at Ctrl-C says how to go on, with a folder that the shell reads back, and ends with 130', async () => {
    const abort = new AbortController();
    abort.abort();
    const out = `${fresh()} it's`;
    const { code, stdout } = await zeroth(['train', 'sorting-mlp', '--out', out], {
      signal: abort.signal,
      stdout: new TextSink({ isTTY: true }),
    });
    expect(code).toBe(130);
    expect(stdout.text).toContain(`zeroth train sorting-mlp --out '${out.replace("'", "'\\''")}' --resume`);
  });

  it('refuses to write over a run, and resumes it with the settings it began with', async () => {
    const out = fresh();
    const first = ['train', 'sorting-mlp', '--lr', '0.03', '--seed', '9', '--steps', '40', '--out', out];
    expect((await zeroth(first)).code).toBe(0);
    const again = await zeroth(first);
    expect(again.code).toBe(2);
    expect(again.stderr.text).toMatch(/^error ERR_ZEROTH_USAGE: .* holds a run already\. Go on with it by --resume/);
    expect(again.session.requests).toEqual([]);

    const resumed = await zeroth(['train', 'sorting-mlp', '--out', out, '--resume', '--steps', '80']);
    expect(resumed.stderr.text).toBe('');
    expect(resumed.session.requests[0]).toMatchObject({
      out,
      resume: true,
      settings: { lr: [{ step: 0, lr: 0.03 }], seed: '9', steps: 80 },
    });

    // Longer by a resume, elsewhere, and stopped in it: what goes on then goes on to the new end.
    const events = readRunLog(out);
    const { meta } = runOf(events);
    const settings = { ...(meta.settings as object), steps: 120, threads: 1 };
    appendFileSync(
      join(out, 'run.jsonl'),
      `${JSON.stringify(resumeOf(events, 40, { startedAt: new Date(0).toISOString(), steps: 120, meta: { settings } }))}\n`,
    );
    const longer = await zeroth(['train', 'sorting-mlp', '--out', out, '--resume']);
    expect(longer.stderr.text).toBe('');
    expect(longer.session.requests[0]).toMatchObject({
      settings: { lr: [{ step: 0, lr: 0.03 }], seed: '9', steps: 120, threads: 1 },
    });
  });

  it('refuses to resume what is not there, or with settings that contradict the run', async () => {
    const nothing = await zeroth(['train', 'sorting-mlp', '--out', fresh(), '--resume']);
    expect(nothing.code).toBe(2);
    expect(nothing.stderr.text).toContain('no run to resume');
    const out = fresh();
    await zeroth(['train', 'sorting-mlp', '--steps', '10', '--out', out]);
    const other = await zeroth(['train', 'sorting-mlp', '--lr', '0:0.03,5:0.04', '--out', out, '--resume']);
    expect(other.code).toBe(2);
    expect(other.stderr.text).toContain('--lr 0:0.03,5:0.04 contradicts the run, which began with 0.03');
    const every = await zeroth(['train', 'sorting-mlp', '--monitor-every', '3', '--out', out, '--resume']);
    expect(every.stderr.text).toContain('--monitor-every 3 contradicts');
    for (const [option, value, was] of [
      ['--queries', '2', '1'],
      ['--estimator', 'one-sided', 'gaussian-two-point'],
      ['--clip-norm', '1', 'none'],
      ['--weight-decay', '0', 'none'],
    ]) {
      const said = await zeroth(['train', 'sorting-mlp', option, value, '--out', out, '--resume']);
      expect([said.code, said.stderr.text]).toEqual([
        2,
        expect.stringContaining(`${option} ${value} contradicts the run, which began with ${was}`),
      ]);
    }
    const same = await zeroth(['train', 'sorting-mlp', '--queries', '1', '--mu', '0.001', '--out', out, '--resume']);
    expect(same.code).toBe(0);
    const preset = await zeroth(['train', 'cifar-mlp', '--data', 'x', '--out', out, '--resume']);
    expect(preset.stderr.text).toContain('trains sorting-mlp, not cifar-mlp');
  });

  it('does not guess the model of a run that the command line did not begin', async () => {
    const out = writeRunFolder(fresh(), syntheticRun({ steps: 5 }));
    const { code, stderr } = await zeroth(['train', 'sorting-mlp', '--out', out, '--resume']);
    expect(code).toBe(1);
    expect(stderr.text).toMatch(/^error ERR_ZEROTH_LOG: .*meta\.settings/);
  });

  it.each([
    [['train'], /missing required argument/],
    [['train', 'mnist'], /no preset "mnist".*sorting-small, sorting-mlp, cifar-small, cifar-mlp/],
    [['train', 'cifar-mlp'], /add --data/],
    [['train', 'sorting-mlp', '--data', 'x'], /leave out --data/],
    [['train', 'sorting-mlp', '--optimizer', 'sgd'], /zo-gd, zo-gdm, zo-adam, gd, gdm, adam/],
    [['train', 'sorting-mlp', '--optimizer', 'gd', '--mu', '0.1'], /--mu means nothing to gd/],
    [['train', 'sorting-mlp', '--beta2', '0.1'], /--beta2 means nothing to zo-gd/],
    [['train', 'sorting-mlp', '--optimizer', 'gd', '--queries', '2'], /--queries means nothing to gd/],
    [['train', 'sorting-mlp', '--optimizer', 'adam', '--estimator', 'one-sided'], /--estimator means nothing to adam/],
    [
      ['train', 'sorting-mlp', '--optimizer', 'spsa', '--lr', '1', '--estimator', 'one-sided'],
      /--estimator means nothing to spsa/,
    ],
    [['train', 'sorting-mlp', '--optimizer', 'zo-svrg', '--lr', '1', '--beta', '0'], /--beta means nothing to zo-svrg/],
    [['train', 'sorting-mlp', '--snapshot-every', '3'], /--snapshot-every means nothing to zo-gd/],
    [
      ['train', 'sorting-mlp', '--optimizer', 'zo-adam', '--weight-decay', '0.1'],
      /--weight-decay means nothing to zo-adam/,
    ],
    [
      ['train', 'sorting-mlp', '--estimator', 'forward-gradient', '--mu', '0.1'],
      /--mu means nothing to forward-gradient/,
    ],
    [
      ['train', 'sorting-mlp', '--optimizer', 'zo-lion'],
      /ERR_ZEROTH_USAGE: No step size of zo-lion is known to hold for sorting-mlp: add --lr/,
    ],
    [
      ['train', 'sorting-mlp', '--estimator', 'sphere'],
      /gaussian-two-point, rademacher-two-point, sphere-two-point, one-sided, forward-gradient/,
    ],
    [['train', 'sorting-mlp', '--queries', '0'], /--queries/],
    [['train', 'sorting-mlp', '--queries', '32769'], /from 1 to 32768/],
    [['train', 'sorting-mlp', '--clip-norm', '0'], /--clip-norm/],
    [['train', 'sorting-mlp', '--clip-norm', '1e-60'], /ERR_ZEROTH_ARGUMENT: limit: expected/],
    [['stability', '--trace', '1', '--lambda-max', '1', '--optimizer', 'zo-lion'], /Allowed choices are zo-gd/],
    [['train', 'sorting-mlp', '--lr', '-1'], /--lr/],
    [['train', 'sorting-mlp', '--mu', '0'], /--mu/],
    [['train', 'sorting-mlp', '--steps', '1.5'], /--steps/],
    [['train', 'sorting-mlp', '--seed', 'x'], /--seed/],
    [['train', 'sorting-mlp', '--batch', '0'], /--batch/],
    [['train', 'sorting-mlp', '--monitor-every', '-1'], /--monitor-every/],
    [['train', 'sorting-mlp', '--monitor-every', '0'], /"auto", "off" or an integer ≥ 1/],
    [['train', 'sorting-mlp', '--lr', '1e39'], /--lr/],
    [['train', 'sorting-mlp', '--lr', '0:0.1,5:1e39'], /step:rate/],
    [['train', 'sorting-mlp', '--mu', '1e31'], /--mu/],
    [['train', 'sorting-mlp', '--steps', '268435456'], /from 1 to 268435455/],
    [['train', 'sorting-mlp', '--probes', '65537'], /from 2 to 65536/],
    [['train', 'sorting-mlp', '--threads', '1025'], /from 1 to 1024/],
    [['demo', '--threads', '1025'], /from 1 to 1024/],
    [['curvature', '.', '--probes', '65537'], /from 2 to 65536/],
    [['stability', '--trace', '1', '--lambda-max', '1', '--lr', '1e39'], /--lr/],
    [['train', 'sorting-mlp', '--probes', '1'], /--probes/],
    [['train', 'sorting-mlp', '--threads', '0'], /--threads/],
    [['train', 'sorting-mlp', 'more'], /too many arguments/],
    [['train', 'sorting-mlp', '--colour'], /unknown option/],
    [['tain'], /unknown command.*train/s],
    [[], /Usage: zeroth/],
  ])('refuses %j with exit code 2', async (args, message) => {
    const { code, stderr, stdout, session } = await zeroth(args);
    expect(code).toBe(2);
    expect(stderr.text).toMatch(message);
    expect(stdout.text).toBe('');
    expect(session.requests).toEqual([]);
  });
});

describe('errors', () => {
  const failing = (error: unknown) => {
    const session = new FakeSession();
    session.startRun = async () => {
      throw error;
    };
    return session;
  };

  it('show code and message, without a stack', async () => {
    const error = new ZerothError('ERR_ZEROTH_DATA', 'data_batch_1.bin is truncated.');
    const { code, stderr } = await zeroth(['train', 'sorting-mlp', '--out', fresh()], { session: failing(error) });
    expect(code).toBe(1);
    expect(stderr.text).toBe('error ERR_ZEROTH_DATA: data_batch_1.bin is truncated.\n');
  });

  it('show the stack and the causes where ZEROTH_DEBUG asks for them', async () => {
    const error = new Error('outer', { cause: new Error('inner') });
    const { code, stderr } = await zeroth(['train', 'sorting-mlp', '--out', fresh()], {
      session: failing(error),
      debug: true,
    });
    expect(code).toBe(1);
    expect(stderr.text).toMatch(/Error: outer\n\s+at /);
    expect(stderr.text).toContain('caused by Error: inner');
  });

  it('leave a clean terminal when a run breaks in the middle', async () => {
    const session = new FakeSession();
    session.startRun = async () =>
      (async function* () {
        yield* syntheticRun({ steps: 5 }).slice(0, 3);
        throw new ZerothError('ERR_ZEROTH_DEVICE', 'gone.');
      })();
    const stdout = new TextSink({ isTTY: true });
    const { code } = await zeroth(['train', 'sorting-mlp', '--out', fresh()], { session, stdout });
    expect(code).toBe(1);
    expect(stdout.text).toContain('1/5,000');
    expect(stdout.text.endsWith('\x1b[2K')).toBe(true);
  });
});

describe('help', () => {
  it.each(['demo', 'train', 'curvature', 'stability', 'report', 'devices'])(
    'of %s shows examples and ends with 0',
    async (command) => {
      const { code, stdout } = await zeroth([command, '--help']);
      expect(code).toBe(0);
      expect(stdout.text).toContain(`$ zeroth ${command}`);
    },
  );

  it.each(['', 'demo', 'train', 'curvature', 'stability', 'report', 'devices'])(
    'of "%s" fits a terminal of 80 columns',
    async (command) => {
      const stdout = new TextSink({ isTTY: true, columns: 80 });
      await zeroth([...(command ? [command] : []), '--help'], { stdout });
      for (const line of stdout.lines) expect([...line].length, line).toBeLessThanOrEqual(80);
    },
  );

  it('of the program names every command; --version is the package’s', async () => {
    const { stdout } = await zeroth(['--help']);
    for (const command of ['demo', 'train', 'curvature', 'stability', 'report', 'devices'])
      expect(stdout.text).toMatch(new RegExp(`^  ${command}`, 'm'));
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    const shown = await zeroth(['--version']);
    expect([shown.code, shown.stdout.text]).toEqual([0, `${version}\n`]);
  });
});

describe('zeroth report', () => {
  it('writes a page for one run into its folder, and the SVG files beside it', async () => {
    const out = writeRunFolder(fresh(), syntheticRun());
    const { code, stdout } = await zeroth(['report', out, '--svg'], { reportClient });
    expect(code).toBe(0);
    for (const name of ['report.html', 'loss.svg', 'trace.svg', 'lambda-max.svg']) {
      expect(existsSync(join(out, name))).toBe(true);
      expect(stdout.lines).toContain(join(out, name));
    }
    expect(stdout.lines[0]).toMatch(/^η = 0\.05: reached the edge of stability/);
  });

  it('compares several runs', async () => {
    const file = join(fresh(), 'both.html');
    const runs = [0.05, 0.03].map((lr) => writeRunFolder(fresh(), syntheticRun({ lr })));
    const { code } = await zeroth(['report', ...runs, '--out', file, '--title', 'Two'], { reportClient });
    expect(code).toBe(0);
    expect(readFileSync(file, 'utf8')).toMatch(/<title>Two<\/title>[\s\S]*η = 0\.05[\s\S]*η = 0\.03/);
  });

  it('fails with 1 where there is no run', async () => {
    const { code, stderr } = await zeroth(['report', fresh()], { reportClient });
    expect(code).toBe(1);
    expect(stderr.text).toMatch(/^error ERR_ZEROTH_(LOG|FILE): /);
  });
});

describe('zeroth curvature', () => {
  it('prints trace and λmax with their errors, and as JSON', async () => {
    const out = fresh();
    await zeroth(['train', 'sorting-small', '--steps', '10', '--out', out]);
    const { stdout, code } = await zeroth(['curvature', out]);
    expect(code).toBe(0);
    expect(stdout.text).toMatch(
      /tr\(H\)\s+38 ± 1[\s\S]*tr₊\(H\)\s+38\.5 ± 1[\s\S]*λmax\(H\)\s+4 \(residual 0\.01\)[\s\S]*limit\s+40[\s\S]*at the edge/,
    );
    const json = await zeroth(['curvature', out, '--probes', '1000', '--json']);
    expect(JSON.parse(json.stdout.text)).toMatchObject({
      trace: 38,
      traceStdErr: 1,
      lambdaMax: 4,
      lambdaMaxResidual: 0.01,
      hvps: 1020,
    });
  });

  it('holds λmax against its own limit where gradients are exact, with no band', async () => {
    const out = fresh();
    await zeroth(['train', 'sorting-mlp', '--optimizer', 'gdm', '--lr', '0.5', '--steps', '10', '--out', out]);
    const { stdout } = await zeroth(['curvature', out]);
    expect(stdout.text).toMatch(
      /limit\s+7\.6 of λmax, at η = 0\.5\n\s+verdict\s+below the edge of stability: λmax takes up 53 % of its limit\n$/,
    );
    expect(stdout.text).not.toContain('band');
  });

  it('gives a range for a run of mini-batches, and says why', async () => {
    const out = fresh();
    await zeroth(['train', 'sorting-mlp', '--batch', '100', '--lr', '0.02', '--steps', '10', '--out', out]);
    const { stdout } = await zeroth(['curvature', out]);
    expect(stdout.text).toMatch(
      /verdict\s+undecided: the trace of the positive part takes up 39 % to 385 % of its limit\n\s+note\s+steps of 100 examples add noise/,
    );
  });

  it('refuses what is not a run', async () => {
    expect((await zeroth(['curvature', fresh()])).code).toBe(2);
  });
});

describe('zeroth devices', () => {
  it('lists what was found and what was not', async () => {
    const { code, stdout } = await zeroth(['devices']);
    expect(code).toBe(0);
    expect(stdout.text).toMatch(/✓ cpu\s+a processor\n\s+isa: avx2\n\s+threads: 2\n✗ cuda\s+no driver found/);
    expect(JSON.parse((await zeroth(['devices', '--json'])).stdout.text)).toHaveLength(2);
  });

  it('fails where no device can be used', async () => {
    const session = new FakeSession();
    session.listDevices = async () =>
      [{ kind: 'cpu', available: true, description: '', details: {} }].slice(1) as never;
    expect((await zeroth(['devices'], { session })).code).toBe(1);
  });
});

describe('zeroth demo', () => {
  const both =
    (zo: object, gd: object) =>
    ({ settings }: { settings: { optimizer: string } }) =>
      settings.optimizer === 'gd' ? gd : zo;

  it('runs ZO-GD and, as its control, GD with the same η, and says what happened from the runs themselves', async () => {
    const out = fresh();
    const { code, stdout, session } = await zeroth(['demo', '--out', out], {
      session: new FakeSession(both({ settle: 0.97 }, { settle: 1.6 })),
      reportClient,
    });
    expect(code).toBe(0);
    expect(session.requests.map(({ settings }) => [settings.preset, settings.optimizer, settings.lr[0].lr])).toEqual([
      ['sorting-small', 'zo-gd', 0.05],
      ['sorting-small', 'gd', 0.05],
    ]);
    const [zo, gd] = session.requests.map(({ settings }) => settings);
    expect([zo.steps, zo.seed]).toEqual([gd.steps, gd.seed]);
    expect(stdout.text).toContain("curvature (the Hessian's trace) of up to 2/η = 40.");
    expect(stdout.text).toMatch(/ZO-GD: .*held at that limit, the edge of stability: .* 97 % of it/);
    expect(stdout.text).toMatch(/GD, the control: .* 160 % of 2\/η\. The landscape goes on past that limit/);
    expect(stdout.lines.at(-1)).toBe(`Report: ${join(out, 'report.html')}`);
    expect(existsSync(join(out, 'report.html'))).toBe(true);
  });

  it.each([
    ['below', { settle: 0.5 }, { settle: 0.6 }, /at 50 % of it, still below/, /does not go far beyond/],
    ['beyond', { settle: 1.4 }, { settle: 1.45 }, /at 140 % of it, above it/, /does not go far beyond/],
    ['a run that diverged', { end: 'diverged' }, { settle: 1.6 }, /ZO-GD: diverged after 3,000 steps/, /goes on past/],
    ['nothing measured', { monitorEvery: 0 }, { monitorEvery: 0 }, /ZO-GD: the run ended before/, /GD, .*ended before/],
  ])('tells another story of %s, and can run again', async (_, zo, gd, first, second) => {
    const out = fresh();
    const options = ['demo', '--out', out, '--steps', '3000'];
    await zeroth(options, { reportClient });
    const session = new FakeSession(both(zo, gd));
    const { code, stdout } = await zeroth(options, { session, reportClient });
    expect(code).toBe(0);
    expect(stdout.text).toMatch(first);
    expect(stdout.text).toMatch(second);
  });

  it('stops at Ctrl-C without starting the second run', async () => {
    const abort = new AbortController();
    abort.abort();
    const { code, session } = await zeroth(['demo', '--out', fresh()], { signal: abort.signal, reportClient });
    expect(code).toBe(130);
    expect(session.requests).toHaveLength(1);
  });

  it.each([
    [[], ''],
    [['--seed', '18446744073709551615'], ' --seed 18446744073709551615'],
    [['--threads', '2', '--steps', '30'], ' --steps 30 --threads 2'],
    [['--out', "it's here"], " --out 'it'\\''s here'"],
  ])('says how to start the same demo again after Ctrl-C: %j', async (options, text) => {
    const abort = new AbortController();
    abort.abort();
    const folder = fresh();
    mkdirSync(folder);
    const before = process.cwd();
    process.chdir(folder);
    try {
      const { stdout } = await zeroth(['demo', ...options], { signal: abort.signal, reportClient });
      expect(stdout.lines.at(-1)).toBe(`Stopped. Start again with:  zeroth demo${text}`);
    } finally {
      process.chdir(before);
    }
  });
});
