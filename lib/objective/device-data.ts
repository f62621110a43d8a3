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
    const put = (arrays: TypedArrays) => Promise.all(Object.values(arrays).map((array) => device.upload(array.data)));
    return new DeviceData(device, await put(data), await put(constants), examples);
  }

  /** The same constants with other data. The constants stay the property of the first. */
  async with(data: TypedArrays, examples: number): Promise<DeviceData> {
    const buffers = await Promise.all(Object.values(data).map((array) => this.#device.upload(array.data)));
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
      for (const buffer of this.#batch) buffer.dispose();
      this.#batch = this.#rowBytes.map((bytes) => this.#device.allocate(bytes * rows.length));
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
