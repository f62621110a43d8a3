import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkJson, type Json } from '../../lib/optimizers/json.ts';
import { gd, zoGD } from '../../lib/optimizers/recipes.ts';
import {
  constant,
  learningRateAt,
  piecewise,
  schedule,
  warmupCosineDecay,
  warmupLinearDecay,
} from '../../lib/optimizers/schedules.ts';
import { askStepSize, isSchedule, type StepInfo, type StepSize, stepSizeOf } from '../../lib/optimizers/step-size.ts';
import { stabilityLimit } from '../../lib/stability/bounds.ts';

const argument = (text: string) =>
  expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT', message: expect.stringContaining(text) });
const remembers = expect.objectContaining({
  code: 'ERR_ZEROTH_STEP_SIZE',
  message: expect.stringMatching(/StepSize.*sav/),
});

describe('a step size', () => {
  it.each<[string, Parameters<typeof stepSizeOf>[0], (step: number) => number]>([
    ['a number', 0.05, () => 0.05],
    ['a function', (step) => 1 / (1 + step), (step) => 1 / (1 + step)],
    ['constant', constant(0.2), () => 0.2],
    ['piecewise', piecewise({ 0: 0.1, 7: 0.2 }), (step) => (step < 7 ? 0.1 : 0.2)],
    ['a warm-up', warmupLinearDecay({ peak: 1, warmupSteps: 20, steps: 30 }), (step) => (step + 1) / 20],
    ['a formula of one’s own', schedule('square', { scale: 2 }, (step) => 2 * step * step), (step) => 2 * step * step],
  ])('from %s is one function of the step, however it is asked', (_, lr, expected) => {
    const stepSize = stepSizeOf(lr);
    expect(stepSize.init()).toBe(null);
    for (const step of [0, 6, 7, 19]) {
      const rates = [
        learningRateAt({ lr }, step),
        askStepSize(stepSize, null, { step }).lr,
        stepSize.next(null, { step }).lr,
        isSchedule(stepSize) ? stepSize.at(step) : Number.NaN,
        learningRateAt(zoGD({ lr }), step),
      ];
      expect(rates).toEqual(new Array(5).fill(expected(step)));
    }
  });

  it('with an `at` of its own is no schedule: its state counts', () => {
    class Halving implements StepSize<number> {
      readonly name = 'halving';
      at = () => 7;
      init = () => 1;
      next = (state: number, { estimate }: StepInfo) => ({ lr: state, state: estimate ? state / 2 : state });
    }
    const halving = new Halving();
    expect(isSchedule(stepSizeOf(halving))).toBe(false);
    const estimate = { kind: 'directions' as const, loss: 1, terms: [] };
    expect(askStepSize(halving, 0.25, { step: 3, estimate })).toEqual({ lr: 0.25, state: 0.125 });
    expect(learningRateAt({ lr: halving }, 0)).toBe(1);
    expect(() => learningRateAt({ lr: halving }, 3)).toThrow(argument('goes by what the run measures'));
  });

  it('says what it is: its name and its options', () => {
    const said = (lr: Parameters<typeof stepSizeOf>[0]) => {
      const { name, options } = stepSizeOf(lr);
      return [name, options];
    };
    expect(said(0.1)).toEqual(['constant', { lr: 0.1 }]);
    expect(said(piecewise({ 5: 0.2, 0: 0.1 }))).toEqual(['piecewise', { pieces: { 0: 0.1, 5: 0.2 } }]);
    const decay = { peak: 1, warmupSteps: 0, steps: 5 };
    expect(said(warmupLinearDecay(decay))).toEqual(['warmup-linear-decay', { ...decay, end: 0 }]);
    expect(said(warmupCosineDecay(decay))).toEqual(['warmup-cosine-decay', { ...decay, end: 0 }]);
    expect(said((step) => step)).toEqual(['function', {}]);
  });

  it.each<[string, () => (step: number) => number]>([
    [
      'multiplies what it said last',
      () => {
        let lr = 0.1;
        return () => (lr *= 0.5);
      },
    ],
    [
      'counts its calls',
      () => {
        let calls = 0;
        return () => (calls++ < 10 ? 0.1 : 0.01);
      },
    ],
    [
      'decays whenever a new step comes',
      () => {
        let [lr, last] = [0.1, 0];
        return (step) => {
          if (step > last) lr *= 0.9;
          last = step;
          return lr;
        };
      },
    ],
    ['is random', () => () => Math.random()],
    ['is random but for its start', () => (step) => (step === 0 ? 0.1 : Math.random())],
  ])('from a function that %s is refused, and StepSize named', (_, make) => {
    const ask = () => {
      const stepSize = stepSizeOf(make());
      for (let step = 0; step < 20; step++) askStepSize(stepSize, null, { step });
    };
    expect(ask).toThrow(remembers);
  });

  it('from a function that something else changes is refused at the next step', () => {
    let lr = 0.1;
    const stepSize = stepSizeOf(() => lr);
    expect(askStepSize(stepSize, null, { step: 4 }).lr).toBe(0.1);
    lr = 0.05;
    expect(() => askStepSize(stepSize, null, { step: 5 })).toThrow(remembers);
  });

  it('that keeps its memory outside of its state is refused', () => {
    let best = 1;
    const next = (state: null) => {
      best *= 0.5;
      return { lr: best, state };
    };
    const outside: StepSize<null> = { name: 'outside', init: () => null, next };
    expect(() => askStepSize(outside, null, { step: 0 })).toThrow(remembers);
    let calls = 0;
    const states: StepSize<number> = { name: 'states', init: () => 0, next: () => ({ lr: 0.1, state: calls++ }) };
    expect(() => askStepSize(states, 0, { step: 0 })).toThrow(remembers);
  });

  it('may change the state that it is given: it has a copy', () => {
    const counting: StepSize<{ n: number }> = {
      name: 'counting',
      init: () => ({ n: 0 }),
      next(state) {
        state.n += 1;
        return { lr: state.n, state };
      },
    };
    const before = { n: 3 };
    expect(askStepSize(counting, before, { step: 0 })).toEqual({ lr: 4, state: { n: 4 } });
    expect(before).toEqual({ n: 3 });
  });

  it.each<[string, unknown]>([
    ['NaN', Number.NaN],
    ['a negative number', -1],
    ['infinity', Number.POSITIVE_INFINITY],
    ['more than f32 holds', 1e39],
    ['nothing', undefined],
    ['text', '0.1'],
  ])('that says %s is refused, at the step where it does', (_, bad) => {
    const say = (step: number) => (step === 3 ? bad : 0.1) as number;
    const own: StepSize<null> = {
      name: 'own',
      init: () => null,
      next: (state, { step }) => ({ lr: say(step), state }),
    };
    for (const lr of [say, own, schedule('say', {}, say)]) {
      const stepSize = stepSizeOf(lr);
      expect(askStepSize(stepSize, null, { step: 2 }).lr).toBe(0.1);
      expect(() => askStepSize(stepSize, null, { step: 3 })).toThrow(argument('expected a finite number ≥ 0'));
    }
  });

  it('that returns no { lr, state }, or a state that is not JSON, is refused', () => {
    const saying = (value: unknown): StepSize<null> => ({ name: 'own', init: () => null, next: () => value as never });
    for (const value of [undefined, null, 5])
      expect(() => askStepSize(saying(value), null, { step: 0 })).toThrow(argument('lr of'));
    for (const state of [undefined, Number.NaN, { best: Number.POSITIVE_INFINITY }, new Map()])
      expect(() => askStepSize(saying({ lr: 1, state }), null, { step: 0 })).toThrow(argument('plain JSON'));
  });

  it.each([undefined, null, {}, { name: 'x' }, { name: 'x', init: 1, next: 2 }, '0.1', true, [0.1]])(
    'is not %j',
    (lr) => {
      expect(() => stepSizeOf(lr as never)).toThrow(argument('lr: expected'));
      expect(() => gd({ lr: lr as never })).toThrow(argument('lr: expected'));
    },
  );

  it('that goes by what the run measures is known beforehand at step 0 alone', () => {
    const own: StepSize<{ lr: number }> = {
      name: 'own',
      init: () => ({ lr: 0.1 }),
      next: (state) => ({ lr: state.lr, state: { lr: state.lr / 2 } }),
    };
    const optimizer = zoGD({ lr: own });
    expect(learningRateAt(optimizer, 0)).toBe(0.1);
    expect(stabilityLimit(optimizer)).toBe(20);
    expect(() => learningRateAt(optimizer, 1)).toThrow(argument('step: expected 0'));
  });
});

