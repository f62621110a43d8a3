import { constant, isOp, originOf, remake } from './build.ts';
import type { Graph, Loop, Node } from './node.ts';
import { elementwiseRow, mapOps } from './ops/map-ops.ts';
import { algebra } from './rewrites/algebra.ts';
import { joinLoops } from './rewrites/join-loops.ts';
import { constantOf } from './rewrites/pattern.ts';
import { sharing } from './rewrites/sharing.ts';
import { structure } from './rewrites/structure.ts';
import { trimLoops } from './rewrites/trim-loops.ts';
import { reachable } from './transforms.ts';
import { withOrigin } from './where.ts';

/**
 * An equal graph with less in it: common subexpressions are shared, constants are folded, identities are applied, and what no output needs is gone.
 * Inputs and the shape and dtype of every output stay as they are. Deterministic; simplifying twice changes nothing more.
 *
 * Identities may reassociate products with constants, and take 0 · x for 0. What f32 holds as it is written, it holds as it is simplified; only of
 * products with factors that a batch shares is that true near the middle of its range alone (`rewrites/sharing.ts`).
 */
export function simplify(graph: Graph): Graph {
  const order = reachable(graph.outputs, graph.inputs);
  if (!order.some((node) => node.op === 'scan')) return canonicalized(graph, order);
  return canonicalized(trimLoops(canonicalized(joinLoops(graph)), simplify));
}

function canonicalized(graph: Graph, order = reachable(graph.outputs, graph.inputs)): Graph {
  const canonical = new Map<string, Node>();
  const known = new Set<Node>();
  const done = new Map<Node, Node>();

  /** The canonical node equal to a node whose operands are canonical, unless a rewrite says it in another way. */
  const settle = (node: Node): Node => {
    const key = keyOf(node);
    const same = canonical.get(key);
    if (same) return same;
    canonical.set(key, node);
    known.add(node);
    return node;
  };

  /**
   * The canonical node equal to `node`, whose operands have `canonicalInputs`. What a rewrite returns is canonical nodes with a few new ones on
   * top, which are rewritten in turn: for as long as it takes, so the stack is explicit.
   */
  const canonicalOf = (node: Node, canonicalInputs: Node[]): Node => {
    const stack = [{ node, inputs: canonicalInputs }];
    for (;;) {
      const top = stack[stack.length - 1];
      if (top.inputs.length < top.node.inputs.length) {
        const operand = top.node.inputs[top.inputs.length];
        if (known.has(operand)) top.inputs.push(operand);
        else stack.push({ node: operand, inputs: [] });
        continue;
      }
      const same = top.inputs.every((x, i) => x === top.node.inputs[i]);
      const made = same ? top.node : remake(top.node, top.inputs);
      const rewritten = made.op === 'input' ? undefined : rewrite(made);
      if (rewritten && !known.has(rewritten)) {
        stack[stack.length - 1] = { node: rewritten, inputs: [] };
        continue;
      }
      const result = rewritten ?? settle(made);
      stack.pop();
      if (stack.length === 0) return result;
      stack[stack.length - 1].inputs.push(result);
    }
  };

  for (const node of order) {
    const inputs = node.inputs.map((x) => done.get(x)!);
    done.set(
      node,
      withOrigin(originOf(node), () => canonicalOf(node, inputs)),
    );
  }
  return { inputs: graph.inputs, outputs: graph.outputs.map((node) => done.get(node)!) };
}

/** One identity applied to the root of an expression, or undefined where none fits. */
function rewrite(node: Node): Node | undefined {
  return foldConstants(node) ?? algebra(node) ?? sharing(node) ?? structure(node);
}

/** An elementwise operation on constants is a constant. */
function foldConstants(node: Node): Node | undefined {
  const row = elementwiseRow(node);
  if (!row) return undefined;
  const values = node.inputs.map(constantOf).filter((value) => value !== undefined);
  if (values.length < node.inputs.length) return undefined;
  const [value] = row.reference(
    node,
    values.map((x) => Float64Array.of(x)),
  );
  return constant(value, node.shape, node.dtype);
}

function commutes(node: Node): boolean {
  const call = elementwiseRow(node)?.lower(node);
  return call !== undefined && call !== 'operand' && mapOps[call.op].commutative;
}

/** Equal keys mean equal values. */
function keyOf(node: Node, numberOf: (node: Node) => number = (x) => x.id): string {
  const operands = node.inputs.map(numberOf);
  if (commutes(node)) operands.sort((a, b) => a - b);
  const value = constantOf(node);
  // JSON cannot tell infinities and NaN from null, nor −0 from 0.
  const attributes = isOp(node, 'scan')
    ? loopKey(node.attributes)
    : value === undefined
      ? JSON.stringify(node.attributes)
      : Object.is(value, -0)
        ? '-0'
        : String(value);
  const identity = node.op === 'input' ? node.id : '';
  return [node.op, identity, operands, attributes, node.shape.join('x'), node.dtype].join('|');
}

function loopKey({ body, length, reverse, constants, carries }: Loop): string {
  return [length, reverse, constants, carries, bodyKey(body)].join(' ');
}

const bodyKeys = new WeakMap<Graph, string>();

/** Equal keys mean that bodies compute the same: the keys of their nodes, by positions. */
function bodyKey(body: Graph): string {
  const known = bodyKeys.get(body);
  if (known !== undefined) return known;
  const numbers = new Map<Node, number>();
  const lines: string[] = [];
  for (const node of [...body.inputs, ...reachable(body.outputs, body.inputs)]) {
    if (numbers.has(node)) continue;
    const type = `${node.dtype} ${node.shape.join('x')}`;
    lines.push(node.op === 'input' ? type : keyOf(node, (x) => numbers.get(x)!));
    numbers.set(node, numbers.size);
  }
  const key = [...lines, body.outputs.map((x) => numbers.get(x))].join('; ');
  bodyKeys.set(body, key);
  return key;
}
