// node scripts/check-cuda.js [--write]: compiles every kernel of native/cuda for each architecture, and holds what comes of it to native/cuda/compiled.json.
// - No kernel spills registers, whatever compiler made it.
// - Registers, instructions and the widths of accesses are those on record, where the compiler is. --write records them anew.
// - PTX of kernels that have to give the CPU's bits has no arithmetic that is rounded otherwise.
// Ends with 77 where there is no nvcc.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kernelsOf, registersOf } from './cuda/cubin.js';
import { lintPtx } from './cuda/ptx.js';

const CANNOT_RUN = 77;
const ARCHITECTURES = ['80', '86', '89', '90', '100'];
const root = fileURLToPath(new URL('..', import.meta.url));
const record = join(root, 'native/cuda/compiled.json');
const flags = ['-std=c++17', '-O3', '-I', join(root, 'native')];

const nvcc = ['nvcc', '/usr/local/cuda/bin/nvcc'].find((name) => {
  try {
    execFileSync(name, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
});
if (nvcc === undefined) {
  console.log('no nvcc here: CUDA kernels are not compiled');
  process.exit(CANNOT_RUN);
}
const compiler = /release [\d.]+, (V[\d.]+)/.exec(execFileSync(nvcc, ['--version'], { encoding: 'utf8' }))[1];

const folder = mkdtempSync(join(tmpdir(), 'zeroth-cuda-'));
const faults = [];
const kernels = {};
try {
  const sources = readdirSync(join(root, 'native/cuda')).filter((name) => name.endsWith('.cu') && !isProgram(name));
  for (const name of sources) {
    const source = join(root, 'native/cuda', name);
    const ptx = join(folder, 'kernels.ptx');
    compile('-ptx', '-arch=compute_80', '-o', ptx, source);
    for (const { line, code, why } of lintPtx(readFileSync(ptx, 'utf8')))
      faults.push(`${name}, line ${line} of its PTX: ${why}: ${code}`);
    for (const architecture of ARCHITECTURES) {
      const cubin = join(folder, 'kernels.cubin');
      const log = compile('-cubin', `-arch=sm_${architecture}`, '-Xptxas', '-v', '-o', cubin, source);
      const registers = registersOf(log);
      for (const [kernel, counts] of Object.entries(kernelsOf(readFileSync(cubin)))) {
        if (counts.local > 0)
          faults.push(
            `${kernel} on sm_${architecture}: ${counts.local} accesses of local memory, where none may spill`,
          );
        kernels[kernel] ??= {};
        kernels[kernel][`sm_${architecture}`] = { registers: registers[kernel], ...counts };
      }
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}

const text = `${JSON.stringify({ compiler, kernels }, null, 2)}\n`;
if (process.argv[2] === '--write') writeFileSync(record, text);
else {
  const known = existsSync(record) ? JSON.parse(readFileSync(record, 'utf8')) : { compiler: 'none', kernels: {} };
  if (known.compiler !== compiler) {
    console.log(`on record are kernels of ${known.compiler}, this is ${compiler}: their sizes are not compared`);
  } else {
    const names = new Set([...Object.keys(known.kernels), ...Object.keys(kernels)]);
    for (const name of names)
      for (const architecture of ARCHITECTURES.map((one) => `sm_${one}`)) {
        const [was, is] = [known.kernels, kernels].map((all) => JSON.stringify(all[name]?.[architecture]));
        if (was !== is) faults.push(`${name} on ${architecture}: on record ${was}, now ${is}`);
      }
  }
}
for (const fault of faults) console.error(fault);
const count = Object.keys(kernels).length;
console.log(`${count} kernels for ${ARCHITECTURES.length} architectures, ${faults.length} faults`);
if (faults.length > 0)
  console.error('where a change is meant: node scripts/check-cuda.js --write, and look at what it wrote');
process.exit(faults.length > 0 ? 1 : 0);

/** What the compiler says; where it fails, that is the end. */
function compile(...options) {
  const { status, stderr } = spawnSync(nvcc, [...flags, ...options], { encoding: 'utf8' });
  if (status === 0) return stderr;
  console.error(stderr);
  process.exit(1);
}

/** A program by itself, and not a part of the library. */
function isProgram(name) {
  return /\bint main\(/.test(readFileSync(join(root, 'native/cuda', name), 'utf8'));
}
