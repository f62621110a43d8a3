import { describe, expect, it } from 'vitest';
import { momentsOf } from '../../lib/optimizers/moments.ts';
import type { LearningRate, Optimizer } from '../../lib/optimizers/optimizer.ts';
import { frozenZoAdam, gdm, zoGD, zoGDM } from '../../lib/optimizers/recipes.ts';
import { stream } from '../../lib/random/direction.ts';
import { criticalStepSize } from '../../lib/stability/critical-step-size.ts';
import { SimulatedDevice } from '../optimizers/simulated-device.ts';
import { eigenbasisOperator } from './covariance.ts';
import { seeded } from './seeded.ts';

/*
 * Many short runs instead of a long one. Near η* the loss of one run is close to log-normal, so its mean over a long time is carried by
 * runs too rare to be sampled. With 16 directions and 40 steps the standard deviation of log L is about 0.8, and 3000 runs know E[L] to about
 * 3 %; what must be told apart is a factor of 2 or more.
 */
const lambdas = Array.from({ length: 16 }, (_, i) => 1 - i / 24);
const RUNS = 3000;
const STEPS = 40;

/** Mean loss over the runs at the middle and at the end, and the relative standard error of the latter. */
async function simulate(optimizer: Optimizer, preconditioner: number[] = lambdas.map(() => 1)) {
  const { normal } = seeded(11);
  const curvature = lambdas.map((lambda, i) => lambda * preconditioner[i]);
  const middle: number[] = [];
  const end: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const start = Float64Array.from(preconditioner, (p) => normal() / Math.sqrt(p));
    const device = SimulatedDevice.quadratic(curvature, start);
    for (let step = 0; step < STEPS; step++) {
      if (step === STEPS / 2) middle.push((await device.gradient()).loss);
      const seed = BigInt(run);
      await device.step(optimizer, step, (i) => ({
        distribution: 'normal',
        seed,
        stream: stream('step', step + 1000 * i),
      }));
    }
    end.push((await device.gradient()).loss);
  }
  const mean = (values: number[]): number => values.reduce((a, b) => a + b) / RUNS;
  const last = mean(end);
  const error = Math.sqrt(mean(end.map((value) => (value - last) ** 2)) / RUNS) / last;
  return { middle: mean(middle), end: last, error };
}

/** E[L] after some steps from θ ~ N(0, I), m = 0, by the covariance operator. */
function predicted(optimizer: Optimizer, steps: number): number {
  const { s1, s2 } = momentsOf(optimizer.estimator)!;
  const { beta, gradientWeight } = optimizer.rule;
  const operator = eigenbasisOperator(lambdas, { eta: optimizer.lr as number, beta, s1, s2, weight: gradientWeight });
  let state = Float64Array.from({ length: operator.n }, (_, i) => (i % 3 === 0 ? 1 : 0));
  for (let step = 0; step < steps; step++) {
    state = Float64Array.from(state, (_, i) => {
      let sum = 0;
      for (let j = 0; j < operator.n; j++) sum += operator.values[i * operator.n + j] * state[j];
      return sum;
    });
  }
  return lambdas.reduce((sum, lambda, i) => sum + (lambda * state[3 * i]) / 2, 0);
}

describe('the second moment in simulated training on a quadratic', () => {
  it.each<[string, (lr: LearningRate) => Optimizer]>([
    ['ZO-GD', (lr) => zoGD({ lr })],
    ['ZO-GDM', (lr) => zoGDM({ lr, beta: 0.5 })],
  ])('decays at 0.8 η* and grows at 1.25 η* under %s, as the covariance operator predicts', async (_name, make) => {
    const critical = criticalStepSize(lambdas, make(1));
    for (const [factor, grows] of [
      [0.8, false],
      [1.25, true],
    ] as const) {
      const optimizer = make(factor * critical);
      const { middle, end, error } = await simulate(optimizer);
      if (grows) expect(end / middle).toBeGreaterThan(2);
      else expect(end / middle).toBeLessThan(1 / 1.5);
      expect(error).toBeLessThan(0.06);
      expect(Math.abs(end / predicted(optimizer, STEPS) - 1)).toBeLessThan(5 * error);
    }
  });

  it('follows the spectrum of P⁻¹H under frozen ZO-Adam', async () => {
    // H = PΛ, so that P⁻¹H = Λ.
    const preconditioner = Float32Array.from(lambdas, (_, i) => 2 ** ((i % 4) - 1));
    const make = (lr: LearningRate): Optimizer => frozenZoAdam({ lr, beta1: 0.5, preconditioner });
    const critical = criticalStepSize(lambdas, make(1));
    const p = Array.from(preconditioner);
    const below = await simulate(make(0.8 * critical), p);
    const above = await simulate(make(1.25 * critical), p);
    expect(below.end / below.middle).toBeLessThan(1 / 1.5);
    expect(above.end / above.middle).toBeGreaterThan(2);
  });

  it('has the first-order threshold, beyond that of zeroth order, when gradients are exact', async () => {
    const make = (lr: LearningRate): Optimizer => gdm({ lr, beta: 0.5 });
    const critical = criticalStepSize(lambdas, make(1));
    expect(critical).toBeGreaterThan(5 * criticalStepSize(lambdas, zoGDM({ lr: 1, beta: 0.5 })));
    for (const [factor, grows] of [
      [0.95, false],
      [1.05, true],
    ] as const) {
      const device = SimulatedDevice.quadratic(lambdas, new Float64Array(lambdas.length).fill(1));
      const unused = (): never => {
        throw new Error('exact gradients ask for no direction');
      };
      for (let step = 0; step < 400; step++) await device.step(make(factor * critical), step, unused);
      const { loss } = await device.gradient();
      if (grows) expect(loss).toBeGreaterThan(1e3);
      else expect(loss).toBeLessThan(1e-3);
    }
  });
});
