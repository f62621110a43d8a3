import type { Direction } from './direction.ts';
import { philox4x32 } from './philox.ts';

/** Distributions that are made of whole numbers alone, which every language computes alike. */
type ExactDistribution = 'uniform' | 'rademacher';

const WORD = 2 ** 32;

/**
 * Elements 0, 1, … of a direction in JavaScript's memory, with the bits that devices give them.
 *
 * Counter 16k + i makes four words j, which of a uniform direction are elements 64k + 16j + i: the odd multiple of 2⁻²⁴ that its top 24 bits
 * number. Of a sign each takes a bit: element 2048k + 64b + 16j + i is −1 where bit 31 − b is set.
 */
export function fillDirection(to: Float32Array, direction: Direction & { distribution: ExactDistribution }): void {
  const signs = direction.distribution === 'rademacher';
  const blocks = signs ? 32 : 1;
  const [seed, stream] = [direction.seed, direction.stream].map((x) => [
    Number(x % BigInt(WORD)),
    Number(x / BigInt(WORD)),
  ]);
  const words = new Uint32Array(4);
  for (let first = 0; first < to.length; first += 64 * blocks) {
    for (let i = 0; i < 16; i++) {
      const counter = (first / (64 * blocks)) * 16 + i;
      philox4x32(counter, Math.floor(counter / WORD), stream[0], stream[1], seed[0], seed[1], words);
      // What lies beyond the end is written nowhere: a typed array takes no element there.
      for (let j = 0; j < 4; j++) {
        const element = first + 16 * j + i;
        if (signs) for (let b = 0; b < 32; b++) to[element + 64 * b] = (words[j] << b) & 0x80000000 ? -1 : 1;
        else to[element] = (words[j] >>> 8) * 2 ** -23 - (1 - 2 ** -24);
      }
    }
  }
  const { space } = direction;
  if (!space) return;
  for (let i = 0; i < to.length; i++) {
    const scale = space.scaleAt(i);
    to[i] = scale === 0 ? 0 : to[i] * scale;
  }
}
