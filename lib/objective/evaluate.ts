import { CommandList, type OutputBinding } from '../device/commands.ts';
import type { Device, DeviceBuffer, DeviceProgram } from '../device/device.ts';
import { invalidArgument, ZerothError } from '../errors.ts';
import { greatest } from '../extremes.ts';
import { type Graph, type Shape, sizeOf } from '../graph/node.ts';
import { ELEMENT_BYTES } from '../graph/plan/format.ts';
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
interface EvaluationContext {
  readonly device: Device;
  readonly compiler: Compiler;
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

/** Evaluates a function of (parameters, data, constants) once. */
export async function evaluateFunction<Result>(
  f: (parameters: Tensors, data: Tensors, constants: Tensors) => Result,
  context: EvaluationContext,
  theta: DeviceBuffer,
  signal?: AbortSignal,
): Promise<Evaluated<Result>> {
  const evaluation = new Evaluation(f, context);
  try {
    return await evaluation.at(theta, signal);
  } finally {
    evaluation.dispose();
  }
}

/**
 * A function of (parameters, data, constants) that is traced once, and planned and loaded once. Where it does not fit the memory budget, it is
 * evaluated in pieces of examples, if each row of each result belongs to one example; anything else is evaluated whole, whatever it takes.
 */
export class Evaluation<Result> {
  readonly #context: EvaluationContext;
  readonly #traced: Traced;
  readonly #shapes: readonly Shape[];
  readonly #result: Result;
  readonly #programs = new Map<number, DeviceProgram>();
  #rows: number | undefined;

