/**
 * Runs kernels as nvcc translates them, in PTX: the instructions that direction kernels are made of, a thread after the other. It knows what is
 * left of a kernel after the front end of the compiler, which running it as C++ cannot see.
 */

type Value = number | bigint | boolean;
/** By name; 32-bit words are numbers from 0, 64-bit ones bigints from 0. */
type Registers = Map<string, Value>;

interface Instruction {
  readonly guard?: { readonly register: string; readonly negated: boolean };
  readonly op: string;
  readonly operands: readonly string[];
}

interface Kernel {
  readonly instructions: readonly Instruction[];
  /** The instruction that follows a label. */
  readonly labels: ReadonlyMap<string, number>;
  /** In the order of the arguments. */
  readonly parameters: readonly string[];
}

export interface Launch {
  readonly grid: number;
  readonly block: number;
  /** Each as it lies in memory; a pointer is an address of `memory`, by `ADDRESS`. */
  readonly parameters: readonly Uint8Array[];
  readonly memory: Uint8Array;
}

/** Where the memory of a launch begins. */
export const ADDRESS = 0x1_0000_0000n;
const LOCAL = 0x7000_0000_0000n;
const LOCAL_BYTES = 4096;

/** The entry of a module whose mangled name has `part` in it. */
export function kernelOf(module: string, part: string): Kernel {
  const entries = [...module.matchAll(/\.entry (\w+)\(([\s\S]*?)\)\s*(?:\.maxntid[^{]*)?\{([\s\S]*?)\n\}/g)];
  const entry = entries.find(([, name]) => name.includes(part));
  if (!entry) throw new Error(`no kernel has ${part} in its name`);
  const [, , parameters, body] = entry;
  const instructions: Instruction[] = [];
  const labels = new Map<string, number>();
  for (const line of body.split('\n')) {
    const code = line.replace(/\/\/.*$/, '').trim();
    const label = /^(\$\w+):$/.exec(code);
    if (label) labels.set(label[1], instructions.length);
    else if (code !== '' && !code.startsWith('.') && code !== '{' && code !== '}') instructions.push(parsed(code));
  }
  return { instructions, labels, parameters: [...parameters.matchAll(/(\w+_param_\d+)/g)].map(([, name]) => name) };
}

function parsed(code: string): Instruction {
  const [, not, guard, op, rest] = /^(?:@(!?)(%p\d+)\s+)?([\w.]+)\s*(.*);$/.exec(code)!;
  const operands = rest.match(/\{[^}]*\}|\[[^\]]*\]|[^,\s]+/g) ?? [];
  return { ...(guard && { guard: { register: guard, negated: not === '!' } }), op, operands };
}

export function run(kernel: Kernel, { grid, block, parameters, memory }: Launch): void {
  const given = new Map(kernel.parameters.map((name, i) => [name, parameters[i]]));
  for (let thread = 0; thread < grid * block; thread++) {
    const special = { ctaid: Math.floor(thread / block), tid: thread % block, ntid: block, nctaid: grid };
    const registers: Registers = new Map(Object.entries(special).map(([name, value]) => [`%${name}.x`, value]));
    new Thread(kernel, registers, given, memory).run();
  }
}

const word32 = (value: number): number => value >>> 0;
const word64 = (value: bigint): bigint => BigInt.asUintN(64, value);

class Thread {
  readonly #kernel: Kernel;
  readonly #registers: Registers;
  readonly #parameters: ReadonlyMap<string, Uint8Array>;
  readonly #memory: Uint8Array;
  readonly #local = new Uint8Array(LOCAL_BYTES);

  constructor(kernel: Kernel, registers: Registers, parameters: ReadonlyMap<string, Uint8Array>, memory: Uint8Array) {
    this.#kernel = kernel;
    this.#registers = registers;
    this.#parameters = parameters;
    this.#memory = memory;
  }

