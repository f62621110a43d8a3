import type { Device, DeviceBuffer } from '../device/device.ts';
import { invalidArgument } from '../errors.ts';

/** Vectors that an estimator holds beside θ, by name, each as long as θ: a snapshot of it, for one. */
export class Held {
  readonly #device: Device;
  readonly #length: number;
  readonly #buffers = new Map<string, DeviceBuffer>();
  #scratch: DeviceBuffer | undefined;

  constructor(device: Device, length: number) {
    this.#device = device;
    this.#length = length;
  }

  /** How many vectors there are. */
  get count(): number {
    return this.#buffers.size + (this.#scratch ? 1 : 0);
  }

  /** These and no others, all zero. */
  use(names: readonly string[]): void {
    this.dispose();
    for (const name of names) this.#buffers.set(name, this.#device.allocate(this.#length * 4));
  }

  /** @throws ERR_ZEROTH_ARGUMENT where there is no such vector. */
  of(name: string): DeviceBuffer {
    const buffer = this.#buffers.get(name);
    const known = [...this.#buffers.keys()].join(', ') || 'none';
    return buffer ?? invalidArgument('held vector', `one that the estimator names in its \`vectors\` (${known})`, name);
  }

  /** Where a held vector is displaced to while θ has no copy either. */
  scratch(): DeviceBuffer {
    this.#scratch ??= this.#device.allocate(this.#length * 4);
    return this.#scratch;
  }

  /** By names that are no state's. */
  named(): [string, DeviceBuffer][] {
    return [...this.#buffers].map(([name, buffer]) => [`held.${name}`, buffer]);
  }

  dispose(): void {
    for (const buffer of this.#buffers.values()) buffer.dispose();
    this.#buffers.clear();
    this.#scratch?.dispose();
    this.#scratch = undefined;
  }
}
