import { isOp } from '../build.ts';
import { type Node, sizeOf } from '../node.ts';
import { mapOps } from '../ops/map-ops.ts';
import { MAX_MAP_OPS } from './format.ts';
import { isElementwise, isView, scalarCall, type ViewNode } from './kinds.ts';
import { topological } from './legalize.ts';
import { loweringOf } from './lowerings.ts';
import { baseOf, locate, type Stored } from './storage.ts';

/**
 * Chooses which elementwise results get memory. All others are computed inside the kernels that use them, so a choice here
 * changes speed and memory and never a value.
 */

const MOST_REPEATED_OPS = 4;
const MOST_REPETITIONS = 4;
const MOST_LARGE = 1;
/** Far more views than anybody stacks, and several times what one kernel can hold. */
const MOST_VIEWS = 64;
const MOST_DEPTH = 4 * MAX_MAP_OPS;

interface Use {
  readonly consumer: Node;
  readonly operand: number;
  readonly path: readonly ViewNode[];
}

export function chooseStored(outputs: readonly Node[], stored: Stored): void {
  const order = topological(outputs);
  boundRuns(order, stored, MOST_VIEWS, isView);
  for (const node of order) {
    for (const { operand, dtype, accept } of loweringOf(node)?.takes(node) ?? []) {
      const found = locate(operand, dtype, stored, accept);
      stored.add(found ? found.base : operand);
    }
  }

  const uses = collectUses(order, stored);
  const repetition = repetitionCosts(order, stored);
  /** The kernels that compute a value. */
  const kernels = new Map<Node, ReadonlySet<string>>();
  for (const node of order.toReversed()) {
    if (!isElementwise(node) || stored.has(node)) continue;
    const own = new Set<string>();
    let separate = false;
    const paths = new Set<string>();
    let computed = 0;
    for (const { consumer, operand, path } of uses.get(node) ?? []) {
      if (isElementwise(consumer) && !stored.has(consumer)) {
        for (const kernel of kernels.get(consumer)!) own.add(kernel);
      } else {
        own.add(isOp(consumer, 'concat') ? `${consumer.id} ${operand}` : `${consumer.id}`);
      }
      separate ||= path.some(repeats) || path.some(changesScalarness);
      const key = pathKey(path);
      if (!paths.has(key)) computed += sizeOf((path.at(-1) ?? node).shape);
      paths.add(key);
    }
    const cost = repetition.get(node)!;
    const repeatable = cost.ops <= MOST_REPEATED_OPS && cost.large.size <= MOST_LARGE;
    if (own.size > 1 && !(repeatable && own.size <= MOST_REPETITIONS)) separate = true;
    if (paths.size > 1 && computed > sizeOf(node.shape) && !repeatable) separate = true;
    if (separate) stored.add(node);
    else kernels.set(node, own);
  }
  boundRuns(order, stored, MOST_DEPTH, isElementwise);
}

/** Gives memory to a value wherever more than `most` of a kind would follow one another without, so that no step of planning looks further down than that. */
function boundRuns(order: readonly Node[], stored: Stored, most: number, isKind: (node: Node) => boolean): void {
  const runs = new Map<Node, number>();
  const runOf = (node: Node) => (stored.has(node) ? 0 : (runs.get(node) ?? 0));
  for (const node of order) {
    const below = node.inputs.reduce((longest, x) => Math.max(longest, runOf(x)), 0);
    const run = isKind(node) ? below + 1 : isView(node) ? below : 0;
    runs.set(node, run);
    if (run > most) stored.add(node);
  }
}

const repeats = (node: ViewNode): boolean =>
  isOp(node, 'broadcast') && sizeOf(node.shape) > sizeOf(node.inputs[0].shape);
/** Scalars are computed in f64 and tensors in f32, so they are not computed in one kernel. */
const changesScalarness = (node: ViewNode): boolean =>
  (node.shape.length === 0) !== (node.inputs[0].shape.length === 0);

/** Names what a chain of views does to the order of the elements; reshapes at its end do nothing. */
export function pathKey(path: readonly ViewNode[]): string {
  let end = path.length;
  while (end > 0 && isOp(path[end - 1], 'reshape')) end--;
  return path
    .slice(0, end)
    .map((node) => node.id)
    .join(' ');
}

function collectUses(order: readonly Node[], stored: Stored): Map<Node, Use[]> {
  const uses = new Map<Node, Use[]>();
  for (const consumer of order) {
    if (isView(consumer) && !stored.has(consumer)) continue;
    consumer.inputs.forEach((x, operand) => {
      const { base, path } = baseOf(x, stored);
      const whole = isView(consumer) ? [...path, consumer] : path;
      const list = uses.get(base);
      if (list) list.push({ consumer, operand, path: whole });
      else uses.set(base, [{ consumer, operand, path: whole }]);
    });
  }
  return uses;
}

interface Repetition {
  readonly ops: number;
  /** Arena values of about the result's size that must live on for a repetition to read them; beyond `MOST_LARGE` not all are named. */
  readonly large: ReadonlySet<Node>;
}

function repetitionCosts(order: readonly Node[], stored: Stored): Map<Node, Repetition> {
  const costs = new Map<Node, Repetition>();
  for (const node of order) {
    const call = scalarCall(node);
    if (call === undefined) continue;
    const { cheap } = mapOps[call.op];
    let ops = (typeof cheap === 'function' ? cheap(call.immediate) : cheap) ? 1 : Number.POSITIVE_INFINITY;
    const large = new Set<Node>();
    for (const x of node.inputs) {
      const { base } = baseOf(x, stored);
      const inner = stored.has(base) ? undefined : costs.get(base);
      if (inner && Number.isFinite(inner.ops)) {
        ops += inner.ops;
        for (const leaf of inner.large) if (large.size <= MOST_LARGE) large.add(leaf);
      } else if (!isOp(base, 'input') && !isOp(base, 'constant') && 4 * sizeOf(base.shape) >= sizeOf(node.shape)) {
        large.add(base);
      }
    }
    costs.set(node, { ops, large });
  }
  return costs;
}
