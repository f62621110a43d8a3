import { checkOptions, type Names } from '../errors.ts';
import type { NumberArray } from '../graph/host-array.ts';
import { clipNorm } from './estimators/clip-norm.ts';
import { exactGradient } from './estimators/exact-gradient.ts';
import { gaussianTwoPoint } from './estimators/gaussian-two-point.ts';
import { meanOfQueries } from './estimators/mean-of-queries.ts';
import { rademacherTwoPoint } from './estimators/rademacher-two-point.ts';
import { zoSvrg } from './estimators/zo-svrg.ts';
import { inSpace } from './in-space.ts';
import type { Estimator, LearningRate, Optimizer, UpdateRule } from './optimizer.ts';
import { adamRule } from './rules/adam.ts';
import { frozenAdam } from './rules/frozen-adam.ts';
import { lion } from './rules/lion.ts';
import { plain } from './rules/plain.ts';
import { polyakMomentum } from './rules/polyak-momentum.ts';
import { signDescent } from './rules/sign-descent.ts';
import { weightDecay } from './rules/weight-decay.ts';
import type { SpaceSpec } from './space-spec.ts';
import { stepSizeOf } from './step-size.ts';

/*
 * Each recipe is an estimator times an update rule. All take `lr`, η ≥ 0 or a step size (η = 0 moves nothing: it is how drift is
 * measured), and throw ERR_ZEROTH_ARGUMENT for a number out of range. Zeroth-order recipes take `mu`, the smoothing μ > 0, default 1e-3.
 */

/** What recipes of one kind of difference take beside. */
export interface QueryOptions {
  /** Differences of a step, along directions of their own, whose mean is taken (`meanOfQueries`). Default 1. */
  readonly queries?: number;
  /** Which tensors directions move, and how far (`inSpace`). Default all of them. */
  readonly space?: SpaceSpec;
  /** The limit of ‖ĝ‖, of the mean of all queries (`clipNorm`): then nothing is claimed of the edge of stability. Default none. */
  readonly clipNorm?: number;
}

const QUERIES: Names<QueryOptions> = { queries: true, space: true, clipNorm: true };

function several(estimator: Estimator, { queries = 1, space, clipNorm: limit }: QueryOptions): Estimator {
  const mean = clipped(queries === 1 ? estimator : meanOfQueries(estimator, queries), limit);
  return space ? inSpace(mean, space) : mean;
}

const clipped = (estimator: Estimator, limit: number | undefined): Estimator =>
  limit === undefined ? estimator : clipNorm(estimator, { limit });

function recipe(name: string, lr: LearningRate, estimator: Estimator, rule: UpdateRule): Optimizer {
  // A function is first called when it is used: a run checks what it says.
  if (typeof lr !== 'function') stepSizeOf(lr);
  return { name, lr, estimator, rule };
}

/**
 * Zeroth-order gradient descent.
 *
 * The plainest method that needs no back-propagation: two losses a step. Stable while Σ ηλ/(2(1 − ηλ)) < 1 over the Hessian's
 * eigenvalues, so, with many of them, while tr(H) < 2/η.
 *
 *     θ' = θ − η c u,   c = [L(θ + μu) − L(θ − μu)] / 2μ,   u ~ N(0, I)
 *
 * @param options.lr η. @param options.mu μ.
 * @param options.queries, options.space, options.clipNorm see `QueryOptions`.
 * @returns an optimizer without state.
 * @example
 * stabilityLimit(zoGD({ lr: 0.05 })) // 40
 * @see Song et al., arXiv 2604.14669, eqs 2–3.
 */
export function zoGD(options: { lr: LearningRate; mu?: number } & QueryOptions): Optimizer {
  checkOptions('zoGD: options', options, { ...QUERIES, lr: true, mu: true });
  const { lr, mu = 1e-3 } = options;
  return recipe('zo-gd', lr, several(gaussianTwoPoint({ mu }), options), plain());
}

