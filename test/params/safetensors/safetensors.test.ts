import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { ZerothError } from '../../../lib/errors.ts';
import { type LoadOptions, loadSafetensors } from '../../../lib/params/safetensors/read.ts';
import type { SafeTensor } from '../../../lib/params/safetensors/tensor.ts';
import { saveSafetensors } from '../../../lib/params/safetensors/write.ts';

const folder = mkdtempSync(join(tmpdir(), 'zeroth-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true }));
const scratch = join(folder, 'scratch');

async function encode(tensors: Map<string, SafeTensor>, metadata?: Record<string, string>): Promise<Buffer> {
  await saveSafetensors(scratch, tensors, metadata);
  return readFileSync(scratch);
}

function decode(bytes: Uint8Array, options?: LoadOptions) {
  writeFileSync(scratch, bytes);
  return loadSafetensors(scratch, options);
}

/** A file put together by hand from the format's definition, not by the code under test. */
function assembled(header: string, data: Uint8Array | number[] = []): Uint8Array {
  const json = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeUInt32LE(json.length);
  return Buffer.concat([length, json, Buffer.from(data)]);
}

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });
const sizeOf = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1);
const tensor: fc.Arbitrary<SafeTensor> = shapes.chain((shape) => {
  const count = { minLength: sizeOf(shape), maxLength: sizeOf(shape) };
  return fc.oneof(
    fc.float32Array(count).map((data): SafeTensor => ({ dtype: 'F32', shape, data })),
    fc.float64Array(count).map((data): SafeTensor => ({ dtype: 'F64', shape, data })),
    fc.int32Array(count).map((data): SafeTensor => ({ dtype: 'I32', shape, data })),
  );
});
const names = fc
  .oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', '7', '', 'a"b\\', 'größe'))
  .filter((name) => name !== '__metadata__');
const tensorMaps = fc.array(fc.tuple(names, tensor), { maxLength: 5 }).map((entries) => new Map(entries));
const metadatas = fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 });
const bitsOf = ({ data }: SafeTensor) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');

