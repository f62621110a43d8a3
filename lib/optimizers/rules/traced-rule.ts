import { checkOptions, invalidArgument, type Names } from '../../errors.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Options } from '../json.ts';
import type { UpdateRule } from '../optimizer.ts';
import { type RuleProgram, ruleProgram, type Start, type TracedUpdate } from '../rule-program.ts';

/** What a traced rule is, but for its update. */
export interface TracedRule<State extends string, Scalar extends string> {
  readonly name: string;
  /** What tells it from others of its name: part of a run's identity, log and labels. Default none. */
  readonly options?: Options;
  /** Its state vectors, one number a parameter: 0, or what each starts at. Default none. */
  readonly states?: { readonly [S in State]: 0 | Float32Array };
  /** Numbers that depend on the step alone (the first is 0). They reach the device in f32. Default none. */
  readonly scalars?: (step: number) => { readonly [S in Scalar]: number };
  /**
   * Where the law of stability is about this rule, linear in ĝ as it then is: its momentum β (default 0), the weight of ĝ in it (default 1), and
   * the diagonal of P, from the states after update number `steps`. Absent: nothing is claimed about its edge, the limit in
   * the log is NaN, and curvature is that of H.
   */
  readonly law?: {
    readonly beta?: number;
    readonly gradientWeight?: number;
    preconditioner?(state: Readonly<Record<State, Float32Array>>, steps: number): Float64Array;
  };
}

const FIELDS: Names<TracedRule<string, string>> = {
  name: true,
  options: true,
  states: true,
  scalars: true,
  law: true,
};

/** What a traced rule was made of, by its program. */
const sources = new WeakMap<RuleProgram, RuleSource>();

/** An update rule as a function. */
export interface RuleSource {
  readonly states: Readonly<Record<string, Start>>;
  readonly scalars?: (step: number) => Readonly<Record<string, number>>;
  readonly update: TracedUpdate;
}

/** Undefined where `tracedRule` has not made it. */
export const sourceOf = ({ program }: UpdateRule): RuleSource | undefined => program && sources.get(program);

/**
 * An update rule from a function of tensors, which is traced once, and runs fused with the directions in one pass over memory, on every device. Each of
 * θ, ĝ and the states is a vector of one number a parameter, of which the function may use nothing but element-wise operations; `lr` and
 * the scalars are numbers. For example normalised momentum, in the manner of RMSprop:
 *
 *     const rmsMomentum = (beta = 0.9) =>
 *       tracedRule(
 *         { name: 'rms-momentum', options: { beta }, states: { m: 0, v: 0 }, scalars: (step) => ({ unbias: 1 / (1 - beta ** (step + 1)) }) },
 *         ({ theta, gradient, m, v, lr, unbias }) => {
 *           const mean = m.mul(beta).add(gradient.mul(1 - beta));
 *           const square = v.mul(beta).add(gradient.mul(gradient).mul(1 - beta));
 *           return { theta: theta.sub(lr.mul(mean.div(square.mul(unbias).sqrt().add(1e-8)))), m: mean, v: square };
 *         },
 *       );
 *
 * @param fields name, options, states and scalars.
 * @param update θ and states after, from those before. A state that it does not return keeps its values.
 * @throws ERR_ZEROTH_ARGUMENT for an update that is not element by element, or an unknown field.
 */
export function tracedRule<State extends string = never, Scalar extends string = never>(
  fields: TracedRule<State, Scalar>,
  update: (
    of: Readonly<Record<'theta' | 'gradient' | 'lr' | NoInfer<State> | NoInfer<Scalar>, Tensor>>,
  ) => { readonly theta: Tensor } & { readonly [S in NoInfer<State>]?: Tensor },
): UpdateRule {
  checkOptions('tracedRule: fields', fields, FIELDS);
  const { name, options, states: given = {}, scalars: scalarsOf, law } = fields;
  if (typeof name !== 'string' || name === '') invalidArgument('tracedRule: name', 'a name', name);
  const starts = Object.entries(given) as [string, Start][];
  for (const [state, start] of starts)
    if (start !== 0 && !(start instanceof Float32Array))
      invalidArgument(`${name}: state ${state}`, '0, or a Float32Array', start);
  if (scalarsOf !== undefined && typeof scalarsOf !== 'function')
    invalidArgument(`${name}: scalars`, 'a function of the step, from 0, that gives numbers by name', scalarsOf);
  const names = Object.keys(scalarsAt(0));
  const source = { states: given, scalars: scalarsOf, update: update as unknown as TracedUpdate };
  const program = ruleProgram(name, given, names, source.update);
  sources.set(program, source);
  const initial = Object.fromEntries(starts.flatMap(([state, start]) => (start === 0 ? [] : [[state, start.slice()]])));
  return {
    name,
    ...(options && { options }),
    beta: law?.beta ?? 0,
    gradientWeight: law?.gradientWeight ?? 1,
    lawful: law !== undefined,
    ...(program.decays && { decays: true }),
    preconditioned: law?.preconditioner !== undefined,
    ...(law?.preconditioner && { preconditioner: law.preconditioner as UpdateRule['preconditioner'] }),
    states: program.states,
    initial,
    ...(program.fixed.length > 0 && { fixed: program.fixed }),
    program,
    update(step) {
      const values = scalarsAt(step);
      return { kind: 'traced', program, scalars: names.map((scalar) => values[scalar]) };
    },
  };

  /** The first step is 0, which formulas that count from 1 are not made for. */
  function scalarsAt(step: number): Readonly<Record<string, number>> {
    const values = (scalarsOf?.(step) ?? {}) as Readonly<Record<string, number>>;
    for (const [scalar, value] of Object.entries(values))
      if (!Number.isFinite(value))
        invalidArgument(`${name}: scalar '${scalar}' of step ${step} (the first is 0)`, 'a finite number', value);
    return values;
  }
}
