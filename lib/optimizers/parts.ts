import { checkObject, checkOptions, invalidArgument, type Names } from '../errors.ts';
import { checkFields, isPlain } from './fields.ts';
import type { Estimator, Optimizer, StatelessEstimator, UpdateRule } from './optimizer.ts';

const OPTIMIZER: Names<Optimizer> = { name: true, estimator: true, rule: true, lr: true };

/** @throws ERR_ZEROTH_ARGUMENT unless it has a name, an estimator and a rule, and no field that is misspelt. What `lr` is `stepSizeOf` says. */
export function checkOptimizer(optimizer: Optimizer): void {
  const expected = 'an optimizer { name, estimator, rule, lr }, such as zoGD({ lr })';
  checkObject('optimizer', optimizer, expected);
  if (!optimizer.estimator || !optimizer.rule) invalidArgument('optimizer', expected, optimizer);
  checkFields('optimizer', optimizer, OPTIMIZER);
  checkName('optimizer.name', optimizer.name);
  checkEstimator(optimizer.estimator, 'optimizer.estimator');
  checkRule(optimizer.rule, 'optimizer.rule');
}

/** What an estimator says of itself, beside its work. */
export const ESTIMATOR_FACTS: Names<Omit<StatelessEstimator, 'vectors' | 'init' | 'estimate'>> = {
  name: true,
  options: true,
  cost: true,
  mu: true,
  space: true,
  moments: true,
};

const ESTIMATOR: Names<Estimator> = { ...ESTIMATOR_FACTS, vectors: true, init: true, estimate: true };

const COST: Names<NonNullable<Estimator['cost']>> = { losses: true, derivatives: true, gradients: true };

/** @throws ERR_ZEROTH_ARGUMENT unless it has a name and an `estimate`, and no field that is misspelt. */
export function checkEstimator(estimator: Estimator, name = 'estimator'): void {
  checkFields(name, estimator, ESTIMATOR);
  checkName(`${name}.name`, estimator.name);
  checkFunctions(name, estimator, { required: ['estimate'], optional: ['init', 'moments'] });
  if (estimator.cost !== undefined) checkOptions(`${name}.cost`, estimator.cost, COST);
}

/** An estimator that can be copied field by field: of an instance of a class, whose methods are its own and no fields. */
export function asPlain<E extends Estimator>(estimator: E): E {
  if (isPlain(estimator)) return estimator;
  const bound = Object.keys(ESTIMATOR).flatMap((field) => {
    const value: unknown = estimator[field as keyof E];
    if (value === undefined) return [];
    return [[field, typeof value === 'function' && !Object.hasOwn(estimator, field) ? value.bind(estimator) : value]];
  });
  return Object.fromEntries(bound) as E;
}

const RULE: Names<UpdateRule> = {
  name: true,
  options: true,
  beta: true,
  beta2: true,
  epsilon: true,
  gradientWeight: true,
  lawful: true,
  decays: true,
  preconditioned: true,
  update: true,
  preconditioner: true,
  states: true,
  initial: true,
  fixed: true,
  program: true,
};

/** @throws ERR_ZEROTH_ARGUMENT unless it has a name, an `update` and states, and no field that is misspelt. */
export function checkRule(rule: UpdateRule, name = 'rule'): void {
  checkFields(name, rule, RULE);
  checkName(`${name}.name`, rule.name);
  checkFunctions(name, rule, { required: ['update'], optional: ['preconditioner'] });
  if (!Array.isArray(rule.states))
    invalidArgument(`${name}.states`, 'an array of names, empty where there are none', rule.states);
}

function checkName(name: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') invalidArgument(name, 'a name', value);
}

function checkFunctions<Part extends object>(
  name: string,
  part: Part,
  {
    required,
    optional,
  }: { readonly required: readonly (keyof Part & string)[]; readonly optional: readonly (keyof Part & string)[] },
): void {
  for (const field of [...required, ...optional]) {
    const value = part[field];
    if (value === undefined && optional.includes(field)) continue;
    if (typeof value !== 'function') invalidArgument(`${name}.${field}`, 'a function', value);
  }
}
