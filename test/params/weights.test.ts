import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { compile } from '../../lib/objective/objective.ts';
import { zoGD } from '../../lib/optimizers/recipes.ts';
import { Layout } from '../../lib/params/layout.ts';
import { type Displacement, Params } from '../../lib/params/params.ts';
import { loadSafetensors } from '../../lib/params/safetensors/read.ts';
import type { SafeTensor } from '../../lib/params/safetensors/tensor.ts';
import { saveSafetensors } from '../../lib/params/safetensors/write.ts';
import type { Direction } from '../../lib/random/direction.ts';
import { train } from '../../lib/train/train.ts';
import { smallProblem } from '../train/small-problem.ts';

const device = openDevice();
afterAll(() => device.dispose());

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-weights-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
let made = 0;
const fresh = () => join(folder, `${made++}.safetensors`);

const shapes = { w: { shape: [2, 3] }, scale: { shape: [] }, 'layer.b': { shape: [4] } };
const z = (stream: number): Direction => ({ distribution: 'normal', seed: 5n, stream: BigInt(stream) });

async function filled(
  stream: number,
  displacement: Displacement = 'copy',
  of: typeof shapes = shapes,
): Promise<Params> {
  const params = new Params(device, new Layout(of), displacement);
  await params.write(await device.direction(z(stream), params.length));
  return params;
}

const bits = (values: Float32Array) => [...new Uint32Array(values.buffer, values.byteOffset, values.length)];

