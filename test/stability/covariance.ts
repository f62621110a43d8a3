/**
 * Independent implementations of what the law is about: the covariance operator of a linear stochastic method, as a dense matrix, and
 * its spectral radius. Nothing here knows the law.
 */

/** A dense square matrix, row-major. */
export interface Matrix {
  readonly n: number;
  readonly values: Float64Array;
}

export interface Method {
  readonly eta: number;
  readonly beta: number;
  readonly s1: number;
  readonly s2: number;
  /** Weight of ĝ in the momentum. Default 1. */
  readonly weight?: number;
}

/** The matrix of a linear map, by applying it to each unit vector. */
export function matrixOf(n: number, map: (x: Float64Array) => ArrayLike<number>): Matrix {
  const values = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    const unit = new Float64Array(n);
    unit[j] = 1;
    const image = map(unit);
    for (let i = 0; i < n; i++) values[i * n + j] = image[i];
  }
  return { n, values };
}

export function multiply(a: Matrix, b: Matrix): Matrix {
  const { n } = a;
  const values = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      const factor = a.values[i * n + k];
      if (factor !== 0) for (let j = 0; j < n; j++) values[i * n + j] += factor * b.values[k * n + j];
    }
  }
  return { n, values };
}

export function transpose({ n, values }: Matrix): Matrix {
  return { n, values: values.map((_, index) => values[(index % n) * n + Math.floor(index / n)]) };
}

/** Gelfand's formula ρ(M) = lim ‖M^p‖^(1/p) at p = 2^45, by repeated squaring. The error is a few units of rounding. */
export function spectralRadius(matrix: Matrix): number {
  let power = matrix;
  let logScale = 0;
  const squarings = 45;
  for (let k = 0; ; k++) {
    let norm = 0;
    for (const value of power.values) norm = Math.max(norm, Math.abs(value));
    if (norm === 0) return 0;
    // power · exp(logScale) is M^(2^k).
    logScale += Math.log(norm);
    if (k === squarings) return Math.exp(logScale / 2 ** squarings);
    const scaled = { n: power.n, values: power.values.map((value) => value / norm) };
    power = multiply(scaled, scaled);
    logScale *= 2;
  }
}

/**
 * (i) One step of E[e_i²], E[e_i m_i], E[m_i²] in the eigenbasis: 3d numbers. Written from m' = βm + wĝ, e' = e − ηP⁻¹m', for a P that is
 * diagonal there (default I).
 */
export function eigenbasisOperator(
  lambdas: readonly number[],
  { eta, beta, s1, s2, weight = 1 }: Method,
  preconditioner: readonly number[] = lambdas.map(() => 1),
): Matrix {
  const d = lambdas.length;
  return matrixOf(3 * d, (x) => {
    const next = new Float64Array(3 * d);
    let sum = 0;
    for (let i = 0; i < d; i++) sum += lambdas[i] ** 2 * x[3 * i];
    for (let i = 0; i < d; i++) {
      const [ee, em, mm] = x.subarray(3 * i, 3 * i + 3);
      const lambda = lambdas[i];
      const gg = s1 * lambda ** 2 * ee + s2 * sum;
      const eg = lambda * ee;
      const mg = lambda * em;
      // Second moments of m' = βm + wĝ.
      const mmNext = beta ** 2 * mm + 2 * beta * weight * mg + weight ** 2 * gg;
      const emNext = beta * em + weight * eg;
      const step = eta / preconditioner[i];
      next[3 * i] = ee - 2 * step * emNext + step ** 2 * mmNext;
      next[3 * i + 1] = emNext - step * mmNext;
      next[3 * i + 2] = mmNext;
    }
    return next;
  });
}

/**
 * (ii) The same in any basis: the 2d × 2d second-moment matrix C of x = (e, m), with a dense H. One step is
 * x' = T x + G ĝ_noise with mean part T C Tᵀ and the fluctuation of ĝ, E[ĝĝᵀ] − E[ĝ]E[ĝ]ᵀ-like = (s1 − 1) A + s2 tr(A) I, A = H Σ H.
 * With mini-batches each step sees one of the Hessians in `seen`, of mean H, with equal probability: E_b[s1 A_b + s2 tr(A_b) I] − A.
 */
export function fullOperator(
  hessian: Matrix,
  { eta, beta, s1, s2, weight = 1 }: Method,
  seen: readonly Matrix[] = [hessian],
): Matrix {
  const d = hessian.n;
  const n = 2 * d;
  // m' = βm + wHe,  e' = e − ηm'.
  const mean = matrixOf(n, (x) => {
    const next = new Float64Array(n);
    for (let i = 0; i < d; i++) {
      let gradient = 0;
      for (let j = 0; j < d; j++) gradient += hessian.values[i * d + j] * x[j];
      next[d + i] = beta * x[d + i] + weight * gradient;
      next[i] = x[i] - eta * next[d + i];
    }
    return next;
  });
  return matrixOf(n * n, (flat) => {
    const moments = { n, values: Float64Array.from(flat) };
    const next = multiply(multiply(mean, moments), transpose(mean)).values;
    const sigma = matrixOf(d, () => new Float64Array(d));
    for (let i = 0; i < d; i++) for (let j = 0; j < d; j++) sigma.values[i * d + j] = flat[i * n + j];
    const a = multiply(multiply(hessian, sigma), hessian);
    const second = matrixOf(d, () => new Float64Array(d));
    for (const one of seen) {
      const { values } = multiply(multiply(one, sigma), one);
      let trace = 0;
      for (let i = 0; i < d; i++) trace += values[i * d + i] / seen.length;
      for (let k = 0; k < d * d; k++)
        second.values[k] += (s1 * values[k]) / seen.length + (k % (d + 1) === 0 ? s2 * trace : 0);
    }
    for (let i = 0; i < d; i++) {
      for (let j = 0; j < d; j++) {
        const fluctuation = weight ** 2 * (second.values[i * d + j] - a.values[i * d + j]);
        next[i * n + j] += eta ** 2 * fluctuation;
        next[i * n + d + j] -= eta * fluctuation;
        next[(d + i) * n + j] -= eta * fluctuation;
        next[(d + i) * n + d + j] += fluctuation;
      }
    }
    return next;
  });
}

/** The η at which a spectral radius, < 1 for small η, reaches 1: bisection, no law. */
export function measuredCriticalStepSize(radius: (eta: number) => number, upper: number): number {
  let low = 0;
  let high = upper;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (radius(middle) < 1) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Q diag(λ) Qᵀ for a random rotation Q made of Householder reflections. */
export function rotated(lambdas: readonly number[], normal: () => number): Matrix {
  const n = lambdas.length;
  let matrix: Matrix = matrixOf(n, (x) => x.map((value, i) => lambdas[i] * value));
  for (let k = 0; k < n; k++) {
    const v = Array.from({ length: n }, normal);
    const square = v.reduce((sum, value) => sum + value * value, 0);
    const reflection = matrixOf(n, (x) => {
      const dot = v.reduce((sum, value, i) => sum + value * x[i], 0);
      return x.map((value, i) => value - (2 * dot * v[i]) / square);
    });
    matrix = multiply(multiply(reflection, matrix), reflection);
  }
  return matrix;
}
