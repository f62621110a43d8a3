import type { EdgeOfStability, EdgeVerdict } from '../stability/edge.ts';
import { formatNumber } from './format.ts';

/** tr₊, the trace of the Hessian's positive part, which the law is about, with its standard error. */
export function positiveTrace(measured: {
  readonly trace: number;
  readonly traceStdErr: number;
  readonly negativeTrace: number;
  readonly negativeTraceStdErr: number;
}): { readonly value: number; readonly stdErr: number } {
  return {
    value: measured.trace + measured.negativeTrace,
    stdErr: Math.hypot(measured.traceStdErr, measured.negativeTraceStdErr),
  };
}

/** `97 %`, `5,100 %`; `–` where it is not known. */
export function share(ratio: number): string {
  return Number.isFinite(ratio) ? `${formatNumber(Math.round(100 * ratio), 3)} %` : '–';
}

/** The share of its limit that a curvature takes up: `97 %`; `26 % to 510 %` or `at least 26 %` where there are only bounds. */
export function shareOfLimit({ ratio, ratioMax }: Pick<EdgeOfStability, 'ratio' | 'ratioMax'>): string {
  if (ratioMax === undefined) return share(ratio);
  return Number.isFinite(ratioMax) ? `${share(ratio)} to ${share(ratioMax)}` : `at least ${share(ratio)}`;
}

/** A verdict, as it stands after "training is" or "this step size is". */
export const verdictWords: Readonly<Record<EdgeVerdict, string>> = {
  below: 'below the edge of stability',
  close: 'close to the edge of stability',
  at: 'at the edge of stability',
  beyond: 'beyond the edge of stability',
  undecided: 'undecided',
};

/** The curvature that meets the limit, as a symbol; tr₊ is the trace of the positive part, the sum of the positive eigenvalues. */
export function curvatureSymbol(governs: EdgeOfStability['governs'], preconditioned: boolean): string {
  return `${governs === 'lambdaMax' ? 'λmax' : 'tr₊'}(${preconditioned ? 'P⁻¹H' : 'H'})`;
}
