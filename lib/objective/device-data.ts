import type { CommandList, InputBinding } from '../device/commands.ts';
import type { Device, DeviceBuffer } from '../device/device.ts';
import type { TypedArrays } from './problem.ts';

/** Examples and constants on a device, as the programs take them: the arrays of examples in their order, then the constants. */
export class DeviceData {
  readonly #device: Device;
  readonly #data: readonly DeviceBuffer[];
  readonly #constants: readonly DeviceBuffer[];
  readonly #rowBytes: readonly number[];
  #batch: readonly DeviceBuffer[] = [];
  #batchRows = 0;

  /** @param examples in each array of `data`; 0 without any. */
  private constructor(
    device: Device,
    data: readonly DeviceBuffer[],
    constants: readonly DeviceBuffer[],
    examples: number,
  ) {
    this.#device = device;
    this.#data = data;
    this.#constants = constants;
    this.#rowBytes = data.map((buffer) => buffer.byteLength / examples);
  }

  static async upload(
    device: Device,
    data: TypedArrays,
    constants: TypedArrays,
    examples: number,
  ): Promise<DeviceData> {
    const buffers = await uploadAll(device, [...Object.values(data), ...Object.values(constants)]);
    const arrays = Object.keys(data).length;
    return new DeviceData(device, buffers.slice(0, arrays), buffers.slice(arrays), examples);
  }

  /** The same constants with other data. The constants stay the property of the first. */
  async with(data: TypedArrays, examples: number): Promise<DeviceData> {
    const buffers = await uploadAll(this.#device, Object.values(data));
    return new DeviceData(this.#device, buffers, this.#constants, examples);
  }

  /**
   * What a program reads that covers examples from `first` on: of the data itself, or, where `rows` chooses some, of a gathered copy, for
   * which it appends the commands. The next choice overwrites the copy.
   */
  select(list: CommandList, rows: Uint32Array | null): (first: number) => InputBinding[] {
    const data = rows === null ? this.#data : this.#gather(list, rows);
    const constants = this.#constants.map((buffer) => ({ buffer, byteOffset: 0 }));
    return (first) => [...data.map((buffer, i) => ({ buffer, byteOffset: first * this.#rowBytes[i] })), ...constants];
  }

  #gather(list: CommandList, rows: Uint32Array): readonly DeviceBuffer[] {
    if (rows.length !== this.#batchRows) {
      // Nothing is kept until all of it is there: memory may run out between two arrays.
      for (const buffer of this.#batch) buffer.dispose();
      this.#batch = [];
      this.#batchRows = 0;
      this.#batch = allocateAll(
        this.#device,
        this.#rowBytes.map((bytes) => bytes * rows.length),
      );
      this.#batchRows = rows.length;
    }
    for (const [i, buffer] of this.#data.entries()) list.gatherRows(buffer, this.#batch[i], this.#rowBytes[i], rows);
    return this.#batch;
  }

  /** Frees the data, but not the constants. */
  disposeData(): void {
    for (const buffer of [...this.#data, ...this.#batch]) buffer.dispose();
  }

  dispose(): void {
    this.disposeData();
    for (const buffer of this.#constants) buffer.dispose();
  }
}

/** Memory of each size, or none at all. */
function allocateAll(device: Device, sizes: readonly number[]): DeviceBuffer[] {
  const buffers: DeviceBuffer[] = [];
  try {
    for (const bytes of sizes) buffers.push(device.allocate(bytes));
    return buffers;
  } catch (error) {
    for (const buffer of buffers) buffer.dispose();
    throw error;
  }
}

async function uploadAll(device: Device, arrays: readonly TypedArrays[string][]): Promise<DeviceBuffer[]> {
  const buffers = allocateAll(
    device,
    arrays.map(({ data }) => data.byteLength),
  );
  try {
    await Promise.all(buffers.map((buffer, i) => buffer.write(arrays[i].data)));
    return buffers;
  } catch (error) {
    for (const buffer of buffers) buffer.dispose();
    throw error;
  }
}
