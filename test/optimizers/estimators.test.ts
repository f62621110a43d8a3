import { describe, expect, it } from 'vitest';
import { exactGradient } from '../../lib/optimizers/estimators/exact-gradient.ts';
import { gaussianTwoPoint } from '../../lib/optimizers/estimators/gaussian-two-point.ts';
import { momentsOf } from '../../lib/optimizers/moments.ts';
import type { LossOracle, Point } from '../../lib/optimizers/optimizer.ts';
import { type Direction, stream } from '../../lib/random/direction.ts';
import { materialise, SimulatedDevice, type VisibleGradient } from './simulated-device.ts';

const direction = (i: number): Direction => ({ distribution: 'normal', seed: 7n, stream: stream('step', i) });

describe('gaussianTwoPoint', () => {
  it('asks for both points in one call and divides their difference by 2μ', async () => {
    const calls: (readonly Point[])[] = [];
    const signals: unknown[] = [];
    const { signal } = new AbortController();
    const oracle: LossOracle = {
      dimension: 3,
      async losses(points, given) {
        calls.push(points);
        signals.push(given);
        return Float64Array.of(5, 3);
      },
      gradient: () => Promise.reject(new Error('no gradient is needed')),
    };
    const estimate = await gaussianTwoPoint({ mu: 0.25 }).estimate(oracle, direction, signal);
    const u = direction(0);
    expect(calls).toEqual([[[{ direction: u, coefficient: 0.25 }], [{ direction: u, coefficient: -0.25 }]]]);
    expect(signals).toEqual([signal]);
    expect(estimate).toEqual({
      kind: 'directions',
      loss: 4,
      projectedGradient: 4,
      terms: [{ direction: u, coefficient: 4 }],
    });
  });

  it('projects the gradient of a quadratic exactly, for any μ', async () => {
    const device = SimulatedDevice.quadratic([3, 1, 0.5], Float64Array.of(1, -2, 4));
    const z = materialise(direction(0), 3);
    const slope = 3 * z[0] - 2 * z[1] + 2 * z[2];
    for (const mu of [1e-3, 0.1, 10]) {
      const estimate = await gaussianTwoPoint({ mu }).estimate(device, direction);
      expect(estimate.kind === 'directions' && estimate.projectedGradient).toBeCloseTo(slope, 9);
      expect(device.vectorOf(estimate)[1]).toBeCloseTo(slope * z[1], 9);
    }
    expect(device.evaluations).toBe(6);
  });

  it('has a third-order error in μ beyond the quadratic', async () => {
    const device = new SimulatedDevice(
      Float64Array.of(0.5, 1),
      (at) => Math.exp(at[0]) + Math.sin(at[1]),
      (at) => at,
    );
    const z = materialise(direction(0), 2);
    const slope = Math.exp(0.5) * z[0] + Math.cos(1) * z[1];
    const error = async (mu: number): Promise<number> => {
      const estimate = await gaussianTwoPoint({ mu }).estimate(device, direction);
      return estimate.kind === 'directions' ? estimate.projectedGradient! - slope : Number.NaN;
    };
    // c − uᵀ∇L = (μ²/6) L‴[u, u, u] + O(μ⁴).
    expect((await error(0.02)) / (await error(0.01))).toBeCloseTo(4, 2);
  });

  it('has the moments that it states: E[ĝ] = He and E[ĝĝᵀ] = 2A + tr(A) I', async () => {
    const lambdas = [2, 1, 0.5];
    const e = [1, -1, 2];
    const g = e.map((value, i) => lambdas[i] * value);
    const square = g.reduce((sum, value) => sum + value * value, 0);
    const device = SimulatedDevice.quadratic(lambdas, Float64Array.from(e));
    const { s1, s2 } = momentsOf(gaussianTwoPoint())!;
    const runs = 20_000;
    const mean = [0, 0, 0];
    const second = Array.from({ length: 3 }, () => [0, 0, 0]);
    for (let run = 0; run < runs; run++) {
      const estimate = await gaussianTwoPoint().estimate(device, (i) => direction(run + i));
      const v = device.vectorOf(estimate);
      for (let i = 0; i < 3; i++) {
        mean[i] += v[i] / runs;
        for (let j = 0; j < 3; j++) second[i][j] += (v[i] * v[j]) / runs;
      }
    }
    // Standard deviations: of an entry of ĝ at most √3 |g|, of a product at most √(E ĝ_i⁴) ≤ √105 |g|²; five of them.
    for (let i = 0; i < 3; i++) {
      expect(Math.abs(mean[i] - g[i])).toBeLessThan(5 * Math.sqrt((3 * square) / runs));
      for (let j = 0; j < 3; j++) {
        const stated = s1 * g[i] * g[j] + (i === j ? s2 * square : 0);
        expect(Math.abs(second[i][j] - stated)).toBeLessThan((5 * Math.sqrt(105) * square) / Math.sqrt(runs));
      }
    }
  });

  it('refuses a smoothing that is not a finite number above 0', () => {
    for (const mu of [0, -1e-3, Number.NaN, Number.POSITIVE_INFINITY, '1' as unknown as number]) {
      expect(() => gaussianTwoPoint({ mu })).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }));
    }
    expect(gaussianTwoPoint().mu).toBe(1e-3);
  });
});

describe('exactGradient', () => {
  it('returns the loss and the gradient of the device, and no directions', async () => {
    const device = SimulatedDevice.quadratic([3, 1], Float64Array.of(1, 2));
    const estimate = await exactGradient().estimate(device, direction);
    expect(estimate.kind).toBe('dense');
    expect(estimate.loss).toBe(3.5);
    expect(estimate.kind === 'dense' && [...(estimate.gradient as VisibleGradient).values]).toEqual([3, 2]);
    expect(momentsOf(exactGradient(), 5)).toEqual({ s1: 1, s2: 0 });
    expect(exactGradient().mu).toBeUndefined();
  });
});
