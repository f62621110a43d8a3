import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { createRequire as requireFrom } from 'node:module'; // bundles often declare `createRequire` themselves
import { dirname, join } from 'node:path';
import { ZerothError } from '../errors.ts';
import { bundle, libraryFolder } from '../place.ts';
import { version } from '../version.ts';
import {
  type AddonFile,
  describeLoadFailure,
  diagnoseLoadFailure,
  ELF_HEADER_BYTES,
  type Host,
  isLoadable,
  readElfHeader,
} from './load-failure.ts';

/** The addon, exactly as native/addon defines it. Only `lib/device` sees this. */
interface NativeAddon {
  readonly Device: new (threads: number) => NativeDevice;
  /** The instruction set that kernels use: the best one here, or what ZEROTH_ISA names. */
  activeIsa(): string;
  availableIsas(): string[];
  processors(): number;
  /** Ends every device of this thread at once, for a process that exits. */
  end(): void;
  /** A function that gives the file back, or null where another holds it. */
  lockFile(path: string, owner: string): (() => void) | null;
}

/** What a device likes, for whoever plans what it runs. */
export interface Traits {
  /** Calls that may run at the same time. */
  readonly lanes: number;
  /** Examples that are enough to keep one lane busy by itself: of fewer, all had better share each kernel. */
  readonly laneExamples: number;
  /** The same of a model of few parameters, `smallModelParameters` at most, whose kernels take less time than to share them. */
  readonly smallModelExamples: number;
  readonly smallModelParameters: number;
  /** Bytes: values in an arena begin at multiples of it. */
  readonly alignment: number;
  /** Composites that it computes by one instruction. */
  readonly composites: readonly string[];
  /** What its memory may hold, with the bytes of an element. */
  readonly elementBytes: Readonly<Record<string, number>>;
}

export interface NativeDevice {
  traits(): Traits;
  allocate(bytes: number): number;
  release(id: number): void;
  load(program: Uint8Array, threads: number): Promise<{ id: number; arenaBytes: number }>;
  unload(id: number): void;
  /** `words` say what the job does, `values` with which numbers; of words that it had lately it knows the job. */
  submit(words: Float64Array, values: Float64Array, job: number, aborted: boolean): Promise<Float64Array>;
  abort(job: number): void;
  /** Copies `data` at once, or, where it is `lent`, on the worker's thread; hands off until then. */
  write(id: number, byteOffset: number, data: ArrayBufferView, lent: boolean): Promise<void>;
  /** Fills `into` on the worker's thread; hands off until then. */
  read(id: number, byteOffset: number, into: ArrayBuffer): Promise<void>;
  memory(): { bufferBytes: number; arenaBytes: number };
  /** Settles when its threads and its memory are gone. */
  dispose(): Promise<void>;
}

/**
 * The package root: the folder above `lib/` or `dist/`. In a bundle, the package that is installed where the bundle or the process is;
 * where there is none, the bundle's own folder.
 */
export const packageRoot: string = libraryFolder ? dirname(libraryFolder) : (installed() ?? dirname(bundle as string));

/** Where the package itself is, for a bundle that left it. */
function installed(): string | undefined {
  for (const from of [bundle as string, join(process.cwd(), 'bundle')]) {
    try {
      return dirname(requireFrom(from).resolve('zeroth/package.json'));
    } catch {
      // Not there: the next place.
    }
  }
  return undefined;
}

let addon: NativeAddon | undefined;

/**
 * Loads the addon once: `build/Release` of a source checkout, or `prebuilds/` of the published package.
 * @throws ERR_ZEROTH_NATIVE with what was found, what is needed and the command that mends it.
 */
export function loadNative(): NativeAddon {
  if (addon) return addon;
  if (bundle !== undefined) checkBundle(bundle);
  let file: AddonFile | undefined;
  try {
    const require = requireFrom(join(packageRoot, 'package.json'));
    const path = (require('node-gyp-build') as { path(root: string): string }).path(packageRoot);
    file = look(path);
    if (!isLoadable(file, process.arch)) throw new Error(`${path} was not tried`);
    const loaded = require(path) as NativeAddon;
    endAtExit(loaded.end);
    addon = loaded;
    return addon;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw loadError(describeLoadFailure(diagnoseLoadFailure(message, file, host()), message), cause);
  }
}

/**
 * process.exit() takes the libraries apart while a device may still be computing with them. There may be many copies of this module (bundles,
 * servers that reload modules), so they share one listener a thread, kept by its `process`.
 */
function endAtExit(end: () => void): void {
  const key = Symbol.for('zeroth.endAtExit');
  const shared = process as unknown as { [key]?: Set<() => void> };
  let ends = shared[key];
  if (ends === undefined) {
    const all = new Set<() => void>();
    ends = all;
    Object.defineProperty(shared, key, { value: all });
    process.once('exit', () => {
      for (const one of all) one();
    });
  }
  ends.add(end);
}

/** A bundle holds the library's JavaScript, and neither its addon nor the files beside it. */
function checkBundle(file: string): void {
  const mend =
    "Mark the package external, so that it stays in node_modules: `esbuild --external:zeroth` (`external: ['zeroth']` in Rollup, " +
    'webpack and Vite), and install it where the program runs.';
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  } catch {
    found = undefined;
  }
  const { name, version: theirs } = (found ?? {}) as { name?: unknown; version?: unknown };
  if (name !== 'zeroth') {
    throw loadError(
      `Zeroth's native addon did not load. Found: Zeroth's code in the bundle ${file}, and no package zeroth in a node_modules of its folder ` +
        `or of ${process.cwd()}. Needed: the package, with its addon. To mend it: ${mend}`,
    );
  }
  if (theirs !== version) {
    throw loadError(
      `Zeroth's native addon did not load. Found: Zeroth ${version} in the bundle ${file}, and the package of ${theirs} at ${packageRoot}. ` +
        `Needed: the same version of both. To mend it: bundle again. ${mend}`,
    );
  }
}

function look(path: string): AddonFile {
  const header = new Uint8Array(ELF_HEADER_BYTES);
  const file = openSync(path, 'r');
  try {
    const read = readSync(file, header, 0, header.length, 0);
    return { path, bytes: fstatSync(file).size, elf: readElfHeader(header.subarray(0, read)) };
  } finally {
    closeSync(file);
  }
}

function host(): Host {
  const { header } = systemReport() as { header: { glibcVersionRuntime?: string } };
  return {
    platform: process.platform,
    arch: process.arch,
    node: process.version,
    glibc: header.glibcVersionRuntime,
    root: packageRoot,
    checkout: existsSync(join(packageRoot, 'CMakeLists.txt')),
  };
}

/** Without the names of the other ends of open connections, for which some versions of Node would ask name servers. */
function systemReport(): unknown {
  const report: { excludeNetwork?: boolean; getReport(): unknown } = process.report;
  const before = report.excludeNetwork;
  if (before === undefined) return report.getReport();
  report.excludeNetwork = true;
  try {
    return report.getReport();
  } finally {
    report.excludeNetwork = before;
  }
}

const loadError = (message: string, cause?: unknown) => new ZerothError('ERR_ZEROTH_NATIVE', message, { cause });
