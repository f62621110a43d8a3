import type { DeviceProgram } from '../device/device.ts';
import type { Traits } from '../device/native.ts';
import type { Plan } from '../graph/plan/plan.ts';
import type { Compiler, ProgramKind } from './compile.ts';

/** A program and the examples that it covers. */
export interface Piece {
  readonly program: DeviceProgram;
  readonly first: number;
  readonly rows: number;
  /** Runs at the same time as the piece before it. */
  readonly concurrent: boolean;
}

/** A device, as far as programs go. */
export interface Loader {
  readonly traits: Pick<Traits, 'lanes' | 'laneExamples' | 'smallModelExamples' | 'smallModelParameters'>;
  /** @param threads of each kernel. Default: all. */
  load(bytes: Uint8Array, threads?: number): Promise<DeviceProgram>;
}

/** The largest number of examples at once, up to `examples`, whose arena stays within `budget` bytes; at least 1. */
export function rowsWithin(budget: number, examples: number, planOf: (rows: number) => Plan): number {
  let rows = examples;
  while (rows > 1) {
    const { arenaBytes } = planOf(rows);
    if (arenaBytes <= budget) break;
    rows = Math.max(1, Math.min(rows - 1, Math.floor((rows * budget) / arenaBytes)));
  }
  return rows;
}

/**
 * The loaded programs of an objective, and how examples are divided among them.
 *
 * Large sets are cut into micro-batches that fit the memory budget. Where there are examples enough, each thread takes a micro-batch of
 * its own through the whole program: threads then meet once an evaluation, not once a kernel.
 */
export class Programs {
  readonly #device: Loader;
  readonly #compiler: Compiler;
  readonly #budget: number;
  /** Examples that keep a lane busy. */
  readonly #laneExamples: number;
  readonly #loaded = new Map<string, Promise<DeviceProgram>>();
  readonly #plans = new Map<string, Plan>();
  readonly #pieces = new Map<string, Promise<readonly Piece[]>>();

  /**
   * @param parameters how many the model has.
   * @param budget bytes of working memory of all that runs at the same time.
   */
  constructor(device: Loader, compiler: Compiler, parameters: number, budget: number) {
    const { traits } = device;
    this.#laneExamples = parameters > traits.smallModelParameters ? traits.laneExamples : traits.smallModelExamples;
    this.#device = device;
    this.#compiler = compiler;
    this.#budget = budget;
  }

  /** What to run, in order, to cover `examples` examples. */
  pieces(kind: ProgramKind, examples: number): Promise<readonly Piece[]> {
    const key = `${kind}/${examples}`;
    let pieces = this.#pieces.get(key);
    if (!pieces) {
      pieces = this.#divide(kind, examples);
      this.#pieces.set(key, pieces);
    }
    return pieces;
  }

  async dispose(): Promise<void> {
    // One that did not load has told its caller so.
    for (const result of await Promise.allSettled(this.#loaded.values())) {
      if (result.status === 'fulfilled') result.value.dispose();
    }
    this.#loaded.clear();
    this.#pieces.clear();
  }

  async #divide(kind: ProgramKind, examples: number): Promise<readonly Piece[]> {
    const { lanes } = this.#device.traits;
    const laneExamples = this.#laneExamples;
    const share = Math.ceil(examples / lanes);
    if (lanes > 1 && share >= laneExamples) {
      const rows = this.#fit(kind, share, this.#budget / lanes);
      if (rows >= laneExamples) return this.#load(kind, examples, rows, lanes);
    }
    return this.#load(kind, examples, this.#fit(kind, examples, this.#budget), 1);
  }

  /** Pieces of `rows` examples, `abreast` of them at the same time. */
  #load(kind: ProgramKind, examples: number, rows: number, abreast: number): Promise<Piece[]> {
    // Nothing is being loaded while planning may still fail.
    for (const size of new Set([Math.min(rows, examples), examples % rows || rows])) this.#plan(kind, size);
    const pieces: Promise<Piece>[] = [];
    for (let first = 0; first < examples; first += rows) {
      const lane = pieces.length % abreast;
      const size = Math.min(rows, examples - first);
      const program = this.#program(kind, size, abreast > 1 ? lane : undefined);
      pieces.push(program.then((program) => ({ program, first, rows: size, concurrent: lane > 0 })));
    }
    return Promise.all(pieces);
  }

  #fit(kind: ProgramKind, examples: number, budget: number): number {
    return rowsWithin(budget, examples, (rows) => this.#plan(kind, rows));
  }

  /** @param lane a program of one thread, with an arena of its own for each lane; absent: one program that uses all threads. */
  #program(kind: ProgramKind, rows: number, lane: number | undefined): Promise<DeviceProgram> {
    const key = `${kind}/${rows}/${lane ?? 'all'}`;
    let program = this.#loaded.get(key);
    if (!program) {
      program = this.#device.load(this.#plan(kind, rows).bytes, lane === undefined ? undefined : 1);
      this.#loaded.set(key, program);
    }
    return program;
  }

  #plan(kind: ProgramKind, rows: number): Plan {
    const key = `${kind}/${rows}`;
    let plan = this.#plans.get(key);
    if (!plan) {
      plan = this.#compiler.build(kind, rows);
      this.#plans.set(key, plan);
    }
    return plan;
  }
}
