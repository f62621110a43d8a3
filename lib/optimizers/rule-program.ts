import { invalidArgument, ZerothError } from '../errors.ts';
import type { Graph, Node } from '../graph/node.ts';
import { elementwiseRow } from '../graph/ops/map-ops.ts';
import { plan } from '../graph/plan/plan.ts';
import { evaluateReference } from '../graph/reference.ts';
import type { Tensor } from '../graph/tensor.ts';
import { trace } from '../graph/trace.ts';
import { strictRecord } from '../graph/tree.ts';

/** Elements that a program of a rule takes at a time: a device goes through longer vectors piece by piece. */
const PIECE = 2048;

/** An update rule as a device runs it: a program over a piece of θ, of g and of each state, and numbers. */
export interface RuleProgram {
  readonly bytes: Uint8Array;
  /** Its states, in the order of its inputs: first those that it changes, in the order of its outputs. */
  readonly states: readonly string[];
  /** Those that it does not change. */
  readonly fixed: readonly string[];
  /** Its numbers, in the order of its inputs: lr first. */
  readonly scalars: readonly string[];
  /** Whether it moves parameters where the estimate is 0, and all that began at 0 still is. */
  readonly decays: boolean;
}

/** Where a state starts: at 0, or at values of its own. */
export type Start = 0 | Float32Array;

/** What a traced rule may return: θ′ and the states that it changes. */
export type TracedUpdate = (of: Readonly<Record<string, Tensor>>) => Readonly<Record<string, Tensor | undefined>>;

/**
 * Traces an update rule, and plans it.
 *
 * @param starts its states, by name.
 * @param scalars names of its numbers beside lr.
 * @throws ERR_ZEROTH_ARGUMENT unless the update is one of each element by itself.
 */
export function ruleProgram(
  name: string,
  starts: Readonly<Record<string, Start>>,
  scalars: readonly string[],
  update: TracedUpdate,
): RuleProgram {
  const states = Object.keys(starts);
  const vectors = ['theta', 'gradient', ...states];
  const numbers = ['lr', ...scalars];
  const names = [...vectors, ...numbers];
  const twice = names.find((one, i) => names.indexOf(one) !== i);
  if (twice !== undefined)
    invalidArgument(`${name}: states and scalars`, 'names that differ, other than theta, gradient, lr', twice);

  let changed: string[] = [];
  const specs = names.map((_, i) => ({ shape: i < vectors.length ? [PIECE] : [] }));
  const traced = trace(
    (...args: Tensor[]) => {
      const result = update(strictRecord(`${name}: update`, Object.fromEntries(names.map((one, i) => [one, args[i]]))));
      changed = checkResult(name, states, result);
      return ['theta', ...changed].map((one) => result[one]);
    },
    ...specs,
  );
  checkElementwise(name, traced);

  // The states that change come first, as their results do.
  const fixed = states.filter((one) => !changed.includes(one));
  const order = ['theta', 'gradient', ...changed, ...fixed, ...numbers];
  const inputs = order.map((one) => traced.inputs[names.indexOf(one)]);
  const graph: Graph = { inputs, outputs: traced.outputs };
  const outputs = traced.outputs.map(() => 'f32' as const);
  const { bytes } = plan(graph, { inputs: order.map((_, slot) => ({ slot, offset: 0 })), outputs });
  const decays = movesByItself(
    graph,
    [...changed, ...fixed].map((state) => starts[state]),
  );
  return { bytes, states: [...changed, ...fixed], fixed, scalars: numbers, decays };
}

function checkResult(name: string, states: readonly string[], result: unknown): string[] {
  if (typeof result !== 'object' || result === null || !('theta' in result))
    invalidArgument(
      `${name}: what its update returns`,
      `{ theta, and the states that it changes }`,
      typeof result === 'object' && result !== null ? Object.keys(result) : result,
    );
  for (const [key, value] of Object.entries(result)) {
    if (key !== 'theta' && !states.includes(key))
      invalidArgument(
        `${name}: what its update returns`,
        `theta and states among ${states.join(', ') || '(none)'}`,
        key,
      );
    const { shape, dtype } = (value ?? {}) as Partial<Tensor>;
    if (dtype !== 'f32' || shape?.length !== 1)
      invalidArgument(`${name}: ${key} after an update`, 'an f32 tensor of one number a parameter, as theta is', value);
  }
  return states.filter((state) => (result as Record<string, unknown>)[state] !== undefined);
}

/** Nothing may look at other elements: a device gives the program a piece of each vector, of any length. */
function checkElementwise(name: string, { outputs }: Graph): void {
  const seen = new Set<Node>();
  const waiting = [...outputs];
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    const repeats = node.op === 'broadcast' && node.inputs[0].shape.length === 0;
    if (node.op !== 'input' && node.op !== 'constant' && !repeats && !elementwiseRow(node))
      throw new ZerothError(
        'ERR_ZEROTH_ARGUMENT',
        `${name}: its update: expected a function of each element by itself, received one with ${node.op}${node.where ? ` at ${node.where}` : ''}. What looks at all elements, as clipping by a norm does, belongs to the estimator.`,
      );
    waiting.push(...node.inputs);
  }
}

/** Whether θ′ is not θ, for any θ, where g is 0. Numbers are what no rule is made for: one that is 0 or 1 might hide what it multiplies. */
function movesByItself(graph: Graph, starts: readonly Start[]): boolean {
  const theta = Float64Array.from({ length: PIECE }, (_, i) => i / 64 - 16.3);
  const vectors = [0, ...starts.map((start) => (start === 0 ? 0 : 0.9))].map((x) => new Float64Array(PIECE).fill(x));
  const numbers = graph.inputs.slice(1 + vectors.length).map((_, i) => Float64Array.of(0.7 + 0.11 * i));
  const [after] = evaluateReference(graph, [theta, ...vectors, ...numbers]);
  return after.some((x, i) => x !== theta[i]);
}