/**
 * MeZO: `zoGD` under the name, and with the defaults, of its authors' script for large models (learning rate 1e-5, eps 1e-3, constant).
 *
 * Differences from their program: it perturbs and restores the weights in place in three passes and updates in a fourth, in half
 * precision, where restoring is not exact; here the passes are two, in f32. Its random numbers are PyTorch's. It can add weight decay (their
 * script has none): here that is `weightDecay(plain())`. It logs the loss at θ + μu; here the loss of a step is the mean over θ ± μu. 1e-5 was
 * chosen for language models of a billion parameters; small models want far more.
 *
 *     θ' = θ − η c u,   c = [L(θ + μu) − L(θ − μu)] / 2μ,   u ~ N(0, I)
 *
 * @param options.lr η, their `learning_rate`. Default 1e-5. @param options.mu μ, their `zo_eps`. Default 1e-3.
 * @param options.queries, options.space, options.clipNorm see `QueryOptions`.
 * @returns an optimizer without state.
 * @example
 * stabilityLimit(mezo()) // 200000
 * @see Malladi et al., Fine-tuning language models with just forward passes, arXiv 2305.17333, algorithm 1.
 */
export function mezo(options: { lr?: LearningRate; mu?: number } & QueryOptions = {}): Optimizer {
  checkOptions('mezo: options', options, { ...QUERIES, lr: true, mu: true });
  const { lr = 1e-5, mu = 1e-3 } = options;
  return recipe('mezo', lr, several(gaussianTwoPoint({ mu }), options), plain());
}

/**
 * Zeroth-order gradient descent with Polyak momentum.
 *
 * Momentum *shrinks* the stable range of zeroth-order steps: the edge is near tr(H) = 2(1 − β)/η, where first order's λmax grows to 2(1 + β)/η.
 *
 *     m' = β m + c u,   θ' = θ − η m'
 *
 * @param options.lr η. @param options.mu μ. @param options.beta momentum 0 ≤ β < 1. Default 0.9.
 * @param options.queries, options.space, options.clipNorm see `QueryOptions`.
 * @returns an optimizer with one state vector.
 * @example
 * stabilityLimit(zoGDM({ lr: 0.005, beta: 0.9 })) // 40 (up to rounding)
 * @see Song et al., arXiv 2604.14669, eqs 4–5.
 */
export function zoGDM(options: { lr: LearningRate; mu?: number; beta?: number } & QueryOptions): Optimizer {
  checkOptions('zoGDM: options', options, { ...QUERIES, lr: true, mu: true, beta: true });
  const { lr, mu = 1e-3, beta = 0.9 } = options;
  return recipe('zo-gdm', lr, several(gaussianTwoPoint({ mu }), options), polyakMomentum({ beta }));
}

/**
 * Adam on the Gaussian two-point estimate.
 *
 * Its curvature is that of P⁻¹H: at the edge tr(P⁻¹H) is near 2/η whatever β1.
 *
 *     m' = β1 m + (1 − β1) ĝ,   ν' = β2 ν + (1 − β2) ĝ⊙ĝ,   θ' = θ − η P'⁻¹ m',   ĝ = c u
 *
 * @param options.lr η. @param options.mu μ. @param options.beta1 Default 0.9. @param options.beta2 Default 0.999. @param options.epsilon Default 1e-8.
 * @param options.queries, options.space, options.clipNorm see `QueryOptions`.
 * @returns an optimizer with two state vectors.
 * @example
 * stabilityLimit(zoAdam({ lr: 0.001 })) // 2000
 * @see `adamRule` for P; Song et al., arXiv 2604.14669, eqs 6–9.
 */
