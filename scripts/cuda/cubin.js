// What a cubin says of its kernels, without a disassembler: an ELF file with a section of machine code a kernel, in
// instructions of 16 bytes (compute capability 7.0 and later). Their low 12 bits are the opcode; bits 73 to 75 of a load
// or a store are its width.

const INSTRUCTION = 16;
const OPCODES = { ldg: 0x981, stg: 0x986, ldl: 0x983, stl: 0x387, nop: 0x918, branch: 0x947 };
const WIDTH_128 = 6;
const TEXT = '.text.';

/** The sections of a 64-bit little-endian ELF file. @throws Error where it is none. */
export function sectionsOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < 64 || view.getUint32(0, false) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1)
    throw new Error('expected a 64-bit little-endian ELF file');
  const word64 = (at) => Number(view.getBigUint64(at, true));
  const [table, size, count, names] = [word64(40), ...[58, 60, 62].map((at) => view.getUint16(at, true))];
  const headers = Array.from({ length: count }, (_, i) => {
    const at = table + i * size;
    return { name: view.getUint32(at, true), offset: word64(at + 24), length: word64(at + 32) };
  });
  const strings = headers[names].offset;
  return headers.map(({ name, offset, length }) => {
    const start = strings + name;
    const text = new TextDecoder().decode(bytes.subarray(start, bytes.indexOf(0, start)));
    return { name: text, data: bytes.subarray(offset, offset + length) };
  });
}

/** Machine code in numbers: instructions without padding, accesses of global memory by width, and accesses of local memory, which are spills. */
export function countInstructions(code) {
  if (code.byteLength % INSTRUCTION !== 0) throw new Error('expected whole instructions of 16 bytes');
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const counts = { instructions: 0, loads: 0, loads128: 0, stores: 0, stores128: 0, local: 0 };
  for (let at = 0; at < code.byteLength; at += INSTRUCTION) {
    const low = view.getBigUint64(at, true);
    const high = view.getBigUint64(at + 8, true);
    const opcode = Number(low & 0xfffn);
    const wide = Number((high >> 9n) & 7n) === WIDTH_128;
    if (opcode === OPCODES.nop) continue;
    counts.instructions++;
    if (opcode === OPCODES.ldg) counts[wide ? 'loads128' : 'loads']++;
    if (opcode === OPCODES.stg) counts[wide ? 'stores128' : 'stores']++;
    if (opcode === OPCODES.ldl || opcode === OPCODES.stl) counts.local++;
  }
  return counts;
}

/** The kernels of a cubin, by their mangled names. */
export const kernelsOf = (cubin) =>
  Object.fromEntries(
    sectionsOf(cubin)
      .filter(({ name }) => name.startsWith(TEXT))
      .map(({ name, data }) => [name.slice(TEXT.length), countInstructions(data)]),
  );

/** Registers a thread of each kernel, from what the assembler says of it (`-Xptxas -v`). */
export const registersOf = (log) =>
  Object.fromEntries(
    [...log.matchAll(/Compiling entry function '(\w+)'[\s\S]*?Used (\d+) registers/g)].map(([, name, count]) => [
      name,
      Number(count),
    ]),
  );
