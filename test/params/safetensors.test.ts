import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZerothError } from '../../lib/errors.ts';
import {
  decodeSafetensors,
  encodeSafetensors,
  loadSafetensors,
  type SafeTensor,
  saveSafetensors,
} from '../../lib/params/safetensors.ts';

const folder = mkdtempSync(join(tmpdir(), 'zeroth-safetensors-'));

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
  it('decodes what was encoded, bit for bit, whatever the names, shapes and values', () => {
    fc.assert(
      fc.property(tensorMaps, metadatas, (tensors, metadata) => {
        const bytes = encodeSafetensors(tensors, metadata);
        const decoded = decodeSafetensors(bytes);
        expect([...decoded.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
        for (const [name, { dtype, shape }] of tensors) {
          const back = decoded.tensors.get(name)!;
          expect([back.dtype, back.shape]).toEqual([dtype, shape]);
          expect(bitsOf(back)).toBe(bitsOf(tensors.get(name)!));
        }
        expect(Object.entries(decoded.metadata).sort()).toEqual(Object.entries(metadata).sort());
        expect(Number(Buffer.from(bytes).readBigUInt64LE(0)) % 8).toBe(0);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('decodes a file that was made by other means', () => {
    // struct.pack('<Q', len(h)) + h + struct.pack('<2f', 1.0, -2.5) + struct.pack('<i', 7) + struct.pack('<d', 0.1), by Python.
    const header =
      '{"__metadata__":{"format":"pt"},"b":{"dtype":"I32","shape":[],"data_offsets":[8,12]},' +
      '"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"c":{"dtype":"F64","shape":[1],"data_offsets":[12,20]}}';
    const data = Buffer.from('0000803f000020c0070000009a9999999999b93f', 'hex');
    const { tensors, metadata } = decodeSafetensors(assembled(header, data));
    expect(metadata).toEqual({ format: 'pt' });
    expect([...tensors]).toEqual([
      ['a', { dtype: 'F32', shape: [2, 1], data: new Float32Array([1, -2.5]) }],
      ['b', { dtype: 'I32', shape: [], data: new Int32Array([7]) }],
      ['c', { dtype: 'F64', shape: [1], data: new Float64Array([0.1]) }],
    ]);
  });

  it('writes the bytes that the format prescribes', () => {
    const bytes = encodeSafetensors(new Map([['w', { dtype: 'F32', shape: [2], data: new Float32Array([1, -2.5]) }]]), {
      step: '3',
    });
    const header = '{"__metadata__":{"step":"3"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8, ' ');
    expect(Buffer.from(bytes)).toEqual(assembled(padded, Buffer.from('0000803f000020c0', 'hex')));
  });

  it('refuses malformed files and says what is wrong', () => {
    const one = (fields: string, size = 4) => assembled(`{"a":{${fields}}}`, new Uint8Array(size));
    const cases: [Uint8Array, RegExp][] = [
      [new Uint8Array(7), /at least 8 bytes/],
      [Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255), /header length: expected at most 0 bytes/],
      [Buffer.concat([Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0), Buffer.from('{}')]), /header length: expected at most 2/],
      [assembled('{"a":'), /JSON/],
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
      [
        one('"dtype":"BF16","shape":[2],"data_offsets":[0,4]'),
        /expected dtype F32, F64, I32, received "BF16"; convert/,
      ],
      [one('"dtype":"toString","shape":[2],"data_offsets":[0,4]'), /expected dtype/],
      [one('"shape":[2],"data_offsets":[0,4]'), /expected dtype .*received none/],
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
      expect(() => decodeSafetensors(bytes), Buffer.from(bytes).toString()).toThrow(
        expect.objectContaining({ code: 'ERR_ZEROTH_SAFETENSORS', message: expect.stringMatching(message) }),
      );
    }
  });

  it('does nothing but decode or refuse when bytes are mutated, cut or added', () => {
    const valid = Buffer.from(
      encodeSafetensors(
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
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 5 }), length, (mutations, size) => {
        const bytes = Buffer.alloc(size);
        valid.copy(bytes);
        for (const [at, value] of mutations) if (at < size) bytes[at] = value;
        try {
          const { tensors } = decodeSafetensors(bytes);
          for (const { shape, data } of tensors.values()) expect(data.length).toBe(sizeOf(shape));
        } catch (error) {
          refused += 1;
          expect(error).toBeInstanceOf(ZerothError);
          expect((error as ZerothError).code).toBe('ERR_ZEROTH_SAFETENSORS');
        }
      }),
      { seed: 2, numRuns: 5000 },
    );
    expect(refused).toBeGreaterThan(1000);
  });

  it('refuses to encode what the format cannot hold', () => {
    const encode = (name: string, tensor: unknown, metadata?: unknown) =>
      encodeSafetensors(new Map([[name, tensor as SafeTensor]]), metadata as Record<string, string>);
    const good = { dtype: 'F32', shape: [1], data: new Float32Array(1) };
    const refused = { code: 'ERR_ZEROTH_ARGUMENT' };
    expect(() => encode('__metadata__', good)).toThrow(expect.objectContaining(refused));
    expect(() => encode('a', { ...good, shape: [2] })).toThrow(expect.objectContaining(refused));
    expect(() => encode('a', { ...good, dtype: 'F64' })).toThrow(expect.objectContaining(refused));
    expect(() => encode('a', { ...good, dtype: 'BF16' })).toThrow(expect.objectContaining(refused));
    expect(() => encode('a', good, { step: 3 })).toThrow(expect.objectContaining(refused));
  });

  it('replaces a file as a whole, leaves no temporary file, and names the file in errors', () => {
    const file = join(folder, 'weights.safetensors');
    const tensors = (value: number) =>
      new Map<string, SafeTensor>([['w', { dtype: 'F32', shape: [1], data: new Float32Array([value]) }]]);
    saveSafetensors(file, tensors(1));
    saveSafetensors(file, tensors(2), { step: '2' });
    expect(loadSafetensors(file).tensors.get('w')?.data).toEqual(new Float32Array([2]));
    expect(loadSafetensors(file).metadata).toEqual({ step: '2' });
    expect(readdirSync(folder)).toEqual(['weights.safetensors']);

    // A folder in the file's place: the rename fails after the write.
    expect(() => saveSafetensors(folder, tensors(3))).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_FILE' }));
    expect(readdirSync(folder)).toEqual(['weights.safetensors']);
    const missing = join(folder, 'none', 'w.safetensors');
    expect(() => saveSafetensors(missing, tensors(3))).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_FILE' }));
    expect(() => loadSafetensors(missing)).toThrow(
      expect.objectContaining({ code: 'ERR_ZEROTH_FILE', message: expect.stringContaining(missing) }),
    );
    writeFileSync(file, readFileSync(file).subarray(0, -1));
    expect(() => loadSafetensors(file)).toThrow(
      expect.objectContaining({ code: 'ERR_ZEROTH_SAFETENSORS', message: expect.stringContaining(file) }),
    );
  });
});
