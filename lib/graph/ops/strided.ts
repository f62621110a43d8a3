import type { Shape } from '../node.ts';

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** Calls `visit(dense, strided)` for every index of `shape`: its row-major position, and start + Σ index · stride. */
export function forEachStrided(
  shape: Shape,
  strides: readonly number[],
  start: number,
  visit: (dense: number, strided: number) => void,
): void {
  let dense = 0;
  const walk = (axis: number, offset: number): void => {
    if (axis === shape.length) visit(dense++, offset);
    else for (let i = 0; i < shape[axis]; i++) walk(axis + 1, offset + i * strides[axis]);
  };
  walk(0, start);
}
