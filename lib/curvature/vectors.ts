/** Sums over f32 vectors in f64. */

/** Four running sums: independent additions pipeline, and the error grows slower. */
export function dot(a: Float32Array, b: Float32Array): number {
  const n = a.length;
  const whole = n - (n % 4);
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let i = 0; i < whole; i += 4) {
    s0 += a[i] * b[i];
    s1 += a[i + 1] * b[i + 1];
    s2 += a[i + 2] * b[i + 2];
    s3 += a[i + 3] * b[i + 3];
  }
  for (let i = whole; i < n; i++) s0 += a[i] * b[i];
  return s0 + s1 + (s2 + s3);
}

/** sum ← sum + factor · x. */
export function addScaled(sum: Float64Array, factor: number, x: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] += factor * x[i];
}
