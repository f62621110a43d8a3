import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Build from '../../lib/graph/build.ts';
import type { Graph, Node } from '../../lib/graph/node.ts';
import type { runProgramReference } from '../../lib/graph/plan/interpret.ts';
import type { plan } from '../../lib/graph/plan/plan.ts';
import type { evaluateReference } from '../../lib/graph/reference.ts';
import type * as Transforms from '../../lib/graph/transforms.ts';
import type { linearOf } from '../../lib/optimizers/linear-estimate.ts';
import type { Layout } from '../../lib/params/layout.ts';
import type { bindSpace } from '../../lib/params/space.ts';
import type { allEstimators } from '../optimizers/all-estimators.ts';
import type { allRules } from '../optimizers/all-rules.ts';
import type { SimulatedDevice } from '../optimizers/simulated-device.ts';
import { filesOf, isNamed } from './document.ts';
import { compositeOp, elementwiseOp, instruction } from './graph-recipes.ts';
import { House } from './house.ts';
import { nativeExecutor, runBytes } from './native-build.ts';
import { estimator, rule, space } from './optimizer-recipes.ts';

/** Added to one copy of the sources, in this order, so that it is compiled once. */
const recipes = [elementwiseOp, compositeOp, instruction, estimator, rule, space];

const house = new House();
afterAll(() => house.remove());
for (const { edits } of recipes) for (const edit of edits) house.edit(edit);

describe('what docs/architecture.md says about adding', () => {
  it.each(recipes)('$title names the files that it takes, all of them and no other', ({ title, edits }) => {
    const named = filesOf(title);
    const touched = [...new Set(edits.map(([file]) => file))];
    expect(touched.filter((file) => !named.some((path) => isNamed(file, path)))).toEqual([]);
    expect(named.filter((path) => !touched.some((file) => isNamed(file, path)))).toEqual([]);
    expect(touched).toHaveLength(named.length);
  });

  it('is enough for the compiler: sources and tests that are total by type', async () => {
    expect(await house.typeErrors()).toBe('');
  });
});

describe('parts of optimizers that were added so', () => {
  it('an estimator estimates, and is among those that are tested', async () => {
    const all = await house.load<{ allEstimators: typeof allEstimators }>('test/optimizers/all-estimators.ts');
    const device = await house.load<{ SimulatedDevice: typeof SimulatedDevice }>('test/optimizers/simulated-device.ts');
    const linear = await house.load<{ linearOf: typeof linearOf }>('lib/optimizers/linear-estimate.ts');
    const made = all.allEstimators.twoLengths();
    expect(linear.linearOf(made)).toBeDefined();
    const oracle = device.SimulatedDevice.quadratic([3, 1], Float64Array.of(1, -2));
    const z = { distribution: 'normal', seed: 7n, stream: 1n } as const;
    const [exact] = (await oracle.derivatives([z])).derivatives;
    const estimate = await made.estimate({ oracle, step: 0, direction: () => z, state: null });
    expect('terms' in estimate && estimate.terms[0].coefficient).toBeCloseTo(exact, 9);
  });

  it('a rule is a program that does what its formula says, and is among those that are tested', async () => {
    const all = await house.load<{ allRules: typeof allRules }>('test/optimizers/all-rules.ts');
    const { runProgramReference: runProgram } = await house.load<{ runProgramReference: typeof runProgramReference }>(
      'lib/graph/plan/interpret.ts',
    );
    const { rule, element } = all.allRules.tanhDescent;
    const { program } = rule();
    const [x, g, lr] = [0.5, -2, 0.125];
    const [theta] = runProgram(program!.bytes, [
      new Float64Array(2048).fill(x),
      new Float64Array(2048).fill(g),
      Float64Array.of(lr),
    ]);
    expect(theta[2047]).toBeCloseTo(element({ x, g, lr, step: 0, state: {} }), 12);
  });

  it('a space has what it says', async () => {
    const { allSpaces } = await house.load<{ allSpaces: Record<string, Parameters<typeof bindSpace>[0]> }>(
      'test/train/all-spaces.ts',
    );
    const params = await house.load<{ bindSpace: typeof bindSpace }>('lib/params/space.ts');
    const layouts = await house.load<{ Layout: typeof Layout }>('lib/params/layout.ts');
    const layout = new layouts.Layout({ w1: { shape: [6, 8] }, b1: { shape: [8] } });
    const made = params.bindSpace(allSpaces['the first rows'], layout);
    const scales = Array.from({ length: layout.length }, (_, i) => made.scaleAt(i));
    expect(scales).toEqual([...new Array(16).fill(1), ...new Array(32).fill(0), ...new Array(8).fill(1)]);
  });
});

