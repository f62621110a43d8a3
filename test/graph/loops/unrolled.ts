import { concat, slice, type Tensor } from '../../../lib/graph/ops.ts';

/** A loop as `scan` has it, of lists of tensors. */
export type Step = (carry: Tensor[], x: Tensor[]) => readonly [carry: Tensor[], y: Tensor[]];
export interface Direction {
  readonly length: number;
  readonly reverse?: boolean;
}

/** The same results without a loop: every step's graph, one after the other. */
export function unrolled(f: Step, init: Tensor[], xs: Tensor[], { length, reverse = false }: Direction) {
  const rows: Tensor[][] = Array.from({ length }, () => []);
  let carry = init;
  for (let step = 0; step < length; step++) {
    const t = reverse ? length - 1 - step : step;
    const [next, y] = f(
      carry,
      xs.map((x) => slice(x, [t], [t + 1]).reshape(x.shape.slice(1))),
    );
    carry = next;
    rows[t] = y;
  }
  const ys = rows[0].map((_, j) =>
    concat(
      rows.map((row) => row[j].reshape([1, ...row[j].shape])),
      0,
    ),
  );
  return [carry, ys] as const;
}
