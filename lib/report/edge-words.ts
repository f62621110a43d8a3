import type { EdgeOfStability, EdgeVerdict } from '../stability/edge.ts';
import { formatNumber } from './format.ts';

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

/** The curvature that meets the limit, as a symbol. */
export function curvatureSymbol(governs: EdgeOfStability['governs'], preconditioned: boolean): string {
  return `${governs === 'lambdaMax' ? 'λmax' : 'tr'}(${preconditioned ? 'P⁻¹H' : 'H'})`;
}