describe('params.save and params.load', () => {
  it.each(['copy', 'in-place'] as const)(
    'give θ back as it was, what waits included, to the bit, in any pieces (%s)',
    async (displacement) => {
      const params = await filled(1, displacement);
      params.add(z(2), 0.5);
      const theta = await params.read();
      const file = fresh();
      const seen: number[][] = [];
      await params.save(file, { note: 'by hand' }, { pieceBytes: 8 });
      expect(bits(await params.read())).toEqual(bits(theta));
      const { tensors, metadata } = await loadSafetensors(file);
      expect([...tensors].map(([name, { shape, dtype }]) => [name, shape, dtype])).toEqual(
        Object.entries(shapes).map(([name, { shape }]) => [name, shape, 'F32']),
      );
      expect(metadata).toEqual({ note: 'by hand' });
      const other = await filled(3, displacement);
      other.add(z(4), 1);
      await other.load(file, { pieceBytes: 8, onProgress: (...at) => seen.push(at) });
      expect(bits(await other.read())).toEqual(bits(theta));
      expect(seen.map(([done]) => done)).toEqual([8, 16, 24, 28, 36, 44]);
      expect(new Set(seen.map(([, total]) => total))).toEqual(new Set([44]));
      // Whole, and over a file that is there.
      await other.write(new Float32Array(11));
      await params.save(file);
      await other.load(file);
      expect(bits(await other.read())).toEqual(bits(theta));
      for (const one of [params, other]) one.dispose();
    },
  );

  it('keep θ as it was when the save began, whatever becomes of it meanwhile', async () => {
    const params = await filled(1);
    const theta = await params.read();
    const file = fresh();
    const saving = params.save(file, {}, { pieceBytes: 8 });
    params.add(z(2), 100);
    await params.commit();
    await params.write(new Float32Array(11));
    await saving;
    await params.load(file);
    expect(bits(await params.read())).toEqual(bits(theta));
    params.dispose();
  });

  it('leave what the updates did to the states, and those that follow go on from the loaded θ', async () => {
    const params = await filled(1);
    await params.useRule({ states: ['m'] });
    const file = fresh();
    await params.save(file);
    const theta = await params.read();
    const estimate = { kind: 'directions', loss: 0, terms: [{ direction: z(2), coefficient: 1 }] } as const;
    await params.apply({ kind: 'momentum', beta: 0.5 }, estimate, 0.25);
    await params.load(file);
    expect(bits(await params.read())).toEqual(bits(theta));
    const m = await device.direction(z(2), 11);
    expect(await params.readState('m')).toEqual(m);
    await params.apply({ kind: 'momentum', beta: 0.5 }, { ...estimate, terms: [] }, 0.25);
    for (const [e, x] of (await params.read()).entries()) expect(x).toBeCloseTo(theta[e] - 0.125 * m[e], 6);
    params.dispose();
  });

  it('read the weights of a checkpoint', async () => {
    const out = join(folder, 'run');
    await using objective = await compile(device, smallProblem(), { seed: 1 });
    await train(objective, zoGD({ lr: 0.01 }), { steps: 5, out, monitorEvery: 'off' });
    await using other = await compile(device, smallProblem(), { seed: 2 });
    await other.params.load(join(out, 'checkpoint.safetensors'));
    expect(await other.params.read()).toEqual(await objective.params.read());
  });

  it('read halves as they are in f32', async () => {
    const params = await filled(1);
    for (const [dtype, half] of [
      ['BF16', 0xbfc0],
      ['F16', 0xbe00],
    ] as const) {
      const file = fresh();
      let at = 0;
      const entries = Object.entries(shapes).map(([name, { shape }]) => {
        const begin = at;
        at += 2 * shape.reduce((a, b) => a * b, 1);
        return [name, { dtype, shape, data_offsets: [begin, at] }];
      });
      const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
      const size = Buffer.alloc(8);
      size.writeBigUInt64LE(BigInt(header.length));
      await writeFile(file, Buffer.concat([size, header, Buffer.from(new Uint16Array(11).fill(half).buffer)]));
      await params.load(file);
      expect(await params.read()).toEqual(new Float32Array(11).fill(-1.5));
    }
    params.dispose();
  });

  const tensor = (shape: number[], value = 1): SafeTensor => ({
    dtype: 'F32',
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
  });
  const right: [string, SafeTensor][] = Object.entries(shapes).map(([name, { shape }]) => [name, tensor(shape)]);
  const as = (name: string, other: SafeTensor): [string, SafeTensor][] =>
    right.map((one) => (one[0] === name ? [name, other] : one));

  it.each<[string, [string, SafeTensor][], RegExp]>([
    ['lacks a tensor', right.slice(1), /expected the tensors "w", "scale", "layer\.b" .* received one without "w"/],
    ['has one too many', [...right, ['x', tensor([1])]], /received one with "x"/],
    ['has one of another name', [...right.slice(1), ['W', tensor([2, 3])]], /one without "w", and one with "W"/],
    [
      'has one of another shape',
      as('w', tensor([3, 2])),
      /"w": expected F32 or BF16 or F16 of shape \[2, 3\], received F32 of shape \[3, 2\]/,
    ],
    [
      'has a vector for a number',
      as('scale', tensor([1])),
      /"scale": expected .* of shape \[\], received F32 of shape \[1\]/,
    ],
    ['has doubles', as('scale', { dtype: 'F64', shape: [], data: Float64Array.of(1) }), /received F64/],
    ['has integers', as('scale', { dtype: 'I32', shape: [], data: Int32Array.of(1) }), /received I32/],
    [
      'has what is no number',
      as('layer.b', tensor([4], Number.NaN)),
      /"layer\.b", element 0: expected a finite number, received NaN/,
    ],
    [
      'has what is infinite',
      as('scale', tensor([], Number.NEGATIVE_INFINITY)),
      /"scale", element 0: .* received -Infinity/,
    ],
  ])('refuse a file that %s, with nothing changed', async (_, tensors, message) => {
    const params = await filled(1);
    const theta = await params.read();
    const file = fresh();
    await saveSafetensors(file, new Map(tensors));
    const before = device.memory();
    const failing = expect(params.load(file, { pieceBytes: 16 })).rejects;
    await failing.toMatchObject({ code: 'ERR_ZEROTH_SAFETENSORS', message: expect.stringMatching(message) });
    await expect(params.load(file)).rejects.toMatchObject({ message: expect.stringContaining(file) });
    expect(device.memory()).toEqual(before);
    expect(bits(await params.read())).toEqual(bits(theta));
    params.dispose();
  });

  it('refuse a file that is none, one that is not there, and end when they are aborted, with nothing changed', async () => {
    const params = await filled(1);
    const theta = await params.read();
    const file = fresh();
    await params.save(file);
    const whole = await readFile(file);
    const torn = fresh();
    await writeFile(torn, whole.subarray(0, -1));
    await expect(params.load(torn)).rejects.toMatchObject({ code: 'ERR_ZEROTH_SAFETENSORS' });
    await expect(params.load(fresh())).rejects.toMatchObject({ code: 'ERR_ZEROTH_FILE' });
    await expect(params.load('')).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    await expect(params.save('')).rejects.toMatchObject({ code: 'ERR_ZEROTH_ARGUMENT' });
    await expect(params.save(join(folder, 'none', 'file'))).rejects.toMatchObject({ code: 'ERR_ZEROTH_FILE' });
    params.add(z(2), 1);
    // After the first piece.
    for (const work of ['save', 'load'] as const) {
      const abort = new AbortController();
      const options = { pieceBytes: 16, signal: abort.signal, onProgress: () => abort.abort() };
      const aborted = work === 'save' ? params.save(file, {}, options) : params.load(file, options);
      await expect(aborted).rejects.toMatchObject({ code: 'ERR_ZEROTH_ABORTED' });
    }
    expect(await readFile(file)).toEqual(whole);
    params.add(z(2), -1);
    expect(bits(await params.read())).toEqual(bits(theta));
    params.dispose();
  });
});