describe('checkJson', () => {
  it('lets pass exactly what JSON gives back as it was, −0 as 0', () => {
    const anything = fc.anything({
      withTypedArray: true,
      withDate: true,
      withBigInt: true,
      withMap: true,
      withNullPrototype: true,
    });
    const survives = (value: unknown): boolean => {
      try {
        const text = JSON.stringify(value);
        return text !== undefined && fc.stringify(JSON.parse(text)) === fc.stringify(unprototyped(value));
      } catch {
        return false;
      }
    };
    /** Objects without a prototype come back with one and −0 as 0, which is no loss. */
    const unprototyped = (value: unknown): unknown => {
      if (value === 0) return 0;
      if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== null) {
        if (Array.isArray(value)) return value.map(unprototyped);
        if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype)
          return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, unprototyped(entry)]));
        return value;
      }
      return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, unprototyped(entry)]));
    };
    const passes = (value: unknown): boolean => {
      try {
        checkJson('value', value as Json);
        return true;
      } catch {
        return false;
      }
    };
    fc.assert(
      fc.property(fc.oneof(anything, fc.jsonValue()), (value) => {
        // Never wrongly passed; and all that JSON itself can write is.
        if (passes(value)) expect(survives(value)).toBe(true);
      }),
      { seed: 4, numRuns: 1000 },
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(passes(JSON.parse(JSON.stringify(value)))).toBe(true);
      }),
      { seed: 5 },
    );
  });

  it('names the path to what is not JSON, circles included', () => {
    const circle: Record<string, unknown> = { a: [] };
    (circle.a as unknown[]).push(circle);
    expect(() => checkJson('state', circle as Json)).toThrow(/^state\.a\[0\]: expected plain JSON/);
    expect(() => checkJson('state', { a: [1, { b: Number.NaN }] })).toThrow(
      /^state\.a\[1\]\.b: expected .*null can stand/,
    );
    const shared = { x: 1 };
    expect(checkJson('state', [shared, shared])).toEqual([{ x: 1 }, { x: 1 }]);
  });
});
