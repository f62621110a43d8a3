import { afterAll, describe, expect, it } from 'vitest';
import { hutchinsonTrace } from '../../lib/curvature/hutchinson-trace.ts';
import { lanczosQuadrature } from '../../lib/curvature/lanczos-quadrature.ts';
import type { LinearOperator } from '../../lib/curvature/operator.ts';
import { preconditionedByPieces, preconditionedOperator } from '../../lib/curvature/preconditioned-operator.ts';
import { symmetricEigen } from '../../lib/curvature/symmetric-eigen.ts';
import { topEigenvalues } from '../../lib/curvature/top-eigenvalues.ts';
import { type Device, openDevice } from '../../lib/device/device.ts';
import { mul, square, sum } from '../../lib/graph/ops.ts';
import { HessianOperator } from '../../lib/objective/hessian.ts';
import { compile } from '../../lib/objective/objective.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import { smallProblem } from '../train/small-problem.ts';

const device = openDevice({ threads: 2 });
afterAll(() => device.dispose());

/** An operator of one's own with the products of another: what measures it does so in arrays. */
const inArrays = ({ dimension, apply }: LinearOperator, self: LinearOperator): LinearOperator => ({
  dimension,
  apply: apply.bind(self),
});

describe('a Hessian is measured on its device', () => {
  it('to the numbers that arrays give, and a dense matrix', async () => {
    const objective = await compile(device, smallProblem(), { seed: 1 });
    const hessian = await objective.hessian();
    const d = objective.dimension;
    const p = Float64Array.from({ length: d }, (_, i) => 0.5 + (i % 7));
    const dense = await hessian.apply(
      Float32Array.from({ length: d * d }, (_, i) => (i % (d + 1) === 0 ? 1 : 0)),
      d,
    );
    const start = Float32Array.from({ length: d }, (_, i) => Math.cos(i));
    for (const preconditioned of [false, true]) {
      const onDevice = preconditioned ? preconditionedOperator(hessian, p) : hessian;
      const arrays = preconditioned
        ? preconditionedOperator(inArrays(hessian, hessian), p)
        : inArrays(hessian, hessian);
      const matrix = Float64Array.from(dense, (value, k) =>
        preconditioned ? value / Math.sqrt(p[Math.floor(k / d)] * p[k % d]) : value,
      );
      const { values } = symmetricEigen(matrix, d);
      const close = (a: number, b: number) => expect(Math.abs(a - b)).toBeLessThan(2e-5 * values[0]);
      for (const options of [{}, { count: 3 }, { basisBudget: 1, count: 2 }, { method: 'power' }, { start }] as const) {
        const asked = { tolerance: 1e-4, maxIterations: 4000, seed: 4n, ...options };
        const [one, other] = [await topEigenvalues(onDevice, asked), await topEigenvalues(arrays, asked)];
        for (const [i, value] of one.values.entries()) {
          close(value, other.values[i]);
          close(value, values[i]);
          expect(one.residuals[i]).toBeLessThan(3e-4 * values[0]);
        }
        expect(one.vectors).toHaveLength(one.values.length * d);
        expect(Math.abs(one.hvps - other.hvps)).toBeLessThan(0.1 * other.hvps);
      }
      const [one, other] = [await hutchinsonTrace(onDevice), await hutchinsonTrace(arrays)];
      close(one.trace, other.trace);
      close(one.standardError, other.standardError);
      const ends = [await lanczosQuadrature(onDevice), await lanczosQuadrature(arrays)];
      close(ends[0].lambdaMax, ends[1].lambdaMax);
      close(ends[0].lambdaMin, ends[1].lambdaMin);
      close(ends[0].lambdaMax, values[0]);
      expect(Math.abs(ends[0].negativeTrace - ends[1].negativeTrace)).toBeLessThan(1e-3 * values[0]);
      expect(ends[0].hvps).toBe(ends[1].hvps);
    }
    hessian.dispose();
    await objective.dispose();
  });

  it('in batches of any size, of which sixteen go through a program at a time', async () => {
    const objective = await compile(device, smallProblem(), { seed: 5 });
    const hessian = await objective.hessian();
    const run = (batch: number) => hutchinsonTrace(hessian, { probes: 41, batch });
    const one = await run(1);
    for (const batch of [7, 16, 17, 41]) {
      const { trace, standardError } = await run(batch);
      expect(trace).toBeCloseTo(one.trace, 4);
      expect(standardError).toBeCloseTo(one.standardError, 4);
    }
    hessian.dispose();
    await objective.dispose();
  });

  it('to the same bits whenever it is', async () => {
    const objective = await compile(device, smallProblem(), { seed: 2 });
    const hessian = await objective.hessian();
    const run = () =>
      Promise.all([hutchinsonTrace(hessian), lanczosQuadrature(hessian), topEigenvalues(hessian, { count: 2 })]);
    expect(await run()).toEqual(await run());
    hessian.dispose();
    await objective.dispose();
  });

  it('by a preconditioner that several measurements use at the same time', async () => {
    const objective = await compile(device, smallProblem(), { seed: 3 });
    const hessian = await objective.hessian();
    const p = Float64Array.from({ length: objective.dimension }, (_, i) => 1 + (i % 3));
    for (const operator of [
      preconditionedOperator(hessian, p),
      preconditionedOperator(inArrays(hessian, hessian), p),
    ]) {
      const one = await hutchinsonTrace(operator, { probes: 40 });
      const together = [40, 40, 40].map((probes, i) => hutchinsonTrace(operator, { probes, batch: 16 >> i }));
      for (const { trace } of await Promise.all(together)) expect(trace).toBeCloseTo(one.trace, 5);
      operator.dispose();
    }
    hessian.dispose();
    await objective.dispose();
  });

  it('a preconditioner that comes in pieces is the same, and one that is bad is refused and leaves nothing behind', async () => {
    const objective = await compile(device, smallProblem(), { seed: 4 });
    const hessian = await objective.hessian();
    const d = objective.dimension;
    const p = Float64Array.from({ length: d }, (_, i) => 1 + (i % 5));
    async function* pieces(values: Float64Array, length: number) {
      for (let offset = 0; offset < d; offset += length)
        yield { offset, values: values.subarray(offset, Math.min(d, offset + length)) };
    }
    const whole = await hutchinsonTrace(preconditionedOperator(hessian, p));
    const operator = await preconditionedByPieces(hessian, pieces(p, 17));
    expect(await hutchinsonTrace(operator)).toEqual(whole);
    operator.dispose();
    const held = device.memory().bufferBytes;
    p[40] = 0;
    await expect(preconditionedByPieces(hessian, pieces(p, 17))).rejects.toThrow(/^diagonalP\[40\]: expected/);
    expect(device.memory().bufferBytes).toBe(held);
    hessian.dispose();
    await objective.dispose();
  });
});

