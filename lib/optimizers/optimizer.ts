import type { Direction } from '../random/direction.ts';
import type { Estimate } from './estimate.ts';
import type { Json, Options } from './json.ts';
import type { StepOracle } from './oracle.ts';
import type { RuleProgram } from './rule-program.ts';
import type { SpaceSpec } from './space-spec.ts';
import type { LearningRate } from './step-size.ts';

export type { DenseGradient, Estimate, Point, Term } from './estimate.ts';
export type { LearningRate } from './step-size.ts';

/** Moments of an estimator on the quadratic model: E[ĝĝᵀ] = s1 A + s2 tr(A) I, A = HΣH (docs/mathematics.md). */
export interface Moments {
  readonly s1: number;
  readonly s2: number;
}

/** What an estimator goes by in a step. */
export interface EstimateRequest<S extends Json = Json> {
  readonly oracle: StepOracle;
  /** Steps done before this one: the first is 0. */
  readonly step: number;
  /**
   * The i-th direction of this step, 0 ≤ i < 2^16, normal; `{ ...direction(i), distribution: 'rademacher' }` has signs. All that is random comes
   * from here. `direction(i, step − 1)` is that of the step before.
   */
  readonly direction: Directions;
  /** What it returned in the step before, or `init`; null where it keeps none. */
  readonly state: S;
  readonly signal?: AbortSignal;
}

export type Directions = (i: number, step?: number) => Direction;

/** An estimate with the state after it. */
export interface StatefulEstimate<S extends Json = Json> {
  readonly estimate: Estimate;
  readonly state: S;
}

/**
 * How ĝ is made: a pure function of what it is given. What it remembers is its state, plain JSON, and the vectors that it holds, both of
 * which checkpoints save, so that a resumed run goes on exactly. A variable beside them is not saved: a resumed run then differs without a word. In
 * TypeScript, S is a `type`; an `interface` has no index signature, and counts as no JSON. A field of another name is refused, for it may be a
 * misspelt one; an instance of a class may have helpers of any name.
 *
 * For example a difference whose μ follows the losses (`examples/own-optimizer.js` trains with one):
 *
 *     const adaptive: Estimator<{ mu: number }> = {
 *       name: 'adaptive',
 *       options: { mu: 0.05 },
 *       cost: { losses: 2 },
 *       init: () => ({ mu: 0.05 }),
 *       async estimate({ oracle, direction, state: { mu }, signal }) {
 *         const u = direction(0);
 *         const at = (coefficient: number) => [{ direction: u, coefficient }];
 *         const [plus, minus] = await oracle.losses([at(mu), at(-mu)], signal);
 *         const loss = (plus + minus) / 2;
 *         const terms = [{ direction: u, coefficient: (plus - minus) / (2 * mu) }];
 *         return { estimate: { kind: 'directions', loss, terms }, state: { mu: Math.max(1e-3, 0.999 * mu) } };
 *       },
 *     };
 */
export interface Estimator<S extends Json = Json> {
  readonly name: string;
  /** What tells it from others of its name: part of a run's identity, log and labels. Default none. */
  readonly options?: Options;
  /**
   * What one step asks of the oracle: so many losses, directional derivatives, gradients. By it the monitor's interval is chosen. Default one loss, so that
   * the monitor costs no more than it may.
   */
  readonly cost?: { readonly losses?: number; readonly derivatives?: number; readonly gradients?: number };
  /** Smoothing μ, where the estimator has one that is constant: by it steps that change nothing are explained. */
  readonly mu?: number;
  /** The space of all its directions: `inSpace` says it. Default: all parameters. */
  readonly space?: SpaceSpec;
  /**
   * Its half of the stability theory, for a problem of this many parameters (those of its space). Absent or null: not known, and then nothing is claimed about
   * the edge of stability; curvature is measured all the same.
   */
  moments?(dimension: number): Moments | null;
  /** Vectors that it holds beside θ, by name, each as long as θ and zero at first: `oracle.hold` fills them, points are taken at them. */
  readonly vectors?: readonly string[];
  /** State before the first step. Absent: it keeps none. @param dimension numbers that a direction has: those of its space. */
  init?(dimension: number): S;
  /**
   * The estimate of a step; where there is an `init`, with the state after it.
   *
   * One that is a linear function of losses is best made by `linearEstimator`: small models then take several steps in one submission.
   */
  estimate(request: EstimateRequest<S>): Promise<Estimate | StatefulEstimate<S>>;
}

