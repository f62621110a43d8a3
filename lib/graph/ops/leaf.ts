import { ZerothError } from '../../errors.ts';
import { type Node, type Primitive, sizeOf } from '../node.ts';
import type { Op } from './op.ts';
import { forEachStrided } from './strided.ts';

/** What has no operands has no derivative and no batch: the transforms never ask. */
const noOperands = {
  jvp: (): undefined => undefined,
  vjp: (): readonly undefined[] => [],
  batch: (node: Node): Node => node,
};

export const leafOps: { readonly [P in Primitive & ('input' | 'constant' | 'iota')]: Op<P> } = {
  input: {
    ...noOperands,
    reference: ({ attributes: { name } }) => {
      throw new ZerothError('ERR_ZEROTH_TRACE', `input ${name} does not belong to the graph that is being evaluated.`);
    },
  },
  constant: {
    ...noOperands,
    reference: ({ shape, attributes: { value } }) => new Float64Array(sizeOf(shape)).fill(value),
  },
  iota: {
    ...noOperands,
    reference: ({ shape, attributes: { axis } }) => {
      const y = new Float64Array(sizeOf(shape));
      const along = shape.map((_, i) => (i === axis ? 1 : 0));
      forEachStrided(shape, along, 0, (i, position) => {
        y[i] = position;
      });
      return y;
    },
  },
};
