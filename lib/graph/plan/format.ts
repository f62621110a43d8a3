import type { MapOpcode } from '../ops/elementwise.ts';
import { mapOps } from '../ops/map-ops.ts';

/**
 * The binary form of a planned program, version 1: little-endian 32-bit words. `native/program/format.h` holds the same numbers.
 *
 *   header    MAGIC, VERSION, total words, arena words (of 4 bytes), inputs, outputs, instructions, 0
 *   inputs    each: dtype, element count (what a binding must at least hold)
 *   outputs   each: dtype, element count, ref(2)
 *   code      each: opcode, words of this instruction including these two, payload
 *
 * ref(2) = [space, offset in 4-byte words]; space 0 is the arena, space 1 + i is input i, then windows (LOOP). Inputs are never written.
 * f64 values (immediates) are two words, low first. Arena buffers start at multiples of what the device likes (`target.ts`).
 * A computed rank-0 value is F64 (8 bytes); every other value is F32 or I32 (4 bytes).
 *
 * MAP (elementwise over an index space, with strided reads and writes; with no ops it is a copy)
 *   rank, dims[rank] (each ≥ 1), then three lists, each after a word that counts it:
 *   reads,  each: dtype, ref(2), strides[rank]       (in elements, ≥ 0; 0 = broadcast)
 *   ops,    each: map opcode, a, b, c, imm(2)        (registers: reads first, then one an op; unused operands 0; imm 0 where unused)
 *   writes, each: dtype, ref(2), register, strides[rank]
 *   Rank ≥ 1 computes in f32 (i32 operands are exact below 2^24). Rank 0 computes in f64 and its writes are F64.
 *   A write may have the same ref as a read of identical dense strides (in place); else it may not overlap a read or another write,
 *   and it visits each element once: every stride steps over all that the smaller strides reach.
 *   Special values: NaN propagates, also through maximum, minimum and REDUCE max; a comparison with NaN is 0, except ne (1); NaN ≠ 0 in select;
 *   an i32 write rounds toward zero, saturates, and turns NaN to 0.
 * MAP_SUM as MAP with rank ≥ 1, but instead of `writes`: register, dst ref(2). The f64 sum of the register over the whole index space; dst is F64.
 * LOOP (instructions that are run again and again)
 *   trips (≥ 1), reverse (0 or 1), then two lists, each after a word that counts it:
 *   windows, each: ref(2), step, words (≥ 1), written (0 or 1)
 *   body,    each: opcode, words, payload, as in `code`; at least one
 *   The body runs once for each row r: from 0 to trips − 1, or in reverse from trips − 1 to 0. Windows are spaces of the body and of nothing else:
 *   window i is space 1 + inputs + (windows of the loops around this one) + i. It holds the words from ref + r · step on, all of which exist
 *   for every row. Its ref may lie in a window of a loop around, never in one of its own loop. It is written only where `written` says so;
 *   then its ref lies in the arena, or in a window that is written. Where f64 values lie in it, its ref, its step and the window that it lies in
 *   are at even words. A write may not disturb a read through another space, wherever windows are: two places in different windows of one
 *   instruction overlap where any rows of theirs do. Loops nest, MAX_LOOP_DEPTH at most; outputs are no windows.
 * The others take dense operands whole; `instructions.ts` has their fields, each one word, but an operand two (ref).
 */
export const MAGIC = 0x4854525a; // "ZRTH"
export const VERSION = 1;

export const DTYPE = { f32: 0, i32: 1, f64: 2 } as const;
/** Bytes of an element. */
export const ELEMENT_BYTES = { f32: 4, i32: 4, f64: 8 } as const;

/** Map opcodes are numbered by the rows of the op table (`ops/map-ops.ts`). */
export const MAP_OPCODE = Object.fromEntries(
  Object.entries(mapOps).map(([name, { code }]) => [name, code]),
) as Readonly<Record<MapOpcode, number>>;
/** Words for the operands of one of a map's ops. */
export const MAP_OPERANDS = 3;

export const MAX_RANK = 8;
/** Reads, ops and writes of one MAP at most; the planner splits longer chains. */
export const MAX_MAP_READS = 24;
export const MAX_MAP_OPS = 96;
export const MAX_MAP_WRITES = 8;
/** Loops inside one another at most. */
export const MAX_LOOP_DEPTH = 8;