/** An estimator that remembers nothing. */
export interface StatelessEstimator extends Estimator {
  readonly vectors?: never;
  readonly init?: never;
  estimate(request: EstimateRequest): Promise<Estimate>;
}

/**
 * One fused in-place update of θ and its state, as the device runs it. g is the estimate.
 *   plain       θ ← θ − lr g
 *   momentum    m ← β m + g;  θ ← θ − lr m
 *   adam        m ← β1 m + (1−β1) g;  v ← β2 v + (1−β2) g²;  θ ← θ − lr · (m / (1−β1^t)) / (√(v / (1−β2^t)) + ε)
 *   frozenAdam  m ← β1 m + (1−β1) g;  θ ← θ − lr m / p
 *   traced      θ, states ← program(θ, g, states, lr, scalars), element by element
 */
export type Update =
  | { readonly kind: 'plain' }
  | { readonly kind: 'momentum'; readonly beta: number }
  | {
      readonly kind: 'adam';
      readonly beta1: number;
      readonly beta2: number;
      readonly epsilon: number;
      readonly t: number;
    }
  | { readonly kind: 'frozenAdam'; readonly beta1: number }
  /** `scalars`: one for each of the program's, without lr. */
  | { readonly kind: 'traced'; readonly program: RuleProgram; readonly scalars: readonly number[] };

/** State vectors of update rules, each as long as θ. Of the rules that are built in: momentum m, second moment v, preconditioner p. */
export type StateName = string;

/** What a rule keeps beside θ. */
export interface RuleStates {
  /** State vectors, each as long as θ, that start at zero unless `initial` says otherwise. */
  readonly states: readonly StateName[];
  /** Values of the states that do not start at zero, one a parameter. */
  readonly initial?: Readonly<Record<StateName, Float32Array>>;
  /** States that no update changes. Default none. */
  readonly fixed?: readonly StateName[];
  /** What runs on the device, where it is not one of the kinds that are built in. */
  readonly program?: RuleProgram;
}

/** What is done with ĝ. Its state lives on the device beside θ. A field of another name is refused, unless it is an instance of a class. */
export interface UpdateRule extends RuleStates {
  readonly name: string;
  /** What tells it from others of its name: part of a run's identity, log and labels. Default none. */
  readonly options?: Options;
  /** Momentum coefficient β (β1 of Adam); 0 without momentum. */
  readonly beta: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Weight of ĝ in the momentum: 1 (Polyak) or 1−β (exponential moving average). The law sees η · weight. */
  readonly gradientWeight: number;
  /**
   * Whether it is the method of the law: momentum β and weight as above, divided by P where it is preconditioned. Default true. Of one that
   * is not (a sign, a clipped or a decayed one), nothing is claimed about the edge of stability; curvature is measured all the same.
   */
  readonly lawful?: boolean;
  /** Whether it moves parameters also where ĝ and its states are 0: not to be used with an estimator that leaves some alone. Default false. */
  readonly decays?: boolean;
  /** Whether curvature is to be measured on P^-½ H P^-½. */
  readonly preconditioned: boolean;
  /** The update of step `step` (the first is 0). */
  update(step: number): Update;
  /**
   * The diagonal of P that update number `steps` (counted from 1) divided by, from the state after it; absent where there is none. Element by
   * element: of large models it is asked for pieces, of the same elements of each state.
   */
  preconditioner?(state: Readonly<Record<StateName, Float32Array>>, steps: number): Float64Array;
}

/** optimizer = estimator × update rule, with its step size: `{ name: 'mine', estimator: gaussianTwoPoint(), rule: plain(), lr: 0.01 }`. */
export interface Optimizer {
  readonly name: string;
  readonly estimator: Estimator;
  readonly rule: UpdateRule;
  readonly lr: LearningRate;
}
