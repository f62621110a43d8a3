import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const compiler = process.env.CXX ?? 'c++';

/** As in CMakeLists.txt, which names the instruction set of a file by its name. */
const isaFlags = (file: string): string[] => {
  if (file.endsWith('.avx2.cpp')) return ['-mavx2', '-mfma'];
  if (!file.endsWith('.avx512.cpp')) return [];
  return ['-mavx512f', '-mavx512dq', '-mavx512bw', '-mavx512vl', '-mavx2', '-mfma'];
};

/** Links without oneDNN, which is large. */
const NO_PRODUCTS = `
#include <stdexcept>
#include "cpu/kernel.h"
namespace zeroth::cpu {
KernelRef prepare(const Matmul&, int) { throw std::runtime_error("no matrix products here"); }
}
`;

/**
 * The native executor of a copy of the sources, compiled without optimisation and without the rest of the backend: a few seconds.
 * @returns how to link a program with it: its file in `native/test`, to its executable.
 */
export async function nativeExecutor(folder: string): Promise<(file: string) => Promise<string>> {
  const native = join(folder, 'native');
  const objects = join(folder, 'objects');
  mkdirSync(objects);
  writeFileSync(join(native, 'cpu/no_products.cpp'), NO_PRODUCTS);
  const foreign = process.arch === 'x64' ? /\.neon\.cpp$/ : /\.avx(?:2|512)\.cpp$/;
  const within = (part: string) => readdirSync(join(native, part)).map((file) => `${part}/${file}`);
  const sources = [...within('program'), ...within('cpu'), 'direction/isa.cpp', ...within('thread')]
    .filter((file) => file.endsWith('.cpp') && !foreign.test(file))
    .filter((file) => !/(?:matmul|update|cpu_backend|executable|linear|delivery|sums|worker)/.test(file));
  const compile = async (file: string): Promise<string> => {
    const object = join(objects, `${basename(file)}.o`);
    const flags = ['-std=c++17', '-O0', '-ffp-contract=off', '-fno-math-errno', '-Werror=switch', '-I', native];
    await run(compiler, [...flags, ...isaFlags(file), '-c', join(native, file), '-o', object]);
    return object;
  };
  const library: string[] = [];
  const waiting = [...sources];
  const worker = async () => {
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) library.push(await compile(file));
  };
  await Promise.all([worker(), worker()]);
  const vectorMath = process.arch === 'x64' ? ['-lmvec', '-lm'] : [];
  return async (file) => {
    const program = join(objects, basename(file, '.cpp'));
    await run(compiler, ['-o', program, await compile(`test/${file}`), ...library, '-pthread', ...vectorMath]);
    return program;
  };
}

/** Runs a program of bytes by `native/test/run_program.cpp`: one list of numbers an output. */
export async function runBytes(
  executable: string,
  folder: string,
  bytes: Uint8Array,
  inputs: readonly Float32Array[],
): Promise<number[][]> {
  const files = [bytes, ...inputs].map((content, i) => {
    const file = join(folder, `operand-${i}`);
    writeFileSync(file, content);
    return file;
  });
  const { stdout } = await run(executable, files);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
}
