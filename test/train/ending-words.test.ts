import { describe, expect, it } from 'vitest';
import * as zeroth from '../../lib/index.ts';
import { AGAINST_NOISE, endMessage, type LastMeasured, type RunFacts } from '../../lib/train/ending.ts';

const measured: LastMeasured = {
  step: 400,
  lr: 0.05,
  quantity: 'trace',
  value: 41.23,
  ratio: 1.03,
  ratioMax: 1.03,
  verdict: 'at',
  squaredNorm: 448,
  diffusion: 414,
};

const facts: RunFacts = {
  step: 442,
  steps: 5000,
  kept: false,
  trouble: { cause: 'loss-not-finite', text: 'The loss is Infinity at step 441.', lies: 'in the dynamics' },
  warnings: [],
  risen: undefined,
  measured,
  batch: 'full',
  examples: 1000,
  growth: { start: 54.4, now: 1.5e18, diffusion: 1.5e18 },
  moved: true,
};

const died = (changes: Partial<RunFacts>) => endMessage('diverged', { ...facts, ...changes });
const quiet = { growth: { start: 54, now: 55, diffusion: 0 } };

describe('the last words of a run that diverged', () => {
  it('say what was seen, in order: what happened, curvature, growth up to the last measurement, what may help', () => {
    expect(died({})).toBe(
      'The loss is Infinity at step 441. At step 400, when it was last measured, the trace was 41.2, 103 % of its limit at η = 0.05 ' +
        '(at the edge of stability). ‖θ‖² had grown from 54.4 to 448; the noise of the steps alone adds 414. ' +
        "What may help: a smaller η, fewer trained parameters (narrower layers, or some of the weights among the problem's constants), " +
        'the mean of several queries a step (queries) or weight decay (weightDecay).',
    );
  });

  it.each<[string, Partial<LastMeasured>, string]>([
    [
      'near it',
      { ratio: 0.9, ratioMax: 0.9, verdict: 'close' },
      '90 % of its limit at η = 0.05 (close to the edge of stability).',
    ],
    [
      'far beyond it',
      { ratio: 25.4, ratioMax: 25.4, verdict: 'beyond' },
      '25.4 times its limit at η = 0.05 (beyond the edge of stability).',
    ],
    [
      'between bounds',
      { ratio: 0.26, ratioMax: 5.1, verdict: 'undecided' },
      '0.26 to 5.1 times its limit at η = 0.05.',
    ],
    [
      'without an upper bound',
      { ratio: 0.26, ratioMax: null, verdict: 'undecided' },
      'at least 0.26 times its limit at η = 0.05.',
    ],
    ['of λmax', { quantity: 'λmax', ratio: 1, ratioMax: 1 }, 'λmax was 41.2, 100 % of its limit'],
    [
      'that is not known',
      { ratio: null, ratioMax: null, verdict: 'undecided' },
      '41.2; what the noise of this estimator allows is not known.',
    ],
  ])('state a curvature against its limit: %s', (_, changes, words) => {
    expect(died({ measured: { ...measured, ...changes } })).toContain(words);
  });

  it('say that nothing was measured, and use what is known at the end', () => {
    const text = died({ measured: undefined, growth: { start: 54, now: 448, diffusion: 414 } });
    expect(text).toContain('The curvature was not measured. ‖θ‖² has grown from 54 to 448');
  });

  it('name remedies that fit', () => {
    const flat: Partial<LastMeasured> = { squaredNorm: 55, diffusion: 0 };
    expect(died({ ...quiet, measured: { ...measured, ...flat } })).toMatch(/What may help: a smaller η\.$/);
    expect(died({ ...quiet, measured: { ...measured, ...flat }, batch: 50 })).toMatch(
      /What may help: a smaller η or a larger batch\.$/,
    );
    expect(died({ measured: { ...measured, diffusion: null } })).toMatch(
      /what noise has added to it is not known for this optimizer\. What may help: a smaller η\.$/,
    );
    // Far from the edge, η may be innocent; but not where that is only the least that it can be.
    const far = { ...measured, ...flat, ratio: 0.2, ratioMax: 0.2, verdict: 'below' } as const;
    expect(died({ ...quiet, measured: far })).toContain('That was far from the edge of stability: measure more often');
    expect(died({ ...quiet, measured: { ...far, ratioMax: null } })).toMatch(/What may help: a smaller η\.$/);
  });

  it('and warnings name no remedy that is not here', () => {
    // By the names that a user would type.
    const named = AGAINST_NOISE.flatMap((way) => [...way.matchAll(/\((\w+)\)/g)].map(([, name]) => name));
    expect(named).toEqual(['queries', 'weightDecay']);
    expect(zeroth.zoGD({ lr: 1, queries: 2 }).estimator.name).toBe('mean-of-queries');
    expect(zeroth.weightDecay(zeroth.plain()).decays).toBe(true);
  });

  it.each([
    ['in the start', 'look at the loss, its data and the initial parameters'],
    ['in μ', 'a smaller μ'],
    ['in the derivative', 'The derivative of the loss is not defined there'],
    ['in the scale', 'scale the loss or its data down'],
    ['in the arithmetic', 'look at the formula of the estimator or the rule'],
  ] as const)('do not blame η for what lies %s', (lies, words) => {
    const text = died({ trouble: { cause: 'gradient-not-finite', text: 'It happened.', lies }, kept: true });
    expect(text).toContain(words);
    expect(text).not.toContain('What may help');
    expect(text).toMatch(/The last finite checkpoint is kept\.$/);
  });
});

describe('the last words of any run', () => {
  it('promise a checkpoint only where there is one', () => {
    expect(died({ kept: false })).not.toContain('checkpoint');
    expect(died({ kept: true })).toContain('The last finite checkpoint is kept.');
  });
});

describe('the last words of a run that ended as it should', () => {
  const fine = { ...facts, trouble: undefined, step: 1, steps: 1 };

  it('are short where there is nothing to say', () => {
    expect(endMessage('completed', fine)).toBe('Completed 1 step.');
    expect(endMessage('aborted', { ...fine, steps: 20, kept: true })).toBe(
      'Stopped after 1 of 20 steps; resume to go on.',
    );
    expect(endMessage('aborted', { ...fine, steps: 20 })).toBe('Stopped after 1 of 20 steps.');
  });

  it('repeat the warnings, with what has become of them', () => {
    const warnings = [
      { type: 'warning', step: 3, code: 'loss-flat', message: 'The loss is 2.' },
      { type: 'warning', step: 9, code: 'weights-diffuse', message: 'Old figures.' },
    ] as const;
    const growth = { start: 54, now: 521.7, diffusion: 576.9 };
    expect(endMessage('completed', { ...fine, warnings, growth })).toBe(
      'Completed 1 step. Warning: The loss is 2. Warning: ‖θ‖² has grown from 54 to 522; the noise of the steps alone adds 577.',
    );
  });

  it('leave out that no parameter changed where some have since', () => {
    const warnings = [
      { type: 'warning', step: 64, code: 'parameters-stuck', message: 'No parameter changed.' },
    ] as const;
    expect(endMessage('completed', { ...fine, warnings })).toBe('Completed 1 step.');
    expect(endMessage('completed', { ...fine, warnings, moved: false })).toMatch(/Warning: No parameter changed\.$/);
  });

  it('say that the loss stands far above where it began', () => {
    expect(endMessage('completed', { ...fine, risen: { loss: 4321, usual: 0.5 } })).toBe(
      'Completed 1 step, with a loss of 4320, far above its first ones (0.5).',
    );
  });
});
