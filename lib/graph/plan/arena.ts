/** Places blocks with known lifetimes in one arena: best of several first-fit orders, then of orders that put first what ended up on top. */

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

const ALIGNMENT = 64;
const PROMOTIONS = 60;
const roundUp = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** Most bytes live at once: no arena is smaller. */
export function liveBytes(blocks: readonly Block[]): number {
  const starts = new Set(blocks.map((block) => block.start));
  let most = 0;
  for (const at of starts) {
    let live = 0;
    for (const { start, end, bytes } of blocks) if (start <= at && at <= end) live += roundUp(bytes);
    most = Math.max(most, live);
  }
  return most;
}

/** @returns offsets, multiples of 64 bytes; blocks that live at the same time do not overlap. */
export function allocate(blocks: readonly Block[]): Arena {
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
  const indices = blocks.map((_, i) => i);
  let best: { arena: Arena; order: readonly number[] } | undefined;
  const attempt = (order: readonly number[]): Arena => {
    const arena = firstFit(blocks, order);
    if (!best || arena.bytes < best.arena.bytes) best = { arena, order };
    return arena;
  };
  for (const compare of orders) attempt(indices.toSorted((i, j) => compare(blocks[i], blocks[j]) || i - j));
  let order = best!.order;
  for (let round = 0; round < PROMOTIONS && best!.arena.bytes > bound; round++) {
    const { offsets, bytes } = attempt(order);
    const top = order.find((i) => offsets[i] + roundUp(blocks[i].bytes) === bytes)!;
    order = [top, ...order.filter((i) => i !== top)];
  }
  return best!.arena;
}

function firstFit(blocks: readonly Block[], order: readonly number[]): Arena {
  const offsets = new Array<number>(blocks.length).fill(0);
  const placed: number[] = [];
  let total = 0;
  for (const i of order) {
    const { start, end } = blocks[i];
    const bytes = roundUp(blocks[i].bytes);
    const others = placed
      .filter((j) => blocks[j].start <= end && start <= blocks[j].end)
      .sort((j, k) => offsets[j] - offsets[k]);
    let offset = 0;
    for (const j of others) {
      if (offset + bytes <= offsets[j]) break;
      offset = Math.max(offset, offsets[j] + roundUp(blocks[j].bytes));
    }
    offsets[i] = offset;
    placed.push(i);
    total = Math.max(total, offset + bytes);
  }
  return { offsets, bytes: total };
}
