import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../lib/device/native.ts';
import type * as Build from '../../../lib/graph/build.ts';
import type { Graph, Node, Primitive } from '../../../lib/graph/node.ts';
import type { runProgramReference } from '../../../lib/graph/plan/interpret.ts';
import type { plan } from '../../../lib/graph/plan/plan.ts';
import type { evaluateReference } from '../../../lib/graph/reference.ts';

/**
 * The recipe of docs/architecture.md for an elementwise operation, as far as TypeScript goes: all it takes. Each entry is a file,
 * a line of it, and what is written after that line.
 */
const RECIPE: readonly (readonly [file: string, after: string, written: string])[] = [
  ['graph/node.ts', '  minimum: object;\n', '  atan2: object;\n'],
  ['graph/ops/shape-rules.ts', '  minimum: elementwise(2),\n', '  atan2: float(2),\n'],
  ['graph/ops/elementwise.ts', "  | 'minimum'\n", "  | 'atan2'\n"],
  [
    'graph/ops/elementwise.ts',
    'export const elementwiseOps: { readonly [P in Elementwise]: ElementwiseOp<P> } = {\n',
    `  atan2: row(
       costly(47, Math.atan2),
       (t, [a, b]) => $.mul(t, $.div(b, $.add($.mul(a, a), $.mul(b, b)))),
       (t, [a, b]) => $.neg($.mul(t, $.div(a, $.add($.mul(a, a), $.mul(b, b))))),
     ),\n`,
  ],
];

// Inside the package, so that it is transformed as the package is.
const copy = mkdtempSync(join(packageRoot, 'node_modules/.recipe-'));
afterAll(() => rmSync(copy, { recursive: true }));

describe('a binary operation added by the recipe', () => {
  it('is compiled with both of its operands, in their order, fused or not, and differentiated', async () => {
    cpSync(join(packageRoot, 'lib/graph'), join(copy, 'graph'), { recursive: true });
    for (const file of ['errors.ts', 'extremes.ts', 'place.ts'])
      cpSync(join(packageRoot, 'lib', file), join(copy, file));
    for (const [file, after, written] of RECIPE) {
      const path = join(copy, file);
      const source = readFileSync(path, 'utf8');
      expect(source.split(after), `${file}: one line ${after}`).toHaveLength(2);
      writeFileSync(path, source.replace(after, after + written));
    }
    const load = (file: string) => import(join(copy, 'graph', file));
    const $: typeof Build = await load('build.ts');
    const transforms: typeof import('../../../lib/graph/transforms.ts') = await load('transforms.ts');
    const compile: { plan: typeof plan } = await load('plan/plan.ts');
    const interpreter: { runProgramReference: typeof runProgramReference } = await load('plan/interpret.ts');
    const reference: { evaluateReference: typeof evaluateReference } = await load('reference.ts');

    const [x, y] = [$.input('x', [5]), $.input('y', [5])];
    const atan2 = (a: Node, b: Node) => $.make('atan2' as Primitive, [a, b], {} as never);
    const angle = atan2(x, y);
    const [tangent] = transforms.pushForward([angle], [x, y], [y, x]);
    const outputs = [angle, atan2(y, x), atan2($.neg(x), $.exp(y)), atan2(x, x), $.add(angle, atan2(y, x)), tangent!];
    const graph: Graph = { inputs: [x as Node<'input'>, y as Node<'input'>], outputs };
    const a = Float64Array.of(0.5, -1, 2, -3, 0.25);
    const b = Float64Array.of(1, 2, -0.5, -1, 4);
    const { bytes } = compile.plan(graph, { inputs: [0, 1].map((slot) => ({ slot, offset: 0 })) });
    const received = interpreter.runProgramReference(bytes, [a, b]);

    const each = (f: (a: number, b: number) => number) => [...a].map((value, i) => f(value, b[i]));
    expect(received.map((values) => [...values])).toEqual(
      reference.evaluateReference(graph, [a, b]).map((values) => [...values]),
    );
    expect([...received[0]]).toEqual(each(Math.atan2));
    expect([...received[1]]).toEqual(each((p, q) => Math.atan2(q, p)));
    expect([...received[2]]).toEqual(each((p, q) => Math.atan2(-p, Math.exp(q))));
    expect([...received[3]]).toEqual(each((p) => Math.atan2(p, p)));
    expect([...received[4]]).toEqual(each((p, q) => Math.atan2(p, q) + Math.atan2(q, p)));
    const slope = each((p, q) => (q * q - p * p) / (p * p + q * q));
    slope.forEach((value, i) => {
      expect(received[5][i]).toBeCloseTo(value, 12);
    });
  });
});