/** ½ Σ a θ²: the Hessian is diag(a), and a vector the least that a program can take. */
function diagonalProblem(a: Float32Array): Problem {
  return {
    parameters: { theta: { shape: [a.length], init: { kind: 'constant', value: 0 } } },
    constants: { a: { shape: [a.length], data: a } },
    loss: ({ theta }, _, { a }) => mul(sum(mul(a, square(theta))), 0.5),
  };
}

/** The most bytes of buffers that the device held during some work. */
async function peak(device: Device, work: () => Promise<void>): Promise<number> {
  const allocate = device.allocate.bind(device);
  let most = 0;
  device.allocate = (bytes) => {
    const buffer = allocate(bytes);
    most = Math.max(most, device.memory().bufferBytes);
    return buffer;
  };
  const before = device.memory().bufferBytes;
  try {
    await work();
  } finally {
    device.allocate = allocate;
  }
  expect(device.memory().bufferBytes).toBe(before);
  return most - before;
}

describe('memory', () => {
  const d = 10_000;
  const a = Float32Array.from({ length: d }, (_, i) => (i < 3 ? 1.5 - i / 20 : Math.cos(i) + 0.3));
  const trace = a.reduce((total, value) => total + value, 0);
  const negative = a.reduce((total, value) => total + Math.max(-value, 0), 0);

  it('of trace, λmax and the rest stays within 16 vectors, whatever the dimension, with a preconditioner, too', async () => {
    await using device = openDevice({ threads: 2 });
    const objective = await compile(device, diagonalProblem(a));
    const p = new Float64Array(d).fill(4);
    // What a model has whose vectors are so large that neither the basis nor a batch is within its budget.
    const large = { basisBudget: 1, batch: 1 };
    for (const preconditioned of [false, true]) {
      const scale = preconditioned ? 4 : 1;
      const bytes = await peak(device, async () => {
        const hessian = await objective.hessian();
        const operator = preconditioned ? preconditionedOperator(hessian, p) : hessian;
        const { batch, basisBudget } = large;
        const measured = await hutchinsonTrace(operator, { batch, probes: 3 });
        expect(measured.trace * scale).toBeCloseTo(trace, 1);
        const ends = await lanczosQuadrature(operator, { basisBudget, tolerance: 1e-4 });
        expect(ends.hvps).toBeGreaterThan(12);
        expect(ends.lambdaMax * scale).toBeCloseTo(1.5, 4);
        expect(Math.abs(ends.negativeTrace * scale - negative)).toBeLessThan(3 * ends.negativeTraceStdErr * scale);
        const top = await topEigenvalues(operator, { basisBudget, tolerance: 1e-4, vectors: false });
        expect(top.values[0] * scale).toBeCloseTo(1.5, 4);
        if (preconditioned) (operator as ReturnType<typeof preconditionedOperator>).dispose();
        hessian.dispose();
      });
      expect(bytes / (4 * d)).toBeLessThanOrEqual(preconditioned ? 15 : 13);
      expect(bytes / (4 * d)).toBeGreaterThan(12);
    }
    await objective.dispose();
  });

  it('is what options say: the basis within its budget, and two vectors a probe', async () => {
    await using device = openDevice({ threads: 2 });
    const objective = await compile(device, diagonalProblem(a));
    const hessian = await objective.hessian();
    for (const vectors of [12, 20, 40]) {
      const bytes = await peak(device, async () => {
        const options = { basisBudget: vectors * 4 * d + 1, tolerance: 1e-30, maxIterations: 50 };
        await topEigenvalues(hessian, options);
      });
      expect(bytes / (4 * d)).toBe(vectors);
    }
    for (const [batch, probes, vectors] of [
      [1, 5, 2],
      [7, 20, 14],
      [undefined, 40, 32],
      [undefined, 6, 12],
    ]) {
      const bytes = await peak(device, async () => {
        await hutchinsonTrace(hessian, { batch, probes });
      });
      expect(bytes / (4 * d)).toBe(vectors);
    }
    const power = await peak(device, async () => {
      await topEigenvalues(hessian, { method: 'power', maxIterations: 20 });
    });
    expect(power / (4 * d)).toBe(2);
    hessian.dispose();
    await objective.dispose();
  });

  it('decides how many vectors go through a program at a time: 16, and one where a hundred million parameters are', async () => {
    const unused = () => Promise.reject(new Error('not evaluated here'));
    const batches = [8352, 2 ** 21, 2 ** 22, 2 ** 23, 1e8, 1e10].map((dimension) => {
      const source = { dimension, device, lossAt: unused, appendHessianVector: unused };
      const theta = device.allocate(4);
      const hessian = new HessianOperator(source, theta);
      hessian.dispose();
      return hessian.batch;
    });
    expect(batches).toEqual([16, 16, 8, 4, 1, 1]);
  });
});
