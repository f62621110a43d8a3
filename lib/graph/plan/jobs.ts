import { sizeOf } from '../node.ts';
import { stridesOf } from '../ops/strided.ts';
import { type AnyInstruction, destinationsOf, sourcesOf } from './instruction.ts';
import type { Step } from './lowering.ts';
import type { Job, ScheduleProblem } from './ordering.ts';
import { arenaBytesOf, type Buffer, isInArena, type Place } from './storage.ts';

/** Steps as a scheduling problem, with what its numbers stand for. */
export interface MemoryProblem extends ScheduleProblem {
  readonly steps: readonly Step[];
  readonly buffers: readonly Buffer[];
  /** Buffers of the program's outputs. */
  readonly outputs: readonly Buffer[];
}

/** @param alignment bytes: the size of every buffer is a multiple of it. */
export function memoryProblem(steps: readonly Step[], outputs: readonly Buffer[], alignment: number): MemoryProblem {
  const buffers: Buffer[] = [];
  const numbers = new Map<Buffer, number>();
  const numberOf = (buffer: Buffer): number => {
    let number = numbers.get(buffer);
    if (number === undefined) {
      number = buffers.push(buffer) - 1;
      numbers.set(buffer, number);
    }
    return number;
  };
  const position = new Map(steps.map((step, i) => [step, i]));
  const jobs: Job[] = steps.map((step) => {
    const { reads, writes, reuses } = footprintOf(step);
    return {
      reads: reads.map(numberOf),
      writes: writes.map(numberOf),
      after: step.after.map((before) => position.get(before)!),
      reuses: reuses.map(({ write, read }) => ({ write: numberOf(write), read: numberOf(read) })),
    };
  });
  const keptBuffers = new Set(outputs);
  return {
    steps,
    jobs,
    buffers,
    outputs,
    bytes: buffers.map((buffer) => Math.ceil(arenaBytesOf(buffer) / alignment) * alignment),
    kept: buffers.map((buffer) => keptBuffers.has(buffer)),
  };
}

/** What a step does to the arena: buffers, each once. */
export interface Footprint {
  readonly reads: readonly Buffer[];
  readonly writes: readonly Buffer[];
  readonly reuses: readonly { readonly write: Buffer; readonly read: Buffer }[];
}

/** Remembered, for the same steps are planned in many combinations. */
const footprints = new WeakMap<Step, Footprint>();

export function footprintOf(step: Step): Footprint {
  let footprint = footprints.get(step);
  if (!footprint) {
    const inArena = (places: readonly Place[]) => [...new Set(places.map(({ buffer }) => buffer).filter(isInArena))];
    const { instruction } = step;
    const writes = inArena(destinationsOf(instruction));
    // A loop reads what its own trips have written; what it begins with is written by steps that it comes after.
    const reads = inArena(sourcesOf(instruction)).filter((buffer) => !writes.includes(buffer));
    const reuses = inPlace(instruction).filter(({ write, read }) => isInArena(write) && isInArena(read));
    footprint = { reads, writes, reuses };
    footprints.set(step, footprint);
  }
  return footprint;
}

/** Pairs of a write and a read of one map that visit whole buffers of one size in one order: the write may be in place. */
export function inPlace(instruction: AnyInstruction<Place>): { write: Buffer; read: Buffer }[] {
  if (instruction.kind !== 'map') return [];
  const { dims, reads, writes } = instruction;
  const dense = stridesOf(dims).join();
  const whole = ({ ref, strides }: { ref: Place; strides: readonly number[] }) =>
    ref.buffer.elements === sizeOf(dims) && strides.join() === dense;
  const candidates = reads.filter((read) => reads.every((x) => x.ref.buffer !== read.ref.buffer || whole(x)));
  return writes
    .filter(whole)
    .flatMap((write) =>
      candidates
        .filter((read) => (read.dtype === 'f64') === (write.dtype === 'f64'))
        .map((read) => ({ write: write.ref.buffer, read: read.ref.buffer })),
    );
}
