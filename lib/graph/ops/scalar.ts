/** A function of one element, as kernels know it. */
export interface Scalar {
  /** Its number in programs, that of the same name in `native/program/map_ops.h`. It never changes its meaning. */
  readonly code: number;
  /** Work of a few cycles, so that fusion may do it again in another kernel; where the immediate decides, a function of it. */
  readonly cheap: boolean | ((immediate: number) => boolean);
  /** f(a, b) = f(b, a), bit for bit. */
  readonly commutative: boolean;
  /** In f64. `immediate` is the number that stands in the instruction. */
  readonly value: (a: number, b: number, c: number, immediate: number) => number;
}

export const cheap = (code: number, value: Scalar['value']): Scalar => ({
  code,
  value,
  cheap: true,
  commutative: false,
});
export const costly = (code: number, value: Scalar['value']): Scalar => ({ ...cheap(code, value), cheap: false });
export const commutative = (scalar: Scalar): Scalar => ({ ...scalar, commutative: true });
