import { askEstimator, initialState } from '../../lib/optimizers/estimator-state.ts';
import type { Json } from '../../lib/optimizers/json.ts';
import type { DenseGradient, Directions, Estimate, Optimizer, Point, Update } from '../../lib/optimizers/optimizer.ts';
import { type HeldPoint, isHeld, type StepOracle } from '../../lib/optimizers/oracle.ts';
import type { Direction } from '../../lib/random/direction.ts';
import { seeded } from '../stability/seeded.ts';

/** A dense gradient that can be looked at. */
export interface VisibleGradient extends DenseGradient {
  readonly values: Float64Array;
}

let last: { direction: Direction; z: Float64Array } | undefined;

/** z(direction) by the tests' own generator: a function of seed and stream alone. A step asks for the same one three times. */
export function materialise(direction: Direction, dimension: number): Float64Array {
  if (last?.direction === direction && last.z.length === dimension) return last.z;
  const key = Number((direction.seed * 0x9e3779b1n + direction.stream * 0x85ebca77n) & 0xffffffffn);
  const { uniform, normal } = seeded(key ^ (key >>> 15));
  uniform();
  const sign = () => (uniform() < 0.5 ? 1 : -1);
  const draw = direction.distribution === 'rademacher' ? sign : normal;
  last = { direction, z: Float64Array.from({ length: dimension }, draw) };
  return last.z;
}

/**
 * What a device does, in f64 and plain sight: holds θ and the states of an update rule, evaluates a loss at displaced points, applies
 * updates. Written from the formulas in the `Update` type.
 */
export class SimulatedDevice implements StepOracle {
  readonly dimension: number;
  readonly theta: Float64Array;
  readonly m: Float64Array;
  readonly v: Float64Array;
  evaluations = 0;
  readonly held = new Map<string, Float64Array>();
  /** The estimator's state, of `step`. */
  state: Json | undefined;
  readonly #loss: (theta: Float64Array) => number;
  readonly #gradient: (theta: Float64Array) => Float64Array;

  constructor(
    theta: Float64Array,
    loss: (theta: Float64Array) => number,
    gradient: (theta: Float64Array) => Float64Array,
  ) {
    this.dimension = theta.length;
    this.theta = theta.slice();
    this.m = new Float64Array(theta.length);
    this.v = new Float64Array(theta.length);
    this.#loss = loss;
    this.#gradient = gradient;
  }

  static quadratic(lambdas: readonly number[], theta: Float64Array): SimulatedDevice {
    return new SimulatedDevice(
      theta,
      (at) => at.reduce((sum, value, i) => sum + (lambdas[i] * value * value) / 2, 0),
      (at) => at.map((value, i) => lambdas[i] * value),
    );
  }

  get all(): this {
    return this;
  }

  async hold(name: string): Promise<void> {
    this.held.set(name, this.theta.slice());
  }

  async norms(displacements: readonly Point[]): Promise<Float64Array> {
    return Float64Array.from(displacements, (terms) =>
      Math.hypot(...this.vectorOf({ kind: 'directions', loss: 0, terms })),
    );
  }

  async derivatives(directions: readonly Direction[]): Promise<{ loss: number; derivatives: Float64Array }> {
    const gradient = this.#gradient(this.theta);
    const along = (one: Direction) => materialise(one, this.dimension).reduce((sum, z, i) => sum + z * gradient[i], 0);
    return { loss: this.#loss(this.theta), derivatives: Float64Array.from(directions, along) };
  }

  async losses(points: readonly (Point | HeldPoint)[]): Promise<Float64Array> {
    this.evaluations += points.length;
    return Float64Array.from(points, (point) => {
      const at = (isHeld(point) ? this.held.get(point.at)! : this.theta).slice();
      for (const { direction, coefficient } of isHeld(point) ? point.terms : point) {
        const z = materialise(direction, this.dimension);
        for (let i = 0; i < at.length; i++) at[i] += coefficient * z[i];
      }
      return this.#loss(at);
    });
  }

  async gradient(): Promise<{ loss: number; gradient: VisibleGradient }> {
    const values = this.#gradient(this.theta);
    const squaredNorm = values.reduce((sum, value) => sum + value * value, 0);
    return { loss: this.#loss(this.theta), gradient: { byteLength: values.byteLength, squaredNorm, values } };
  }

  vectorOf(estimate: Estimate): Float64Array {
    if (estimate.kind === 'dense') {
      const { coefficient = 1, gradient } = estimate;
      return (gradient as VisibleGradient).values.map((value) => coefficient * value);
    }
    const g = new Float64Array(this.dimension);
    for (const { direction, coefficient } of estimate.terms) {
      for (const [i, z] of materialise(direction, this.dimension).entries()) g[i] += coefficient * z;
    }
    return g;
  }

  apply(update: Update, estimate: Estimate, lr: number, p?: ArrayLike<number>): void {
    const g = this.vectorOf(estimate);
    const { theta, m, v } = this;
    for (let i = 0; i < this.dimension; i++) {
      switch (update.kind) {
        case 'plain':
          theta[i] -= lr * g[i];
          break;
        case 'momentum':
          m[i] = update.beta * m[i] + g[i];
          theta[i] -= lr * m[i];
          break;
        case 'adam': {
          m[i] = update.beta1 * m[i] + (1 - update.beta1) * g[i];
          v[i] = update.beta2 * v[i] + (1 - update.beta2) * g[i] ** 2;
          const mean = m[i] / (1 - update.beta1 ** update.t);
          theta[i] -= (lr * mean) / (Math.sqrt(v[i] / (1 - update.beta2 ** update.t)) + update.epsilon);
          break;
        }
        case 'frozenAdam':
          m[i] = update.beta1 * m[i] + (1 - update.beta1) * g[i];
          theta[i] -= (lr * m[i]) / p![i];
          break;
      }
    }
  }

  /** One step of an optimizer with a constant step size. */
  async step(optimizer: Optimizer, step: number, direction: Directions): Promise<Estimate> {
    const { estimator } = optimizer;
    this.state ??= initialState(estimator, this.dimension);
    const request = { oracle: this, step, direction, state: this.state };
    const { estimate, state } = await askEstimator(estimator, request);
    this.state = state;
    this.apply(optimizer.rule.update(step), estimate, optimizer.lr as number, optimizer.rule.initial?.p);
    return estimate;
  }
}