export function zoAdam(
  options: { lr: LearningRate; mu?: number; beta1?: number; beta2?: number; epsilon?: number } & QueryOptions,
): Optimizer {
  checkOptions('zoAdam: options', options, { ...QUERIES, lr: true, mu: true, beta1: true, beta2: true, epsilon: true });
  const { lr, mu = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  return recipe('zo-adam', lr, several(gaussianTwoPoint({ mu }), options), adamRule({ beta1, beta2, epsilon }));
}

/**
 * ZO-Adam with a constant preconditioner, the method for which the theory of ZO-Adam is exact.
 *
 *     m' = β1 m + (1 − β1) ĝ,   θ' = θ − η P⁻¹ m',   P = diag(preconditioner)
 *
 * @param options.lr η. @param options.mu μ. @param options.beta1 Default 0.9. @param options.preconditioner one finite value above 0 a parameter.
 * @returns an optimizer with two state vectors.
 * @example
 * stabilityLimit(frozenZoAdam({ lr: 0.001, preconditioner: Float32Array.of(1, 2) })) // 2000
 * @see Song et al., arXiv 2604.14669, eqs 10–11.
 */
export function frozenZoAdam(options: {
  lr: LearningRate;
  mu?: number;
  beta1?: number;
  preconditioner: Float32Array | NumberArray;
}): Optimizer {
  checkOptions('frozenZoAdam: options', options, { lr: true, mu: true, beta1: true, preconditioner: true });
  const { lr, mu = 1e-3, beta1 = 0.9, preconditioner } = options;
  return recipe('frozen-zo-adam', lr, gaussianTwoPoint({ mu }), frozenAdam({ beta1, preconditioner }));
}

/**
 * SPSA, simultaneous perturbation stochastic approximation: zeroth-order gradient descent along directions of signs.
 *
 * Spall's gains fall with the step, a/(A + k)^0.602 and c/k^0.101; here η may be a schedule, and μ, his c, is constant. Where its edge of stability
 * lies depends on the diagonal of the Hessian: see `rademacherTwoPoint`.
 *
 *     θ' = θ − η c u,   c = [L(θ + μu) − L(θ − μu)] / 2μ,   u_i = ±1
 *
 * @param options.lr η. @param options.mu μ.
 * @param options.queries, options.space, options.clipNorm see `QueryOptions`.
 * @returns an optimizer without state.
 * @example
 * spsa({ lr: 0.05 }).estimator.name // 'rademacher-two-point'
 * @see Spall, Multivariate stochastic approximation using a simultaneous perturbation gradient approximation, 1992.
 */
export function spsa(options: { lr: LearningRate; mu?: number } & QueryOptions): Optimizer {
  checkOptions('spsa: options', options, { ...QUERIES, lr: true, mu: true });
  const { lr, mu = 1e-3 } = options;
  return recipe('spsa', lr, several(rademacherTwoPoint({ mu }), options), plain());
}

/**
 * ZO-SVRG: zeroth-order gradient descent whose noise a snapshot of the parameters reduces.
 *
 *     θ' = θ − η ĝ,   ĝ = [c_batch(θ; u) − c_batch(θ̃; u)] u + (1/q) Σ c_all(θ̃; u_i) u_i
 *
 * @param options.lr η. @param options.mu μ. @param options.every steps from one snapshot θ̃ to the next. Default 20.
 * @param options.queries q, directions of a snapshot. Default 10. @param options.clipNorm the limit of ‖ĝ‖ (`clipNorm`). Default none.
 * @returns an optimizer whose estimator holds one vector.
 * @example
 * zoSVRG({ lr: 0.01, queries: 4 }).estimator.options // { mu: 0.001, every: 20, queries: 4 }
 * @see `zoSvrg`; Liu et al., arXiv 1805.10367.
 */
export function zoSVRG(options: {
  lr: LearningRate;
  mu?: number;
  every?: number;
  queries?: number;
  clipNorm?: number;
}): Optimizer {
  checkOptions('zoSVRG: options', options, { lr: true, mu: true, every: true, queries: true, clipNorm: true });
  const { lr, clipNorm: limit, ...rest } = options;
  return recipe('zo-svrg', lr, clipped(zoSvrg(rest), limit), plain());
}

/**
 * Gradient descent, by back-propagation. Stable while λmax < 2/η.
 *
 *     θ' = θ − η ∇L(θ)
 *
 * @param options.lr η. @param options.clipNorm the limit of ‖∇L‖ (`clipNorm`). Default none.
 * @returns an optimizer without state.
 * @example
 * stabilityLimit(gd({ lr: 0.05 })) // 40
 */
export function gd(options: { lr: LearningRate; clipNorm?: number }): Optimizer {
  checkOptions('gd: options', options, { lr: true, clipNorm: true });
  const { lr, clipNorm: limit } = options;
  return recipe('gd', lr, clipped(exactGradient(), limit), plain());
}

/**
 * Gradient descent with Polyak momentum. Stable while λmax < 2(1 + β)/η.
 *
 *     m' = β m + ∇L(θ),   θ' = θ − η m'
 *
 * @param options.lr η. @param options.beta momentum 0 ≤ β < 1. Default 0.9. @param options.clipNorm the limit of ‖∇L‖ (`clipNorm`). Default none.
 * @returns an optimizer with one state vector.
 * @example
 * criticalStepSize([4, 1], gdm({ lr: 0.1, beta: 0.5 })) // 0.75
 */
export function gdm(options: { lr: LearningRate; beta?: number; clipNorm?: number }): Optimizer {
  checkOptions('gdm: options', options, { lr: true, beta: true, clipNorm: true });
  const { lr, beta = 0.9, clipNorm: limit } = options;
  return recipe('gdm', lr, clipped(exactGradient(), limit), polyakMomentum({ beta }));
}

/**
 * Adam, by back-propagation. Stable while λmax(P⁻¹H) < 2(1 + β1)/((1 − β1) η).
 *
 *     m' = β1 m + (1 − β1) ∇L,   ν' = β2 ν + (1 − β2) ∇L⊙∇L,   θ' = θ − η P'⁻¹ m'
 *
 * @param options.lr η. @param options.beta1 Default 0.9. @param options.beta2 Default 0.999. @param options.epsilon Default 1e-8.
 * @param options.clipNorm the limit of ‖∇L‖ (`clipNorm`). Default none.
 * @returns an optimizer with two state vectors.
 * @example
 * criticalStepSize([38], adam({ lr: 0.001 })) // 1 (up to rounding)
 * @see Kingma and Ba, arXiv 1412.6980; Cohen et al., Adaptive gradient methods at the edge of stability, arXiv 2207.14484.
 */
export function adam(options: {
  lr: LearningRate;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  clipNorm?: number;
}): Optimizer {
  checkOptions('adam: options', options, { lr: true, beta1: true, beta2: true, epsilon: true, clipNorm: true });
  const { lr, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, clipNorm: limit } = options;
  return recipe('adam', lr, clipped(exactGradient(), limit), adamRule({ beta1, beta2, epsilon }));
}

/**
 * Signs of the Gaussian two-point estimate: every parameter moves by η a step.
 *
 *     θ' = θ − η sign(c u)
 *
 * @param options.lr η, in units of the parameters. @param options.mu μ.
 * @param options.queries, options.space, options.clipNorm see `QueryOptions`.
 * @returns an optimizer without state, of whose edge nothing is claimed.
 * @example
 * zoSignSGD({ lr: 0.001 }).rule.name // 'sign-descent'
 * @see Liu et al., signSGD via zeroth-order oracle, 2019.
 */
export function zoSignSGD(options: { lr: LearningRate; mu?: number } & QueryOptions): Optimizer {
  checkOptions('zoSignSGD: options', options, { ...QUERIES, lr: true, mu: true });
  const { lr, mu = 1e-3 } = options;
  return recipe('zo-sign-sgd', lr, several(gaussianTwoPoint({ mu }), options), signDescent());
}

/**
 * Lion on the Gaussian two-point estimate.
 *
 * @param options.lr η, in units of the parameters. @param options.mu μ. @param options.beta1 Default 0.9. @param options.beta2 Default 0.99.
 * @param options.weightDecay λ, decoupled. Default 0.
 * @param options.queries, options.space, options.clipNorm see `QueryOptions`.
 * @returns an optimizer with one state vector, of whose edge nothing is claimed.
 * @example
 * zoLion({ lr: 0.001 }).rule.name // 'lion'
 * @see `lion` for the formula.
 */
export function zoLion(
  options: { lr: LearningRate; mu?: number; beta1?: number; beta2?: number; weightDecay?: number } & QueryOptions,
): Optimizer {
  checkOptions('zoLion: options', options, {
    ...QUERIES,
    lr: true,
    mu: true,
    beta1: true,
    beta2: true,
    weightDecay: true,
  });
  const { lr, mu = 1e-3, beta1, beta2, weightDecay: decay } = options;
  const rule = lion({
    ...(beta1 !== undefined && { beta1 }),
    ...(beta2 !== undefined && { beta2 }),
    ...(decay !== undefined && { weightDecay: decay }),
  });
  return recipe('zo-lion', lr, several(gaussianTwoPoint({ mu }), options), rule);
}

/**
 * Adam with decoupled weight decay on the Gaussian two-point estimate.
 *
 * @param options those of `zoAdam`. @param options.weightDecay λ. Default 0.01.
 * @returns an optimizer with two state vectors, of whose edge nothing is claimed.
 * @example
 * zoAdamW({ lr: 0.001 }).rule.name // 'adam-decayed'
 * @see `weightDecay` for the formula.
 */
export function zoAdamW(options: Parameters<typeof zoAdam>[0] & { weightDecay?: number }): Optimizer {
  const { weightDecay: lambda = 0.01, ...rest } = options;
  const { lr, estimator, rule } = zoAdam(rest);
  return recipe('zo-adamw', lr, estimator, weightDecay(rule, { weightDecay: lambda }));
}
