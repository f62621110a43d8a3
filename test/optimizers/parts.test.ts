import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { compile } from '../../lib/objective/objective.ts';
import { clipNorm } from '../../lib/optimizers/estimators/clip-norm.ts';
import { gaussianTwoPoint } from '../../lib/optimizers/estimators/gaussian-two-point.ts';
import { meanOfQueries } from '../../lib/optimizers/estimators/mean-of-queries.ts';
import { inSpace } from '../../lib/optimizers/in-space.ts';
import type { Json } from '../../lib/optimizers/json.ts';
import { linearOf } from '../../lib/optimizers/linear-estimate.ts';
import type {
  Estimate,
  EstimateRequest,
  Estimator,
  Moments,
  Optimizer,
  Update,
  UpdateRule,
} from '../../lib/optimizers/optimizer.ts';
import { zoGD } from '../../lib/optimizers/recipes.ts';
import { clipValue } from '../../lib/optimizers/rules/clip-value.ts';
import { plain } from '../../lib/optimizers/rules/plain.ts';
import { polyakMomentum } from '../../lib/optimizers/rules/polyak-momentum.ts';
import { weightDecay } from '../../lib/optimizers/rules/weight-decay.ts';
import { type StepInfo, type StepSize, schedule, stepSizeOf } from '../../lib/optimizers/step-size.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from '../train/small-problem.ts';
import { allEstimators } from './all-estimators.ts';
import { allRules } from './all-rules.ts';

const device = openDevice({ threads: 1 });
afterAll(() => device.dispose());

/** A random direction and the exact derivative along it, as an object. */
const forward = (): Estimator<{ n: number }> => ({
  name: 'forward',
  options: { scale: 2 },
  cost: { derivatives: 1 },
  moments: () => ({ s1: 2, s2: 1 }),
  init: () => ({ n: 0 }),
  async estimate({ oracle, direction, state: { n } }) {
    const { loss, derivatives } = await oracle.derivatives([direction(0)]);
    const terms = [{ direction: direction(0), coefficient: derivatives[0] }];
    return { estimate: { kind: 'directions', loss, terms }, state: { n: n + 1 } };
  },
});