  constructor(f: (parameters: Tensors, data: Tensors, constants: Tensors) => Result, context: EvaluationContext) {
    if (typeof f !== 'function') invalidArgument('evaluate', 'a function of parameters, data and constants', f);
    this.#context = context;
    let tree: Result | undefined;
    this.#traced = trace((p, d, c) => {
      tree = f(p, d, c);
      return tree;
    }, context);
    // The first trace is of all examples, and its tree is the one to fill.
    this.#shapes = this.#traced.shapesOf(this.#whole);
    this.#result = tree as Result;
  }

  /** Its results at θ. */
  async at(theta: DeviceBuffer, signal?: AbortSignal): Promise<Evaluated<Result>> {
    const whole = this.#whole;
    this.#rows ??= await this.#rowsAtATime(theta, signal);
    const values = await this.#run(theta, this.#shapes, this.#rows, whole, signal);
    let next = 0;
    const filled = (node: unknown): unknown => {
      if (node instanceof Tensor) return { shape: this.#shapes[next], data: values[next++] };
      if (Array.isArray(node)) return node.map(filled);
      return Object.fromEntries(Object.entries(node as object).map(([name, child]) => [name, filled(child)]));
    };
    return filled(this.#result) as Evaluated<Result>;
  }

  /** Frees the programs. */
  dispose(): void {
    for (const program of this.#programs.values()) program.dispose();
    this.#programs.clear();
  }

  get #whole(): number {
    return Math.max(1, this.#context.examples);
  }

  async #rowsAtATime(theta: DeviceBuffer, signal?: AbortSignal): Promise<number> {
    const whole = this.#whole;
    const rows = rowsOfPiece(this.#traced, whole, this.#context.budget);
    return rows < whole && (await this.#mixesExamples(theta, signal)) ? whole : rows;
  }

  /** Whether the first two examples together give other rows than each by itself: something, such as a mean over the batch, goes across. */
  async #mixesExamples(theta: DeviceBuffer, signal?: AbortSignal): Promise<boolean> {
    const shapes = this.#traced.shapesOf(2);
    const [together, apart] = [
      await this.#run(theta, shapes, 2, 2, signal),
      await this.#run(theta, shapes, 1, 2, signal),
    ];
    return together.some((values, k) => {
      // A NaN or an infinity says nothing of how large the others are.
      const scale = greatest(Array.from(values, Math.abs).filter(Number.isFinite));
      return values.some(
        (value, i) => !Object.is(value, apart[k][i]) && !(Math.abs(value - apart[k][i]) <= 1e-3 * scale),
      );
    });
  }

  async #program(rows: number): Promise<DeviceProgram> {
    const known = this.#programs.get(rows);
    if (known) return known;
    const program = await this.#context.device.load(this.#traced.planOf(rows).bytes);
    this.#programs.set(rows, program);
    return program;
  }

  /** The results for the first `examples` examples, `rows` of them at a time. */
  async #run(
    theta: DeviceBuffer,
    shapes: readonly Shape[],
    rows: number,
    examples: number,
    signal?: AbortSignal,
  ): Promise<(Float32Array | Float64Array)[]> {
    const { device, data } = this.#context;
    const [most, rest] = [await this.#program(rows), examples % rows > 0 ? await this.#program(examples % rows) : null];
    const results: (DeviceBuffer | undefined)[] = [];
    try {
      for (const shape of shapes)
        results.push(shape.length === 0 ? undefined : device.allocate(sizeOf(shape) * ELEMENT_BYTES.f32));
      const list = new CommandList(shapes.length);
      const inputs = data.select(list, null);
      for (let first = 0; first < examples; first += rows) {
        const size = Math.min(rows, examples - first);
        const outputs = shapes.map((shape, i): OutputBinding => {
          const buffer = results[i];
          if (!buffer) return { mode: 'addToSlot', slot: i, weight: 1 };
          // The piece's part of a result is one row of the binding.
          const rowLength = (sizeOf(shape) / examples) * size;
          const byteOffset = (sizeOf(shape) / examples) * first * ELEMENT_BYTES.f32;
          return { mode: 'store', buffer, byteOffset, rowLength, byteStride: rowLength * ELEMENT_BYTES.f32, weight: 1 };
        });
        const program = size < rows && rest ? rest : most;
        list.call(program, [{ buffer: theta, byteOffset: 0 }, ...inputs(first)], outputs);
      }
      const slots = await device.submit(list, signal);
      return await Promise.all(results.map((buffer, i) => buffer?.readF32() ?? Float64Array.of(slots[i])));
    } finally {
      for (const buffer of results) buffer?.dispose();
    }
  }
}

function trace(f: (p: Tensors, d: Tensors, c: Tensors) => unknown, { compiler, specs }: EvaluationContext): Traced {
  const graphs = new Map<number, Graph>();
  const plans = new Map<number, Plan>();
  const graphOf = (rows: number): Graph => {
    const known = graphs.get(rows);
    if (known) return known;
    const graph = compiler.trace(specs, rows, (p, d, c) => tensorsOf('result of the evaluated function', f(p, d, c)));
    for (const { dtype } of graph.outputs)
      if (dtype !== 'f32') invalidArgument('result of the evaluated function', 'f32 tensors', `a tensor of ${dtype}`);
    graphs.set(rows, graph);
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

/** How many examples to evaluate at once: all of them where they fit the budget, or where the function is not one of any number of examples. */
function rowsOfPiece(traced: Traced, whole: number, budget: number): number {
  if (whole === 1 || traced.planOf(whole).arenaBytes <= budget) return whole;
  try {
    if (!areRows(traced, whole, whole - 1)) return whole;
    const rows = rowsWithin(budget, whole, traced.planOf);
    // The pieces, and what shows whether examples bear on one another.
    const sizes = [rows, whole % rows, 2, 1].filter((size) => size > 0);
    return sizes.every((size) => areRows(traced, whole, size)) ? rows : whole;
  } catch (error) {
    // It fits together for all examples, and not for fewer: it reshapes them, combines them with constants of as many rows, or counts them
    // and throws what it likes. What is refused for another reason than shapes says nothing of that.
    if (error instanceof ZerothError && error.code !== 'ERR_ZEROTH_SHAPE') throw error;
    return whole;
  }
}

/** Whether axis 0 of every result counts examples, for all of them and for another number. */
function areRows({ shapesOf }: Traced, whole: number, size: number): boolean {
  const [all, some] = [shapesOf(whole), shapesOf(size)];
  return (
    all.length === some.length &&
    all.every((shape, i) => shape[0] === whole && String([size, ...shape.slice(1)]) === String(some[i]))
  );
}
