import { type Arena, allocate } from './arena.ts';
import type { AnyInstruction } from './instruction.ts';
import { mapRefs } from './instruction.ts';
import { type Lifetime, lifetimesOf } from './schedule.ts';
import type { Draft } from './share.ts';
import type { Buffer, Place } from './storage.ts';

/** A draft with a place for every buffer: buffers of one block share its memory, one after the other. */
export interface Layout extends Draft {
  readonly lifetimes: readonly Lifetime[];
  readonly arena: Arena;
  /** Where a buffer of the arena begins, in bytes. */
  readonly offsetOf: (buffer: Buffer) => number;
  /** Buffers in the order in which they begin. */
  readonly byStart: readonly number[];
}

export function layOut({ problem, schedule }: Draft): Layout {
  const lifetimes = lifetimesOf(problem, schedule.order);
  // A value that takes over the memory of one that dies shares its block.
  const blockOf = lifetimes.map((_, b) => b);
  const byStart = blockOf.toSorted((a, b) => lifetimes[a].start - lifetimes[b].start);
  for (const b of byStart) if (lifetimes[b].reuses !== undefined) blockOf[b] = blockOf[lifetimes[b].reuses!];
  const blocks = new Map<number, { bytes: number; start: number; end: number }>();
  for (const b of byStart) {
    const block = blocks.get(blockOf[b]);
    if (block) block.end = Math.max(block.end, lifetimes[b].end);
    else blocks.set(blockOf[b], { bytes: problem.bytes[b], start: lifetimes[b].start, end: lifetimes[b].end });
  }
  const arena = allocate([...blocks.values()]);
  const offsets = new Map([...blocks.keys()].map((block, i) => [block, arena.offsets[i]]));
  const number = new Map(problem.buffers.map((buffer, b) => [buffer, b]));
  const offsetOf = (buffer: Buffer) => offsets.get(blockOf[number.get(buffer)!])!;
  return { problem, schedule, lifetimes, arena, offsetOf, byStart };
}

/** The lowest peak is not always the smallest arena: what is left between blocks decides too. */
export function smallest(layouts: readonly Layout[]): Layout {
  return layouts.reduce((best, layout) => (layout.arena.bytes < best.arena.bytes ? layout : best));
}

/** The instructions of a layout in their order, every place found another way. */
export function ordered<R>(
  { problem, schedule: { order } }: Layout,
  place: (place: Place) => R,
): readonly AnyInstruction<R>[] {
  return order.map((j) => mapRefs(problem.steps[j].instruction, place));
}
