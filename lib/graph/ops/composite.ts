import * as $ from '../build.ts';
import type { Node } from '../node.ts';
import { type Composite, range } from './op.ts';

/** Repeats along `axis` what lacks it. */
const along = (x: Node, axis: number, y: Node): Node =>
  $.broadcast(
    y,
    x.shape,
    range(x.shape.length).filter((other) => other !== axis),
  );

/** x − log Σ exp(x) along an axis. The largest element is taken off first; that changes no value and no derivative, so it is a constant. */
const logSoftmax: Composite<'logSoftmax'> = {
  expand: ({ inputs: [x], attributes: { axis } }) => {
    const shifted = $.sub(x, along(x, axis, $.stopGradient($.max(x, [axis]))));
    return $.sub(shifted, along(x, axis, $.log($.sum($.exp(shifted), [axis]))));
  },
};

export const compositeOps = { logSoftmax };

export type CompositePrimitive = keyof typeof compositeOps;
