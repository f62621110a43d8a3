import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { packageRoot } from '../../lib/device/native.ts';
import type { Direction, Distribution } from '../../lib/random/direction.ts';
import { ADDRESS, fusedMultiplyAdd, kernelOf, run } from './ptx.ts';

/** The compiler of the record: another one may use instructions that the interpreter does not know. */
const { compiler } = JSON.parse(readFileSync(join(packageRoot, 'native/cuda/compiled.json'), 'utf8')) as {
  compiler: string;
};
const nvcc = ['nvcc', '/usr/local/cuda/bin/nvcc'].find((name) =>
  spawnSync(name, ['--version'], { encoding: 'utf8' }).stdout?.includes(compiler),
);
const device = openDevice({ threads: 1 });
afterAll(() => device.dispose());

const DISTRIBUTION: { readonly [D in Distribution]: number } = { normal: 0, rademacher: 1, uniform: 2 };
const u64 = (value: bigint) => new Uint8Array(BigUint64Array.of(value).buffer);
const f32 = (value: number) => new Uint8Array(Float32Array.of(value).buffer);
/** As the struct lies in memory: distribution, padding, seed, stream. */
const structOf = ({ distribution, seed, stream }: Direction) =>
  new Uint8Array(BigUint64Array.of(BigInt(DISTRIBUTION[distribution]), seed, stream).buffer);