describe('safetensors', () => {
  it('reads what was written, bit for bit, whatever the names, shapes, values and pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        tensorMaps,
        metadatas,
        fc.integer({ min: 8, max: 200 }),
        async (tensors, metadata, pieceBytes) => {
          await saveSafetensors(scratch, tensors, metadata, { pieceBytes });
          const bytes = readFileSync(scratch);
          const decoded = await loadSafetensors(scratch, { pieceBytes });
          expect([...decoded.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
          for (const [name, { dtype, shape }] of tensors) {
            const back = decoded.tensors.get(name)!;
            expect([back.dtype, back.shape]).toEqual([dtype, shape]);
            expect(bitsOf(back)).toBe(bitsOf(tensors.get(name)!));
          }
          expect(Object.entries(decoded.metadata).sort()).toEqual(Object.entries(metadata).sort());
          expect(Number(Buffer.from(bytes).readBigUInt64LE(0)) % 8).toBe(0);
        },
      ),
      { seed: 1, numRuns: 100 },
    );
  });

  it('reads a file that was made by other means', async () => {
    // struct.pack('<Q', len(h)) + h + struct.pack('<2f', 1.0, -2.5) + struct.pack('<i', 7) + struct.pack('<d', 0.1), by Python.
    const header =
      '{"__metadata__":{"format":"pt"},"b":{"dtype":"I32","shape":[],"data_offsets":[8,12]},' +
      '"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"c":{"dtype":"F64","shape":[1],"data_offsets":[12,20]}}';
    const data = Buffer.from('0000803f000020c0070000009a9999999999b93f', 'hex');
    const { tensors, metadata } = await decode(assembled(header, data));
    expect(metadata).toEqual({ format: 'pt' });
    expect([...tensors]).toEqual([
      ['a', { dtype: 'F32', shape: [2, 1], data: new Float32Array([1, -2.5]) }],
      ['b', { dtype: 'I32', shape: [], data: new Int32Array([7]) }],
      ['c', { dtype: 'F64', shape: [1], data: new Float64Array([0.1]) }],
    ]);
  });

  it('writes the bytes that the format prescribes', async () => {
    const bytes = await encode(new Map([['w', { dtype: 'F32', shape: [2], data: new Float32Array([1, -2.5]) }]]), {
      step: '3',
    });
    const header = '{"__metadata__":{"step":"3"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8, ' ');
    expect(Buffer.from(bytes)).toEqual(assembled(padded, Buffer.from('0000803f000020c0', 'hex')));
  });

  it('refuses malformed files and says what is wrong', async () => {
    const one = (fields: string, size = 4) => assembled(`{"a":{${fields}}}`, new Uint8Array(size));
    const cases: [Uint8Array, RegExp][] = [
      [new Uint8Array(7), /at least 8 bytes/],
      [Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255), /header length: expected at most 0 bytes/],
      [Buffer.concat([Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0), Buffer.from('{}')]), /header length: expected at most 2/],
      [assembled('{"a":'), /expected an object with dtype/],
      [assembled('{"a":{'), /JSON/],
      [assembled('{"a'), /without an end/],
      [assembled(' {}'), /begins at once/],
      [assembled('[]'), /JSON object/],
      [assembled('null'), /JSON object/],
      [Buffer.concat([assembled(''), Uint8Array.of()]), /JSON/],
      [Buffer.concat([Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0), Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d)]), /UTF-8/],
      [one('"dtype":"F32","shape":[1],"data_offsets":[0,8]', 8), /expected 4 bytes by its shape/],
      [one('"dtype":"F32","shape":[1],"data_offsets":[4,0]'), /expected 4 bytes by its shape/],
      [one('"dtype":"F32","shape":[1],"data_offsets":[0,4]', 3), /expected 4 bytes of data.*received 3/],
      [one('"dtype":"F32","shape":[1],"data_offsets":[0,4]', 5), /expected 4 bytes of data.*received 5/],
      [one('"dtype":"F32","shape":[1],"data_offsets":[4,8]', 8), /leaves a hole/],
      [one('"dtype":"BF16","shape":[1],"data_offsets":[0,4]'), /expected 2 bytes by its shape/],
      [one('"dtype":"toString","shape":[2],"data_offsets":[0,4]'), /received "a" \("toString"\)/],
      [one('"dtype":3,"shape":[2],"data_offsets":[0,4]'), /dtype that is a string/],
      [one('"shape":[2],"data_offsets":[0,4]'), /received no dtype/],
      [one('"dtype":"F32","data_offsets":[0,4]'), /received no shape/],
      [one('"dtype":"F32","shape":[1]'), /received no data_offsets/],
      [one('"dtype":"F32","shape":[01],"data_offsets":[0,4]'), /non-negative integers/],
      [one('"dtype":"F32","shape":[1e0],"data_offsets":[0,4]'), /non-negative integers/],
      [one('"dtype":"F32","shape":[1.0],"data_offsets":[0,4]'), /non-negative integers/],
      [one('"dtype":"F32","shape":[9007199254740992],"data_offsets":[0,4]'), /non-negative integers/],
      [one('"dtype":"F32","shape":[1,],"data_offsets":[0,4]'), /non-negative integers/],
      [one('"dtype":"F32","shape":{"0":1},"data_offsets":[0,4]'), /non-negative integers/],
      [one('"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]'), /received "shape" twice/],
      [one('"dtype":"F32","shape":[1],"data_offsets":[0,4],'), /a name in quotes/],
      [one('"dtype":"F4","shape":[3],"data_offsets":[0,4]'), /expected too many bytes/],
      [assembled('{} {}'), /nothing after the object/],
      [assembled('{"a"}'), /JSON/],
      [assembled('{"a\u0001":{}}'), /control character/],
      [assembled('{"\\x":{}}'), /JSON/],
      [assembled('{"__metadata__":{},"__metadata__":{}}'), /"__metadata__" twice/],
      [assembled('{"__metadata__":{"a":"1","\\u0061":"2"}}'), /received "a" twice/],
      [one('"dtype":"F32","shape":[-1],"data_offsets":[0,4]'), /non-negative integers/],
      [one('"dtype":"F32","shape":[0.5],"data_offsets":[0,4]'), /non-negative integers/],
      [one('"dtype":"F32","shape":[94906267,94906267],"data_offsets":[0,4]'), /expected too many bytes/],
      [one('"dtype":"F32","shape":[1],"data_offsets":[0]'), /two non-negative integers/],
      [one('"dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":1'), /unexpected field "extra"/],
      [one('"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]'), /received "dtype" twice/],
      [assembled('{"a":1}'), /expected an object with dtype/],
      [assembled('{"__metadata__":{"a":1}}'), /expected a string for "a"/],
      [assembled('{"__metadata__":[]}'), /object of strings/],
      [
        assembled(
          '{"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},"\\u0061":{"dtype":"I32","shape":[1],"data_offsets":[4,8]}}',
          new Uint8Array(8),
        ),
        /received "a" twice/,
      ],
      [
        assembled(
          '{"a":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I32","shape":[1],"data_offsets":[4,8]}}',
          new Uint8Array(8),
        ),
        /"b".*overlaps/,
      ],
    ];
    for (const [bytes, message] of cases) {
      await expect(decode(bytes), Buffer.from(bytes).toString()).rejects.toMatchObject({
        code: 'ERR_ZEROTH_SAFETENSORS',
        message: expect.stringMatching(message),
      });
    }
  });

  it('does nothing but read or refuse when bytes are mutated, cut or added', async () => {
    const valid = Buffer.from(
      await encode(
        new Map<string, SafeTensor>([
          ['weight', { dtype: 'F32', shape: [2, 3], data: new Float32Array(6).fill(0.5) }],
          ['steps', { dtype: 'I32', shape: [1], data: new Int32Array([9]) }],
        ]),
        { step: '12' },
      ),
    );
    const mutation = fc.tuple(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 }));
    const length = fc.oneof({ weight: 4, arbitrary: fc.constant(valid.length) }, fc.nat(valid.length + 20));
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 5 }), length, async (mutations, size) => {
        const bytes = Buffer.alloc(size);
        valid.copy(bytes);
        for (const [at, value] of mutations) if (at < size) bytes[at] = value;
        try {
          const { tensors } = await decode(bytes);
          for (const { shape, data } of tensors.values()) expect(data.length).toBe(sizeOf(shape));
        } catch (error) {
          refused += 1;
          expect(error).toBeInstanceOf(ZerothError);
          expect((error as ZerothError).code).toBe('ERR_ZEROTH_SAFETENSORS');
        }
      }),
      { seed: 2, numRuns: 800 },
    );
    expect(refused).toBeGreaterThan(200);
  });

  it('refuses to write what the format cannot hold', async () => {
    const write = (name: string, tensor: unknown, metadata?: unknown) =>
      saveSafetensors(scratch, new Map([[name, tensor as SafeTensor]]), metadata as Record<string, string>);
    const good = { dtype: 'F32', shape: [1], data: new Float32Array(1) };
    const lying = { dtype: 'F32', shape: [2], read: async () => new Float32Array(1) };
    writeFileSync(scratch, 'old');
    for (const [name, tensor, metadata] of [
      ['__metadata__', good],
      ['a', { ...good, shape: [2] }],
      ['a', { ...good, shape: [-1] }],
      ['a', { ...good, dtype: 'F64' }],
      ['a', { ...good, dtype: 'BF16' }],
      ['a', { dtype: 'F32', shape: [1] }],
      ['a', null],
      ['a', lying],
      ['a', { ...lying, read: async () => new Int32Array(2) }],
      ['a', { ...lying, shape: [2 ** 40, 2 ** 40] }],
      ['a', good, { step: 3 }],
    ] as const)
      await expect(write(name, tensor, metadata)).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    await expect(saveSafetensors(scratch, {} as never)).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    await expect(saveSafetensors('', new Map())).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    expect(readFileSync(scratch, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['scratch']);
  });

  it('replaces a file as a whole, leaves no temporary file, and names the file in errors', async () => {
    const file = join(folder, 'weights.safetensors');
    const tensors = (value: number) =>
      new Map<string, SafeTensor>([['w', { dtype: 'F32', shape: [1], data: new Float32Array([value]) }]]);
    await saveSafetensors(file, tensors(1));
    await saveSafetensors(file, tensors(2), { step: '2' });
    const { tensors: loaded, metadata } = await loadSafetensors(file);
    expect(loaded.get('w')?.data).toEqual(new Float32Array([2]));
    expect(metadata).toEqual({ step: '2' });
    expect(readdirSync(folder).sort()).toEqual(['scratch', 'weights.safetensors']);

    // A folder in the file's place: the rename fails after the write.
    const refused = { code: 'ERR_ZEROTH_FILE' };
    await expect(saveSafetensors(folder, tensors(3))).rejects.toMatchObject(refused);
    expect(readdirSync(folder).sort()).toEqual(['scratch', 'weights.safetensors']);
    const missing = join(folder, 'none', 'w.safetensors');
    await expect(saveSafetensors(missing, tensors(3))).rejects.toMatchObject(refused);
    for (const path of [missing, folder])
      await expect(loadSafetensors(path)).rejects.toMatchObject({
        code: 'ERR_ZEROTH_FILE',
        message: expect.stringContaining(path),
      });
    writeFileSync(file, 'short');
    await expect(loadSafetensors(file)).rejects.toMatchObject({
      code: 'ERR_ZEROTH_SAFETENSORS',
      message: expect.stringContaining(file),
    });
  });
});
