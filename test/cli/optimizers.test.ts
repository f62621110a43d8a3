import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engine } from '../../lib/cli/engine.ts';
import { makeOptimizer, optimizerSettings } from '../../lib/cli/optimizer-options.ts';
import {
  estimatorNames,
  type OptimizerName,
  type OptimizerOptions,
  optimizerNames,
  optimizerRow,
} from '../../lib/cli/optimizers.ts';
import { presetNames, presets, tunedNames } from '../../lib/cli/presets.ts';
import { lawfulNames } from '../../lib/cli/stability.ts';
import { momentsOfOptimizer } from '../../lib/optimizers/moments.ts';
import type { Optimizer } from '../../lib/optimizers/optimizer.ts';
import * as recipes from '../../lib/optimizers/recipes.ts';
import type { RunEvent } from '../../lib/train/events.ts';
import { readRunLog } from '../../lib/train/log.ts';
import { zeroth } from './fixtures.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'zeroth-cli-optimizers-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const made = (name: OptimizerName, options: Partial<OptimizerOptions> = {}) =>
  makeOptimizer(optimizerSettings(name, [{ step: 0, lr: 0.5 }], options));

/** What an optimizer is, but for its functions. */
const facts = ({ name, lr, estimator, rule }: Optimizer) => ({
  ...{ name, lr },
  estimator: [estimator.name, estimator.options],
  rule: [rule.name, rule.options],
});

describe('the optimizers of the command line', () => {
  it('are all recipes of the library, by their names, but for the one that takes a vector', () => {
    const preconditioner = Float32Array.of(1);
    const all = Object.values(recipes).map(
      (recipe) =>
        (recipe as (o: object) => Optimizer)({ lr: 1, ...(recipe === recipes.frozenZoAdam && { preconditioner }) })
          .name,
    );
    expect([...optimizerNames].sort()).toEqual(all.filter((name) => name !== 'frozen-zo-adam').sort());
    for (const name of optimizerNames) expect(made(name).name).toBe(name);
    for (const preset of presetNames) expect(Object.keys(presets[preset].runs)).toEqual([...tunedNames]);
  });

  it('without options are the recipes with their defaults', () => {
    const own = { lr: 0.5 };
    const { gd, gdm, adam, mezo, spsa, zoAdam, zoAdamW, zoGD, zoGDM, zoLion, zoSignSGD, zoSVRG } = recipes;
    for (const recipe of [gd, gdm, adam, mezo, spsa, zoAdam, zoAdamW, zoGD, zoGDM, zoLion, zoSignSGD, zoSVRG])
      expect(facts(made(recipe(own).name as OptimizerName))).toEqual(facts(recipe(own)));
  });

  it('hand every option on', () => {
    const { gd, gdm, adam, spsa, zoAdam, zoAdamW, zoGDM, zoLion, zoSVRG } = recipes;
    const lr = 0.5;
    const given: [OptimizerName, Partial<OptimizerOptions>, Optimizer][] = [
      [
        'zo-gdm',
        { mu: 0.02, beta: 0.8, queries: 3, clipNorm: 2 },
        zoGDM({ lr, mu: 0.02, beta: 0.8, queries: 3, clipNorm: 2 }),
      ],
      ['zo-adam', { beta: 0.8, beta2: 0.7 }, zoAdam({ lr, beta1: 0.8, beta2: 0.7 })],
      [
        'zo-adamw',
        { beta: 0.8, beta2: 0.7, weightDecay: 0.5 },
        zoAdamW({ lr, beta1: 0.8, beta2: 0.7, weightDecay: 0.5 }),
      ],
      [
        'zo-lion',
        { beta: 0.8, beta2: 0.7, weightDecay: 0.5, queries: 2 },
        zoLion({ lr, beta1: 0.8, beta2: 0.7, weightDecay: 0.5, queries: 2 }),
      ],
      ['spsa', { mu: 0.1, queries: 4 }, spsa({ lr, mu: 0.1, queries: 4 })],
      [
        'zo-svrg',
        { mu: 0.1, queries: 4, snapshotEvery: 7, clipNorm: 3 },
        zoSVRG({ lr, mu: 0.1, queries: 4, every: 7, clipNorm: 3 }),
      ],
      ['gd', { clipNorm: 3 }, gd({ lr, clipNorm: 3 })],
      ['gdm', { beta: 0.1 }, gdm({ lr, beta: 0.1 })],
      ['adam', { beta: 0.1, beta2: 0.2, clipNorm: 1 }, adam({ lr, beta1: 0.1, beta2: 0.2, clipNorm: 1 })],
    ];
    for (const [name, options, expected] of given) expect(facts(made(name, options))).toEqual(facts(expected));
    for (const estimator of estimatorNames) {
      const own = made('zo-gd', { estimator });
      expect(own.estimator.name).toBe(estimator);
      expect(own.estimator.mu).toBe(estimator === 'forward-gradient' ? undefined : 1e-3);
      expect(facts(made('zo-gd', { estimator, queries: 2 })).estimator[1]).toEqual({
        queries: 2,
        of: { name: estimator, ...own.estimator.options },
      });
    }
  });

  it('refuse each option that they do not take, and take all others', () => {
    const options: OptimizerOptions = {
      ...{ mu: 0.01, beta: 0.5, beta2: 0.6, estimator: 'one-sided', queries: 2, snapshotEvery: 3 },
      ...{ weightDecay: 0.1, clipNorm: 4 },
    };
    for (const name of optimizerNames) {
      const takes = [...Object.keys(optimizerRow(name).takes), 'clipNorm'];
      for (const [option, value] of Object.entries(options)) {
        const call = () => made(name, { [option]: value });
        if (takes.includes(option)) expect(facts(call())).not.toEqual(facts(made(name)));
        else expect(call).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_USAGE' }));
      }
    }
  });

  it('that the calculator offers are those that the law is about', () => {
    expect(optimizerNames.filter((name) => momentsOfOptimizer(made(name)) !== null).sort()).toEqual(
      [...lawfulNames].sort(),
    );
  });
});

