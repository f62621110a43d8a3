// The shared libraries that ship beside the addon: all that it loads, and they load, except those that every glibc system that runs Node has.
import { execFileSync } from 'node:child_process';

const everywhere = /^(linux-vdso|ld-linux|libc|libm|libmvec|libpthread|libdl|librt|libstdc\+\+|libgcc_s)[.-]/;

/** Each by its name, with the path at which the loader finds it for this addon, `not found` where it does not. */
export function shippedLibraries(addon) {
  const libraries = [];
  for (const line of execFileSync('ldd', [addon], { encoding: 'utf8' }).split('\n')) {
    const [, name, path] = /^\s*(\S+) => (.*?)(?: \(0x[0-9a-f]+\))?$/.exec(line) ?? [];
    if (name !== undefined && !everywhere.test(name)) libraries.push({ name, path });
  }
  return libraries;
}
