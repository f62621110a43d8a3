import type { Device, DeviceBuffer } from '../device/device.ts';
import { invalidArgument, ZerothError } from '../errors.ts';
import type { StateName } from '../optimizers/optimizer.ts';

export type InitialStates = Readonly<Partial<Record<StateName, Float32Array>>>;

/** State vectors of an update rule, by name, each as long as θ. */
export class States {
  readonly #device: Device;
  readonly #length: number;
  readonly #buffers = new Map<StateName, DeviceBuffer>();

  constructor(device: Device, length: number) {
    this.#device = device;
    this.#length = length;
  }

  get buffers(): ReadonlyMap<StateName, DeviceBuffer> {
    return this.#buffers;
  }

  /** @throws ERR_ZEROTH_ARGUMENT where there is no such state. */
  of(name: StateName): DeviceBuffer {
    const state = this.#buffers.get(name);
    if (state) return state;
    throw new ZerothError(
      'ERR_ZEROTH_ARGUMENT',
      `state '${name}': expected one that the update rule keeps; call useStates first.`,
    );
  }

  /** @throws ERR_ZEROTH_ARGUMENT */
  check(initial: InitialStates): void {
    for (const [name, values] of Object.entries(initial)) {
      if (!(values instanceof Float32Array) || values.length !== this.#length)
        invalidArgument(`initial state '${name}'`, `a Float32Array of ${this.#length} numbers`, values);
      const bad = values.findIndex((value) => !Number.isFinite(value) || (name === 'p' && value === 0));
      if (bad >= 0)
        invalidArgument(`initial state '${name}'[${bad}]`, 'a finite number, of a divisor not 0', values[bad]);
    }
  }

  /** These and no others: as `initial`, which was checked, says; else zero. */
  async use(names: readonly StateName[], initial: InitialStates): Promise<void> {
    this.dispose();
    for (const name of names) {
      const values = initial[name];
      const buffer = this.#device.allocate(this.#length * 4);
      this.#buffers.set(name, buffer);
      if (values) await buffer.write(values);
    }
  }

  dispose(): void {
    for (const buffer of this.#buffers.values()) buffer.dispose();
    this.#buffers.clear();
  }
}
