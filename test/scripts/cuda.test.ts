import { describe, expect, it } from 'vitest';

interface Cubin {
  sectionsOf(bytes: Uint8Array): { name: string; data: Uint8Array }[];
  countInstructions(code: Uint8Array): Record<string, number>;
  kernelsOf(cubin: Uint8Array): Record<string, Record<string, number>>;
  registersOf(log: string): Record<string, number>;
}
interface Ptx {
  lintPtx(text: string): { line: number; code: string; why: string }[];
}

/** Scripts are plain JavaScript. */
const script = (name: string) => import(new URL(`../../scripts/cuda/${name}`, import.meta.url).href);
const { sectionsOf, countInstructions, kernelsOf, registersOf }: Cubin = await script('cubin.js');
const { lintPtx }: Ptx = await script('ptx.js');

/** An instruction: opcode in the low 12 bits, the width of an access in bits 73 to 75. */
function instruction(opcode: number, width = 0): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, (0xabcdefn << 12n) | BigInt(opcode), true);
  view.setBigUint64(8, BigInt(width) << 9n, true);
  return bytes;
}

const code = (...instructions: Uint8Array[]): Uint8Array =>
  Uint8Array.from(instructions.flatMap((bytes) => [...bytes]));

/** An ELF file of sections with names, numbers of registers, and contents. */
function elf(sections: { name: string; data: Uint8Array }[]): Uint8Array {
  const all = [{ name: '', data: new Uint8Array() }, ...sections];
  const names = new TextEncoder().encode(`${all.map(({ name }) => name).join('\0')}\0.shstrtab\0`);
  const contents = [...all.map(({ data }) => data), names];
  const table = 64;
  const begin = table + 64 * contents.length;
  const bytes = new Uint8Array(begin + contents.reduce((sum, data) => sum + data.length, 0));
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  view.setBigUint64(40, BigInt(table), true);
  view.setUint16(58, 64, true);
  view.setUint16(60, contents.length, true);
  view.setUint16(62, contents.length - 1, true);
  let at = begin;
  let name = 0;
  contents.forEach((data, i) => {
    const header = table + 64 * i;
    view.setUint32(header, name, true);
    view.setBigUint64(header + 24, BigInt(at), true);
    view.setBigUint64(header + 32, BigInt(data.length), true);
    bytes.set(data, at);
    at += data.length;
    name += (all[i]?.name.length ?? 0) + 1;
  });
  return bytes;
}

describe('a cubin', () => {
  const [load, store, nop] = [0x981, 0x986, 0x918];

  it('is counted: padding left out, accesses by their width, spills by themselves', () => {
    const one = code(
      instruction(load),
      instruction(load, 6),
      instruction(store, 6),
      instruction(0x223),
      instruction(nop),
    );
    expect(countInstructions(one)).toEqual({
      instructions: 4,
      loads: 1,
      loads128: 1,
      stores: 0,
      stores128: 1,
      local: 0,
    });
    expect(countInstructions(code(instruction(0x983), instruction(0x387, 6))).local).toBe(2);
  });

  it('has a section of code a kernel', () => {
    const file = elf([
      { name: '.text.first', data: code(instruction(load), instruction(nop)) },
      { name: '.nv.info', data: Uint8Array.of(1, 2, 3) },
      { name: '.text.second', data: code(instruction(store)) },
    ]);
    expect(sectionsOf(file).map(({ name }) => name)).toEqual([
      '',
      '.text.first',
      '.nv.info',
      '.text.second',
      '.shstrtab',
    ]);
    expect(kernelsOf(file)).toMatchObject({
      first: { instructions: 1, loads: 1 },
      second: { instructions: 1, stores: 1 },
    });
  });

  it('says in the log of its assembler how many registers a thread of each kernel takes', () => {
    const log = ['one', 'two']
      .map(
        (name, i) =>
          `ptxas info    : Compiling entry function '${name}' for 'sm_90'\nptxas info    : Used ${40 + i} registers, used 0 barriers\n`,
      )
      .join('');
    expect(registersOf(log)).toEqual({ one: 40, two: 41 });
  });

  it('is refused where it is none', () => {
    expect(() => sectionsOf(new Uint8Array(100))).toThrow(/ELF/);
    expect(() => countInstructions(new Uint8Array(15))).toThrow(/whole instructions/);
  });
});

describe('PTX', () => {
  it.each([
    ['ex2.approx.f32 %f1, %f2;', 'an approximation'],
    ['fma.rn.ftz.f32 %f1, %f2, %f3, %f4;', 'flushes subnormal'],
    ['div.full.f32 %f1, %f2, %f3;', 'not correctly rounded'],
    ['mul.f32 %f1, %f2, %f3;', 'may be fused'],
    ['@%p1 add.f32 %f1, %f2, %f3;', 'may be fused'],
    ['mad.f32 %f1, %f2, %f3, %f4;', 'not fused on every machine'],
  ])('is refused with %s', (line, why) => {
    expect(lintPtx(`// add.f32\n\t${line}\n`)).toEqual([{ line: 2, code: line, why: expect.stringContaining(why) }]);
  });

  it('may round as it says, and do what it likes with integers', () => {
    const fine = [
      'mul.rn.f32 %f1, %f2, %f3;',
      'fma.rn.f32 %f1, %f2, %f3, %f4;',
      'add.s64 %rd1, %rd2, 4;',
      'mul.wide.u32 %rd1, %r1, 5;',
    ];
    expect(lintPtx(fine.join('\n'))).toEqual([]);
  });
});
