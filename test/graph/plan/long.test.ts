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
    'an elementwise chain of 8,000': chain(8_000),
    'the gradient of a chain of 1,000': chainGradient(1_000),
    'a chain of 4,000 scalars': scalarChain(4_000),
    '1,000 views': views(1_000),
    'a tree of 1,000 leaves': tree(1_000),
    'a value made of all halves of 4,096 others': halving(12),
    'a history of 300 states, taken apart': history(300),
    '500 readers of one value': wide(500),
    'the gradient of 100 cells': recurrence(100),
    'a Hessian times vectors, two layers of 8 LSTM cells': lstmHessian(8, 3),
  };
  for (const [name, graph] of Object.entries(programs)) {
    it(name, () => {
      const { bytes, instructions, allocations } = expectFaithful(graph);
      expect(decode(bytes).instructions).toEqual(instructions);
      // What is written is read later, or is an output.
      for (const { start, end } of allocations) expect(end).toBeGreaterThan(start);
      for (const one of instructions) {
        if (one.kind !== 'map' && one.kind !== 'mapSum') continue;
        expect(one.ops.length).toBeLessThanOrEqual(MAX_MAP_OPS);
        expect(one.reads.length).toBeLessThanOrEqual(MAX_MAP_READS);
      }
    });
  }

  it('a chain is cut into about as few kernels as its operations fill', () => {
    const { instructions } = expectFaithful(chain(4_800));
    expect(instructions.length).toBeLessThanOrEqual((2 * 4_800) / MAX_MAP_OPS);
  });
});