/** The same as a class, with helpers of every kind. */
class Forward implements Estimator<{ n: number }> {
  readonly name = 'forward';
  readonly #scale = 2;
  protected helper = { anything: true };
  cost = { derivatives: 1 };
  get options() {
    return { scale: this.#scale };
  }
  moments(): Moments {
    return { s1: this.#scale, s2: 1 };
  }
  init(): { n: number } {
    return { n: this.#scale - 2 };
  }
  async estimate({ oracle, direction, state: { n } }: EstimateRequest<{ n: number }>) {
    const { loss, derivatives } = await oracle.derivatives([direction(0)]);
    return { estimate: this.#along(loss, direction, derivatives[0]), state: { n: n + 1 } };
  }
  #along(loss: number, direction: EstimateRequest['direction'], coefficient: number): Estimate {
    return { kind: 'directions', loss, terms: [{ direction: direction(0), coefficient }] };
  }
}

/** One that remembers nothing, for means. */
class Stateless implements Estimator {
  readonly name = 'forward';
  readonly #inner = new Forward();
  readonly memo = 3;
  moments(): Moments {
    return this.#inner.moments();
  }
  async estimate(request: EstimateRequest): Promise<Estimate> {
    return (await this.#inner.estimate({ ...request, state: { n: 0 } })).estimate;
  }
}

class Momentum implements UpdateRule {
  readonly name = 'momentum';
  readonly beta = 0.5;
  readonly gradientWeight = 1;
  readonly preconditioned = false;
  readonly states = ['m'];
  readonly #kind = 'momentum';
  private notes = 'mine';
  update(): Update {
    return { kind: this.#kind, beta: this.beta };
  }
  toString(): string {
    return this.notes;
  }
}

class Halving implements StepSize<number> {
  readonly name = 'halving';
  readonly every = 5;
  readonly #first = 0.02;
  init(): number {
    return this.#first;
  }
  next(state: number, { step, estimate }: StepInfo) {
    const lr = estimate && step > 0 && step % this.every === 0 ? state / 2 : state;
    return { lr, state: lr };
  }
}

const halving = (): StepSize<number> => {
  const inner = new Halving();
  return { name: inner.name, init: () => inner.init(), next: (state, info) => inner.next(state, info) };
};

async function trained(optimizer: Optimizer): Promise<Float32Array> {
  await using objective = await compile(device, smallProblem(), { seed: 1 });
  const end = await train(objective, optimizer, { steps: 12, seed: 3, monitorEvery: 'off' });
  expect(end.reason).toBe('completed');
  return objective.params.read();
}

const momentum = () => polyakMomentum({ beta: 0.5 });
const optimizer = (parts: Partial<Record<keyof Optimizer, unknown>>): Optimizer =>
  ({ name: 'mine', estimator: forward(), rule: momentum(), lr: 0.02, ...parts }) as Optimizer;

describe('an instance of a class', () => {
  it('with helpers of its own is as good a part as an object is', async () => {
    const expected = await trained(optimizer({ lr: halving() }));
    expect(await trained(optimizer({ estimator: new Forward(), lr: halving() }))).toEqual(expected);
    expect(await trained(optimizer({ rule: new Momentum(), lr: halving() }))).toEqual(expected);
    expect(await trained(optimizer({ lr: new Halving() }))).toEqual(expected);
    expect(await trained(optimizer({ estimator: new Forward(), rule: new Momentum(), lr: new Halving() }))).toEqual(
      expected,
    );
    class Mine {
      readonly name = 'mine';
      readonly estimator = new Forward();
      readonly rule = new Momentum();
      readonly lr = new Halving();
      readonly comment = 'whatever';
    }
    expect(await trained(new Mine())).toEqual(expected);
  });

  it('keeps its methods where it is wrapped', async () => {
    const space = { w1: 'skip' } as const;
    const wraps: readonly ((estimator: Estimator) => Estimator)[] = [
      (estimator) => inSpace(estimator, space),
      (estimator) => clipNorm(estimator, { limit: 0.5 }),
      (estimator) => inSpace(clipNorm(estimator, { limit: 0.5 }), space),
      (estimator) => clipNorm(inSpace(estimator, space), { limit: 0.5 }),
    ];
    for (const wrap of wraps) {
      const [own, other] = [new Forward(), forward()].map((one) => wrap(one as unknown as Estimator));
      expect(own.options).toEqual(other.options);
      expect(await trained(optimizer({ estimator: own }))).toEqual(await trained(optimizer({ estimator: other })));
    }
    const mean = meanOfQueries(new Stateless(), 2);
    expect(mean.moments!(3)).toEqual({ s1: 1.5, s2: 0.5 });
    await trained(optimizer({ estimator: inSpace(mean, space) }));
    const inside = inSpace(new Stateless(), space);
    await trained(optimizer({ estimator: meanOfQueries(inside, 2) }));
  });

  it('does not make an object with a linear estimate forget it', () => {
    const linear = gaussianTwoPoint();
    expect(linearOf(inSpace(linear, { w1: 'skip' }))).toBe(linearOf(linear));
    expect(linearOf(linear)).toBeDefined();
    class Linear {
      readonly name = 'mine';
      readonly estimate = linear.estimate;
    }
    expect(linearOf(inSpace(new Linear(), { w1: 'skip' }))).toBe(linearOf(linear));
  });
});

const refused = (call: () => unknown, part: string) =>
  expect(Promise.resolve().then(call)).rejects.toMatchObject({
    code: 'ERR_ZEROTH_ARGUMENT',
    message: expect.stringContaining(part),
  });

describe('a misspelt field is refused, by name, where the part comes in:', () => {
  const training = (parts: Partial<Record<keyof Optimizer, unknown>>) => () => trained(optimizer(parts));
  const estimator = { ...forward(), momments: () => null } as Estimator<{ n: number }>;
  const stateless = { ...gaussianTwoPoint(), optoins: {} } as Estimator;
  const rule = { ...momentum(), lawfull: false } as UpdateRule;
  const lr = { ...halving(), optoins: {} } as StepSize;
  it.each<[string, () => unknown, string]>([
    ['an estimator in train', training({ estimator }), 'optimizer.estimator: expected none but name,'],
    ['a rule in train', training({ rule }), 'optimizer.rule: expected none but name,'],
    [
      'a step size in train',
      training({ lr }),
      'lr: expected none but name, options, init, next; received the unknown name "optoins"',
    ],
    [
      'an optimizer in train',
      () => trained({ ...optimizer({}), stepSize: 1 } as Optimizer),
      'the unknown name "stepSize"',
    ],
    [
      'a cost',
      training({ estimator: { ...forward(), cost: { loses: 2 } } }),
      'optimizer.estimator.cost: expected none but losses,',
    ],
    ['an estimator in a space', () => inSpace(stateless, { w: 'skip' }), 'estimator: expected none but name,'],
    ['an estimator of queries', () => meanOfQueries(stateless, 2), '"optoins"'],
    ['a clipped estimator', () => clipNorm(stateless, { limit: 1 }), '"optoins"'],
    ['a decayed rule', () => weightDecay(rule), 'rule: expected none but name,'],
    ['a clipped rule', () => clipValue(rule, { limit: 1 }), '"lawfull"'],
    ['a step size of a recipe', () => zoGD({ lr }), '"optoins"'],
    ['a step size that is asked', () => stepSizeOf(lr), '"optoins"'],
  ])('%s', async (_, call, part) => {
    await refused(call, part);
  });

  it('also of an object without a prototype', async () => {
    const bare = Object.assign(Object.create(null) as object, momentum(), { lawfull: false });
    await refused(training({ rule: bare }), '"lawfull"');
    const right = Object.assign(Object.create(null) as object, momentum());
    expect(await trained(optimizer({ rule: right }))).toEqual(await trained(optimizer({})));
  });
});

describe('a part that lacks what it needs, or has it of another kind, is refused before anything runs:', () => {
  it.each<[string, Partial<Record<keyof Optimizer, unknown>>, string]>([
    ['no name', { name: '' }, 'optimizer.name: expected a name'],
    ['an estimator without a name', { estimator: { ...forward(), name: undefined } }, 'optimizer.estimator.name'],
    [
      'an estimator without an estimate',
      { estimator: { name: 'a' } },
      'optimizer.estimator.estimate: expected a function',
    ],
    [
      'moments that are no function',
      { estimator: { ...forward(), moments: { s1: 2, s2: 1 } } },
      'optimizer.estimator.moments',
    ],
    ['an init that is none', { estimator: { ...forward(), init: { n: 0 } } }, 'optimizer.estimator.init'],
    ['an estimator that is a function', { estimator: gaussianTwoPoint }, 'optimizer.estimator: expected { name,'],
    ['a rule without an update', { rule: { ...momentum(), update: undefined } }, 'optimizer.rule.update'],
    [
      'a rule without states',
      { rule: { ...momentum(), states: undefined } },
      'optimizer.rule.states: expected an array',
    ],
    [
      'a preconditioner that is none',
      { rule: { ...momentum(), preconditioner: [1] } },
      'optimizer.rule.preconditioner',
    ],
    ['no rule', { rule: undefined }, 'optimizer: expected an optimizer { name, estimator, rule, lr }'],
  ])('%s', async (_, parts, message) => {
    await refused(() => trained(optimizer(parts)), message);
  });
});

it('every part of the library passes: its estimators, rules and step sizes', async () => {
  for (const make of Object.values(allEstimators)) expect(inSpace(make(), { '*': 'dense' }).space).toBeDefined();
  for (const { rule } of Object.values(allRules)) expect(weightDecay(rule()).states).toEqual(rule().states);
  const never: Json = null;
  expect(stepSizeOf(schedule('mine', {}, () => 1)).init()).toBe(never);
  expect(weightDecay(plain()).states).toEqual([]);
});
