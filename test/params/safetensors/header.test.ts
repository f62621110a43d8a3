import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZerothError } from '../../../lib/errors.ts';
import { DTYPE_BITS } from '../../../lib/params/safetensors/dtype.ts';
import { parseHeader } from '../../../lib/params/safetensors/header.ts';

const bytesOf = (text: string) => Buffer.from(text);

/** What JSON.parse finds in a header, and whether any name stands twice in one object. */
function byJson(text: string): { header: Record<string, unknown> | undefined; twice: boolean } {
  let keys = 0;
  try {
    const header = JSON.parse(text, (_, value) => {
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) keys += Object.keys(value).length;
      return value;
    }) as Record<string, unknown>;
    const outside = text.replace(/"(?:[^"\\]|\\.)*"/gs, '""');
    return { header, twice: keys !== outside.split(':').length - 1 };
  } catch {
    return { header: undefined, twice: false };
  }
}

describe('a header', () => {
  it('that is accepted is JSON, and says what JSON.parse says, whatever was done to it', () => {
    const valid =
      '{"__metadata__":{"for\\u006dat":"pt","größe":"1"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},' +
      ' "b\\n":{ "shape":[], "data_offsets":[8,12],"dtype":"I32"}, "é": {"dtype":"U8","shape":[4,0,9],"data_offsets":[12,12]}}';
    expect(parseHeader(bytesOf(valid), 12).tensors.size).toBe(3);
    const alphabet = fc.constantFrom(...'{}[]":,\\ \n\t0123456789eE+-.autrlnsF\u0000\u007fé'.split(''));
    const edit = fc.tuple(fc.nat(valid.length), fc.nat(3), fc.oneof(alphabet, fc.constant('')));
    let accepted = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        let text = valid;
        for (const [at, cut, put] of edits) text = text.slice(0, at) + put + text.slice(at + cut);
        const { header, twice } = byJson(text);
        try {
          const { tensors, metadata } = parseHeader(bytesOf(text), 12);
          accepted += 1;
          expect(twice).toBe(false);
          const { __metadata__: expected = {}, ...entries } = header!;
          expect(metadata).toEqual(expected);
          const found = [...tensors].map(([name, { dtype, shape, begin, end }]) => [
            name,
            { dtype, shape, data_offsets: [begin, end] },
          ]);
          expect(Object.fromEntries(found)).toEqual(entries);
        } catch (error) {
          if (!(error instanceof ZerothError)) throw error;
          refused += 1;
          expect(error.code).toBe('ERR_ZEROTH_SAFETENSORS');
        }
      }),
      { seed: 4, numRuns: 6000 },
    );
    // Both happen: names may change, most else may not.
    expect(accepted).toBeGreaterThan(300);
    expect(refused).toBeGreaterThan(3000);
  });

  it('holds tensors of every size and order that cover the data, and none that do not', () => {
    const sizes = fc.array(fc.nat(3), { minLength: 1, maxLength: 6 });
    const entry = (name: string, begin: number, end: number) =>
      `"${name}":{"dtype":"U8","shape":[${end - begin}],"data_offsets":[${begin},${end}]}`;
    fc.assert(
      fc.property(sizes, fc.nat(), fc.integer({ min: -1, max: 1 }), (lengths, turn, shift) => {
        const ends = lengths.map((_, i) => lengths.slice(0, i + 1).reduce((sum, length) => sum + length));
        const spans = ends.map((end, i) => [end - lengths[i], end] as const);
        const total = ends[ends.length - 1];
        const order = spans.map((_, i) => (i + turn) % spans.length);
        const text = (moved: number) =>
          `{${order.map((i) => entry(`t${i}`, spans[i][0] + (i === 0 ? moved : 0), spans[i][1] + (i === 0 ? moved : 0))).join()}}`;
        const { tensors } = parseHeader(bytesOf(text(0)), total);
        expect([...tensors.values()].map(({ begin }) => begin)).toEqual(spans.map(([begin]) => begin));
        expect(() => parseHeader(bytesOf(text(0)), total + 1)).toThrow('bytes of data');
        if (lengths[0] > 0 && shift > 0)
          expect(() => parseHeader(bytesOf(text(shift)), total)).toThrow(/overlaps|hole|bytes of data/);
      }),
      { seed: 5, numRuns: 300 },
    );
  });

  it('gives every dtype its size', () => {
    for (const [dtype, bits] of Object.entries(DTYPE_BITS)) {
      const header = (bytes: number) => bytesOf(`{"a":{"dtype":"${dtype}","shape":[2,4],"data_offsets":[0,${bytes}]}}`);
      expect(parseHeader(header(bits), bits).tensors.get('a')).toMatchObject({ dtype, begin: 0, end: bits });
      for (const other of [bits - 1, bits + 1])
        expect(() => parseHeader(header(other), other)).toThrow('bytes by its shape');
    }
  });

  it('of very many tensors is read in time in proportion to it: twice as many, not four times the work', () => {
    // No clock: what could be quadratic is a name that stands twice at the very end, which has to be found.
    const count = 50_000;
    const entries = Array.from(
      { length: count },
      (_, i) => `"t${i}":{"dtype":"U8","shape":[1],"data_offsets":[${i},${i + 1}]}`,
    );
    expect(parseHeader(bytesOf(`{${entries.join()}}`), count).tensors.size).toBe(count);
    entries.push(entries[0]);
    expect(() => parseHeader(bytesOf(`{${entries.join()}}`), count)).toThrow('"t0" twice');
  });
});
