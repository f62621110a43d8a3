import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stream } from '../../lib/random/direction.ts';
import { elementBits, elementSign, PhiloxStream, philox4x32 } from '../../lib/random/philox.ts';
import { checkSeed } from '../../lib/random/seed.ts';

/** The algorithm as the paper states it, in arbitrary-precision integers. */
function reference(counter: readonly bigint[], key: readonly bigint[]): bigint[] {
  const mask = 0xffffffffn;
  let [c0 = 0n, c1 = 0n, c2 = 0n, c3 = 0n] = counter;
  let [k0 = 0n, k1 = 0n] = key;
  for (let round = 0; round < 10; round++) {
    const p0 = c0 * 0xd2511f53n;
    const p1 = c2 * 0xcd9e8d57n;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask];
    k0 = (k0 + 0x9e3779b9n) & mask;
    k1 = (k1 + 0xbb67ae85n) & mask;
  }
  return [c0, c1, c2, c3];
}

function philox(c: readonly number[], k: readonly number[]): number[] {
  const out = new Uint32Array(4);
  const [c0 = 0, c1 = 0, c2 = 0, c3 = 0] = c;
  philox4x32(c0, c1, c2, c3, k[0] ?? 0, k[1] ?? 0, out);
  return [...out];
}

const word = fc.integer({ min: 0, max: 0xffffffff });

describe('philox4x32', () => {
  it('yields the known answers published with Random123', () => {
    const ones = 0xffffffff;
    expect(philox([0, 0, 0, 0], [0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    expect(philox([ones, ones, ones, ones], [ones, ones])).toEqual([0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
    expect(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])).toEqual([
      0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1,
    ]);
  });

  it('agrees with big-integer arithmetic on random counters and keys', () => {
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (c, k) => {
        expect(philox(c, k).map(BigInt)).toEqual(reference(c.map(BigInt), k.map(BigInt)));
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});

describe('elementBits and elementSign', () => {
  it('maps element 64k + 16j + i to output j of counter 16k + i, with the seed as key and the stream above', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
        (seed, stream, element) => {
          const e = BigInt(element);
          const [k, j, i] = [e / 64n, (e / 16n) % 4n, e % 16n];
          const counter = 16n * k + i;
          const split = (x: bigint) => [x & 0xffffffffn, x >> 32n];
          const words = reference([...split(counter), ...split(stream)], split(seed));
          expect(BigInt(elementBits(seed, stream, element))).toBe(words[Number(j)]);
        },
      ),
      { seed: 2, numRuns: 300 },
    );
  });

  it('takes one bit a sign: 32 blocks of 64 elements share their counters, from the top bit down', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
        (seed, stream, element) => {
          const e = BigInt(element);
          const [k, b, j, i] = [e / 2048n, (e / 64n) % 32n, (e / 16n) % 4n, e % 16n];
          const split = (x: bigint) => [x & 0xffffffffn, x >> 32n];
          const words = reference([...split(16n * k + i), ...split(stream)], split(seed));
          expect(elementSign(seed, stream, element)).toBe((words[Number(j)] >> (31n - b)) & 1n ? -1 : 1);
        },
      ),
      { seed: 3, numRuns: 300 },
    );
  });

  it('refuses seeds, streams and elements out of range', () => {
    for (const bad of [-1n, 2n ** 64n]) {
      expect(() => elementBits(bad, 0n, 0)).toThrow(/seed: expected a bigint/);
      expect(() => elementBits(0n, bad, 0)).toThrow(/stream: expected a bigint/);
    }
    for (const bad of [-1, 0.5, 2 ** 53, Number.NaN]) {
      expect(() => elementBits(0n, 0n, bad)).toThrow(/element: expected an integer/);
      expect(() => elementSign(0n, 0n, bad)).toThrow(/element: expected an integer/);
    }
  });
});