/** A module in PTX. */
function compiled(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'zeroth-ptx-'));
  try {
    const ptx = join(folder, 'module.ptx');
    const source = join(packageRoot, 'native/cuda', name);
    const flags = ['-std=c++17', '-O3', '-I', join(packageRoot, 'native'), '-ptx', '-arch=compute_80'];
    const { status, stderr } = spawnSync(nvcc!, [...flags, '-o', ptx, source], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return readFileSync(ptx, 'utf8');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.skipIf(nvcc === undefined)('kernels as the compiler translates them', () => {
  const direction = (distribution: Distribution, stream = 0xfedcba9876543210n): Direction => ({
    distribution,
    seed: 0x123456789abcdef0n,
    stream,
  });
  const blocks = 37;
  const elements = 64 * blocks;

  it.each<[Distribution, string]>([
    ['normal', 'fillBlocksILNS_12DistributionE0'],
    ['uniform', 'fillBlocksILNS_12DistributionE2'],
    ['rademacher', 'fillSignBlocks'],
  ])('fill %s directions with the bits of the CPU', async (distribution, part) => {
    const memory = new Float32Array(elements).fill(Number.NaN);
    run(kernelOf(compiled('fill.cu'), part), {
      grid: 2,
      block: 32,
      parameters: [structOf(direction(distribution)), u64(0n), u64(BigInt(blocks)), f32(1), u64(ADDRESS)],
      memory: new Uint8Array(memory.buffer),
    });
    expect(memory).toEqual(await device.direction(direction(distribution), elements));
  });

  it.each<Distribution>(['normal', 'rademacher', 'uniform'])(
    'fill single elements of %s directions',
    async (distribution) => {
      const [first, count] = [2040, 100];
      const memory = new Float32Array(count);
      run(kernelOf(compiled('fill.cu'), 'fillElements'), {
        grid: 4,
        block: 32,
        parameters: [
          structOf(direction(distribution)),
          u64(BigInt(first)),
          u64(BigInt(count)),
          f32(-0.5),
          u64(ADDRESS),
        ],
        memory: new Uint8Array(memory.buffer),
      });
      const whole = await device.direction(direction(distribution), first + count);
      expect(memory).toEqual(whole.slice(first).map((z) => -0.5 * z));
    },
  );

  it('displace parameters along two normal directions, and along signs, a summand after the other', async () => {
    const module = compiled('perturb.cu');
    const theta = await device.direction(direction('normal', 9n), elements);
    const stream = (of: Direction, c: number) => [...structOf(of), ...f32(c), 0, 0, 0, 0];
    const moved = async (part: string, streams: readonly [Direction, number][]) => {
      const memory = Float32Array.from(theta);
      run(kernelOf(module, part), {
        grid: 1,
        block: 64,
        parameters: [
          Uint8Array.from(streams.flatMap(([of, c]) => stream(of, c))),
          u64(BigInt(blocks)),
          u64(ADDRESS),
          u64(ADDRESS),
        ],
        memory: new Uint8Array(memory.buffer),
      });
      const expected = Float32Array.from(theta);
      for (const [of, c] of streams) {
        const z = await device.direction(of, elements);
        for (let i = 0; i < elements; i++) expected[i] = fusedMultiplyAdd(Math.fround(c), z[i], expected[i]);
      }
      expect(memory).toEqual(expected);
    };
    await moved('perturbBlocksILNS_12DistributionE0ELi2', [
      [direction('normal', 1n), 1e-3],
      [direction('normal', 2n), -0.7],
    ]);
    await moved('perturbSignBlocks', [[direction('rademacher', 3n), 1e-3]]);
  });
});

describe('the interpreter', () => {
  /** Runs instructions, given what is in memory, from %rd1 on. */
  const memoryAfter = (given: readonly number[], ...code: string[]): Uint32Array => {
    const memory = Uint32Array.from(given);
    const module = `.visible .entry made(\n\t.param .u64 made_param_0\n)\n{\n\tld.param.u64 %rd1, [made_param_0];\n${code.join('\n')}\n\n}`;
    const parameters = [u64(ADDRESS)];
    run(kernelOf(module, 'made'), { grid: 1, block: 1, parameters, memory: new Uint8Array(memory.buffer) });
    return memory;
  };
  const bits = (value: number) => new Uint32Array(Float32Array.of(value).buffer)[0];

  it('rounds a fused multiply-add once', () => {
    const [a, b, c] = [2 ** 12 + 1, 2 ** 12 + 1, 2 ** -60];
    const code = [
      'ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd1];',
      'fma.rn.f32 %f5, %f1, %f2, %f3;',
      'st.global.f32 [%rd1+12], %f5;',
    ];
    expect(memoryAfter([...[a, b, c].map(bits), 0], ...code)[3]).toBe(bits(2 ** 24 + 2 ** 13 + 2));
  });

  it('inserts bits, compares with and without signs, and does only what its guards let it', () => {
    const code = [
      'ld.global.u32 %r1, [%rd1];',
      'mov.u64 %rd2, 255;',
      'mov.u64 %rd3, -1;',
      'bfi.b64 %rd4, 0, %rd3, 4, 8;',
      'cvt.u32.u64 %r2, %rd4;',
      'st.global.u32 [%rd1], %r2;',
      'setp.lt.s64 %p1, %rd3, %rd2;',
      'setp.lt.u64 %p2, %rd3, %rd2;',
      '@%p1 st.global.u32 [%rd1+4], %r1;',
      '@%p2 st.global.u32 [%rd1+8], %r1;',
      '@!%p2 st.global.u32 [%rd1+12], %r1;',
      '@%p1 bra $over;',
      'st.global.u32 [%rd1], %r1;',
      '$over:',
      'ret;',
    ];
    expect([...memoryAfter([7, 0, 0, 0], ...code)]).toEqual([0xfffff00f, 7, 0, 7]);
  });

  it('refuses an access that is not there, or at no multiple of its size, and an instruction that it does not know', () => {
    expect(() => memoryAfter([0, 0], 'ld.global.u32 %r1, [%rd1+8];')).toThrow(/at 8 of 8/);
    const wide = 'ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd1+4];';
    expect(() => memoryAfter([0, 0, 0, 0, 0, 0], wide)).toThrow(/no multiple/);
    expect(() => memoryAfter([0], 'popc.b32 %r1, 5;')).toThrow(/not known: popc/);
    expect(() => memoryAfter([0], '$again:', 'bra.uni $again;')).toThrow(/a thread that ends/);
  });
});

it('a · b + c is rounded once', () => {
  // Two roundings, the first to f64, would give another number.
  expect(fusedMultiplyAdd(1 + 2 ** -23, 1 + 2 ** -23, -(1 + 2 ** -22))).toBe(2 ** -46);
  expect(fusedMultiplyAdd(2 ** 12 + 1, 2 ** 12 + 1, 2 ** -60)).toBe(2 ** 24 + 2 ** 13 + 2);
  expect(fusedMultiplyAdd(2 ** -75, 2 ** -75, 0)).toBe(0);
  expect(fusedMultiplyAdd(2 ** -74, 2 ** -75, 2 ** -149)).toBe(2 ** -149 * 2);
  const float = fc.float({ noNaN: true, noDefaultInfinity: true });
  fc.assert(
    fc.property(float, float, (a, b) => {
      expect(fusedMultiplyAdd(a, b, 0) + 0).toBe(Math.fround(a * b) + 0);
      expect(fusedMultiplyAdd(a, 1, b) + 0).toBe(Math.fround(a + b) + 0);
    }),
    { seed: 3, numRuns: 2000 },
  );
});
