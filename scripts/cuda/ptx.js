// What PTX of kernels that have to give the CPU's bits may not hold: arithmetic that is rounded otherwise, or that an
// assembler may round otherwise.

const FORBIDDEN = [
  { pattern: /\.approx\b/, why: 'an approximation' },
  { pattern: /\.ftz\b/, why: 'flushes subnormal numbers to zero' },
  { pattern: /\bdiv\.full\b/, why: 'a division that is not correctly rounded' },
  { pattern: /\b(add|sub|mul)\.f32\b/, why: 'may be fused with what follows it: write the rounded form' },
  { pattern: /\bmad\.f32\b/, why: 'is not fused on every machine' },
];

/** What is wrong in a module of PTX: line, text, and why. */
export function lintPtx(text) {
  return text.split('\n').flatMap((line, i) => {
    const code = line.replace(/\/\/.*$/, '').trim();
    const fault = FORBIDDEN.find(({ pattern }) => pattern.test(code));
    return fault ? [{ line: i + 1, code, why: fault.why }] : [];
  });
}
