import { CommandList, type OutputBinding } from '../device/commands.ts';
import type { Device, DeviceBuffer, DeviceProgram } from '../device/device.ts';
import { invalidArgument } from '../errors.ts';
import { greatest } from '../extremes.ts';
import { type Shape, sizeOf } from '../graph/node.ts';
import type { Plan } from '../graph/plan/plan.ts';
import { Tensor } from '../graph/tensor.ts';
import { tensorsOf } from '../graph/trace.ts';
import type { Compiler, Specs } from './compile.ts';
import type { DeviceData } from './device-data.ts';
import type { Tensors } from './problem.ts';
import { rowsWithin } from './programs.ts';

/** A result: row-major elements in f32, or, of shape [], one number in f64. */
export interface EvaluatedArray {
  readonly shape: Shape;
  readonly data: Float32Array | Float64Array;
}

/** The results of a traced function: its tree, with arrays in the place of tensors. */
export type Evaluated<Result> = Result extends Tensor
  ? EvaluatedArray
  : { readonly [K in keyof Result]: Evaluated<Result[K]> };

/** What a function is evaluated with and on. */
export interface EvaluationContext {
  readonly device: Device;
  readonly compiler: Compiler;
  readonly theta: DeviceBuffer;
  readonly data: DeviceData;
  readonly specs: Specs;
  readonly examples: number;
  /** Bytes of working memory. */
  readonly budget: number;
}

/** A function as programs for any number of examples. */
interface Traced {
  readonly planOf: (rows: number) => Plan;
  /** Its results for so many examples. */
  readonly shapesOf: (rows: number) => readonly Shape[];
}

/**
 * Evaluates a function of (parameters, data, constants). Where it does not fit the memory budget, it is evaluated in pieces of examples, if
 * each row of each result belongs to one example; anything else is evaluated whole, whatever it takes.
 */
export async function evaluateFunction<Result>(
  f: (parameters: Tensors, data: Tensors, constants: Tensors) => Result,
  context: EvaluationContext,
  signal?: AbortSignal,
): Promise<Evaluated<Result>> {
  if (typeof f !== 'function') invalidArgument('evaluate', 'a function of parameters, data and constants', f);
  const { examples, budget } = context;
  let tree: Result | undefined;
  const traced = trace((p, d, c) => {
    tree = f(p, d, c);
    return tree;
  }, context);
  const whole = Math.max(1, examples);
  // The first trace is of all examples, and its tree is the one to fill.
  const shapes = traced.shapesOf(whole);
  const result = tree;
  let rows = whole;
  if (whole > 1 && areRows(traced, whole)) {
    rows = rowsWithin(budget, whole, traced.planOf);
    if (rows < whole && (await mixesExamples(traced, context, signal))) rows = whole;
  }
  const values = await run(traced, shapes, rows, whole, context, signal);
  let next = 0;
  const filled = (node: unknown): unknown => {
    if (node instanceof Tensor) return { shape: shapes[next], data: values[next++] };
    if (Array.isArray(node)) return node.map(filled);
    return Object.fromEntries(Object.entries(node as object).map(([name, child]) => [name, filled(child)]));
  };
  return filled(result) as Evaluated<Result>;
}

function trace(f: (p: Tensors, d: Tensors, c: Tensors) => unknown, { compiler, specs }: EvaluationContext): Traced {
  const plans = new Map<number, Plan>();
  const graphOf = (rows: number) => {
    const graph = compiler.trace(specs, rows, (p, d, c) => tensorsOf('result of the evaluated function', f(p, d, c)));
    for (const { dtype } of graph.outputs)
      if (dtype !== 'f32') invalidArgument('result of the evaluated function', 'f32 tensors', `a tensor of ${dtype}`);
    return graph;
  };
  return {
    shapesOf: (rows) => graphOf(rows).outputs.map(({ shape }) => shape),
    planOf: (rows) => {
      const known = plans.get(rows);
      if (known) return known;
      const graph = graphOf(rows);
      const outputs = graph.outputs.map(({ shape }) => (shape.length === 0 ? 'f64' : 'f32'));
      const plan = compiler.plan(graph, specs, outputs);
      plans.set(rows, plan);
      return plan;
    },
  };
}

/** Whether axis 0 of every result counts examples: it is as long as they are many, for another number of them, too. */
function areRows({ shapesOf }: Traced, examples: number): boolean {
  const [all, fewer] = [shapesOf(examples), shapesOf(examples - 1)];
  return (
    all.length === fewer.length &&
    all.every((shape, i) => {
      const [rows, ...rest] = shape;
      const [fewerRows, ...fewerRest] = fewer[i];
      return rows === examples && fewerRows === examples - 1 && String(rest) === String(fewerRest);
    })
  );
}

/** Whether the first two examples together give other rows than each by itself: something, such as a mean over the batch, goes across. */
async function mixesExamples(traced: Traced, context: EvaluationContext, signal?: AbortSignal): Promise<boolean> {
  const shapes = traced.shapesOf(2);
  const [together, apart] = [
    await run(traced, shapes, 2, 2, context, signal),
    await run(traced, shapes, 1, 2, context, signal),
  ];
  return together.some((values, k) => {
    // A NaN or an infinity says nothing of how large the others are.
    const scale = greatest(Array.from(values, Math.abs).filter(Number.isFinite));
    return values.some(
      (value, i) => !Object.is(value, apart[k][i]) && !(Math.abs(value - apart[k][i]) <= 1e-3 * scale),
    );
  });
}

/** The results for the first `examples` examples, `rows` of them at a time. */
async function run(
  { planOf }: Traced,
  shapes: readonly Shape[],
  rows: number,
  examples: number,
  { device, theta, data }: EvaluationContext,
  signal?: AbortSignal,
): Promise<(Float32Array | Float64Array)[]> {
  const held: { dispose(): void }[] = [];
  const keep = <Handle extends { dispose(): void }>(handle: Handle): Handle => {
    held.push(handle);
    return handle;
  };
  try {
    const programs = new Map<number, DeviceProgram>();
    for (const size of [rows, examples % rows])
      if (size > 0 && !programs.has(size)) programs.set(size, keep(await device.load(planOf(size).bytes)));
    const results = shapes.map((shape) => (shape.length === 0 ? undefined : keep(device.allocate(sizeOf(shape) * 4))));
    const list = new CommandList(shapes.length);
    const inputs = data.select(list, null);
    for (let first = 0; first < examples; first += rows) {
      const size = Math.min(rows, examples - first);
      const outputs = shapes.map((shape, i): OutputBinding => {
        const buffer = results[i];
        if (!buffer) return { mode: 'addToSlot', slot: i, weight: 1 };
        // The piece's part of a result is one row of the binding.
        const rowLength = (sizeOf(shape) / examples) * size;
        const offset = (sizeOf(shape) / examples) * first;
        return { mode: 'store', buffer, offset, rowLength, rowStride: rowLength, weight: 1 };
      });
      list.call(programs.get(size)!, [{ buffer: theta, byteOffset: 0 }, ...inputs(first)], outputs);
    }
    const slots = await device.submit(list, signal);
    return await Promise.all(results.map((buffer, i) => buffer?.readF32() ?? Float64Array.of(slots[i])));
  } finally {
    for (const handle of held) handle.dispose();
  }
}
