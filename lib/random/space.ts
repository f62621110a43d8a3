import { checkF32, checkInteger, invalidArgument } from '../errors.ts';
import { elementBits, philox4x32 } from './philox.ts';

/** Keeps an element with probability `density`: by the word of a uniform direction of this seed and stream at its place. */
export interface Mask {
  /** 0 < density ≤ 1, in units of 2^-31. */
  readonly density: number;
  readonly seed: bigint;
  readonly stream: bigint;
}

/** Elements offset … offset + count − 1 of a vector, what they are multiplied by, and which of them. */
export interface Segment {
  readonly offset: number;
  readonly count: number;
  /** Default 1. */
  readonly scale?: number;
  /** Default: all of them. */
  readonly mask?: Mask;
}

/** With its scale. */
export interface PlacedSegment extends Segment {
  readonly scale: number;
}

/**
 * Where directions live: z in a space is scale · z on the space's segments, and 0 between them. An element that it leaves out keeps its bits,
 * whatever is added along the direction.
 */
export class Space {
  /** In order, none overlaps another. */
  readonly segments: readonly PlacedSegment[];
  /** Of the vectors that it is a space of. */
  readonly length: number;
  /** Elements that it does not leave out. */
  readonly dimension: number;
  /** E‖z‖² of directions whose elements have variance 1. */
  readonly squaredScale: number;
  #unscaled: Space | undefined;

  /** @throws ERR_ZEROTH_ARGUMENT for segments that overlap or leave the vector, or numbers out of range. */
  constructor(length: number, segments: readonly Segment[]) {
    this.length = checkInteger('length', length, 1);
    let end = 0;
    this.segments = segments.map(({ offset, count, scale = 1, mask }, i) => {
      checkInteger(`offset of segment ${i}`, offset, end, length - 1);
      checkInteger(`count of segment ${i}`, count, 1, length - offset);
      if (checkF32(`scale of segment ${i}`, scale) === 0)
        invalidArgument(`scale of segment ${i}`, 'a number not 0', scale);
      if (mask && !(thresholdOf(mask) >= 1 && thresholdOf(mask) <= 2 ** 31))
        invalidArgument(`density of segment ${i}`, 'a number from 2^-31 to 1', mask.density);
      end = offset + count;
      return { offset, count, scale, ...(mask && { mask }) };
    });
    const sizes = this.segments.map((segment) => keptOf(segment));
    this.dimension = sizes.reduce((sum, size) => sum + size, 0);
    this.squaredScale = this.segments.reduce((sum, { scale }, i) => sum + scale ** 2 * sizes[i], 0);
    if (this.dimension === 0) invalidArgument('space', 'one that leaves something in', segments);
  }

  /** Whether it is all of the vector, as it is. */
  get isWhole(): boolean {
    const [first] = this.segments;
    return first.count === this.length && first.scale === 1 && first.mask === undefined;
  }

  /** The same elements, none scaled. */
  get unscaled(): Space {
    this.#unscaled ??= this.segments.every(({ scale }) => scale === 1)
      ? this
      : new Space(
          this.length,
          this.segments.map((segment) => ({ ...segment, scale: 1 })),
        );
    return this.#unscaled;
  }

  /** The greatest scale, in absolute value. */
  get largestScale(): number {
    return this.segments.reduce((most, { scale }) => Math.max(most, Math.abs(scale)), 0);
  }

  /** What an element of a direction is multiplied by: the definition, element by element. */
  scaleAt(element: number): number {
    const segment = this.segments.find(({ offset, count }) => element >= offset && element < offset + count);
    if (!segment) return 0;
    const { scale, mask } = segment;
    return mask && elementBits(mask.seed, mask.stream, element) >>> 1 >= thresholdOf(mask) ? 0 : scale;
  }
}

/** Words whose upper 31 bits are below it are kept. */
export const thresholdOf = ({ density }: Mask): number => Math.round(density * 2 ** 31);

/** How many elements of a segment its mask keeps. */
function keptOf({ offset, count, mask }: Segment): number {
  if (!mask) return count;
  const threshold = thresholdOf(mask);
  const words = new Uint32Array(4);
  const low = (value: bigint) => Number(value & 0xffffffffn);
  const [key, stream] = [mask.seed, mask.stream].map((value) => [low(value), low(value >> 32n)]);
  let kept = 0;
  for (let block = Math.floor(offset / 64); block * 64 < offset + count; block++) {
    for (let i = 0; i < 16; i++) {
      const counter = block * 16 + i;
      philox4x32(counter, Math.floor(counter / 2 ** 32), stream[0], stream[1], key[0], key[1], words);
      for (let j = 0; j < 4; j++) {
        const element = block * 64 + 16 * j + i;
        if (element >= offset && element < offset + count && words[j] >>> 1 < threshold) kept++;
      }
    }
  }
  return kept;
}