describe('PhiloxStream', () => {
  it('draws the words of the counters 0, 1, 2, … of its stream in order', () => {
    const random = new PhiloxStream(0x0123456789abcdefn, 0xfedcba9876543210n);
    const key = [0x89abcdefn, 0x01234567n];
    for (let counter = 0n; counter < 5n; counter++) {
      for (const expected of reference([counter, 0n, 0x76543210n, 0xfedcba98n], key)) {
        expect(BigInt(random.uint32())).toBe(expected);
      }
    }
  });

  it('draws uniforms on [0, 1) with the moments and the 53 bits they should have', () => {
    const random = new PhiloxStream(1n, 2n);
    const n = 100_000;
    let sum = 0;
    let squares = 0;
    let fine = 0;
    for (let i = 0; i < n; i++) {
      const u = random.uniform();
      expect(u >= 0 && u < 1).toBe(true);
      sum += u;
      squares += u * u;
      if ((u * 2 ** 53) % 2 === 1) fine++;
    }
    // Five standard errors: √(1/12/n), √(4/45/n), √(1/4/n).
    expect(Math.abs(sum / n - 1 / 2)).toBeLessThan(5 * Math.sqrt(1 / 12 / n));
    expect(Math.abs(squares / n - 1 / 3)).toBeLessThan(5 * Math.sqrt(4 / 45 / n));
    expect(Math.abs(fine / n - 1 / 2)).toBeLessThan(5 * Math.sqrt(1 / 4 / n));
  });

  it('draws integers below n without bias, also where n does not divide 2^32', () => {
    // For n = 3·2^30 a plain remainder would give the lowest third twice the probability of the others.
    const n = 3 * 2 ** 30;
    const random = new PhiloxStream(3n, 4n);
    const thirds = [0, 0, 0];
    const draws = 30_000;
    for (let i = 0; i < draws; i++) {
      const third = Math.floor(random.below(n) / 2 ** 30);
      thirds[third] = (thirds[third] ?? 0) + 1;
    }
    const deviation = 5 * Math.sqrt(draws * (1 / 3) * (2 / 3));
    for (const count of thirds) expect(Math.abs(count - draws / 3)).toBeLessThan(deviation);
    expect(Array.from({ length: 200 }, () => random.below(1)).every((x) => x === 0)).toBe(true);
    expect(random.below(2 ** 32)).toBeLessThan(2 ** 32);
    for (const bad of [0, -1, 1.5, 2 ** 32 + 1]) expect(() => random.below(bad)).toThrow(/n: expected an integer/);
  });

  it('draws normals with the first four moments and a normal distribution function', () => {
    const random = new PhiloxStream(5n, 6n);
    const n = 100_000;
    const moments = [0, 0, 0, 0];
    let beyond = 0;
    for (let i = 0; i < n; i++) {
      const z = random.normal();
      for (let k = 0; k < 4; k++) moments[k] = (moments[k] ?? 0) + z ** (k + 1) / n;
      if (Math.abs(z) > 1.959963984540054) beyond++;
    }
    // Five standard errors; Var(z^k) = E z^2k − (E z^k)²: 1, 2, 15, 96.
    [0, 1, 0, 3].forEach((expected, k) => {
      const variance = [1, 2, 15, 96][k] ?? 0;
      expect(Math.abs((moments[k] ?? 0) - expected)).toBeLessThan(5 * Math.sqrt(variance / n));
    });
    expect(Math.abs(beyond / n - 0.05)).toBeLessThan(5 * Math.sqrt((0.05 * 0.95) / n));
  });

  it('shuffles to permutations, every order equally often', () => {
    const random = new PhiloxStream(7n, 8n);
    const counts = new Map<string, number>();
    const draws = 24_000;
    for (let i = 0; i < draws; i++) {
      const order = random.shuffle([0, 1, 2, 3]).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(1000));
    const typed = random.shuffle(Uint32Array.from({ length: 1000 }, (_, i) => i));
    expect([...typed].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect([...typed]).not.toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });

  it('is independent across streams and seeds', () => {
    const n = 20_000;
    const draws = (seed: bigint, stream: bigint) => {
      const random = new PhiloxStream(seed, stream);
      return Array.from({ length: n }, () => random.normal());
    };
    const base = draws(1n, 0n);
    for (const other of [draws(1n, 1n), draws(2n, 0n), draws(1n, 1n << 56n), draws(1n + (1n << 32n), 0n)]) {
      const correlation = base.reduce((sum, x, i) => sum + x * (other[i] ?? 0), 0) / n;
      expect(Math.abs(correlation)).toBeLessThan(5 / Math.sqrt(n));
    }
  });

  it('refuses a seed or a stream that is no 64-bit integer', () => {
    for (const bad of [-1n, 2n ** 64n]) {
      expect(() => new PhiloxStream(bad, 0n)).toThrow(/seed: expected a bigint/);
      expect(() => new PhiloxStream(0n, bad)).toThrow(/stream: expected a bigint/);
    }
  });
});

describe('streams and seeds', () => {
  it('of different purposes never meet: an index that would reach into the next is refused', () => {
    expect(stream('step', 2n ** 56n - 1n)).toBe(2n ** 56n - 1n);
    expect(stream('probe', 0)).toBe(2n ** 56n);
    const refused = expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' });
    for (const index of [-1, 1.5, Number.NaN, 2 ** 53, -1n, 2n ** 56n])
      expect(() => stream('step', index), String(index)).toThrow(refused);
    for (const purpose of ['stp', 'toString', undefined]) expect(() => stream(purpose as 'step', 0)).toThrow(refused);
  });

  it('are 64-bit integers, as a number where it is exact', () => {
    expect([checkSeed(0), checkSeed(2 ** 53 - 1), checkSeed(2n ** 64n - 1n)]).toEqual([
      0n,
      2n ** 53n - 1n,
      2n ** 64n - 1n,
    ]);
    for (const seed of [-1, 1.5, Number.NaN, 2 ** 53, -1n, 2n ** 64n, '1', null, undefined])
      expect(() => checkSeed(seed as number), String(seed)).toThrow(
        expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }),
      );
  });
});
