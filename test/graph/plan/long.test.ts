import { describe, expect, it } from 'vitest';
import type { Graph } from '../../../lib/graph/node.ts';
import { decode } from '../../../lib/graph/plan/decode.ts';
import { MAX_MAP_OPS, MAX_MAP_READS } from '../../../lib/graph/plan/format.ts';
import {
  chain,
  chainGradient,
  halving,
  history,
  lstmHessian,
  recurrence,
  scalarChain,
  tree,
  views,
  wide,
} from './long.ts';
import { expectFaithful } from './support.ts';

describe('programs of any length are planned, and compute what the graph says', () => {
  const programs: Record<string, Graph> = {
    'an elementwise chain of 20,000': chain(20_000),
    'the gradient of a chain of 3,000': chainGradient(3_000),
    'a chain of 10,000 scalars': scalarChain(10_000),
    '5,000 views': views(5_000),
    'a tree of 4,000 leaves': tree(4_000),
    'a value made of all halves of 4,096 others': halving(12),
    'a history of 600 states, taken apart': history(600),
    '1,000 readers of one value': wide(1_000),
    'the gradient of 200 cells': recurrence(200),
    'a Hessian times vectors, two layers of 12 LSTM cells': lstmHessian(12, 3),
  };
  for (const [name, graph] of Object.entries(programs)) {
    it(name, () => {
      const { bytes, instructions } = expectFaithful(graph);
      expect(decode(bytes).instructions).toEqual(instructions);
      for (const one of instructions) {
        if (one.kind !== 'map' && one.kind !== 'mapSum') continue;
        expect(one.ops.length).toBeLessThanOrEqual(MAX_MAP_OPS);
        expect(one.reads.length).toBeLessThanOrEqual(MAX_MAP_READS);
      }
    });
  }

  it('a chain is cut into about as few kernels as its operations fill', () => {
    const { instructions } = expectFaithful(chain(9_600));
    expect(instructions.length).toBeLessThanOrEqual((2 * 9_600) / MAX_MAP_OPS);
  });
});
