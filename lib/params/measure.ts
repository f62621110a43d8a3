import { CommandList } from '../device/commands.ts';
import type { Device, DeviceBuffer } from '../device/device.ts';
import type { StateName } from '../optimizers/optimizer.ts';

/** Of one vector, in f64. `squares` is a finite number if and only if every element is. */
export interface VectorSums {
  readonly sum: number;
  readonly squares: number;
}

/** θ and its state vectors, by name. */
export type MeasuredParams = { readonly theta: VectorSums } & Readonly<Partial<Record<StateName, VectorSums>>>;

/** Sums over vectors of f32, in one call to the device. */
export async function measureVectors(
  device: Device,
  vectors: ReadonlyMap<string, DeviceBuffer>,
  length: number,
): Promise<Record<string, VectorSums>> {
  const list = new CommandList(2 * vectors.size);
  [...vectors.values()].forEach((buffer, i) => {
    list.sums(buffer, 0, length, 2 * i);
  });
  const slots = await device.submit(list);
  return Object.fromEntries(
    [...vectors.keys()].map((name, i) => [name, { sum: slots[2 * i], squares: slots[2 * i + 1] }]),
  );
}