describe('params.write', () => {
  it('takes all of it, one tensor by name, and what loadSafetensors returns: in arrays of every kind', async () => {
    const params = await filled(1);
    const theta = [...(await params.read())];
    await params.write('scale', Float64Array.of(0.1));
    await params.write('layer.b', Int32Array.of(1, 2, 3, 4));
    await params.write('w', [
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(await params.read()).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6, 0.1, 1, 2, 3, 4));
    expect(await params.read('layer.b')).toEqual(Float32Array.of(1, 2, 3, 4));
    await params.write(Float64Array.from(theta));
    expect([...(await params.read())]).toEqual(theta);
    const file = fresh();
    await params.save(file);
    await params.write(new Float32Array(11));
    const { tensors } = await loadSafetensors(file, { names: ['scale', 'w'] });
    await params.write(tensors);
    expect([...(await params.read())]).toEqual([...theta.slice(0, 7), 0, 0, 0, 0]);
    for (const [name, { data }] of tensors) await params.write(name, data);
    params.dispose();
  });

  it('refuses what does not fit, with nothing changed', async () => {
    const params = await filled(1);
    const theta = await params.read();
    const one = (name: string, shape: number[], data: SafeTensor['data'] = new Float32Array(6)) =>
      new Map([
        ['scale', { dtype: 'F32', shape: [], data: Float32Array.of(9) } as SafeTensor],
        [name, { dtype: 'F32', shape, data } as SafeTensor],
      ]);
    for (const [write, part] of [
      [() => params.write(new Float32Array(6) as never, 'w' as never), 'write(name, values)'],
      [() => params.write('w', new Float32Array(5)), '6 numbers'],
      [() => params.write('w', undefined as never), '6 numbers'],
      [() => params.write('v', new Float32Array(6)), "parameter 'v'"],
      [() => params.write('scale', Float64Array.of(1e39)), 'scale[0]: expected a finite number in f32, received 1e+39'],
      [() => params.write(one('w', [3, 2])), "shape of 'w': expected [2, 3], received [3, 2]"],
      [() => params.write(one('w', [2, 3], Float32Array.of(1, 2, 3, 4, 5, Number.NaN))), 'w[5]'],
      [() => params.write(one('v', [2, 3])), "parameter 'v'"],
      [() => params.write(new Map([['w', null]]) as never), 'w: expected { dtype, shape, data }'],
      [() => params.write({ w: new Float32Array(6) } as never), '11 numbers'],
    ] as const)
      await expect(write()).rejects.toMatchObject({
        code: 'ERR_ZEROTH_ARGUMENT',
        message: expect.stringContaining(part),
      });
    expect(bits(await params.read())).toEqual(bits(theta));
    params.dispose();
  });
});
