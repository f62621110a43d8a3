/**
 * Places blocks with known lifetimes in one arena: the best of several first-fit orders, then of orders that put first what ended up on top.
 * Where too many blocks meet for that, of two runs through time, one in each direction.
 */

export interface Block {
  readonly bytes: number;
  /** Both included. */
  readonly start: number;
  readonly end: number;
}

export interface Arena {
  /** Of each block, in bytes. */
  readonly offsets: readonly number[];
  readonly bytes: number;
}

const PROMOTIONS = 60;
/** Pairs of blocks that live at the same time: of a program that is placed in many orders, and of all orders together. */
const MOST_PAIRS = 200_000;
const MOST_WORK = 3_000_000;
/** Gaps that a run through time looks at before it takes new memory. */
const MOST_GAPS = 512;

/** Most bytes live at once: no arena is smaller. */
export function liveBytes(blocks: readonly Block[]): number {
  let live = 0;
  let most = 0;
  inTime(blocks, {
    begin: (i) => {
      live += blocks[i].bytes;
      most = Math.max(most, live);
    },
    end: (i) => {
      live -= blocks[i].bytes;
    },
  });
  return most;
}

/** @returns offsets, multiples of whatever all sizes are multiples of; blocks that live at the same time do not overlap. */
export function allocate(blocks: readonly Block[]): Arena {
  const meetings = meetingsOf(blocks);
  if (!meetings) {
    const reversed = blocks.map(({ bytes, start, end }) => ({ bytes, start: -end, end: -start }));
    const [forward, backward] = [throughTime(blocks), throughTime(reversed)];
    return backward.bytes < forward.bytes ? backward : forward;
  }
  const bound = liveBytes(blocks);
  const length = ({ start, end }: Block) => end - start + 1;
  const orders: ((a: Block, b: Block) => number)[] = [
    (a, b) => b.bytes - a.bytes || a.start - b.start,
    (a, b) => a.start - b.start || b.bytes - a.bytes,
    (a, b) => length(b) - length(a) || b.bytes - a.bytes,
    (a, b) => b.bytes * length(b) - a.bytes * length(a),
    (a, b) => a.end - b.end || b.bytes - a.bytes,
    (a, b) => b.end - a.end || b.bytes - a.bytes,
  ];
  const starts = orders.map((compare) =>
    blocks.map((_, i) => i).sort((i, j) => compare(blocks[i], blocks[j]) || i - j),
  );
  const attempts = starts.map((order) => ({ order, arena: firstFit(blocks, order, meetings.of) }));
  attempts.sort((a, b) => a.arena.bytes - b.arena.bytes);
  let best = attempts[0].arena;
  // Each order in its turn puts first what ended up on top, the most promising one first.
  let left = Math.floor(MOST_WORK / (blocks.length + meetings.pairs));
  for (const { order: start, arena } of attempts) {
    let order = start;
    let last = arena;
    for (let round = 0; round < PROMOTIONS && left > 0 && best.bytes > bound; round++, left--) {
      const top = order.find((i) => last.offsets[i] + blocks[i].bytes === last.bytes)!;
      order = [top, ...order.filter((i) => i !== top)];
      last = firstFit(blocks, order, meetings.of);
      if (last.bytes < best.bytes) best = last;
    }
  }
  return best;
}

/** Tells of every block when it begins and when it has ended, in time; an end comes before what begins at the next moment. */
function inTime(
  blocks: readonly Block[],
  { begin, end }: { begin: (i: number) => void; end: (i: number) => void },
): void {
  const byStart = blocks.map((_, i) => i).sort((a, b) => blocks[a].start - blocks[b].start || a - b);
  const byEnd = byStart.toSorted((a, b) => blocks[a].end - blocks[b].end || a - b);
  let ended = 0;
  for (const i of byStart) {
    while (blocks[byEnd[ended]].end < blocks[i].start) end(byEnd[ended++]);
    begin(i);
  }
}

/** For each block those that live at the same time as it; undefined where there are more than `MOST_PAIRS`. */
function meetingsOf(blocks: readonly Block[]): { of: readonly (readonly number[])[]; pairs: number } | undefined {
  const meetings: number[][] = blocks.map(() => []);
  const live = new Set<number>();
  let pairs = 0;
  inTime(blocks, {
    begin: (i) => {
      pairs += live.size;
      if (pairs <= MOST_PAIRS) {
        for (const j of live) {
          meetings[i].push(j);
          meetings[j].push(i);
        }
      }
      live.add(i);
    },
    end: (i) => live.delete(i),
  });
  return pairs <= MOST_PAIRS ? { of: meetings, pairs } : undefined;
}

function firstFit(blocks: readonly Block[], order: readonly number[], meetings: readonly (readonly number[])[]): Arena {
  const offsets = new Array<number>(blocks.length).fill(-1);
  let total = 0;
  for (const i of order) {
    const bytes = blocks[i].bytes;
    const others = meetings[i].filter((j) => offsets[j] >= 0).sort((j, k) => offsets[j] - offsets[k]);
    let offset = 0;
    for (const j of others) {
      if (offset + bytes <= offsets[j]) break;
      offset = Math.max(offset, offsets[j] + blocks[j].bytes);
    }
    offsets[i] = offset;
    total = Math.max(total, offset + bytes);
  }
  return { offsets, bytes: total };
}

/** Each block when it begins, in the lowest gap that holds it. */
function throughTime(blocks: readonly Block[]): Arena {
  const offsets = new Array<number>(blocks.length).fill(0);
  /** Free memory below `top`, by offset; no two gaps touch, and none touches `top`. */
  const gaps: { offset: number; bytes: number }[] = [];
  let top = 0;
  let total = 0;
  inTime(blocks, {
    begin: (i) => {
      const bytes = blocks[i].bytes;
      let at = 0;
      while (at < gaps.length && at < MOST_GAPS && gaps[at].bytes < bytes) at++;
      if (at === gaps.length || at === MOST_GAPS) {
        offsets[i] = top;
        top += bytes;
        total = Math.max(total, top);
      } else {
        offsets[i] = gaps[at].offset;
        if (gaps[at].bytes === bytes) gaps.splice(at, 1);
        else gaps[at] = { offset: gaps[at].offset + bytes, bytes: gaps[at].bytes - bytes };
      }
    },
    end: (i) => {
      let [offset, bytes] = [offsets[i], blocks[i].bytes];
      let at = firstAbove(gaps, offset);
      if (at < gaps.length && offset + bytes === gaps[at].offset) bytes += gaps.splice(at, 1)[0].bytes;
      if (at > 0 && gaps[at - 1].offset + gaps[at - 1].bytes === offset) {
        const [before] = gaps.splice(--at, 1);
        offset = before.offset;
        bytes += before.bytes;
      }
      if (offset + bytes === top) top = offset;
      else gaps.splice(at, 0, { offset, bytes });
    },
  });
  return { offsets, bytes: total };
}

function firstAbove(gaps: readonly { readonly offset: number }[], offset: number): number {
  let [low, high] = [0, gaps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (gaps[middle].offset > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}
