import { describe, expect, it } from 'vitest';
import type { Estimate, Term, Update } from '../../lib/optimizers/optimizer.ts';
import type { Distribution } from '../../lib/random/direction.ts';
import { Diffusion } from '../../lib/train/diffusion.ts';
import { seeded } from '../stability/seeded.ts';

const term = (stream: number, coefficient: number, distribution: Distribution = 'normal'): Term => ({
  direction: { distribution, seed: 1n, stream: BigInt(stream) },
  coefficient,
});

const along = (...terms: Term[]): Estimate => ({ kind: 'directions', loss: 1, terms });
const dense: Estimate = { kind: 'dense', loss: 1, gradient: { byteLength: 12, squaredNorm: 4 } };

const rules: [string, Update][] = [
  ['plain', { kind: 'plain' }],
  ['momentum', { kind: 'momentum', beta: 0.8 }],
  ['momentum without memory', { kind: 'momentum', beta: 0 }],
  ['frozen Adam', { kind: 'frozenAdam', beta1: 0.9 }],
];

describe('the diffusion of weights', () => {
  it.each(rules)('is, with %s, what simulated noise adds to ‖θ‖² on average, while η and c change', (_, update) => {
    const dimension = 40;
    const steps = 60;
    const preconditioner = Float32Array.from({ length: dimension }, (_, i) => 0.5 + (i % 7) / 4);
    const lr = (t: number) => (t < 30 ? 0.1 : 0.02 * (1 + (t % 3)));
    const c = (t: number) => 1 + Math.sin(t);
    const frozen = update.kind === 'frozenAdam';
    const diffusion = new Diffusion({ squaredScale: dimension, fullBatch: true, ...(frozen && { preconditioner }) });
    for (let t = 0; t < steps; t++) diffusion.add(update, along(term(t, c(t))), lr(t));

    const { normal } = seeded(5);
    const runs = 1500;
    let mean = 0;
    for (let run = 0; run < runs; run++) {
      const theta = new Float64Array(dimension);
      const m = new Float64Array(dimension);
      for (let t = 0; t < steps; t++) {
        for (let i = 0; i < dimension; i++) {
          const g = c(t) * normal();
          const beta = update.kind === 'momentum' ? update.beta : update.kind === 'frozenAdam' ? update.beta1 : 0;
          m[i] = beta * m[i] + (frozen ? 1 - beta : 1) * g;
          theta[i] -= (lr(t) * m[i]) / (frozen ? preconditioner[i] : 1);
        }
      }
      mean += theta.reduce((sum, x) => sum + x * x, 0) / runs;
    }
    // The relative spread of one run is about √(2/d).
    expect(Math.abs((diffusion.total ?? Number.NaN) / mean - 1)).toBeLessThan(4 * Math.sqrt(2 / dimension / runs));
  });

  it('is the sum of η²c²d for plain steps, with each direction counted as it varies', () => {
    const diffusion = new Diffusion({ squaredScale: 10, fullBatch: false });
    diffusion.add({ kind: 'plain' }, along(term(0, 3)), 0.1);
    expect(diffusion.total).toBeCloseTo(0.9, 12);
    diffusion.add({ kind: 'plain' }, along(term(1, 3, 'rademacher'), term(2, 3, 'uniform')), 0.1);
    expect(diffusion.total).toBeCloseTo(0.9 + 0.9 + 0.3, 12);
    // 1 + 2 along one direction is 3, not √5.
    diffusion.add({ kind: 'plain' }, along(term(3, 1), term(4, 1), term(3, 2)), 0.1);
    expect(diffusion.total).toBeCloseTo(2.1 + 0.9 + 0.1, 12);
  });

  it('is nothing for an exact gradient of all examples, and unknown for one of a mini-batch and for Adam', () => {
    const full = new Diffusion({ squaredScale: 3, fullBatch: true });
    full.add({ kind: 'momentum', beta: 0.9 }, dense, 0.1);
    expect(full.total).toBe(0);
    const batch = new Diffusion({ squaredScale: 3, fullBatch: false });
    batch.add({ kind: 'plain' }, dense, 0.1);
    const adam = new Diffusion({ squaredScale: 3, fullBatch: true });
    adam.add({ kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, t: 1 }, along(term(0, 1)), 0.1);
    for (const unknown of [batch, adam]) {
      expect(unknown.total).toBeNull();
      unknown.add({ kind: 'plain' }, along(term(0, 1)), 0.1);
      expect(unknown.total).toBeNull();
    }
  });

  it('is, where steps with and without momentum take turns, what simulated noise adds: the ones without leave m alone', () => {
    const dimension = 40;
    const turns: Update[] = [{ kind: 'momentum', beta: 0.9 }, { kind: 'momentum', beta: 0.9 }, { kind: 'plain' }];
    const diffusion = new Diffusion({ squaredScale: dimension, fullBatch: true });
    for (let t = 0; t < 60; t++) diffusion.add(turns[t % 3], along(term(t, 1)), 0.1);
    const { normal } = seeded(7);
    const runs = 1500;
    let mean = 0;
    for (let run = 0; run < runs; run++) {
      const theta = new Float64Array(dimension);
      const m = new Float64Array(dimension);
      for (let t = 0; t < 60; t++) {
        for (let i = 0; i < dimension; i++) {
          const g = normal();
          if (t % 3 < 2) m[i] = 0.9 * m[i] + g;
          theta[i] -= 0.1 * (t % 3 < 2 ? m[i] : g);
        }
      }
      mean += theta.reduce((sum, x) => sum + x * x, 0) / runs;
    }
    expect(Math.abs((diffusion.total ?? Number.NaN) / mean - 1)).toBeLessThan(4 * Math.sqrt(2 / dimension / runs));
  });

  it('goes on from a stored state as if it had not stopped', () => {
    const whole = new Diffusion({ squaredScale: 5, fullBatch: true });
    const first = new Diffusion({ squaredScale: 5, fullBatch: true });
    const second = new Diffusion({ squaredScale: 5, fullBatch: true });
    for (let t = 0; t < 20; t++) {
      if (t === 9) second.restore(JSON.parse(JSON.stringify(first.state)));
      const update: Update = { kind: 'momentum', beta: 0.7 };
      for (const one of [whole, t < 9 ? first : second]) one.add(update, along(term(t, t)), 0.01 * t);
    }
    expect(second.total).toBe(whole.total);
  });
});
