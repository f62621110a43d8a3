import { totalmem } from 'node:os';
import { ZerothError } from './errors.ts';

/** Arrays in JavaScript's memory whose size a user decides: refused before they are asked for where there is no room, never a bare RangeError. */

type ArrayOf<A> = { new (elements: number): A; readonly BYTES_PER_ELEMENT: number };

let available: number | undefined;

/** Memory of the machine, or of the container that this process runs in. */
export function availableBytes(): number {
  // Constrained: 0, or more than there is, where nothing constrains the process.
  available ??= Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  return available;
}

/** Bytes for people: 1.5 GiB. */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(bytes) / 10)));
  const value = bytes / 1024 ** unit;
  return `${unit === 0 ? value : Number(value.toPrecision(3))} ${units[unit]}`;
}

/**
 * Refuses what the machine cannot hold.
 * @param what is to be held, with the numbers that decide its size: `x (n = 1000 examples of 3072 numbers)`.
 * @param remedy what to do instead: `use a smaller n`.
 * @throws ERR_ZEROTH_MEMORY
 */
export function checkHostBytes(what: string, bytes: number, remedy: string): void {
  if (bytes > availableBytes()) refuse(what, bytes, remedy);
}

/** A zero-filled typed array. @throws ERR_ZEROTH_MEMORY */
export function hostArray<A>(type: ArrayOf<A>, elements: number, what: string, remedy: string): A {
  const bytes = elements * type.BYTES_PER_ELEMENT;
  checkHostBytes(what, bytes, remedy);
  try {
    return new type(elements);
  } catch (cause) {
    return refuse(what, bytes, remedy, cause);
  }
}

function refuse(what: string, bytes: number, remedy: string, cause?: unknown): never {
  const there = `${bytesText(availableBytes())} are there`;
  const why =
    cause === undefined ? there : `${there}, but no single array is so large here (${(cause as Error).message})`;
  throw new ZerothError(
    'ERR_ZEROTH_MEMORY',
    `${what}: expected what fits into memory, received a request for ${bytesText(bytes)}; ${why}. To go on, ${remedy}.`,
    cause === undefined ? {} : { cause },
  );
}
