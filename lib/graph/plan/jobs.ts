import { sizeOf } from '../node.ts';
import { stridesOf } from '../ops/strided.ts';
import { type AnyInstruction, destinationsOf, sourcesOf } from './instruction.ts';
import type { Step } from './lowerings.ts';
import type { Job, ScheduleProblem } from './schedule.ts';
import { type Buffer, bytesOf, type Place } from './storage.ts';

/** Steps as a scheduling problem, with what its numbers stand for. */
export interface MemoryProblem extends ScheduleProblem {
  readonly steps: readonly Step[];
  readonly buffers: readonly Buffer[];
  /** Buffers of the program's outputs. */
  readonly outputs: readonly Buffer[];
}

export function memoryProblem(steps: readonly Step[], outputs: readonly Buffer[]): MemoryProblem {
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
  const inArena = (places: readonly Place[]) => [
    ...new Set(places.filter(({ buffer }) => buffer.slot === undefined).map(({ buffer }) => numberOf(buffer))),
  ];
  const position = new Map(steps.map((step, i) => [step, i]));
  const jobs: Job[] = steps.map(({ instruction, after }) => ({
    reads: inArena(sourcesOf(instruction)),
    writes: inArena(destinationsOf(instruction)),
    after: after.map((step) => position.get(step)!),
    reuses: reusesOf(instruction).map(({ write, read }) => ({ write: numberOf(write), read: numberOf(read) })),
  }));
  const keptBuffers = new Set(outputs);
  return {
    steps,
    jobs,
    buffers,
    outputs,
    bytes: buffers.map(bytesOf),
    kept: buffers.map((buffer) => keptBuffers.has(buffer)),
  };
}

/** Pairs of a write and a read of one map that visit whole buffers of one size in one order: the write may be in place. */
function reusesOf(instruction: AnyInstruction<Place>): { write: Buffer; read: Buffer }[] {
  if (instruction.kind !== 'map') return [];
  const { dims, reads, writes } = instruction;
  const dense = stridesOf(dims).join();
  const whole = ({ ref, strides }: { ref: Place; strides: readonly number[] }) =>
    ref.buffer.slot === undefined && ref.buffer.elements === sizeOf(dims) && strides.join() === dense;
  const candidates = reads.filter((read) => reads.every((x) => x.ref.buffer !== read.ref.buffer || whole(x)));
  return writes
    .filter(whole)
    .flatMap((write) =>
      candidates
        .filter((read) => (read.dtype === 'f64') === (write.dtype === 'f64'))
        .map((read) => ({ write: write.ref.buffer, read: read.ref.buffer })),
    );
}
