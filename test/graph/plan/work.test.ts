import { describe, expect, it } from 'vitest';
import type { Graph, Node } from '../../../lib/graph/node.ts';
import { allocate, type Block, liveBytes } from '../../../lib/graph/plan/arena.ts';
import type { Allowance, Job } from '../../../lib/graph/plan/ordering.ts';
import { schedule } from '../../../lib/graph/plan/schedule.ts';
import { simplify } from '../../../lib/graph/simplify.ts';
import { reachable } from '../../../lib/graph/transforms.ts';
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
import { planOf, random } from './support.ts';

/** Lets every property of some objects that is read be counted, whoever reads it. */
function counted<T extends object>(objects: readonly T[], properties: readonly (keyof T)[]): { count: number } {
  const counter = { count: 0 };
  for (const object of objects) {
    for (const property of properties) {
      const value = object[property];
      Object.defineProperty(object, property, {
        get() {
          counter.count++;
          return value;
        },
      });
    }
  }
  return counter;
}

/** How often planning looks at the operands of a node, a node. Graphs that are simple already keep their nodes. */
function looks(graph: Graph): number {
  const simple = simplify(graph);
  const nodes: Node[] = reachable(simple.outputs, simple.inputs);
  const counter = counted(nodes, ['inputs']);
  planOf(simple).bytes.slice(0, 1);
  return counter.count / nodes.length;
}

describe('planning looks at each value a number of times that does not grow with the program', () => {
  const programs: Record<string, readonly [build: (length: number) => Graph, length: number]> = {
    'elementwise chains': [chain, 800],
    'gradients of chains': [chainGradient, 200],
    'chains of scalars': [scalarChain, 800],
    views: [views, 250],
    trees: [tree, 250],
    'halves of halves': [(length) => halving(Math.log2(length)), 64],
    'histories taken apart': [history, 75],
    'readers of one value': [wide, 75],
    'gradients of recurrences': [recurrence, 20],
    'Hessians of LSTM cells': [(length) => lstmHessian(length, 3, 1), 4],
  };
  for (const [name, [build, length]] of Object.entries(programs)) {
    it(name, () => {
      const [small, large] = [looks(build(length)), looks(build(4 * length))];
      expect(large).toBeLessThan(1.3 * small + 10);
    });
  }
});

/** Jobs that read a few of the last and a few of all buffers. */
function problem(length: number) {
  const next = random(length);
  const bytes = Array.from({ length }, () => 64 * (1 + Math.floor(next() * 8)));
  const jobs: Job[] = bytes.map((_, j) => {
    const recent = Math.max(0, j - 1 - Math.floor(next() * 12));
    const reads = j === 0 ? [] : [...new Set([recent, Math.floor(next() * j)])];
    return { reads, writes: [j], after: [], reuses: [] };
  });
  const read = new Set(jobs.flatMap((job) => job.reads));
  return { jobs, bytes, kept: bytes.map((_, b) => !read.has(b)) };
}

describe('the search for a schedule', () => {
  const ample = 1e12;
  const used = (length: number) => {
    const allowance: Allowance = { left: ample };
    schedule(problem(length), 'thorough', allowance);
    return (ample - allowance.left) / length;
  };

  it('tries a bounded number of continuations a job', () => {
    const [small, large] = [used(1500), used(6000)];
    expect(small).toBeGreaterThan(10);
    expect(large).toBeLessThan(1.5 * small);
  });

  it('looks at a few dozen of the jobs that could run, however many they are', () => {
    // Everybody can start at once, and is read by one of the other half.
    const used = (length: number) => {
      const bytes = Array.from({ length }, (_, b) => 64 * (1 + (b % 7)));
      const jobs: Job[] = bytes.map((_, j) => ({
        reads: 2 * j < length ? [] : [j - (length >> 1)],
        writes: [j],
        after: [],
        reuses: [],
      }));
      const allowance: Allowance = { left: ample };
      schedule({ jobs, bytes, kept: bytes.map((_, b) => 2 * b >= length) }, 'thorough', allowance);
      return (ample - allowance.left) / length;
    };
    expect(used(6000)).toBeLessThan(1.3 * used(1500));
  });

  it('goes on greedily when its allowance is used up, within a few dozen more a job, and still orders all jobs', () => {
    for (const left of [0, 1000, 20_000]) {
      const allowance: Allowance = { left };
      const made = problem(2000);
      const { order, peak } = schedule(made, 'thorough', allowance)!;
      expect(allowance.left).toBeGreaterThan(-100 * 2000);
      expect(order.toSorted((a, b) => a - b)).toEqual(made.jobs.map((_, j) => j));
      const again: Allowance = { left };
      expect(schedule(problem(2000), 'thorough', again)).toEqual({ order, peak });
      expect(again.left).toBe(allowance.left);
    }
  });

  it('finds no higher peak with more allowance, and a lower one than without', () => {
    const peaks = [0, 20_000, ample].map((left) => schedule(problem(300), 'thorough', { left })!.peak);
    expect(peaks[2]).toBeLessThan(peaks[0]);
    expect(peaks[2]).toBeLessThanOrEqual(peaks[1]);
  });
});

describe('an arena of very many blocks', () => {
  /** Most live for a moment, every eighth until the mirrored moment: the activations of a recurrence. */
  const blocks = (length: number): Block[] =>
    Array.from({ length }, (_, i) => {
      const end = i % 8 === 0 && 2 * i < length ? length - i : i + 1 + (i % 3);
      return { bytes: 64 * (1 + (i % 5)), start: i, end };
    });

  it('is laid out by looking at each a bounded number of times', () => {
    const looked = (length: number) => {
      const made = blocks(length);
      const counter = counted(made, ['bytes', 'start', 'end']);
      allocate(made);
      return counter.count / length;
    };
    expect(looked(40_000)).toBeLessThan(1.6 * looked(10_000));
  });

  it('keeps blocks that meet apart, and wastes little', () => {
    const next = random(11);
    // Of any size, most gone soon, some of them late.
    const varied = Array.from({ length: 12_000 }, (_, start) => ({
      bytes: 64 * (1 + Math.floor(next() * 20)),
      start,
      end: start + Math.floor(next() * (next() < 0.2 ? 600 : 6)),
    }));
    for (const made of [blocks(6000), varied]) {
      const { offsets, bytes } = allocate(made);
      let live: number[] = [];
      for (const [i, a] of made.entries()) {
        live = live.filter((j) => made[j].end >= a.start);
        for (const j of live) {
          const apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + made[j].bytes <= offsets[i];
          if (!apart) expect.fail(`blocks ${i} and ${j} share memory`);
        }
        live.push(i);
      }
      expect(offsets.every((offset, i) => offset % 64 === 0 && offset + made[i].bytes <= bytes)).toBe(true);
      expect(bytes).toBeLessThan(1.2 * liveBytes(made));
    }
  });
});