  run(): void {
    const { instructions, labels } = this.#kernel;
    for (let at = 0, steps = 0; at < instructions.length; steps++) {
      if (steps > 1e6) throw new Error('expected a thread that ends');
      const { guard, op, operands } = instructions[at++];
      if (guard && (this.#registers.get(guard.register) === true) === guard.negated) continue;
      if (op === 'ret') return;
      if (op === 'bra' || op === 'bra.uni') at = labels.get(operands[0])!;
      else this.#do(op, operands);
    }
  }

  #do(op: string, [to, ...from]: readonly string[]): void {
    const [name, ...types] = op.split('.');
    const type = types.at(-1)!;
    if (name === 'ld') this.#load(types, to, from[0]);
    else if (name === 'st') this.#store(types, to, from[0]);
    else this.#registers.set(to, this.#value(name, types, type, to, from));
  }

  #value(name: string, types: readonly string[], type: string, to: string, from: readonly string[]): Value {
    const f = (i: number) => this.#float(from[i]);
    const u = (i: number) => this.#word(from[i]);
    const w = (i: number) => this.#long(from[i]);
    const wide = type.endsWith('64');
    switch (name) {
      case 'mov':
        return to.startsWith('%f') ? f(0) : wide ? w(0) : u(0);
      case 'cvta':
        return w(0);
      case 'cvt': {
        const [target, source] = types.slice(-2);
        if (target === 'f32') return Math.fround(source === 's32' ? u(0) | 0 : u(0));
        return target === 'u64' ? BigInt(u(0)) : Number(BigInt.asUintN(32, w(0)));
      }
      case 'add':
        return type === 'f32' ? Math.fround(f(0) + f(1)) : wide ? word64(w(0) + w(1)) : word32(u(0) + u(1));
      case 'sub':
        return wide ? word64(w(0) - w(1)) : word32(u(0) - u(1));
      case 'neg':
        return word64(-w(0));
      case 'mul':
        if (type === 'f32') return Math.fround(f(0) * f(1));
        return types[0] === 'wide' ? BigInt(u(0)) * BigInt(u(1)) : word64(w(0) * w(1));
      case 'fma':
        return fusedMultiplyAdd(f(0), f(1), f(2));
      case 'sqrt':
        return Math.fround(Math.sqrt(f(0)));
      case 'and':
        if (type === 'pred') return this.#predicate(from[0]) && this.#predicate(from[1]);
        return wide ? w(0) & w(1) : word32(u(0) & u(1));
      case 'or':
        if (type === 'pred') return this.#predicate(from[0]) || this.#predicate(from[1]);
        return wide ? w(0) | w(1) : word32(u(0) | u(1));
      case 'xor':
        return wide ? w(0) ^ w(1) : word32(u(0) ^ u(1));
      case 'shl':
        return wide ? word64(w(0) << BigInt(u(1))) : u(1) > 31 ? 0 : word32(u(0) << u(1));
      case 'shr':
        return wide ? w(0) >> BigInt(u(1)) : u(1) > 31 ? 0 : u(0) >>> u(1);
      case 'min':
        return compared('lt', w(0), w(1)) ? w(0) : w(1);
      case 'bfi': {
        const [start, length] = [BigInt(u(2)), BigInt(u(3))];
        const mask = ((1n << length) - 1n) << start;
        return word64((w(1) & ~mask) | ((w(0) << start) & mask));
      }
      case 'selp': {
        const i = this.#predicate(from[2]) ? 0 : 1;
        return type === 'f32' ? f(i) : wide ? w(i) : u(i);
      }
      case 'setp':
        return compared(types[0], ...this.#comparands(type, from));
      default:
        throw new Error(`an instruction that is not known: ${name}.${types.join('.')}`);
    }
  }

  #comparands(type: string, [a, b]: readonly string[]): [number | bigint, number | bigint] {
    const read = (operand: string): number | bigint => {
      if (type === 'f32') return this.#float(operand);
      if (type.endsWith('64')) return type === 's64' ? BigInt.asIntN(64, this.#long(operand)) : this.#long(operand);
      return type === 's32' ? this.#word(operand) | 0 : this.#word(operand);
    };
    return [read(a), read(b)];
  }

  #load(types: readonly string[], to: string, from: string): void {
    const names = to.startsWith('{') ? to.slice(1, -1).split(/[,\s]+/) : [to];
    const type = types.at(-1)!;
    const size = type.endsWith('64') ? 8 : 4;
    const view = types[0] === 'param' ? this.#parameter(from) : this.#place(from, size * names.length);
    names.forEach((name, i) => {
      const at = size * i;
      if (type === 'f32') this.#registers.set(name, view.getFloat32(at, true));
      else this.#registers.set(name, size === 8 ? view.getBigUint64(at, true) : view.getUint32(at, true));
    });
  }

