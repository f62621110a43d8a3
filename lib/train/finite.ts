import type { Layout } from '../params/layout.ts';
import type { MeasuredParams } from '../params/measure.ts';
import type { DeviceGradient, Params } from '../params/params.ts';

/** An element that is not finite, by the name of its tensor. */
interface Overflow {
  /** `theta`, a state vector, or the gradient. */
  readonly vector: string;
  readonly tensor: string;
  /** Number of the element within its tensor. */
  readonly element: number;
  /** NaN, Infinity or −Infinity. */
  readonly value: number;
}

/** The vectors of a measurement that hold something that is not finite. */
export function overflowing(measured: MeasuredParams): (keyof MeasuredParams)[] {
  const names = Object.keys(measured) as (keyof MeasuredParams)[];
  return names.filter((name) => !Number.isFinite(measured[name]?.squares));
}

/** The first element of θ or of a state, as they are now, that is not finite. */
export async function findOverflow(params: Params, vector: keyof MeasuredParams): Promise<Overflow | undefined> {
  const values = vector === 'theta' ? await params.read() : await params.readState(vector);
  return firstOverflow(params.layout, vector, values);
}

/** The first element of a gradient that is not finite. */
export async function findGradientOverflow(params: Params, gradient: DeviceGradient): Promise<Overflow | undefined> {
  return firstOverflow(params.layout, 'gradient', await gradient.buffer.readF32());
}

function firstOverflow(layout: Layout, vector: Overflow['vector'], values: Float32Array): Overflow | undefined {
  const at = values.findIndex((value) => !Number.isFinite(value));
  const slot = layout.tensors.find(({ offset, size }) => at >= offset && at < offset + size);
  return slot && { vector, tensor: slot.name, element: at - slot.offset, value: values[at] };
}

/** What a vector is, for a person. */
const WORDS: Readonly<Record<string, string>> = {
  theta: 'parameter',
  gradient: 'gradient of',
  m: 'momentum of',
  v: 'second moment of the gradient (v) of',
  p: 'preconditioner of',
};

/** For example: The momentum of 'w1' is NaN (element 3). */
export function overflowText({ vector, tensor, element, value }: Overflow): string {
  return `The ${WORDS[vector] ?? `state ${vector} of`} '${tensor}' is ${value} (element ${element})`;
}
