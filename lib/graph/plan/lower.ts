import { isOp } from '../build.ts';
import type { Node } from '../node.ts';
import { buildChain, type Chain, type Target } from './chain.ts';
import { Heap } from './heap.ts';
import type { BodyOf, Context, Step, Taken } from './lowering.ts';
import { loweringOf } from './lowerings.ts';
import { type Buffer, bufferFor, locate, type Place, type Stored } from './storage.ts';

export interface Lowered {
  readonly steps: readonly Step[];
  readonly bufferOf: (node: Node) => Buffer;
  /** One step that computes these stored elementwise values together; undefined where one kernel cannot. */
  readonly together: (nodes: readonly Node[]) => Step | undefined;
}

/** A part of the work of one stored value, made by itself. */
interface Unit {
  /** Of the value, in the order of nodes. */
  readonly position: number;
  readonly part: number;
  steps?: readonly Step[];
}

/** What making a unit found out. */
interface Findings {
  /** The first value that needs memory before there can be steps. */
  store?: Node;
  /** The stored values that are read. */
  readonly reads: Set<Node>;
  /** The values without memory that were looked through: a unit is made again when one of them gets some. */
  readonly through: Set<Node>;
}

/**
 * Turns the stored values that `outputs` need into steps, operands first. A value that turns out to need memory of its own is added to
 * `stored`, and what had looked through it is made again.
 * @param order every node, operands first.
 * @param inputs where the graph's inputs are.
 * @param bodyOf plans the body of a loop.
 */
export function lower(
  order: readonly Node[],
  outputs: readonly Node[],
  stored: Stored,
  inputs: ReadonlyMap<Node, Place>,
  bodyOf: BodyOf,
): Lowered {
  const buffers = new Map<Node, Buffer>();
  const bufferOf = (node: Node): Buffer => {
    let buffer = buffers.get(node);
    if (!buffer) {
      buffer = bufferFor(node);
      buffers.set(node, buffer);
    }
    return buffer;
  };
  const placeOf = (node: Node): Place => inputs.get(node) ?? { buffer: bufferOf(node), element: 0 };
  const results = new Map<Node, Map<number, Node>>();
  for (const node of order) {
    if (!isOp(node, 'result')) continue;
    const [loop] = node.inputs;
    const list = results.get(loop) ?? new Map<number, Node>();
    results.set(loop, list.set(node.attributes.index, node));
  }
  const resultsOf = (loop: Node) => new Map([...(results.get(loop) ?? [])].map(([i, node]) => [i, placeOf(node)]));
  const workshop = new Workshop(stored, placeOf, resultsOf, bodyOf);

  const positions = new Map(order.map((node, position) => [node, position]));
  /** By position, once a value is known to be needed. */
  const units = new Array<readonly Unit[] | undefined>(order.length);
  /** Positions whose units are not all made, the last one first: it decides what those before it have to provide. */
  const waiting = new Heap((a, b) => b - a);
  const lookedThrough = new Map<Node, Unit[]>();

  const need = (node: Node): void => {
    const position = positions.get(node)!;
    if (units[position]) return;
    const parts = loweringOf(node)?.parts?.(node) ?? 1;
    units[position] = Array.from({ length: parts }, (_, part) => ({ position, part }));
    waiting.push(position);
  };

  outputs.forEach(need);
  for (let position = waiting.pop(); position !== undefined; position = waiting.pop()) {
    for (const unit of units[position]!) {
      if (unit.steps) continue;
      const { steps, store, reads, through } = workshop.make(order[position], unit.part);
      if (store) {
        if (!stored.add(store)) throw new Error(`planning does not advance at ${store.op}`);
        for (const again of lookedThrough.get(store) ?? []) {
          again.steps = undefined;
          waiting.push(again.position);
        }
        lookedThrough.delete(store);
        waiting.push(position);
        break;
      }
      unit.steps = steps;
      for (const node of through) {
        const list = lookedThrough.get(node);
        if (list) list.push(unit);
        else lookedThrough.set(node, [unit]);
      }
      reads.forEach(need);
    }
  }
  return {
    steps: units.flatMap((list) => list?.flatMap(({ steps }) => steps!) ?? []),
    bufferOf,
    together: (nodes) => workshop.together(nodes),
  };
}

const NO_RESULTS: Context['results'] = new Map();
/** The memory of a loop's results. */
type ResultsOf = (loop: Node) => Context['results'];

/** Makes the steps of stored values from what is stored now. */
class Workshop {
  readonly #stored: Stored;
  readonly #placeOf: (node: Node) => Place;
  readonly #resultsOf: ResultsOf;
  readonly #bodyOf: BodyOf;

  constructor(stored: Stored, placeOf: (node: Node) => Place, resultsOf: ResultsOf, bodyOf: BodyOf) {
    this.#stored = stored;
    this.#placeOf = placeOf;
    this.#resultsOf = resultsOf;
    this.#bodyOf = bodyOf;
  }

  make(node: Node, part: number): Findings & { readonly steps: readonly Step[] } {
    const findings: Findings = { reads: new Set(), through: new Set() };
    const lowering = loweringOf(node);
    const steps = lowering
      ? lowering.steps(node, this.#context(node, findings), part)
      : this.#map([this.#ownTarget(node)], [], findings);
    return { ...findings, steps };
  }

  /** One kernel for several stored values. */
  together(nodes: readonly Node[]): Step | undefined {
    const findings: Findings = { reads: new Set(), through: new Set() };
    const [step] = this.#map(
      nodes.map((node) => this.#ownTarget(node)),
      [],
      findings,
    );
    return step;
  }

  #ownTarget(node: Node): Target {
    return { node, place: this.#placeOf(node), own: true };
  }

  #context(node: Node, findings: Findings): Context {
    return {
      destination: this.#placeOf(node),
      whole: (taken) => this.#whole(taken, findings),
      chain: (targets) => this.#chain(targets, findings),
      map: (targets, after = []) => this.#map(targets, after, findings),
      results: isOp(node, 'scan') ? this.#resultsOf(node) : NO_RESULTS,
      madeWith: (other) => findings.reads.add(other),
      bodyOf: this.#bodyOf,
    };
  }

  #whole<T>({ operand, dtype, accept }: Taken<T>, findings: Findings) {
    const found = locate(operand, dtype, this.#stored, accept);
    if (!found || !this.#stored.has(found.base)) {
      findings.store ??= found ? found.base : operand;
      return undefined;
    }
    findings.reads.add(found.base);
    for (const view of found.path) findings.through.add(view);
    const { buffer, element } = this.#placeOf(found.base);
    return { place: { buffer, element: element + found.element }, access: found.access };
  }

  #chain(targets: readonly Target[], findings: Findings): Chain | undefined {
    const result = buildChain(targets, this.#stored, this.#placeOf);
    if ('store' in result) {
      findings.store ??= result.store;
      return undefined;
    }
    for (const leaf of result.chain.leaves) findings.reads.add(leaf);
    for (const node of result.chain.computed) findings.through.add(node);
    return result.chain;
  }

  #map(targets: readonly Target[], after: readonly Step[], findings: Findings): Step[] {
    const made = this.#chain(targets, findings);
    if (!made) return [];
    const { dims, reads, ops, writes } = made;
    const roots = targets.filter(({ own }) => own).map(({ node }) => node);
    return [{ instruction: { kind: 'map', dims, reads, ops, writes }, after, roots }];
  }
}
