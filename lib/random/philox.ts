import { checkInteger, invalidArgument } from '../errors.ts';

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const KEY_STEP_0 = 0x9e3779b9;
const KEY_STEP_1 = 0xbb67ae85;
const ROUNDS = 10;
const WORD = 2 ** 32;

/** Philox4x32-10 (Salmon et al., SC 2011): four words of a 128-bit counter and a 64-bit key, into `out`. All words are uint32, least significant first. */
export function philox4x32(
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  key0: number,
  key1: number,
  out: Uint32Array,
): void {
  let [c0, c1, c2, c3, k0, k1] = [counter0 | 0, counter1 | 0, counter2 | 0, counter3 | 0, key0 | 0, key1 | 0];
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(c0, MULTIPLIER_0);
    const low0 = Math.imul(c0, MULTIPLIER_0);
    const high1 = multiplyHigh(c2, MULTIPLIER_1);
    const low1 = Math.imul(c2, MULTIPLIER_1);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + KEY_STEP_0) | 0;
    k1 = (k1 + KEY_STEP_1) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** The upper 32 bits of an unsigned 32 × 32 product, by 16-bit halves (a double holds no 64-bit product). */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16); // < 2^32
  const other = aLow * bHigh + (middle & 0xffff); // < 2^32
  return (aHigh * bHigh + (middle >>> 16) + (other >>> 16)) | 0;
}

/**
 * Element `element` of the Rademacher direction of this seed and stream, as the native code maps it: element 2048k + 64b + 16j + i is −1
 * where bit 31 − b of output j of counter 16k + i is set, else 1. The arguments of `elementBits`.
 */
export function elementSign(seed: bigint, stream: bigint, element: number): 1 | -1 {
  checkInteger('element', element, 0);
  // The word of the same place among 64 elements: 32 blocks of them share their counters.
  const word = elementBits(seed, stream, Math.floor(element / 2048) * 64 + (element % 64));
  return (word << (Math.floor(element / 64) % 32)) & 0x80000000 ? -1 : 1;
}

/**
 * The word behind element `element` of a normal or uniform direction, as the native code maps it: element 64k + 16j + i is
 * output j of counter 16k + i, the key is the seed, the counter's upper half the stream.
 *
 * @param seed 0 ≤ seed < 2^64
 * @param stream 0 ≤ stream < 2^64
 * @param element 0 ≤ element < 2^53
 * @returns a uint32
 */
export function elementBits(seed: bigint, stream: bigint, element: number): number {
  checkUint64('seed', seed);
  checkUint64('stream', stream);
  checkInteger('element', element, 0);
  const counter = Math.floor(element / 64) * 16 + (element % 16);
  const out = new Uint32Array(4);
  philox4x32(counter, Math.floor(counter / WORD), low(stream), high(stream), low(seed), high(seed), out);
  return out[Math.floor(element / 16) % 4] as number;
}

/**
 * Sequential random draws from one stream of one seed: for data generation and initialisation on the host.
 * Counter n yields draws 4n … 4n + 3 of `uint32()`. Two streams with the same seed and stream yield the same draws.
 *
 *     const random = new PhiloxStream(42n, stream('data', 0));
 *     random.below(6) + 1; // a die
 *
 * @param seed 0 ≤ seed < 2^64
 * @param stream 0 ≤ stream < 2^64
 * @throws ERR_ZEROTH_ARGUMENT where seed or stream are out of range
 */
export class PhiloxStream {
  readonly #key0: number;
  readonly #key1: number;
  readonly #stream0: number;
  readonly #stream1: number;
  readonly #words = new Uint32Array(4);
  #counter = 0;
  #used = 4;
  #spareNormal: number | undefined;

  constructor(seed: bigint, stream: bigint) {
    checkUint64('seed', seed);
    checkUint64('stream', stream);
    this.#key0 = low(seed);
    this.#key1 = high(seed);
    this.#stream0 = low(stream);
    this.#stream1 = high(stream);
  }

  /** An integer, uniform on 0 … 2^32 − 1. */
  uint32(): number {
    if (this.#used === 4) {
      const upper = Math.floor(this.#counter / WORD);
      philox4x32(this.#counter, upper, this.#stream0, this.#stream1, this.#key0, this.#key1, this.#words);
      this.#counter++;
      this.#used = 0;
    }
    return this.#words[this.#used++] as number;
  }

  /** Uniform on [0, 1): a multiple of 2^-53. Takes two words. */
  uniform(): number {
    const upper = this.uint32() >>> 5;
    const lower = this.uint32() >>> 6;
    return (upper * 2 ** 26 + lower) * 2 ** -53;
  }

  /**
   * An integer, exactly uniform on 0 … n − 1 (by rejection).
   *
   * @param n 1 ≤ n ≤ 2^32
   */
  below(n: number): number {
    checkInteger('n', n, 1, WORD);
    const limit = WORD - (WORD % n);
    for (;;) {
      const word = this.uint32();
      if (word < limit) return word % n;
    }
  }

  /** N(0, 1) in double precision (Box–Muller; the second of a pair is kept for the next call). */
  normal(): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Permutes an array in place, every order equally likely (Fisher–Yates); returns it. */
  shuffle<A extends { readonly length: number; [index: number]: unknown }>(array: A): A {
    const items: { [index: number]: unknown } = array;
    for (let i = array.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const item = items[i];
      items[i] = items[j];
      items[j] = item;
    }
    return array;
  }
}

function low(value: bigint): number {
  return Number(value & 0xffffffffn);
}

function high(value: bigint): number {
  return Number(value >> 32n);
}

function checkUint64(name: string, value: unknown): void {
  if (typeof value !== 'bigint' || value < 0n || value >= 1n << 64n) {
    invalidArgument(name, 'a bigint from 0n to 2n ** 64n - 1n', value);
  }
}
