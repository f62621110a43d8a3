import type { Block, MemoryPurpose, VectorSpace } from './space.ts';

/** The least that a basis is given, whatever its budget: vectors, and blocks. */
const LEAST_VECTORS = 12;
const LEAST_BLOCKS = 6;

/**
 * Memory for an orthonormal basis that grows by a block of `width` vectors at a time, and is cut back where it would outgrow its budget.
 * The vectors of a block follow one another, as operators take them.
 */
export class Basis<V> {
  /** The basis, in order. */
  vectors: V[] = [];
  readonly #space: VectorSpace<V>;
  readonly #width: number;
  readonly #purpose: MemoryPurpose;
  readonly #most: number;
  #used: Block<V>[] = [];
  #spare: Block<V>[] = [];

  /**
   * @param most blocks that will ever be wanted.
   * @param budget bytes; the least is 12 vectors, and 6 blocks, as far as the dimension allows.
   * @throws ERR_ZEROTH_MEMORY where there is not even room for the least.
   */
  constructor(space: VectorSpace<V>, width: number, most: number, budget: number, purpose: MemoryPurpose) {
    this.#space = space;
    this.#width = width;
    this.#purpose = purpose;
    const whole = Math.ceil(space.dimension / width) + 1;
    const least = Math.min(Math.max(Math.ceil(LEAST_VECTORS / width), LEAST_BLOCKS), whole, most);
    const within = Math.floor(budget / (4 * space.dimension * width));
    this.#most = Math.min(most, Math.max(least, within));
    space.require(least * width, purpose);
  }

  /** Blocks that fit. */
  get blocks(): number {
    return this.#most;
  }

  get full(): boolean {
    return this.#used.length >= this.#most;
  }

  /** The vectors of a fresh block. */
  open(): readonly V[] {
    const block = this.#spare.pop() ?? this.#space.allocate(this.#width, this.#purpose);
    this.#used.push(block);
    return block.vectors;
  }

  /** The first `blocks` blocks stay in use, and the last where it `waits`; the others are free. @returns the vectors of the first. */
  cut(blocks: number, { waits }: { waits: boolean }): V[] {
    const first = this.#used.slice(0, blocks);
    const rest = this.#used.slice(blocks);
    const last = waits ? rest.splice(-1) : [];
    this.#spare.push(...rest);
    this.#used = [...first, ...last];
    return first.flatMap((block) => block.vectors);
  }

  dispose(): void {
    for (const block of [...this.#used, ...this.#spare]) block.dispose();
    this.#used = [];
    this.#spare = [];
  }
}