  #store(types: readonly string[], to: string, from: string): void {
    const names = from.startsWith('{') ? from.slice(1, -1).split(/[,\s]+/) : [from];
    const view = this.#place(to, 4 * names.length);
    names.forEach((name, i) => {
      if (types.at(-1) === 'f32') view.setFloat32(4 * i, this.#float(name), true);
      else view.setUint32(4 * i, this.#word(name), true);
    });
  }

  #parameter(operand: string): DataView {
    const [, name, offset = '0'] = /^\[(\w+)(?:\+(\d+))?\]$/.exec(operand)!;
    const { buffer, byteOffset, byteLength } = this.#parameters.get(name)!;
    return new DataView(buffer, byteOffset + Number(offset), byteLength - Number(offset));
  }

  /** Memory that exists, at a multiple of the size of the access. */
  #place(operand: string, bytes: number): DataView {
    const [, base, offset = '0'] = /^\[(%\w+)(?:\+(-?\d+))?\]$/.exec(operand)!;
    const address = word64(this.#long(base) + BigInt(offset));
    const [memory, start] = address >= LOCAL ? [this.#local, LOCAL] : [this.#memory, ADDRESS];
    const at = Number(address - start);
    if (at < 0 || at + bytes > memory.length)
      throw new Error(`an access of ${bytes} bytes at ${at} of ${memory.length}`);
    if (at % bytes !== 0) throw new Error(`an access of ${bytes} bytes at ${at}, which is no multiple`);
    return new DataView(memory.buffer, memory.byteOffset + at, bytes);
  }

  #float(operand: string): number {
    if (operand.startsWith('0f')) return floatOf(Number.parseInt(operand.slice(2), 16));
    const value = this.#registers.get(operand);
    return operand.startsWith('%f') ? (value as number) : floatOf(value as number);
  }

  #word(operand: string): number {
    if (!operand.startsWith('%')) return word32(Number(operand));
    const value = this.#registers.get(operand);
    return operand.startsWith('%f') ? bitsOf(value as number) : Number(value);
  }

  #long(operand: string): bigint {
    if (operand.startsWith('__local_depot') || /^%SPL?$/.test(operand)) return LOCAL;
    if (operand.startsWith('%')) return BigInt(this.#registers.get(operand) as bigint);
    return word64(BigInt(operand));
  }

  #predicate(operand: string): boolean {
    return this.#registers.get(operand) as boolean;
  }
}

function compared(how: string, a: number | bigint, b: number | bigint): boolean {
  switch (how) {
    case 'eq':
      return a === b;
    case 'ne':
      return a !== b;
    case 'lt':
      return a < b;
    case 'le':
      return a <= b;
    case 'gt':
      return a > b;
    case 'ge':
      return a >= b;
    default:
      throw new Error(`a comparison that is not known: ${how}`);
  }
}

const scratch = new DataView(new ArrayBuffer(8));
function floatOf(bits: number): number {
  scratch.setUint32(0, bits);
  return scratch.getFloat32(0);
}
function bitsOf(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}

/** A finite f32 as a whole number of 2^−149. */
function whole(value: number): bigint {
  const bits = bitsOf(value);
  const exponent = (bits >>> 23) & 0xff;
  const magnitude =
    exponent === 0 ? BigInt(bits & 0x7fffff) : BigInt((bits & 0x7fffff) | 0x800000) << BigInt(exponent - 1);
  return bits >>> 31 ? -magnitude : magnitude;
}

/** a · b + c, rounded once: exactly, as whole numbers of 2^−298, then to the nearest f32, ties to even. */
export function fusedMultiplyAdd(a: number, b: number, c: number): number {
  if (![a, b, c].every(Number.isFinite)) return Math.fround(a * b + c);
  const exact = whole(a) * whole(b) + (whole(c) << 149n);
  if (exact === 0n) return Math.fround(a * b + c);
  const magnitude = exact < 0n ? -exact : exact;
  // The last bit that is kept: 24 of them, or where subnormal numbers end.
  const drop = BigInt(Math.max(149, magnitude.toString(2).length - 24));
  const half = 1n << (drop - 1n);
  const rest = magnitude & ((1n << drop) - 1n);
  let kept = magnitude >> drop;
  if (rest > half || (rest === half && kept & 1n)) kept++;
  // Both factors are exact in f64, and so is their product, or it is beyond f32.
  const rounded = Math.fround(Number(kept) * 2 ** (Number(drop) - 298));
  return exact < 0n ? -rounded : rounded;
}
