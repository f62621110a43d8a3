import type { Direction, Distribution } from '../random/direction.ts';
import { type Space, thresholdOf } from '../random/space.ts';

/** Numbers of native/engine/decode.cpp, which reads words; values.cpp reads values. */
const COMMAND = {
  pass: 1,
  call: 2,
  copy: 3,
  fill: 4,
  gatherRows: 5,
  sums: 6,
  combine: 7,
  linear: 8,
  space: 9,
} as const;
const UPDATE_KIND = { add: 0, momentum: 1, adam: 2, frozenAdam: 3, keep: 4, resume: 5, traced: 6 } as const;
const OUTPUT_MODE = { addToSlot: 1, store: 2, accumulate: 3 } as const;
const DISTRIBUTION: Record<Distribution, number> = { normal: 0, rademacher: 1, uniform: 2 };

/** Where a 64-bit number becomes two words: arithmetic with bigints takes three times as long, at every direction of every step. */
const WORDS = new DataView(new ArrayBuffer(8));

/** Memory of a device, and a program on it, as far as commands need to know: their numbers. */
export interface BufferHandle {
  readonly id: number;
  readonly byteLength: number;
}
interface ProgramHandle {
  readonly id: number;
  readonly arenaBytes: number;
}

/** A summand of a pass: coefficient · z(direction), or coefficient · result[slot] · z(direction) with what is in the slot when the pass runs. */
export interface PassTerm {
  readonly direction: Direction;
  readonly coefficient: number;
  readonly slot?: number;
}

/** One update inside a pass over the parameters; gradient = Σ terms + denseCoefficient · dense. */
export interface PassOp {
  readonly kind: keyof typeof UPDATE_KIND;
  readonly terms: readonly PassTerm[];
  readonly dense?: BufferHandle;
  readonly denseCoefficient?: number;
  readonly lr?: number;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly t?: number;
  readonly m?: BufferHandle;
  /** Adam's second moment, or frozen Adam's preconditioner. */
  readonly v?: BufferHandle;
  /**
   * `keep`: gets the values as they are between the ops before and the ops after. `resume`: the ops after go on from what it holds, which
   * an op before has kept, or which is the source of a pass that goes elsewhere.
   */
  readonly to?: BufferHandle;
  /** `traced`: the program, loaded once for each lane of the device, over pieces of θ, g and the states, and numbers. */
  readonly traced?: {
    readonly programs: readonly ProgramHandle[];
    readonly states: readonly BufferHandle[];
    readonly scalars: readonly number[];
  };
}

export interface InputBinding {
  readonly buffer: BufferHandle;
  readonly byteOffset: number;
}

export type OutputBinding =
  /** result[slot] += weight · value; the output has rank 0. */
  | { readonly mode: 'addToSlot'; readonly slot: number; readonly weight: number }
  /** The output's rows go to the buffer's bytes from byteOffset + row · byteStride on, times weight; `accumulate` adds to what is there. */
  | {
      readonly mode: 'store' | 'accumulate';
      readonly buffer: BufferHandle;
      readonly byteOffset: number;
      /** Elements. */
      readonly rowLength: number;
      readonly byteStride: number;
      readonly weight: number;
    };

/** A vector of f32 somewhere in a buffer. */
export interface DeviceVector {
  readonly buffer: BufferHandle;
  readonly byteOffset: number;
}

/** `factor`; with a slot, factor · result[slot], or factor / √result[slot], which of a vector of zeros is 0. */
export interface VectorCoefficient {
  readonly factor: number;
  readonly slot?: number;
  readonly inverseRoot?: boolean;
}

/** Linear combinations of vectors of the same length, and their scalar products. */
interface LinearCombinations {
  /** Elements of each vector. */
  readonly count: number;
  readonly of: readonly DeviceVector[];
  /** An output each: where it goes (null: nowhere), and a coefficient for each vector. Outputs may be among the inputs. */
  readonly outputs: readonly {
    readonly to: DeviceVector | null;
    readonly coefficients: readonly VectorCoefficient[];
  }[];
  /** Multiplies every output, element by element. */
  readonly factor?: DeviceVector;
  /** Of each output with each of these the scalar product is taken, as they are once the outputs are written. */
  readonly with: readonly DeviceVector[];
}

/**
 * Commands for the device, run in order by one submission: the narrow boundary between the languages. Offsets into buffers are in bytes, and
 * multiples of the size of the elements that are there; counts are of elements.
 *
 * `#words` say what is done to what, and `#values` with which numbers: seeds and streams, coefficients, weights, rates, rows. Lists of the
 * same words are the same job to the device, which decodes and checks it once.
 */
export class CommandList {
  #words: number[] = [0];
  #values: number[] = [];
  /** Numbers of the spaces that were given, from 1. */
  readonly #spaces = new Map<Space, number>();

  /** @param slots how many numbers the job returns. */
  constructor(slots = 0) {
    this.#words[0] = slots;
  }

  /** One pass over memory: `to` = ops(`from`), element by element. */
  pass(from: BufferHandle, to: BufferHandle, count: number, ops: readonly PassOp[]): this {
    for (const { terms } of ops) for (const { direction } of terms) this.#declare(direction);
    this.#words.push(COMMAND.pass, from.id, to.id, count, ops.length);
    for (const op of ops) {
      this.#words.push(UPDATE_KIND[op.kind], op.terms.length);
      for (const { direction, coefficient, slot } of op.terms) {
        this.#direction(direction);
        this.#words.push(slotOrNone(slot));
        this.#values.push(coefficient);
      }
      this.#words.push(op.dense?.id ?? 0, (op.to ?? op.m)?.id ?? 0, op.v?.id ?? 0);
      this.#values.push(op.denseCoefficient ?? 0, op.lr ?? 0, op.beta1 ?? 0, op.beta2 ?? 0, op.epsilon ?? 0, op.t ?? 0);
      if (op.traced) {
        const { programs, states, scalars } = op.traced;
        for (const handles of [programs, states]) this.#words.push(handles.length, ...handles.map(({ id }) => id));
        this.#words.push(scalars.length);
        this.#values.push(...scalars);
      }
    }
    return this;
  }

