import { ZerothError } from '../errors.ts';
import { add, isOp, originOf, remake } from './build.ts';
import { expansionOf } from './expand.ts';
import type { Node } from './node.ts';
import type { Batched, MaybeZero, Transforms } from './ops/op.ts';
import { multiOpOf, opOf } from './ops/table.ts';
import { withOrigin } from './where.ts';

/**
 * The three transforms, node to node. Each takes nodes `from` which everything is seen as a function and walks what depends on them;
 * ids grow along edges, so nothing older than the oldest of `from` is ever visited.
 */

const transforms: Transforms = { pushForward, pullBack, batched };

/** What `outputs` are made of and depends on `from`, operands first. `from` itself is included where it is reachable. */
export function dependents(outputs: readonly Node[], from: readonly Node[]): Node[] {
  const oldest = from.reduce((least, node) => Math.min(least, node.id), Number.POSITIVE_INFINITY);
  const roots = new Set(from);
  const depends = new Map<Node, boolean>();
  const order: Node[] = [];
  // An explicit stack: graphs of unrolled recurrences are deeper than the call stack.
  const stack = [...outputs];
  while (stack.length > 0) {
    const node = stack[stack.length - 1];
    if (depends.has(node)) {
      stack.pop();
      continue;
    }
    if (node.id < oldest || roots.has(node)) {
      stack.pop();
      depends.set(node, roots.has(node));
      if (roots.has(node)) order.push(node);
      continue;
    }
    const pending = node.inputs.filter((x) => !depends.has(x));
    if (pending.length > 0) {
      for (const x of pending) stack.push(x);
      continue;
    }
    stack.pop();
    const yes = node.inputs.some((x) => depends.get(x));
    depends.set(node, yes);
    if (yes) order.push(node);
  }
  return order;
}

/** Tangents of `outputs` where `from[i]` moves along `tangents[i]` (undefined: not at all). */
export function pushForward(
  outputs: readonly Node[],
  from: readonly Node[],
  tangents: readonly MaybeZero[],
): MaybeZero[] {
  const tangentOf = new Map<Node, MaybeZero>(from.map((node, i) => [node, tangents[i]]));
  const ofResults = new Map<Node, readonly MaybeZero[]>();
  for (const node of dependents(outputs, from)) {
    if (tangentOf.has(node)) continue;
    if (isOp(node, 'result')) {
      tangentOf.set(node, ofResults.get(node.inputs[0])?.[node.attributes.index]);
      continue;
    }
    const incoming = node.inputs.map((x) => tangentOf.get(x));
    if (incoming.every((t) => t === undefined)) continue;
    withOrigin(originOf(node), () => {
      const several = multiOpOf(node);
      if (several) ofResults.set(node, several.jvp(node, incoming, transforms));
      else tangentOf.set(node, tangentThrough(node, incoming));
    });
  }
  return outputs.map((node) => tangentOf.get(node));
}

/** Cotangents of `from`, given those of `outputs`. */
export function pullBack(
  outputs: readonly Node[],
  from: readonly Node[],
  cotangents: readonly MaybeZero[],
): MaybeZero[] {
  const cotangentOf = new Map<Node, Node>();
  const ofResults = new Map<Node, MaybeZero[]>();
  const accumulate = (node: Node, cotangent: MaybeZero): void => {
    const sofar = cotangentOf.get(node);
    if (cotangent) cotangentOf.set(node, sofar ? add(sofar, cotangent) : cotangent);
  };
  const order = dependents(outputs, from);
  const active = new Set(order);
  const roots = new Set(from);
  outputs.forEach((node, i) => {
    accumulate(node, cotangents[i]);
  });
  for (const node of order.reverse()) {
    const cotangent = cotangentOf.get(node);
    const several = multiOpOf(node);
    if ((several ? ofResults.get(node) : cotangent) === undefined || roots.has(node)) continue;
    if (isOp(node, 'result')) {
      const list = ofResults.get(node.inputs[0]) ?? [];
      const sofar = list[node.attributes.index];
      list[node.attributes.index] = sofar ? add(sofar, cotangent!) : cotangent;
      ofResults.set(node.inputs[0], list);
      continue;
    }
    withOrigin(originOf(node), () => {
      const wanted = node.inputs.map((x) => active.has(x) && x.dtype === 'f32');
      const parts = several
        ? several.vjp(node, ofResults.get(node)!, wanted, transforms)
        : cotangentsThrough(node, cotangent!, wanted);
      node.inputs.forEach((x, i) => {
        if (wanted[i]) accumulate(x, parts[i]);
      });
    });
  }
  return from.map((node) => cotangentOf.get(node));
}