type Constructors = typeof Build & Record<'damped' | 'centredProduct', (a: Node, b: Node) => Node>;

describe('parts of the graph that were added so', async () => {
  const $ = await house.load<Constructors>('lib/graph/build.ts');
  const compiler = await house.load<{ plan: typeof plan }>('lib/graph/plan/plan.ts');
  const interpreter = await house.load<{ runProgramReference: typeof runProgramReference }>(
    'lib/graph/plan/interpret.ts',
  );
  const reference = await house.load<{ evaluateReference: typeof evaluateReference }>('lib/graph/reference.ts');
  const transforms = await house.load<typeof Transforms>('lib/graph/transforms.ts');

  let execute: (bytes: Uint8Array, inputs: readonly Float32Array[]) => Promise<number[][]>;
  let link: (file: string) => Promise<string>;
  beforeAll(async () => {
    link = await nativeExecutor(house.folder);
    const program = await link('run_program.cpp');
    execute = (bytes, inputs) => runBytes(program, house.folder, bytes, inputs);
  });

  const shape = [3, 4];
  const values = [0, 1].map((k) => Float32Array.from({ length: 12 }, (_, i) => Math.sin(3 * i + k) + (k - 1) / 2));
  const compile = (graph: Graph) => compiler.plan(graph, { inputs: [0, 1].map((slot) => ({ slot, offset: 0 })) });

  /** What the graph says, by the f64 reference, which its bytes have to say too, in f64 and on the device. */
  async function outputsOf(outputs: Node[], inputs: Node[]): Promise<{ kinds: string[]; values: number[][] }> {
    const graph: Graph = { inputs: inputs as Node<'input'>[], outputs };
    const expected = reference.evaluateReference(graph, values).map((x) => [...x]);
    const { bytes, instructions } = compile(graph);
    const received = {
      'the interpreter': interpreter.runProgramReference(bytes, values).map((x) => [...x]),
      'the device': await execute(bytes, values),
    };
    for (const [who, all] of Object.entries(received)) {
      const tolerance = who === 'the device' ? 1e-5 : 1e-12;
      for (const [i, output] of expected.entries())
        for (const [j, x] of output.entries())
          expect(Math.abs(all[i][j] - x) <= tolerance * (1 + Math.abs(x)), `${who}: ${all[i][j]} for ${x}`).toBe(true);
    }
    return { kinds: instructions.map(({ kind }) => kind), values: expected };
  }

  const inputs = () => [$.input('x', shape), $.input('y', shape)];
  const each = (f: (a: number, b: number) => number) => [...values[0]].map((a, i) => f(a, values[1][i]));

  it('an elementwise op takes both of its operands in their order, fused or not, and is differentiated', async () => {
    const [x, y] = inputs();
    const made = $.damped(x, y);
    const [tangent] = transforms.pushForward([made], [x, y], [y, x]);
    const outputs = [made, $.damped(y, x), $.damped($.neg(x), $.exp(y)), $.damped(x, x), $.add(made, $.damped(y, x))];
    const { values: received } = await outputsOf(
      [...outputs, tangent!, $.damped($.sum(x, [0, 1]), $.sum(y, [0, 1]))],
      [x, y],
    );
    const damped = (a: number, b: number) => a / (1 + b * b);
    const expected = [
      each(damped),
      each((a, b) => damped(b, a)),
      each((a, b) => damped(-a, Math.exp(b))),
      each((a) => damped(a, a)),
      each((a, b) => damped(a, b) + damped(b, a)),
      each((a, b) => b / (1 + b * b) - (2 * a * a * b) / (1 + b * b) ** 2),
    ];
    for (const [i, list] of expected.entries())
      for (const [j, x] of list.entries()) expect(received[i][j]).toBeCloseTo(x, 12);
  });

  const centredProduct = (x: readonly number[], y: readonly number[]): number[] => {
    const mean = x.reduce((a, b) => a + b) / x.length;
    const total = y.reduce((sum, b) => sum + Math.exp(b), 0);
    return x.map((a, j) => (a - mean) * (y[j] - Math.log(total)));
  };
  const rows = (k: number) => [0, 4, 8].map((start) => [...values[k].slice(start, start + 4)]);

  it('a composite is one instruction where only its value is wanted', async () => {
    const [x, y] = inputs();
    const { kinds, values: received } = await outputsOf([$.centredProduct(x, y)], [x, y]);
    expect(kinds).toEqual(['centredProduct']);
    const expected = rows(0).flatMap((row, i) => centredProduct(row, rows(1)[i]));
    for (const [j, value] of expected.entries()) expect(received[0][j]).toBeCloseTo(value, 12);
  });

  it('a composite has derivatives of both orders and a batching rule, also where an operand stands in both places', async () => {
    const f = (x: Node, y: Node) => $.add($.centredProduct(x, y), $.centredProduct(x, x));
    const [x, y] = inputs();
    const value = f(x, y);
    const [tangent] = transforms.pushForward([value], [x, y], [y, x]);
    const ones = $.constant(1, shape);
    const gradient = transforms.pullBack([value], [x, y], [ones]).map((node) => node!);
    const curvature = transforms.pushForward(gradient, [x, y], [y, x]).map((node) => node!);
    const { kinds, values: received } = await outputsOf([value, tangent!, ...gradient, ...curvature], [x, y]);
    expect(kinds).not.toContain('centredProduct');
    const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, p, i) => sum + p * b[i], 0);
    const [v, u] = [[...values[0]], [...values[1]]];
    // ⟨∇f, (y, x)⟩ = ⟨1, f′(y, x)⟩; and f′, ∇f′ by differences.
    expect(dot(received[2], u) + dot(received[3], v)).toBeCloseTo(
      received[1].reduce((a, b) => a + b),
      10,
    );
    const h = 1e-5;
    const at = (step: number) =>
      reference.evaluateReference({ inputs: [x, y] as Node<'input'>[], outputs: [value, ...gradient] }, [
        Float64Array.from(v, (a, i) => a + step * u[i]),
        Float64Array.from(u, (b, i) => b + step * v[i]),
      ]);
    const [ahead, behind] = [at(h), at(-h)];
    for (const [k, output] of [1, 4, 5].entries())
      for (const [j, slope] of received[output].entries())
        expect(slope).toBeCloseTo((ahead[k][j] - behind[k][j]) / (2 * h), 7);

    // Three problems at once, and one row that all share.
    const one = [$.input('x of one', [4]), $.input('y of one', [4])];
    const both = inputs();
    const shared = $.reshape($.slice(both[1], [0, 0], [1, 4]), [4]);
    const [a, b] = [rows(0), rows(1)];
    const cases = [
      { alone: f(one[0], one[1]), from: one, to: both, rowsOf: (i: number) => [a[i], b[i]] },
      { alone: f(one[0], shared), from: [one[0]], to: [both[0]], rowsOf: (i: number) => [a[i], b[0]] },
      { alone: f(shared, one[0]), from: [one[0]], to: [both[0]], rowsOf: (i: number) => [b[0], a[i]] },
    ];
    for (const { alone, from, to, rowsOf } of cases) {
      const [{ node, batched }] = transforms.batched([alone], from, to, 3);
      expect(batched).toBe(true);
      const { values: all } = await outputsOf([node], both);
      const expected = [0, 1, 2].flatMap((i) => {
        const [p, q] = rowsOf(i);
        return centredProduct(p, q).map((term, j) => term + centredProduct(p, p)[j]);
      });
      for (const [j, value] of expected.entries()) expect(all[0][j]).toBeCloseTo(value, 11);
    }
  });

  it('pass the native tests that were added for them', async () => {
    for (const file of ['executor_kernels_test.cpp', 'executor_centred_product_test.cpp'])
      expect(execFileSync(await link(file), { encoding: 'utf8' })).toMatch(/ 0 failed/);
  });
});
