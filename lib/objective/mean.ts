import { type BufferHandle, CommandList, type InputBinding, type OutputBinding } from '../device/commands.ts';
import type { Device, DeviceBuffer } from '../device/device.ts';
import { MAX_F32, ZerothError } from '../errors.ts';
import { ELEMENT_BYTES } from '../graph/plan/format.ts';
import type { Layout } from '../params/layout.ts';
import type { Compiler, ProgramKind } from './compile.ts';
import type { DeviceData } from './device-data.ts';
import { type Piece, Programs } from './programs.ts';

/** What a program reads beside θ, for examples from `first` on. */
type Inputs = (first: number) => InputBinding[];

/** The examples of one evaluation; null: all of them. */
export type Rows = Uint32Array | null;

/**
 * The mean of a loss over examples, and its derivatives, put together from programs over pieces of the examples.
 *
 * A loss that is a mean itself is added up by the shares that pieces have of the examples. Of a sum with a weight, sums and weights are added
 * over all pieces and divided once; its derivatives are those of the sum, times 1 / Σ weight, which therefore has to be known before.
 */
export class Mean {
  readonly data: DeviceData;
  /** In all data; 0 without any. */
  readonly examples: number;
  readonly #device: Device;
  readonly #layout: Layout;
  readonly #programs: Programs;
  readonly #weighted: boolean;
  #weight: Promise<number> | undefined;

  /** @param budget bytes of working memory of all that runs at the same time. */
  constructor(
    device: Device,
    compiler: Compiler,
    layout: Layout,
    { data, examples }: { data: DeviceData; examples: number },
    budget: number,
  ) {
    this.data = data;
    this.examples = examples;
    this.#device = device;
    this.#layout = layout;
    this.#programs = new Programs(device, compiler, layout.length, budget);
    this.#weighted = compiler.weighted;
  }

  /** What to run to cover so many examples. Without data there is one piece, of the whole loss. */
  pieces(kind: ProgramKind, examples = this.examples): Promise<readonly Piece[]> {
    return this.#programs.pieces(kind, Math.max(1, examples));
  }

  /** Commands that return losses: a slot each, or a sum and a weight each. */
  lossList(losses: number): CommandList {
    return new CommandList(this.slotsOfLoss * losses);
  }

  /** Slots that a loss takes: itself, or a sum and a weight. */
  get slotsOfLoss(): 1 | 2 {
    return this.#weighted ? 2 : 1;
  }

