import { refuseAborted } from '../curvature/checks.ts';
import type {
  Block,
  Coefficient,
  Combination,
  MemoryPurpose,
  VectorDirection,
  VectorSpace,
  Work,
} from '../curvature/space.ts';
import { CommandList, type DeviceVector, type VectorCoefficient } from '../device/commands.ts';
import type { Device, DeviceBuffer } from '../device/device.ts';
import { ELEMENT_BYTES } from '../graph/plan/format.ts';
import { checkHostBytes } from '../host-memory.ts';

const F32 = ELEMENT_BYTES.f32;

/** A vector in memory that is there to be read and written. */
export interface HeldVector extends DeviceVector {
  readonly buffer: DeviceBuffer;
}

/** Vectors in a device's memory. */
export class DeviceSpace implements VectorSpace<HeldVector> {
  readonly dimension: number;
  readonly #device: Device;

  constructor(device: Device, dimension: number) {
    this.#device = device;
    this.dimension = dimension;
  }

  require(vectors: number, { what, remedy }: MemoryPurpose): void {
    // The memory of the CPU is the machine's, which promises more than it has.
    checkHostBytes(what, vectors * this.dimension * F32, remedy);
  }

  allocate(vectors: number): Block<HeldVector> {
    const buffer = this.#device.allocate(vectors * this.dimension * F32);
    const vector = (_: unknown, i: number) => ({ buffer, byteOffset: i * this.dimension * F32 });
    return { vectors: Array.from({ length: vectors }, vector), dispose: () => buffer.dispose() };
  }

  write([{ buffer, byteOffset }]: readonly HeldVector[], values: Float32Array): Promise<void> {
    return buffer.write(values, byteOffset);
  }

  writePiece({ buffer, byteOffset }: HeldVector, first: number, values: Float32Array): Promise<void> {
    return buffer.write(values, byteOffset + first * F32);
  }

  read(from: readonly HeldVector[]): Promise<Float32Array> {
    return from[0].buffer.readF32(from[0].byteOffset / F32, from.length * this.dimension);
  }

  work(): DeviceWork {
    return new DeviceWork(this.#device, this.dimension);
  }
}

/** One submission. */
export class DeviceWork implements Work<HeldVector> {
  readonly list = new CommandList();
  readonly #device: Device;
  readonly #dimension: number;
  readonly #after: (() => void)[] = [];

  constructor(device: Device, dimension: number) {
    this.#device = device;
    this.#dimension = dimension;
  }

  fill({ buffer, byteOffset }: HeldVector, direction: VectorDirection): void {
    this.list.fill(buffer, byteOffset, direction, 0, this.#dimension);
  }

  combine({ to, terms, factor, with: others = [] }: Combination<HeldVector>): number {
    const first = this.list.addSlots(others.length);
    const coefficients = terms.map(([, coefficient]) => coefficientOf(coefficient));
    const of = terms.map(([vector]) => vector);
    const outputs = [{ to: to ?? null, coefficients }];
    this.list.linear({ count: this.#dimension, of, outputs, factor, with: others }, first);
    return first;
  }

  transform(to: readonly HeldVector[], of: readonly HeldVector[], matrix: Float64Array): void {
    const row = (i: number) => Array.from(matrix.subarray(i * of.length, (i + 1) * of.length), coefficientOf);
    const outputs = to.map((vector, i) => ({ to: vector, coefficients: row(i) }));
    this.list.linear({ count: this.#dimension, of, outputs, with: [] }, 0);
  }

  after(done: () => void): void {
    this.#after.push(done);
  }

  async run(signal?: AbortSignal): Promise<Float64Array> {
    try {
      refuseAborted(signal);
      return await this.#device.submit(this.list, signal);
    } finally {
      for (const done of this.#after) done();
    }
  }
}

function coefficientOf(coefficient: Coefficient): VectorCoefficient {
  if (typeof coefficient === 'number') return { factor: coefficient };
  const { factor, result, inverseRoot } = coefficient;
  return { factor, slot: result, inverseRoot };
}
