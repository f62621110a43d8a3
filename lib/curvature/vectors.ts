/** f64 sums over f32 or f64 vectors. Four running sums: independent additions pipeline, and the error grows slower. */
export type Vector = Float32Array | Float64Array;

export function dot(a: Vector, b: Vector): number {
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

export function norm(a: Vector): number {
  return Math.sqrt(dot(a, a));
}

/** y ← y + factor x. */
export function addScaled(y: Vector, factor: number, x: Vector): void {
  for (let i = 0; i < y.length; i++) y[i] += factor * x[i];
}

export function scale(y: Vector, factor: number): void {
  for (let i = 0; i < y.length; i++) y[i] *= factor;
}