describe('on the device,', () => {
  const cli = async (...args: string[]) => {
    const { code, stdout, stderr } = await zeroth(args, { session: engine as never });
    expect([code, stderr.text]).toEqual([0, '']);
    return stdout.text;
  };
  const combinations: readonly (readonly [string, ...string[]])[] = [
    ...optimizerNames.map((name) => [name] as const),
    ...estimatorNames.map((name) => ['zo-gdm', '--estimator', name, '--queries', '2', '--clip-norm', '3'] as const),
  ];

  it.each(combinations.map((options) => [options.join(' '), options] as const))(
    'a run with %s trains, and is resumed from what its log says of it',
    async (_, [optimizer, ...options]) => {
      const out = join(root, optimizer + options.join(''));
      const common = [
        '--optimizer',
        optimizer,
        ...options,
        '--lr',
        '0.001',
        '--threads',
        '1',
        '--monitor-every',
        'off',
      ];
      await cli('train', 'sorting-small', ...common, '--steps', '5', '--out', out);
      // An optimizer that is another in one of its options is refused there.
      await cli('train', 'sorting-small', '--out', out, '--resume', '--steps', '8');
      const log = readRunLog(out);
      expect((log[0] as RunEvent).optimizer.name).toBe(optimizer);
      expect(log.at(-1)).toMatchObject({ type: 'end', reason: 'completed', steps: 8 });
    },
  );

  it('curvature is measured where the law is about the optimizer, and where nothing is claimed of its edge', async () => {
    for (const [options, said] of [
      [['--optimizer', 'zo-lion', '--lr', '0.001'], /tr\(H\)[\s\S]*the moments of the estimator are unknown/],
      [['--clip-norm', '2'], /tr\(H\)[\s\S]*the moments of the estimator are unknown/],
      [['--estimator', 'one-sided'], /tr\(H\)[\s\S]*limit\s+40 of the trace/],
    ] as const) {
      const out = join(root, `measured${options.join('')}`);
      await cli(
        'train',
        'sorting-small',
        ...options,
        '--steps',
        '3',
        '--threads',
        '1',
        '--monitor-every',
        'off',
        '--out',
        out,
      );
      expect(await cli('curvature', out, '--probes', '2', '--threads', '1')).toMatch(said);
    }
  });
});
