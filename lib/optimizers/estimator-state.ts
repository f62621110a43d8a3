import { checkObject, checkOptions, invalidArgument, shown } from '../errors.ts';
import { isMeasured } from './estimate.ts';
import { checkJson, type Json } from './json.ts';
import type { Estimate, EstimateRequest, Estimator, StatefulEstimate } from './optimizer.ts';

/** The state of an estimator before the first step, null where it keeps none. @throws ERR_ZEROTH_ARGUMENT for what is not JSON. */
export function initialState(estimator: Estimator, dimension: number): Json {
  if (!estimator.init) return null;
  // A copy: what an estimator does to its state is no change of what `init` may return again.
  return structuredClone(checkJson(`initial state of estimator ${estimator.name}`, estimator.init(dimension)));
}

/** The vectors that an estimator holds. @throws ERR_ZEROTH_ARGUMENT for what are no names, or one twice. */
export function vectorsOf({ name, vectors = [] }: Estimator): readonly string[] {
  const valid = Array.isArray(vectors) && vectors.every((one) => typeof one === 'string' && /^[\w-]+$/.test(one));
  if (!valid || new Set(vectors).size < vectors.length)
    invalidArgument(`vectors of estimator ${name}`, 'different names of letters, digits, - and _', vectors);
  return vectors;
}

/**
 * Asks an estimator for a step's estimate, and the state after it.
 * @throws ERR_ZEROTH_ARGUMENT for what is no estimate, a state that is not JSON, or none where there was an `init`.
 */
export async function askEstimator(estimator: Estimator, request: EstimateRequest): Promise<StatefulEstimate> {
  const name = `what estimator ${shown(estimator.name)} returns`;
  const answer = await estimator.estimate(request);
  checkObject(name, answer, estimator.init ? '{ estimate, state }' : ESTIMATE);
  const stateful = 'estimate' in answer;
  if (stateful !== (estimator.init !== undefined)) {
    const expected = stateful
      ? 'an estimate alone, as there is no `init`; or an `init` that gives the state before the first step'
      : '{ estimate, state }, as there is an `init`';
    invalidArgument(name, expected, answer);
  }
  const estimate = stateful ? answer.estimate : answer;
  checkEstimate(name, estimate);
  if (estimator.space && estimate.kind === 'dense')
    invalidArgument(
      `estimate of ${estimator.name} in a space`,
      'one made of directions: a dense one moves all parameters',
      estimate.kind,
    );
  if (!stateful) return { estimate, state: null };
  // What one that ends the run has made of the state is of no interest.
  if (!isMeasured(estimate)) return { estimate, state: request.state };
  return { estimate, state: checkJson(`state of estimator ${estimator.name}`, answer.state) };
}

const ESTIMATE = "{ kind: 'directions', loss, terms }, or { kind: 'dense', loss, gradient }";

/** Numbers may be NaN or infinite: that is something to say of a run, and not of an estimator. */
function checkEstimate(name: string, estimate: Estimate): void {
  checkObject(name, estimate, ESTIMATE);
  const { kind, loss } = estimate;
  if (kind !== 'directions' && kind !== 'dense') invalidArgument(`${name}: kind`, "'directions' or 'dense'", kind);
  if (typeof loss !== 'number') invalidArgument(`${name}: loss`, 'a number', loss);
  checkOptions(name, estimate, kind === 'dense' ? DENSE : DIRECTIONS);
  if (kind === 'dense') {
    const { gradient, coefficient = 1 } = estimate;
    checkObject(`${name}: gradient`, gradient, GRADIENT);
    if (typeof gradient.squaredNorm !== 'number') invalidArgument(`${name}: gradient`, GRADIENT, gradient);
    if (typeof coefficient !== 'number') invalidArgument(`${name}: coefficient`, 'a number', coefficient);
    return;
  }
  if (!Array.isArray(estimate.terms)) invalidArgument(`${name}: terms`, 'an array', estimate.terms);
  for (const [i, term] of estimate.terms.entries()) {
    checkObject(`${name}: terms[${i}]`, term, '{ direction, coefficient }');
    if (typeof term.coefficient !== 'number')
      invalidArgument(`${name}: terms[${i}].coefficient`, 'a number', term.coefficient);
  }
}

const DIRECTIONS = { kind: true, loss: true, terms: true } as const;
const DENSE = { kind: true, loss: true, gradient: true, coefficient: true } as const;
const GRADIENT = 'what `oracle.gradient` returns: an array of numbers is none of its device';
