import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ZerothError } from '../errors.ts';

/** The addon, exactly as native/addon defines it. Only `lib/device` sees this. */
export interface NativeAddon {
  readonly Device: new (threads: number) => NativeDevice;
  /** The instruction set that kernels use: the best one here, or what ZEROTH_ISA names. */
  activeIsa(): string;
  availableIsas(): string[];
  processors(): number;
}

export interface NativeDevice {
  allocate(bytes: number): number;
  release(id: number): void;
  load(program: Uint8Array, threads: number): Promise<{ id: number; arenaBytes: number }>;
  unload(id: number): void;
  submit(commands: Float64Array, job: number, aborted: boolean): Promise<Float64Array>;
  abort(job: number): void;
  write(id: number, byteOffset: number, data: ArrayBufferView): Promise<void>;
  /** Fills `into` on the worker's thread; hands off until then. */
  read(id: number, byteOffset: number, into: ArrayBuffer): Promise<void>;
  memory(): { bufferBytes: number; arenaBytes: number };
  /** Settles when its threads and its memory are gone. */
  dispose(): Promise<void>;
}

/** The package root: the folder above `lib/` or `dist/`. */
export const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

let addon: NativeAddon | undefined;

/**
 * Loads the addon once: `prebuilds/` of the published package, or `build/Release` of a source checkout.
 * @throws ERR_ZEROTH_NATIVE with what was tried and the commands that mend it.
 */
export function loadNative(): NativeAddon {
  if (addon) return addon;
  const require = createRequire(import.meta.url);
  try {
    addon = (require('node-gyp-build') as (root: string) => NativeAddon)(packageRoot);
    return addon;
  } catch (cause) {
    const source = existsSync(join(packageRoot, 'CMakeLists.txt'));
    const cure = source
      ? 'This is a source checkout: build it with `npm run setup`.'
      : `The package has no build for ${process.platform}-${process.arch}, or a system library is missing: ` +
        'on Debian install `libdnnl2` and `libgomp1`, or clone the repository and run `npm run setup`.';
    throw new ZerothError(
      'ERR_ZEROTH_NATIVE',
      `Zeroth's native addon did not load. Tried prebuilds/${process.platform}-${process.arch} and build/Release under ${packageRoot} ` +
        `with Node ${process.version}: ${cause instanceof Error ? cause.message : String(cause)}. ${cure}`,
      { cause },
    );
  }
}
