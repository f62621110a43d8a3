/** What is wrong when the addon does not load: what the system's loader says, and what stands in the file. */

/** The system that the addon should run on. */
export interface Host {
  readonly platform: string;
  readonly arch: string;
  /** Node's version, `v20.17.0`. */
  readonly node: string;
  /** The C library's version; undefined where it is not the GNU one. */
  readonly glibc: string | undefined;
  /** The package root, and whether that is a source checkout. */
  readonly root: string;
  readonly checkout: boolean;
}

/** The addon's file. */
export interface AddonFile {
  readonly path: string;
  readonly bytes: number;
  /** What its header says; undefined where it is no ELF file. */
  readonly elf: ElfHeader | undefined;
}

/** What matters of the header of an ELF file. */
interface ElfHeader {
  /** The processor that it is built for, in Node's words. */
  readonly machine: string;
  /** The length of the whole file, at least. */
  readonly bytes: number;
}

interface LoadFailure {
  readonly kind: 'library' | 'glibc' | 'architecture' | 'damaged' | 'absent' | 'node' | 'unknown';
  readonly found: string;
  readonly needed: string;
  readonly cure: string;
}

/** `e_machine` of an ELF header. */
const MACHINES: Readonly<Record<number, string>> = {
  3: 'ia32',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
  258: 'loong64',
};

/** Debian's packages of the libraries that the addon needs. */
const PACKAGES: Readonly<Record<string, string>> = {
  'libdnnl.so.2': 'libdnnl2',
  'libdnnl.so.3': 'libdnnl3',
  'libgomp.so.1': 'libgomp1',
  'libOpenCL.so.1': 'ocl-icd-libopencl1',
  'libstdc++.so.6': 'libstdc++6',
  'libgcc_s.so.1': 'libgcc-s1',
};

/** How much of a file its header takes. */
export const ELF_HEADER_BYTES = 64;

/** Reads the header of an ELF file; undefined where it is none. */
export function readElfHeader(header: Uint8Array): ElfHeader | undefined {
  const magic = [0x7f, 0x45, 0x4c, 0x46];
  if (header.length < ELF_HEADER_BYTES || magic.some((byte, i) => header[i] !== byte)) return undefined;
  const view = new DataView(header.buffer, header.byteOffset);
  const little = header[5] === 1;
  const wide = header[4] === 2;
  const machine = view.getUint16(18, little);
  // The table of sections stands at the end of a file.
  const table = wide ? Number(view.getBigUint64(40, little)) : view.getUint32(32, little);
  const entries = view.getUint16(wide ? 58 : 46, little) * view.getUint16(wide ? 60 : 48, little);
  return { machine: MACHINES[machine] ?? `machine ${machine}`, bytes: table + entries };
}

/** Whether the loader can be asked at all: it ends the process where a file is shorter than it says. */
export function isLoadable(file: AddonFile, arch: string): boolean {
  return file.elf !== undefined && file.elf.machine === arch && file.bytes >= file.elf.bytes;
}

/**
 * The diagnosis of a failed load.
 * @param message what the loader said; @param file the addon that was tried, undefined where there is none.
 */
export function diagnoseLoadFailure(message: string, file: AddonFile | undefined, host: Host): LoadFailure {
  const rebuild = host.checkout ? 'run `npm run setup` in it' : 'clone the repository and run `npm run setup` in it';
  const anew = host.checkout ? '`rm -rf build && npm run setup`' : '`rm -rf node_modules && npm ci`';

  if (file === undefined) {
    const where = `prebuilds/${host.platform}-${host.arch} and build/Release under ${host.root}`;
    return {
      kind: 'absent',
      found: `no addon in ${where}`,
      needed: 'a zeroth.node',
      cure: host.checkout
        ? 'this is a source checkout: build it with `npm run setup`'
        : `the package has no build for ${host.platform}-${host.arch}: ${rebuild}`,
    };
  }
  // The loader passes over a file for another processor as if it were not there, so the file is asked first.
  const { elf } = file;
  if (elf !== undefined && elf.machine !== host.arch) {
    return {
      kind: 'architecture',
      found: `${file.path} is built for ${elf.machine}`,
      needed: `one for ${host.arch}, which this Node is`,
      cure: `install on the machine that it runs on, and do not copy node_modules or build between machines: ${anew}; or use a Node for ${elf.machine}`,
    };
  }
  const damage = /file too short|invalid ELF header|ELF load command|cannot read file data|ELF file/.exec(message);
  if (elf === undefined || file.bytes < elf.bytes || damage) {
    return {
      kind: 'damaged',
      found: `${file.path} is ${elf === undefined ? 'no ELF file' : 'cut short or damaged'} (${file.bytes} bytes)`,
      needed: 'a whole one',
      cure: `install again: ${anew}`,
    };
  }
  const version = /([^\s:]+): version [`']([A-Z]+)_([\w.]+)' not found/.exec(message);
  if (version) {
    const [, library, name, number] = version;
    const has = name === 'GLIBC' && host.glibc !== undefined ? `glibc ${host.glibc}` : `a ${library} that is older`;
    return {
      kind: 'glibc',
      found: has,
      needed: name === 'GLIBC' ? `glibc ${number} or newer` : `${library} with ${name}_${number}`,
      cure: `build the addon for this system (${rebuild}), or use a newer one: \`cat /etc/os-release\` says which this is`,
    };
  }
  const missing =
    /(?:^|\s)([^\s/:]+\.so[.\d]*): cannot open shared object file/.exec(message) ??
    /Error loading shared library ([^\s:]+):/.exec(message);
  if (missing) {
    const library = missing[1];
    const debian = PACKAGES[library];
    const glibc = /^ld-linux/.test(library) || host.glibc === undefined;
    return {
      kind: 'library',
      found: `no ${library} for ${host.arch} on the loader's paths`,
      needed: `${library}, by ${file.path}`,
      cure: glibc
        ? 'this system has no GNU C library (Alpine?): use one that has, such as a Debian image'
        : debian
          ? `on Debian or Ubuntu \`apt-get install ${debian}\`; \`ldd ${file.path}\` lists what else is missing`
          : `install the package that holds it; \`ldd ${file.path}\` lists what else is missing`,
    };
  }
  const symbol = /undefined symbol: (\w+)/.exec(message);
  if (symbol) {
    const ofNode = /^napi_|^node_api_/.test(symbol[1]);
    return {
      kind: ofNode ? 'node' : 'unknown',
      found: ofNode ? `Node ${host.node}, without ${symbol[1]}` : `libraries without ${symbol[1]}`,
      needed: ofNode ? 'Node 20.17 or newer' : 'those that the addon was built with',
      cure: ofNode ? 'use a newer Node' : `build the addon for this system: ${rebuild}`,
    };
  }
  return { kind: 'unknown', found: message, needed: 'an addon that loads', cure: `install again: ${anew}` };
}

/** The diagnosis for people, with what the loader said. */
export function describeLoadFailure({ found, needed, cure }: LoadFailure, message: string): string {
  return `Zeroth's native addon did not load. Found: ${found}. Needed: ${needed}. To mend it: ${cure}. (The loader: ${message.trim()})`;
}
