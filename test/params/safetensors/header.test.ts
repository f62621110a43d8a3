import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { packageRoot } from '../../../lib/device/native.ts';
import { ZerothError } from '../../../lib/errors.ts';
import { DTYPE_BITS } from '../../../lib/params/safetensors/dtype.ts';
import { parseHeader } from '../../../lib/params/safetensors/header.ts';
import { child } from '../../device/child.ts';

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

  it('of twice as many tensors is read by twice as many reads of a byte, some three for each', () => {
    const reads = (count: number): { reads: number; bytes: number } => {
      const bytes = bytesOf(headerOf(count));
      let reads = 0;
      const counting = new Proxy(bytes, {
        get(target, key) {
          if (typeof key === 'string' && /^\d+$/.test(key)) reads += 1;
          const value = Reflect.get(target, key, target) as unknown;
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
      // The parser's own view of what it is given.
      const view = vi.spyOn(Buffer, 'from').mockImplementationOnce((() => counting) as never);
      expect(parseHeader(bytes, 4 * count).tensors.size).toBe(count);
      view.mockRestore();
      return { reads, bytes: bytes.length };
    };
    const [once, twice] = [reads(1000), reads(2000)];
    expect(once.reads).toBeGreaterThan(once.bytes);
    expect(once.reads).toBeLessThan(4 * once.bytes);
    expect(twice.reads / once.reads).toBeCloseTo(twice.bytes / once.bytes, 1);
  });

  it('of very many tensors still shows a name that stands twice, at its two ends', () => {
    const count = 50_000;
    const header = headerOf(count);
    expect(parseHeader(bytesOf(header), 4 * count).tensors.size).toBe(count);
    const again = `${header.slice(0, -1)},"layers.0.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`;
    expect(() => parseHeader(bytesOf(again), 4 * count)).toThrow('"layers.0.weight" twice');
  });

  it('is loaded, with all its tensors, for little more work than JSON.parse has with its header', () => {
    // Time on a processor and not on the clock, of the two in turn, so that what else the machine does takes part in both. It is 2.6 times as
    // much here, less than 2 of a million tensors, and 5 by a parser that goes over what JSON.parse returns.
    const count = 60_000;
    const run = child(
      `
      const { readFileSync, writeFileSync, rmSync } = await import('node:fs');
      const { loadSafetensors } = await import(${JSON.stringify(join(packageRoot, 'dist/params/safetensors/read.js'))});
      const json = Buffer.from(${headerOf}(${count}));
      const size = Buffer.alloc(8);
      size.writeBigUInt64LE(BigInt(json.length));
      const file = ${JSON.stringify(join(tmpdir(), 'many.safetensors'))};
      writeFileSync(file, Buffer.concat([size, json, Buffer.alloc(4 * ${count})]));
      const spent = () => Number(readFileSync('/proc/self/task/' + process.pid + '/schedstat', 'utf8').split(' ')[0]);
      const measured = async (work) => {
        globalThis.gc();
        const before = spent();
        await work();
        return spent() - before;
      };
      const parse = () => JSON.parse(json.toString());
      let [parsing, loading, found] = [0, 0, 0];
      for (let round = 0; round < 6; round++) {
        // The first round compiles.
        if (round === 1) parsing = loading = 0;
        parsing += await measured(parse);
        loading += await measured(async () => { found = (await loadSafetensors(file)).tensors.size; });
      }
      rmSync(file);
      console.log(found, loading / parsing);`,
      { flags: ['--expose-gc'] },
    );
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const [found, ratio] = run.stdout.split(' ').map(Number);
    expect(found).toBe(count);
    expect(ratio).toBeLessThan(3.7);
  });
});

/** JSON of so many tensors of one number. (It goes into a script, too.) */
function headerOf(count: number): string {
  const entries = Array.from(
    { length: count },
    (_, i) => `"layers.${i}.weight":{"dtype":"F32","shape":[1],"data_offsets":[${4 * i},${4 * i + 4}]}`,
  );
  return `{${entries.join()}}`;
}
