import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../lib/device/native.ts';
import { greatest, least } from '../lib/extremes.ts';
import { ceiling, linearAxis, logAxis, sharedAxis } from '../lib/report/axes.ts';
import { lambdaMaxAxis, lossAxis, ratioAxis, squaredNormAxis, traceAxis } from '../lib/report/run-axes.ts';

/** More than an engine takes as arguments of one call. */
const MANY = 200_000;

describe('the ends of a list', () => {
  it('are what Math.min and Math.max say of its elements', () => {
    const number = fc.oneof(fc.double(), fc.constantFrom(0, -0, Number.NaN, Number.POSITIVE_INFINITY));
    fc.assert(
      fc.property(fc.array(number), (values) => {
        expect(least(values)).toBe(Math.min(...values));
        expect(greatest(values)).toBe(Math.max(...values));
        expect(greatest(Float64Array.from(values))).toBe(Math.max(...values));
      }),
      { seed: 8 },
    );
  });

  it('are found in lists of any length', () => {
    const values = Float64Array.from({ length: MANY }, (_, i) => Math.sin(i));
    expect([least(values), greatest(values)]).toEqual([values.toSorted()[0], values.toSorted()[MANY - 1]]);
  });

  it('are never asked for by a call with as many arguments as the list has elements', () => {
    const lib = join(packageRoot, 'lib');
    const sources = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const spread = sources.filter((file) => {
      const code = readFileSync(join(lib, file), 'utf8').replaceAll(/\/\*.*?\*\//gs, '');
      return /Math\.(min|max|hypot)\(([^()[\]]|\([^()]*\)|\[[^[\]]*\])*?\.\.\./.test(code);
    });
    expect(spread).toEqual([]);
  });
});

describe('the axes of a report', () => {
  it('take as many points as there are', () => {
    const values = Array.from({ length: MANY }, (_, i) => 1 + (i % 1000));
    expect(logAxis(values)).toMatchObject({ bottom: 1, top: 1000 });
    expect(linearAxis(0, 1)).toMatchObject({ bottom: 0, top: 1 });
    expect(ceiling(values)[1]).toBeCloseTo(1100);
    expect(sharedAxis([values, [1, 2, 3]])).toMatchObject({ logarithmic: true });
  });

  it('take as many runs and measurements as there are', () => {
    const monitor = { ratio: 1, ratioStdErr: 0, positiveTrace: 30, positiveTraceStdErr: 0, upper: 40, lambdaMax: 3 };
    const monitors = new Array(MANY).fill({ ...monitor, lambdaMaxResidual: 0, squaredNorm: 4, diffusion: 1 });
    const run = {
      ...{ label: 'a', governs: 'trace' as const, smoothLimit: true, startNorm: 1, steps: 10, monitors },
      loss: Array.from({ length: MANY }, (_, i): [number, number] => [i, 1 + (i % 7)]),
      limit: Array.from({ length: MANY }, (_, i): [number, number] => [i, 40 + (i % 7)]),
    };
    for (const axis of [ratioAxis, lossAxis, traceAxis, squaredNormAxis])
      expect(Number.isFinite(axis([run as never]).top), axis.name).toBe(true);
    expect(lambdaMaxAxis([run as never]).axis.top).toBeGreaterThan(0);
  });
});
