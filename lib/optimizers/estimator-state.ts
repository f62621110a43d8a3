import { invalidArgument, shown } from '../errors.ts';
import { checkJson, type Json } from './json.ts';
import type { EstimateRequest, Estimator, StatefulEstimate } from './optimizer.ts';

/** The state of an estimator before the first step, null where it keeps none. @throws ERR_ZEROTH_ARGUMENT for what is not JSON. */
export function initialState({ name, init }: Estimator, dimension: number): Json {
  return init ? checkJson(`initial state of estimator ${name}`, init(dimension)) : null;
}

/** The vectors that an estimator holds. @throws ERR_ZEROTH_ARGUMENT for what are no names, or one twice. */
export function vectorsOf({ name, vectors = [] }: Estimator): readonly string[] {
  const valid = Array.isArray(vectors) && vectors.every((one) => typeof one === 'string' && /^[\w-]+$/.test(one));
  if (!valid || new Set(vectors).size < vectors.length)
    invalidArgument(`vectors of estimator ${name}`, 'different names of letters, digits, - and _', vectors);
  return vectors;
}

/** Asks an estimator for a step's estimate, and the state after it. @throws ERR_ZEROTH_ARGUMENT for a state that is not JSON, or none where there was an `init`. */
export async function askEstimator(estimator: Estimator, request: EstimateRequest): Promise<StatefulEstimate> {
  const answer = await estimator.estimate(request);
  const stateful = 'estimate' in answer;
  const { kind } = stateful ? answer.estimate : answer;
  if (estimator.space && kind === 'dense')
    invalidArgument(
      `estimate of ${estimator.name} in a space`,
      'one made of directions: a dense one moves all parameters',
      kind,
    );
  if (stateful !== (estimator.init !== undefined)) {
    const expected = stateful
      ? 'an `init` beside it, that gives the first'
      : '{ estimate, state }, as there is an `init`';
    invalidArgument(`state that estimator ${shown(estimator.name)} returns`, expected, answer);
  }
  if (!stateful) return { estimate: answer, state: null };
  return { estimate: answer.estimate, state: checkJson(`state of estimator ${estimator.name}`, answer.state) };
}
