import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readingOf } from '../../../lib/params/safetensors/dtype.ts';
import { loadSafetensors, openSafetensors } from '../../../lib/params/safetensors/read.ts';
import { removeLeftovers } from '../../../lib/params/safetensors/replace-file.ts';
import type { SafeTensor, TensorSource } from '../../../lib/params/safetensors/tensor.ts';
import { saveSafetensors } from '../../../lib/params/safetensors/write.ts';

const folder = mkdtempSync(join(tmpdir(), 'zeroth-pieces-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'file.safetensors');

/** A file of this header, of which the data are a hole but for what is put in: it takes no room on the disk. */
function sparse(entries: Record<string, unknown>, dataBytes: number, put: [number, Uint8Array][] = []): void {
  const json = Buffer.from(JSON.stringify(entries));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  const descriptor = openSync(file, 'w');
  writeSync(descriptor, Buffer.concat([prefix, json]));
  ftruncateSync(descriptor, 8 + json.length + dataBytes);
  for (const [at, bytes] of put) writeSync(descriptor, bytes, 0, bytes.length, 8 + json.length + at);
  closeSync(descriptor);
}

const entry = (dtype: string, shape: number[], begin: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('a file', () => {
  it('of 12 GB is opened, and a tensor beyond 2 and 4 GB is read by its name', async () => {
    const big = 6 * 2 ** 30;
    const values = Float32Array.of(1, -2.5, 3e-40);
    const bytes = new Uint8Array(values.buffer);
    sparse(
      {
        first: entry('F32', [big / 4], 0, big),
        middle: entry('F32', [3], big, big + 12),
        last: entry('F32', [big / 8, 2], big + 12, 2 * big + 12),
      },
      2 * big + 12,
      [[big, bytes]],
    );
    const { tensors } = await loadSafetensors(file, { names: ['middle'] });
    expect([...tensors]).toEqual([['middle', { dtype: 'F32', shape: [3], data: values }]]);
    await using open = await openSafetensors(file);
    expect([...open.tensors.keys()]).toEqual(['first', 'middle', 'last']);
    let pieces = 0;
    for await (const { offset, data } of open.pieces('last', { pieceBytes: 2 ** 20 })) {
      expect([offset, data.length, data[0]]).toEqual([pieces * 2 ** 18, 2 ** 18, 0]);
      if (++pieces === 3) break;
    }
  });

  it('is written from a source of pieces, and read into pieces, without a whole copy', async () => {
    const shape = [100, 33];
    const value = (i: number) => Math.fround(Math.sin(i));
    const asked: number[] = [];
    const source: TensorSource = {
      dtype: 'F32',
      shape,
      async read(offset, count) {
        asked.push(count);
        return Float32Array.from({ length: count }, (_, i) => value(offset + i));
      },
    };
    await saveSafetensors(file, new Map([['w', source]]), {}, { pieceBytes: 400 });
    expect(Math.max(...asked)).toBe(100);
    expect(asked.length).toBe(33);
    await using open = await openSafetensors(file);
    const seen = new Float32Array(3300);
    for await (const { offset, data } of open.pieces('w', { pieceBytes: 1001 })) {
      expect(data.length).toBeLessThanOrEqual(250);
      seen.set(data as Float32Array, offset);
    }
    expect(seen).toEqual(Float32Array.from({ length: 3300 }, (_, i) => value(i)));
    expect((await open.read('w')).data).toEqual(seen);
    for (const pieceBytes of [0, 7, 1.5, 2 ** 31])
      await expect(loadSafetensors(file, { pieceBytes })).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
  });

  it('tells how far it is, in bytes, to the last of them', async () => {
    const tensors = new Map<string, SafeTensor>([
      ['a', { dtype: 'F32', shape: [1000], data: new Float32Array(1000) }],
      ['b', { dtype: 'F64', shape: [10], data: new Float64Array(10) }],
      ['c', { dtype: 'I32', shape: [0], data: new Int32Array(0) }],
    ]);
    const calls: [number, number][] = [];
    const options = { pieceBytes: 1000, onProgress: (done: number, total: number) => calls.push([done, total]) };
    await saveSafetensors(file, tensors, {}, options);
    const size = readFileSync(file).length;
    expect(calls.at(-1)).toEqual([size, size]);
    expect(calls.length).toBeGreaterThanOrEqual(5);
    for (const [i, [done]] of calls.entries()) expect(done).toBeGreaterThan(calls[i - 1]?.[0] ?? 0);
    calls.length = 0;
    await loadSafetensors(file, options);
    expect(calls).toEqual([1000, 2000, 3000, 4000, 4080].map((done) => [done, 4080]));
  });

  it('that is being written or read stops when it is told to, and leaves the old one and nothing else', async () => {
    const tensors = (value: number) =>
      new Map<string, SafeTensor>([['a', { dtype: 'F32', shape: [1000], data: new Float32Array(1000).fill(value) }]]);
    await saveSafetensors(file, tensors(1));
    for (const after of [0, 1, 3]) {
      const abort = new AbortController();
      let pieces = 0;
      if (after === 0) abort.abort();
      const onProgress = () => {
        if (++pieces === after) abort.abort();
      };
      const options = { pieceBytes: 1000, signal: abort.signal, onProgress };
      await expect(saveSafetensors(file, tensors(2), {}, options)).rejects.toMatchObject({
        code: 'ERR_ZEROTH_ABORTED',
      });
      pieces = 0;
      const second = new AbortController();
      if (after === 0) second.abort();
      const stop = () => {
        if (++pieces === after) second.abort();
      };
      await expect(
        loadSafetensors(file, { pieceBytes: 1000, signal: second.signal, onProgress: stop }),
      ).rejects.toMatchObject({ code: 'ERR_ZEROTH_ABORTED' });
      expect(readdirSync(folder)).toEqual(['file.safetensors']);
      expect((await loadSafetensors(file)).tensors.get('a')?.data[999]).toBe(1);
    }
  });

  it('whose source fails is not written, and the old one stays', async () => {
    await saveSafetensors(file, new Map([['a', { dtype: 'I32', shape: [1], data: Int32Array.of(5) } as SafeTensor]]));
    const source: TensorSource = { dtype: 'F32', shape: [4], read: () => Promise.reject(new Error('no device')) };
    await expect(saveSafetensors(file, new Map([['a', source]]))).rejects.toThrow('no device');
    expect(readdirSync(folder)).toEqual(['file.safetensors']);
    expect((await loadSafetensors(file)).tensors.get('a')?.data).toEqual(Int32Array.of(5));
  });

  it('that becomes shorter while it is read says so', async () => {
    await saveSafetensors(
      file,
      new Map([['a', { dtype: 'F32', shape: [1000], data: new Float32Array(1000) } as SafeTensor]]),
    );
    await using open = await openSafetensors(file);
    truncateSync(file, 3000);
    await expect(open.read('a')).rejects.toMatchObject({
      code: 'ERR_ZEROTH_SAFETENSORS',
      message: expect.stringContaining('shorter'),
    });
  });

  it('loses what killed writers have left, and only that', async () => {
    const kept = ['file.safetensors', 'file.safetensors.tmp', 'file.safetensors.abc.tmp', 'other.0123456789ab.tmp'];
    for (const name of [...kept, 'file.safetensors.0123456789ab.tmp']) writeFileSync(join(folder, name), '');
    await removeLeftovers(file);
    expect(readdirSync(folder).sort()).toEqual([...kept].sort());
    for (const name of kept.slice(1)) rmSync(join(folder, name));
  });
});

describe('dtypes', () => {
  const all = { b: 'BOOL', u: 'U8', i: 'I8', l: 'I64', e: 'F8_E4M3', n: 'X99', h: 'F16', g: 'BF16', f: 'F32' };
  const bytes: Record<string, number> = { BOOL: 1, U8: 1, I8: 1, I64: 8, F8_E4M3: 1, X99: 3, F16: 2, BF16: 2, F32: 4 };
  const write = () => {
    const entries: Record<string, unknown> = {};
    let at = 0;
    for (const [name, dtype] of Object.entries(all)) {
      entries[name] = entry(dtype, [1], at, at + bytes[dtype]);
      at += bytes[dtype];
    }
    sparse(entries, at);
  };

  it('that are not supported matter only when they are asked for, and are named then', async () => {
    write();
    const { tensors } = await loadSafetensors(file, { names: ['f', 'h', 'g'] });
    expect([...tensors].map(([name, { dtype, data }]) => [name, dtype, [...data]])).toEqual([
      ['h', 'F32', [0]],
      ['g', 'F32', [0]],
      ['f', 'F32', [0]],
    ]);
    const refused = (pattern: RegExp) => ({ code: 'ERR_ZEROTH_SAFETENSORS', message: expect.stringMatching(pattern) });
    await expect(loadSafetensors(file)).rejects.toMatchObject(
      refused(/"b" \("BOOL"\), "u" \("U8"\).*"n" \("X99"\)\. Load the others/),
    );
    await using open = await openSafetensors(file);
    expect(open.tensors.size).toBe(9);
    for (const [name, dtype] of Object.entries(all)) {
      if (['f', 'g', 'h'].includes(name)) continue;
      const named = refused(new RegExp(`"${name}" \\("${dtype}"\\)`));
      await expect(loadSafetensors(file, { names: ['f', name] })).rejects.toMatchObject(named);
      await expect(open.read(name)).rejects.toMatchObject(named);
      expect(() => open.pieces(name)).toThrow(expect.objectContaining(named));
    }
    await expect(loadSafetensors(file, { names: ['nope'] })).rejects.toMatchObject({
      code: 'ERR_ZEROTH_ARGUMENT',
      message: expect.stringContaining('"nope": expected one of "b", "u"'),
    });
  });

  it('F16 and BF16 become f32 exactly: all 65,536 of each, by the definition of the formats', () => {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const shift = { F16: [10, 15], BF16: [7, 127] } as const;
    for (const dtype of ['F16', 'BF16'] as const) {
      const [fraction, bias] = shift[dtype];
      const values = new Float32Array(65536);
      readingOf(dtype)?.convert?.(bits, new Uint32Array(values.buffer));
      const exponents = 2 ** (15 - fraction);
      for (let i = 0; i < 65536; i++) {
        const sign = i >> 15 ? -1 : 1;
        const exponent = (i >> fraction) % exponents;
        const part = (i % 2 ** fraction) / 2 ** fraction;
        const size = exponent === 0 ? part * 2 ** (1 - bias) : (1 + part) * 2 ** (exponent - bias);
        const special = part === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
        expect(Object.is(values[i], sign * (exponent === exponents - 1 ? special : size))).toBe(true);
      }
    }
  });

  it('of halves are read in any pieces as they are read whole', async () => {
    const count = 777;
    const bits = Uint16Array.from({ length: 2 * count }, (_, i) => (i * 40503) % 65536);
    sparse(
      {
        odd: entry('U8', [1], 0, 1),
        h: entry('F16', [count], 1, 1 + 2 * count),
        g: entry('BF16', [count], 1 + 2 * count, 1 + 4 * count),
      },
      1 + 4 * count,
      [[1, new Uint8Array(bits.buffer)]],
    );
    const expected = (['F16', 'BF16'] as const).map((dtype, k) => {
      const values = new Uint32Array(count);
      readingOf(dtype)?.convert?.(bits.subarray(k * count, (k + 1) * count), values);
      return values;
    });
    for (const pieceBytes of [8, 100, 2 ** 20]) {
      const { tensors } = await loadSafetensors(file, { names: ['h', 'g'], pieceBytes });
      for (const [k, name] of ['h', 'g'].entries()) {
        const { data } = tensors.get(name)!;
        expect(new Uint32Array(data.buffer, data.byteOffset, data.length)).toEqual(expected[k]);
      }
    }
  });
});