/**
 * `outputs` for `size` problems at once, where `from[i]` (the placeholder of one problem) stands for `batch[i]`, which has the batch as axis 0.
 * An output that does not depend on any of them comes back as it was, with `batched` false.
 */
export function batched(
  outputs: readonly Node[],
  from: readonly Node[],
  batch: readonly Node[],
  size: number,
): Batched[] {
  const batchOf = new Map<Node, Node>(from.map((node, i) => [node, batch[i]]));
  /** What is not batched after all: results of a loop that do not depend on what is. */
  const others = new Map<Node, Node>();
  const ofResults = new Map<Node, readonly Batched[]>();
  for (const node of dependents(outputs, from)) {
    if (batchOf.has(node)) continue;
    if (isOp(node, 'result')) {
      const result = ofResults.get(node.inputs[0])![node.attributes.index];
      (result.batched ? batchOf : others).set(node, result.node);
      continue;
    }
    const operands = node.inputs.map((x) => batchOf.get(x) ?? others.get(x) ?? x);
    const which = node.inputs.map((x) => batchOf.has(x));
    withOrigin(originOf(node), () => {
      const several = multiOpOf(node);
      if (several) ofResults.set(node, several.batch(node, operands, which, size, transforms));
      else if (which.includes(true)) batchOf.set(node, batchThrough(node, operands, which, size));
      else others.set(node, remake(node, operands));
    });
  }
  return outputs.map((node) => ({ node: batchOf.get(node) ?? others.get(node) ?? node, batched: batchOf.has(node) }));
}

// A composite's rules are those of its expansion, seen as a function of the composite's operands.

function tangentThrough(node: Node, tangents: readonly MaybeZero[]): MaybeZero {
  const expansion = expansionOf(node);
  return expansion ? pushForward([expansion], node.inputs, tangents)[0] : opOf(node).jvp(node, tangents);
}

function cotangentsThrough(node: Node, cotangent: Node, wanted: readonly boolean[]): readonly MaybeZero[] {
  const expansion = expansionOf(node);
  if (!expansion) return opOf(node).vjp(node, cotangent, wanted);
  // An operand that stands in two places has one cotangent, for both.
  const operands = [...new Set(node.inputs)];
  const found = pullBack([expansion], operands, [cotangent]);
  return node.inputs.map((x, i) => (node.inputs.indexOf(x) === i ? found[operands.indexOf(x)] : undefined));
}

function batchThrough(node: Node, operands: readonly Node[], which: readonly boolean[], size: number): Node {
  const expansion = expansionOf(node);
  if (!expansion) return opOf(node).batch(node, operands, which, size);
  const chosen = <T>(list: readonly T[]) => list.filter((_, i) => which[i]);
  return batched([expansion], chosen(node.inputs), chosen(operands), size)[0].node;
}

/** Every node that `outputs` need, operands first; refuses an input that is not among `inputs`. */
export function reachable(outputs: readonly Node[], inputs: readonly Node[]): Node[] {
  const known = new Set(inputs);
  const seen = new Set<Node>();
  const stack = [...outputs];
  while (stack.length > 0) {
    const node = stack.pop()!;
    if (seen.has(node)) continue;
    seen.add(node);
    for (const x of node.inputs) stack.push(x);
    if (node.op === 'input' && !known.has(node)) {
      const { name } = (node as Node<'input'>).attributes;
      throw new ZerothError(
        'ERR_ZEROTH_TRACE',
        `a result depends on ${name}, an argument of another traced function${node.where ? ` (made at ${node.where})` : ''}. Pass it in as an argument, and keep no tensors outside the function that received them.`,
      );
    }
  }
  return [...seen].sort((a, b) => a.id - b.id);
}
