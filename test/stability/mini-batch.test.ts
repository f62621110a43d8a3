import { describe, expect, it } from 'vitest';
import { symmetricEigen } from '../../lib/curvature/symmetric-eigen.ts';
import { stabilityBounds, stabilityLimit } from '../../lib/stability/bounds.ts';
import { criticalStepSize } from '../../lib/stability/critical-step-size.ts';
import { edgeOfStability } from '../../lib/stability/edge.ts';
import { optimizers } from './arbitrary.ts';
import { fullOperator, type Matrix, measuredCriticalStepSize, spectralRadius } from './covariance.ts';
import { seeded } from './seeded.ts';

const mean = (matrices: readonly Matrix[]): Matrix => ({
  n: matrices[0].n,
  values: matrices[0].values.map((_, k) => matrices.reduce((sum, { values }) => sum + values[k], 0) / matrices.length),
});

/** All batches of `size` out of these, each as the mean of its members. */
function batches(matrices: readonly Matrix[], size: number): Matrix[] {
  const chosen: Matrix[][] = [[]];
  for (const matrix of matrices) chosen.push(...chosen.map((some) => [...some, matrix]));
  return chosen.filter(({ length }) => length === size).map(mean);
}

/** J Jᵀ of `rank` random rows of different sizes: the Hessian of an example that is fitted exactly, under the squared loss. */
function example(d: number, rank: number, { normal, uniform }: ReturnType<typeof seeded>): Matrix {
  const values = new Float64Array(d * d);
  for (let r = 0; r < rank; r++) {
    const size = 10 ** (uniform() - 0.5);
    const row = Array.from({ length: d }, () => size * normal());
    for (let i = 0; i < d; i++) for (let j = 0; j < d; j++) values[i * d + j] += row[i] * row[j];
  }
  return { n: d, values };
}

function curvatureOf({ n, values }: Matrix) {
  const spectrum = [...symmetricEigen(values, n).values].map((value) => Math.max(value, 0));
  const trace = spectrum.reduce((a, b) => a + b);
  return { spectrum, curvature: { trace, lambdaMax: spectrum[0], lambdaMin: 0, dimension: n } };
}

/** The limit at the η* of the covariance operator that sees these Hessians: what the bounds must hold. */
function edgeOf(hessian: Matrix, seen: readonly Matrix[], optimizer: (typeof optimizers)[number]): number {
  const { beta, gradientWeight: weight } = optimizer.rule;
  const { s1, s2 } = optimizer.estimator.moments?.(hessian.n) ?? { s1: Number.NaN, s2: Number.NaN };
  const radius = (eta: number) => spectralRadius(fullOperator(hessian, { eta, beta, s1, s2, weight }, seen));
  const full = criticalStepSize(curvatureOf(hessian).spectrum, optimizer);
  return stabilityLimit({ ...optimizer, lr: measuredCriticalStepSize(radius, 1.5 * full) });
}

describe('the bounds with mini-batches', () => {
  it('hold the edge of the covariance operator: random fitted examples, any batch, estimator and momentum', () => {
    const random = seeded(31);
    let between = 0;
    for (const [i, optimizer] of optimizers.entries()) {
      const d = 1 + (i % 2);
      const examples = Array.from({ length: 4 }, () => example(d, 1 + (i % 3), random));
      const hessian = mean(examples);
      const { curvature } = curvatureOf(hessian);
      for (const batch of [1, 2, 3]) {
        const edge = edgeOf(hessian, batches(examples, batch), optimizer);
        const { lower, upper } = stabilityBounds(curvature, optimizer, { batch, examples: 4 });
        const label = `${i} ${batch}: ${lower} ${edge} ${upper}`;
        expect(edge, label).toBeGreaterThanOrEqual(lower * (1 - 1e-6));
        expect(edge, label).toBeLessThanOrEqual(upper * (1 + 1e-6));
        const whole = stabilityBounds(curvature, optimizer);
        if (edge > 1.1 * whole.upper) between++;
        // A step size at that edge is neither below nor beyond it, whatever the full-batch law says.
        const verdict = edgeOfStability(
          curvature,
          { ...optimizer, lr: stabilityLimit({ ...optimizer, lr: 1 }) / edge },
          {
            batch,
            examples: 4,
          },
        ).verdict;
        expect(['below', 'beyond'], label).not.toContain(verdict);
      }
    }
    // The law for all examples would have been wrong here.
    expect(between).toBeGreaterThan(5);
  });

  it('are reached where the examples have nothing in common: the edge is n/b times as flat', () => {
    // Two parameters, two examples, each with one of them: T = (n/b) tr.
    const alone = (k: number): Matrix => ({
      n: 2,
      values: Float64Array.from([0, 1, 2, 3], (j) => (j === 3 * k ? 2 : 0)),
    });
    const examples = [alone(0), alone(1)];
    const zo = optimizers[0];
    const edge = edgeOf(mean(examples), examples, zo);
    const { upper } = stabilityBounds(curvatureOf(mean(examples)).curvature, zo, { batch: 1, examples: 2 });
    expect(edge / upper).toBeCloseTo(1, 6);
    expect(edge).toBeCloseTo(2 * (2 + 2 * 1), 6);
  });

  it('are those of the whole set where the examples are alike, and the edge is the lower end', () => {
    const examples = [example(2, 2, seeded(5))];
    const zo = optimizers[0];
    const hessian = examples[0];
    const edge = edgeOf(hessian, [hessian, hessian], zo);
    const { curvature, spectrum } = curvatureOf(hessian);
    expect(edge).toBeCloseTo(2 / criticalStepSize(spectrum, zo), 5);
    const one = stabilityBounds(curvature, zo, { batch: 1, examples: 2 });
    expect(one.lower).toBe(stabilityBounds(curvature, zo).lower);
  });
});