  /**
   * Runs a program once. Outputs are given in the program's order.
   * @param concurrent at the same time as the call before, which must be of another program.
   */
  call(
    program: ProgramHandle,
    inputs: readonly InputBinding[],
    outputs: readonly OutputBinding[],
    concurrent = false,
  ): this {
    this.#words.push(COMMAND.call, concurrent ? 1 : 0, program.id, inputs.length);
    for (const { buffer, byteOffset } of inputs) this.#words.push(buffer.id, byteOffset);
    this.#words.push(outputs.length);
    for (const output of outputs) {
      this.#words.push(OUTPUT_MODE[output.mode]);
      if (output.mode === 'addToSlot') this.#words.push(output.slot);
      else this.#words.push(output.buffer.id, output.byteOffset, output.rowLength, output.byteStride);
      this.#values.push(output.weight);
    }
    return this;
  }

  copy(from: BufferHandle, fromByte: number, to: BufferHandle, toByte: number, bytes: number): this {
    this.#words.push(COMMAND.copy, from.id, fromByte, to.id, toByte, bytes);
    return this;
  }

  /** Element i of what begins at `byteOffset` = scale · z(direction)[first + i], i < count. */
  fill(to: BufferHandle, byteOffset: number, direction: Direction, first: number, count: number, scale = 1): this {
    this.#declare(direction);
    this.#words.push(COMMAND.fill, to.id, byteOffset);
    this.#direction(direction);
    this.#words.push(first, count);
    this.#values.push(scale);
    return this;
  }

  /** Row i of `to` becomes row rows[i] of `from`. */
  gatherRows(from: BufferHandle, to: BufferHandle, rowBytes: number, rows: Uint32Array): this {
    this.#words.push(COMMAND.gatherRows, from.id, to.id, rowBytes, rows.length);
    for (const row of rows) this.#values.push(row);
    return this;
  }

  /** result[slot] += Σ xᵢ, result[slot + 1] += Σ xᵢ², of the `count` elements x from `byteOffset` on, in f64: finite if and only if all elements are. */
  sums(of: BufferHandle, byteOffset: number, count: number, slot: number): this {
    this.#words.push(COMMAND.sums, of.id, byteOffset, count, slot);
    return this;
  }

  /** result[out] = Σ weight · result[slot], in this order, / divisor, times result[divisorSlot] where there is one. */
  combine(
    out: number,
    terms: readonly { readonly weight: number; readonly slot: number }[],
    divisor: number,
    divisorSlot?: number,
  ): this {
    this.#words.push(COMMAND.combine, out, terms.length);
    for (const { weight, slot } of terms) {
      this.#words.push(slot);
      this.#values.push(weight);
    }
    this.#words.push(slotOrNone(divisorSlot));
    this.#values.push(divisor);
    return this;
  }

  /** Outputs are summed in f64 and rounded once. result[slot + i · with.length + j] += output i · with[j], in f64. */
  linear({ count, of, outputs, factor, with: others }: LinearCombinations, slot: number): this {
    this.#words.push(COMMAND.linear, count);
    this.#vectors(of);
    this.#vectors(outputs.map(({ to }) => to));
    for (const { coefficients } of outputs) {
      for (const { factor, slot, inverseRoot } of coefficients) {
        this.#words.push(slotOrNone(slot), inverseRoot ? 1 : 0);
        this.#values.push(factor);
      }
    }
    this.#words.push(factor?.buffer.id ?? 0, factor?.byteOffset ?? 0);
    this.#vectors(others);
    this.#words.push(slot);
    return this;
  }

  /** The first of so many more results. */
  addSlots(count: number): number {
    this.#words[0] += count;
    return this.#words[0] - count;
  }

  encode(): { words: Float64Array; values: Float64Array } {
    return { words: new Float64Array(this.#words), values: new Float64Array(this.#values) };
  }

  #vectors(vectors: readonly (DeviceVector | null)[]): void {
    this.#words.push(vectors.length);
    for (const vector of vectors) this.#words.push(vector?.buffer.id ?? 0, vector?.byteOffset ?? 0);
  }

  #direction({ distribution, seed, stream, space }: Direction): void {
    this.#words.push(DISTRIBUTION[distribution] + (space ? 4 * (this.#spaces.get(space) ?? 0) : 0));
    word64(this.#values, seed);
    word64(this.#values, stream);
  }

  /** Says what the space of a direction is, before the command that has the first direction in it. */
  #declare({ space }: Direction): void {
    if (!space || this.#spaces.has(space)) return;
    this.#spaces.set(space, this.#spaces.size + 1);
    this.#words.push(COMMAND.space, space.segments.length);
    for (const { offset, count, scale, mask } of space.segments) {
      this.#words.push(offset, count, scale, mask ? 1 : 0, mask ? thresholdOf(mask) : 0);
      word64(this.#words, mask?.seed ?? 0n);
      word64(this.#words, mask?.stream ?? 0n);
    }
  }
}

function word64(to: number[], value: bigint): void {
  WORDS.setBigUint64(0, value, true);
  to.push(WORDS.getUint32(0, true), WORDS.getUint32(4, true));
}

/** As jobs write a slot that may be absent. */
const slotOrNone = (slot: number | undefined): number => (slot === undefined ? 0 : slot + 1);