  /** Appends a loss, from slot `first` on: the i-th loss of a `lossList` from i · `slotsOfLoss`. */
  addLoss(list: CommandList, pieces: readonly Piece[], theta: DeviceBuffer, data: Inputs, first: number): void {
    this.call(list, pieces, theta, data, (share) => {
      if (!this.#weighted) return [{ mode: 'addToSlot', slot: first, weight: share }];
      return [first, first + 1].map((slot) => ({ mode: 'addToSlot', slot, weight: 1 }));
    });
  }

  /** The losses in the slots that they were added to, one after the other. @throws ERR_ZEROTH_DATA */
  lossesIn(slots: Float64Array, rows: Rows): Float64Array {
    if (!this.#weighted) return slots;
    const quotient = (_: unknown, i: number) => slots[2 * i] / this.#checkedWeight(slots[2 * i + 1], rows);
    return Float64Array.from({ length: slots.length / 2 }, quotient);
  }

  /** Commands that return the loss and its derivatives along so many vectors. */
  derivativeList(vectors: number): CommandList {
    return new CommandList((this.slotsOfLoss + 1) * vectors);
  }

  /** Appends the loss and its derivative along the i-th vector. */
  addDerivative(
    list: CommandList,
    pieces: readonly Piece[],
    theta: DeviceBuffer,
    data: Inputs,
    vector: DeviceBuffer,
    i: number,
  ): void {
    const width = this.slotsOfLoss + 1;
    const slots = Array.from({ length: width }, (_, j) => i * width + j);
    const outputs = (share: number): OutputBinding[] =>
      slots.map((slot) => ({ mode: 'addToSlot', slot, weight: this.#weighted ? 1 : share }));
    this.call(list, pieces, theta, data, outputs, [{ buffer: vector, byteOffset: 0 }]);
  }

  /** What a `derivativeList` returned. The weight of a loss is no function of the parameters. @throws ERR_ZEROTH_DATA */
  derivativesIn(slots: Float64Array, rows: Rows): { loss: number; derivatives: Float64Array } {
    const width = this.slotsOfLoss + 1;
    const weight = this.#weighted ? this.#checkedWeight(slots[1], rows) : 1;
    const derivatives = Float64Array.from(
      { length: slots.length / width },
      (_, i) => slots[(i + 1) * width - 1] / weight,
    );
    return { loss: slots[0] / weight, derivatives };
  }

  /**
   * What sums and their derivatives are multiplied by; undefined where pieces are means, with shares of their own.
   * @throws ERR_ZEROTH_DATA
   */
  async scale(theta: DeviceBuffer, rows: Rows, signal?: AbortSignal): Promise<number | undefined> {
    if (!this.#weighted) return undefined;
    if (rows) return 1 / (await this.#totalWeight(theta, rows, signal));
    // The data do not change.
    this.#weight ??= this.#totalWeight(theta, null).catch((error) => {
      this.#weight = undefined;
      throw error;
    });
    return 1 / (await this.#weight);
  }

  /** Appends one call a piece. `outputs` gets the piece's share of the examples, and its number. */
  call(
    list: CommandList,
    pieces: readonly Piece[],
    theta: DeviceBuffer,
    data: Inputs,
    outputs: (share: number, i: number) => OutputBinding[],
    more: readonly InputBinding[] = [],
  ): void {
    const examples = pieces.reduce((sum, { rows }) => sum + rows, 0);
    for (const [i, { program, first, rows, concurrent }] of pieces.entries()) {
      const inputs = [{ buffer: theta, byteOffset: 0 }, ...data(first), ...more];
      list.call(program, inputs, outputs(rows / examples, i), concurrent);
    }
  }

  /** Outputs, one a parameter tensor, that make up rows of flat vectors, from `firstByte` on. The first piece stores, the others accumulate. */
  vectorOutputs(buffer: BufferHandle, weight: number, piece: number, firstByte = 0): OutputBinding[] {
    return this.#layout.tensors.map(({ offset, size }) => ({
      mode: piece > 0 ? 'accumulate' : 'store',
      buffer,
      byteOffset: firstByte + offset * ELEMENT_BYTES.f32,
      rowLength: size,
      byteStride: this.#layout.length * ELEMENT_BYTES.f32,
      weight,
    }));
  }

  async dispose(): Promise<void> {
    await this.#programs.dispose();
    this.data.dispose();
  }

  /** @param theta any parameters: the weight does not depend on them. */
  async #totalWeight(theta: DeviceBuffer, rows: Rows, signal?: AbortSignal): Promise<number> {
    const pieces = await this.pieces('weight', rows?.length);
    const list = new CommandList(1);
    this.call(list, pieces, theta, this.data.select(list, rows), () => [{ mode: 'addToSlot', slot: 0, weight: 1 }]);
    return this.#checkedWeight((await this.#device.submit(list, signal))[0], rows);
  }

  /** @throws ERR_ZEROTH_DATA for weights that add up to nothing that one can divide by, in f32. */
  #checkedWeight(weight: number, rows: Rows): number {
    if (weight > 0 && weight < Number.POSITIVE_INFINITY && 1 / weight <= MAX_F32) return weight;
    throw new ZerothError(
      'ERR_ZEROTH_DATA',
      `loss.weight: expected weights of ${rows?.length ?? this.examples} examples with a positive sum, received ${weight}; look at the mask, or leave out examples in which nothing counts.`,
    );
  }
}
